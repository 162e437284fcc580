/**
 * What the door can do where there is no Redis: whole values, with a life and a condition. Each command becomes one or
 * several of the core's, which the engine in this process carries out as they come, so they keep their order by themselves.
 * Only the near cache could be behind:
 *
 *   1. SET k v2   has changed k in the engine; the near cache is told when that is known here, a moment later
 *   2. GET k      in the same packet would hit v1. While a change of k is under way it is read past the near cache
 */
import type { Command, Key, Reply, WriteCommand } from '../../core/command';
import { toCacheError } from '../../core/errors';
import type { Principal } from '../../core/grants';
import type { Protocol, Words } from '../../core/ports';
import { permit } from '../../core/relay';
import { CommandOrder } from './command-order';
import type { CommandSpec } from './command-spec';
import { encodeInteger, encodeNull, REPLY } from './encoder';
import { errorReply, needsRedisReply } from './errors';
import { checkKeyBytes } from './key-bytes';
import { keysOf } from './key-rules';
import { Refusal, replyToThrown } from './refusal';
import { parseLife, parseSetOptions, type SetOptions } from './set-options';
import type { SessionState } from './session-state';
import { encodeRead, encodeReads } from './value-commands';
import { WorkPlace } from './work-place';

/** The reply of the door, of those of the core. */
type Read = (replies: readonly Reply[]) => Buffer;

const PLAIN: SetOptions = { ttlMs: undefined, condition: undefined };

export class MemoryCommands {
  readonly #state: SessionState;
  readonly #place: WorkPlace;
  readonly #order = new CommandOrder();

  constructor(state: SessionState) {
    this.#state = state;
    this.#place = new WorkPlace(state.deps.places);
  }

  /** @throws CacheError, Refusal */
  perform(principal: Principal, spec: CommandSpec, words: Words): void {
    if (!NAMES.has(spec.name)) throw new Refusal(needsRedisReply(spec.name));
    const keys = this.#keysOf(spec, words);
    // All of them before anything is done; the core checks each of its commands once more.
    permit(principal, { scopes: spec.scopes, keys, isUnbounded: false });
    const { protocol } = this.#state;
    switch (spec.name) {
      case 'get':
        this.#execute(principal, keys, this.#reads(keys), ([reply]) =>
          reply === undefined ? encodeNull(protocol) : encodeRead(reply, protocol),
        );
        break;
      case 'mget':
        this.#execute(principal, keys, this.#reads(keys), (replies) => encodeReads(replies, protocol));
        break;
      case 'exists':
        this.#execute(principal, keys, this.#reads(keys), count);
        break;
      case 'del':
      case 'unlink':
        this.#execute(
          principal,
          keys,
          keys.map((key): Command => ({ command: 'DELETE', key, ack: 0 })),
          count,
        );
        break;
      default:
        this.#write(principal, spec, keys, words);
    }
  }

  #write(principal: Principal, spec: CommandSpec, keys: readonly Key[], words: Words): void {
    const { protocol, deps } = this.#state;
    const isSetnx = spec.name === 'setnx';
    let options = PLAIN;
    if (spec.name === 'set') {
      const parsed = parseSetOptions(words, deps.clock.wallMs());
      if (parsed === undefined) throw new Refusal(needsRedisReply('set with GET or KEEPTTL'));
      options = parsed;
    } else if (spec.name === 'setex' || spec.name === 'psetex') {
      const unitMs = spec.name === 'setex' ? 1000 : 1;
      options = { ttlMs: parseLife(words[2], unitMs, undefined, spec.name), condition: undefined };
    } else if (isSetnx) options = { ttlMs: undefined, condition: 'NX' };
    // Behind the first key stands a life in some, and behind each key of MSET its value.
    const valueAt = words.length === 4 && spec.name.endsWith('setex') ? 3 : 2;
    const writes = keys.map((key, at) => writeOf(key, words[valueAt + 2 * at], options));
    this.#execute(principal, keys, writes, isSetnx ? count : (replies) => encodeWrites(replies, protocol));
  }

  #keysOf(spec: CommandSpec, words: Words): readonly Key[] {
    const { keyBytesMax } = this.#state.deps.limits;
    const keys = keysOf(spec, words);
    checkKeyBytes(keys, keyBytesMax);
    return keys;
  }

  #reads(keys: readonly Key[]): Command[] {
    return keys.map((key) => ({
      command: 'READ',
      key,
      consistency: this.#order.isChanging(key) ? 'strong' : 'eventual',
    }));
  }

  #execute(principal: Principal, keys: readonly Key[], commands: readonly Command[], read: Read): void {
    const { replies, deps } = this.#state;
    const { cache, clock, limits } = deps;
    this.#place.begin();
    const deadlineMs = clock.now() + limits.requestTimeoutMs;
    const answers = commands.map((command) => attempt(() => cache.execute(principal, command, deadlineMs)));
    if (!answers.some((answer) => answer instanceof Promise)) {
      this.#place.end();
      replies.write(read(answers as Reply[]));
      return;
    }
    const line = replies.take();
    const isChange = commands.some(({ command }) => command !== 'READ');
    if (isChange) this.#order.beginChange(keys);
    void Promise.all(answers.map((answer) => Promise.resolve(answer)))
      .then(read)
      .catch(replyToThrown)
      .then((reply) => {
        if (isChange) this.#order.endChange(keys);
        this.#place.end();
        line.settle(reply);
      });
  }
}

/** What is thrown is kept for when the others are there, which are under way. */
function attempt(execute: () => Reply | Promise<Reply>): Reply | Promise<Reply> {
  try {
    return execute();
  } catch (thrown) {
    return Promise.reject(toCacheError(thrown));
  }
}

const NAMES: ReadonlySet<string> = new Set([
  ...['get', 'mget', 'set', 'setex', 'psetex', 'setnx', 'mset', 'del', 'unlink', 'exists'],
]);

function writeOf(key: Key, value: Buffer | undefined, options: SetOptions): WriteCommand {
  return { command: 'WRITE', key, value: value ?? '', ...options, encrypt: undefined, ack: 0 };
}

/** How many of them found, stored or deleted something. */
function count(replies: readonly Reply[]): Buffer {
  for (const reply of replies) if (reply.status === 'ERROR') return errorReply(reply.error);
  return encodeInteger(replies.filter(({ status }) => status === 'SUCCESS').length);
}

function encodeWrites(replies: readonly Reply[], protocol: Protocol): Buffer {
  for (const reply of replies) if (reply.status === 'ERROR') return errorReply(reply.error);
  return replies.every(({ status }) => status === 'SUCCESS') ? REPLY.ok : encodeNull(protocol);
}
