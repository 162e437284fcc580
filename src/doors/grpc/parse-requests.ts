/** Requests to commands, by the rules that every door has (`core/command-fields.ts`). */
import { checkNumbers } from '../../core/check-numbers';
import { checkStructure, type JsonTally } from '../../core/check-structure';
import type { Ack, Command, Consistency, Key, Value } from '../../core/command';
import { parseKey, parseTextValue, parseValue, TTL_SECONDS_MAX, ttlMsOf } from '../../core/command-fields';
import { CacheError } from '../../core/errors';
import type { Limits } from '../../core/limits';
import { textOrBytes } from '../../core/value';
import { WATCH_KEYS_MAX } from '../../core/watches';
import type {
  BatchRequest,
  CommandMessage,
  DeleteRequest,
  GetRequest,
  SetRequest,
  ValueMessage,
  WatchRequest,
} from './messages';

/** Each function throws CacheError `bad_request`, `too_large`. */
export class RequestParser {
  constructor(
    readonly limits: Limits,
    readonly encryptionConfigured: boolean,
  ) {}

  parseGet({ key, consistency }: GetRequest): Command {
    return { command: 'READ', key: parseKey(key, this.limits), consistency: parseConsistency(consistency) };
  }

  parseSet({ key, value, ttl, condition, encrypt, ack }: SetRequest, json = noJson()): Command {
    if (encrypt === true && !this.encryptionConfigured) {
      throw new CacheError('bad_request', '"encrypt" is true, but this deployment has no encryption keys.');
    }
    return {
      command: 'WRITE',
      key: parseKey(key, this.limits),
      value: this.#parseValue(value, json),
      ttlMs: ttl === undefined ? undefined : parseTtlMs(ttl),
      condition: parseCondition(condition),
      encrypt,
      ack: parseAck(ack),
    };
  }

  parseDelete({ key, ack }: DeleteRequest): Command {
    return { command: 'DELETE', key: parseKey(key, this.limits), ack: parseAck(ack) };
  }

  /** One that is malformed is a fault of the whole; the message says at which index. */
  parseBatch({ commands }: BatchRequest): readonly Command[] {
    const { batchMax } = this.limits;
    if (commands.length === 0) throw new CacheError('bad_request', 'A batch needs at least one command.');
    if (commands.length > batchMax) {
      throw new CacheError('too_large', `A batch has at most ${batchMax} commands.`);
    }
    // One message can have as much JSON as one body of HTTP, in however many pieces.
    const json = noJson();
    return commands.map((message, index) => {
      try {
        return this.#parseOne(message, json);
      } catch (thrown) {
        if (!(thrown instanceof CacheError)) throw thrown;
        throw new CacheError(thrown.code, `Command [${index}]: ${thrown.message}`);
      }
    });
  }

  parseWatch({ keys }: WatchRequest): readonly Key[] {
    if (keys.length === 0) throw new CacheError('bad_request', '"keys" must name at least one key.');
    if (keys.length > WATCH_KEYS_MAX) {
      throw new CacheError('too_large', `A watch has at most ${WATCH_KEYS_MAX} keys.`);
    }
    return [...new Set(keys.map((key) => parseKey(key, this.limits)))];
  }

  #parseOne(message: CommandMessage, json: JsonTally): Command {
    if (message.get !== undefined) return this.parseGet(message.get);
    if (message.set !== undefined) return this.parseSet(message.set, json);
    if (message.delete !== undefined) return this.parseDelete(message.delete);
    throw new CacheError('bad_request', 'One of "get", "set" and "delete" is needed.');
  }

  #parseValue(message: ValueMessage | null, json: JsonTally): Value {
    if (message?.text !== undefined) return parseTextValue(message.text, this.limits);
    if (message?.data !== undefined) return this.#parseBytes(message.data);
    if (message?.json !== undefined) return this.#parseJson(message.json, json);
    throw new CacheError('bad_request', '"value" is needed, with one of "text", "data" and "json".');
  }

  #parseBytes(data: Buffer): Value {
    const { valueBytesMax } = this.limits;
    if (data.length > valueBytesMax) {
      throw new CacheError('too_large', `"value" is longer than ${valueBytesMax} bytes.`);
    }
    const value = textOrBytes(data);
    // A copy: these are a window into the whole message, which would be kept as long as the value.
    return value === data ? Buffer.from(data) : value;
  }

  #parseJson(text: string, json: JsonTally): Value {
    // Whatever is shorter when it is written anew: nobody sends a value as twice its size by chance.
    parseTextValue(text, this.limits);
    checkStructure(text, this.limits.depthMax, json);
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      // The parser's own message quotes the value.
      throw new CacheError('bad_request', '"json" is not valid JSON.');
    }
    checkNumbers(text);
    return parseValue(value, this.limits);
  }
}

function noJson(): JsonTally {
  return { length: 0, parts: 0 };
}

function parseConsistency(text: string | number): Consistency {
  switch (text) {
    case 'CONSISTENCY_UNSPECIFIED':
    case 'EVENTUAL':
      return 'eventual';
    case 'SESSION':
      return 'session';
    case 'STRONG':
      return 'strong';
    default:
      throw new CacheError('bad_request', '"consistency" must be one of [EVENTUAL, SESSION, STRONG].');
  }
}

function parseCondition(text: string | number): 'NX' | 'XX' | undefined {
  switch (text) {
    case 'CONDITION_UNSPECIFIED':
      return undefined;
    case 'NX':
    case 'XX':
      return text;
    default:
      throw new CacheError('bad_request', '"condition" must be one of [NX, XX].');
  }
}

function parseAck(ack: number): Ack {
  if (ack === 0 || ack === 1 || ack === 2) return ack;
  throw new CacheError('bad_request', '"ack" must be one of [0, 1, 2].');
}

function parseTtlMs(seconds: number): number {
  // The first comparison is false for NaN.
  if (seconds >= 0 && seconds <= TTL_SECONDS_MAX) return ttlMsOf(seconds);
  throw new CacheError('bad_request', `"ttl" must be a number from 0 to ${TTL_SECONDS_MAX}.`);
}
