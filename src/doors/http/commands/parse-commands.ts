/**
 * The body of `POST /cache` to commands. The rules are joi's (`command-schemas.ts`). Because joi on
 * each body costs 15 % of the throughput, the plainest commands take a short way: a hand check that accepts only
 * what joi accepts, makes the same of it, and leaves everything else to joi. A fuzz test holds the two ways against
 * each other.
 */
import { type Command, Json } from '../../../core/command';
import { CacheError } from '../../../core/errors';
import type { Limits } from '../../../core/limits';
import { parseJson } from '../read-body';
import { checkNumbers } from '../../../core/check-numbers';
import { checkStructure } from '../../../core/check-structure';
import { parseKey, parseTextValue, TTL_SECONDS_MAX, ttlMsOf } from '../../../core/command-fields';
import { checkFields, type CommandSchemas, createCommandSchemas } from './command-schemas';

/** One command, and whether its caller speaks of the value as base64: the reply then does too. */
export interface ParsedCommand {
  readonly command: Command;
  readonly base64: boolean;
}

/** What one body asks for. An array of one command is a batch and gets an array back. */
export interface ParsedBody {
  readonly isBatch: boolean;
  readonly commands: readonly [ParsedCommand, ...ParsedCommand[]];
}

/** A value lies in its command's object, and that in the array of a batch. */
const DEPTH_OF_COMMANDS = 2;

/** The body of nearly all READs, as programs write it, with a key in which nothing is escaped: not even a parser is needed. */
const PLAIN_READ = /^\{"command": ?"READ", ?"key": ?"([ !#-[\]-~]+)"\}$/;

type JsonObject = Readonly<Record<string, unknown>>;

export class CommandParser {
  readonly #schemas: CommandSchemas;

  /** `hasShortWay: false` sends everything through joi, for the test that compares. */
  constructor(
    readonly limits: Limits,
    encryptionConfigured: boolean,
    readonly hasShortWay = true,
  ) {
    this.#schemas = createCommandSchemas(limits, encryptionConfigured);
  }

  /** @throws CacheError `bad_request`, `too_large`; in a batch the message says at which index. */
  parse(text: string): ParsedBody {
    const key = this.hasShortWay ? PLAIN_READ.exec(text)?.[1] : undefined;
    if (key !== undefined) return { isBatch: false, commands: [this.#plainRead(key)] };
    checkStructure(text, this.limits.depthMax + DEPTH_OF_COMMANDS);
    const body = parseJson(text);
    const parsed: ParsedBody = Array.isArray(body)
      ? { isBatch: true, commands: this.#parseBatch(body) }
      : { isBatch: false, commands: [this.#parseOne(body)] };
    // Strings and base64 hold no numbers; where a value is anything else, there may be one.
    if (parsed.commands.some(writesJson)) checkNumbers(text);
    return parsed;
  }

  #parseBatch(bodies: readonly unknown[]): ParsedBody['commands'] {
    const { batchMax } = this.limits;
    if (bodies.length > batchMax)
      throw new CacheError('too_large', `A batch has at most ${batchMax} commands.`);
    const [first, ...others] = bodies.map((body, index) => {
      try {
        return this.#parseOne(body);
      } catch (thrown) {
        if (!(thrown instanceof CacheError)) throw thrown;
        throw new CacheError(thrown.code, `Command [${index}]: ${thrown.message}`);
      }
    });
    if (first === undefined) throw new CacheError('bad_request', 'A batch needs at least one command.');
    return [first, ...others];
  }

  #parseOne(body: unknown): ParsedCommand {
    if (typeof body !== 'object' || body === null || Array.isArray(body)) {
      throw new CacheError('bad_request', 'A command is a JSON object.');
    }
    const object = body as JsonObject;
    return (this.hasShortWay ? this.#parsePlain(object) : undefined) ?? this.#parseAny(object);
  }

  /** The short way: undefined where a look at the schema is needed. */
  #parsePlain(object: JsonObject): ParsedCommand | undefined {
    const { command, key, value, ttl } = object;
    if (typeof key !== 'string' || key === '') return undefined;
    // With this many fields, all of them known to be there, there is no other.
    const fieldCount = Object.keys(object).length;
    if (command === 'READ' && fieldCount === 2) {
      return this.#plainRead(key);
    }
    if (command === 'DELETE' && fieldCount === 2) {
      return plain({ command, key: parseKey(key, this.limits), ack: 0 });
    }
    if (command !== 'WRITE' || typeof value !== 'string') return undefined;
    const hasTtl = typeof ttl === 'number' && ttl >= 0 && ttl <= TTL_SECONDS_MAX;
    if (fieldCount !== (hasTtl ? 4 : 3)) return undefined;
    return plain({
      command,
      key: parseKey(key, this.limits),
      value: parseTextValue(value, this.limits),
      ttlMs: hasTtl ? ttlMsOf(ttl) : undefined,
      condition: undefined,
      encrypt: undefined,
      ack: 0,
    });
  }

  #plainRead(key: string): ParsedCommand {
    return plain({ command: 'READ', key: parseKey(key, this.limits), consistency: 'eventual' });
  }

  #parseAny(object: JsonObject): ParsedCommand {
    switch (nameOf(object)) {
      case 'READ': {
        const { key, encoding, consistency = 'eventual' } = checkFields(this.#schemas.READ, object);
        return { command: { command: 'READ', key, consistency }, base64: encoding === 'base64' };
      }
      case 'WRITE': {
        const fields = checkFields(this.#schemas.WRITE, object);
        const value = fields.value ?? fields.value_base64;
        if (value === undefined) throw new CacheError('bad_request', '"value" or "value_base64" is needed.');
        const ttl = fields.ttl ?? fields.expire;
        const command: Command = {
          command: 'WRITE',
          key: fields.key,
          value,
          ttlMs: ttl === undefined ? undefined : ttlMsOf(ttl),
          condition: fields.condition,
          encrypt: fields.encrypt,
          ack: fields.ack ?? 0,
        };
        return { command, base64: 'value_base64' in object };
      }
      case 'DELETE': {
        const { key, ack = 0 } = checkFields(this.#schemas.DELETE, object);
        return { command: { command: 'DELETE', key, ack }, base64: false };
      }
    }
  }
}

function plain(command: Command): ParsedCommand {
  return { command, base64: false };
}

/** Which command an object is; one that has a key and a value need not say that it is a WRITE. */
function nameOf(object: JsonObject): Command['command'] {
  const { command } = object;
  if (command === 'READ' || command === 'WRITE' || command === 'DELETE') return command;
  if (command !== undefined) throw new CacheError('bad_request', '"command" must be READ, WRITE or DELETE.');
  if ('key' in object && ('value' in object || 'value_base64' in object)) return 'WRITE';
  throw new CacheError('bad_request', '"command" is needed: READ, WRITE or DELETE.');
}

function writesJson({ command }: ParsedCommand): boolean {
  return command.command === 'WRITE' && command.value instanceof Json;
}
