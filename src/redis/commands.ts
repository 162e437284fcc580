/**
 * The commands that the engines send to a node, as data for `RedisNode.run`: what is sent, and what the answer means.
 */
import type { Redis } from 'ioredis';
import type { Key } from '../core/command';
import { CacheError, nonsense } from '../core/errors';
import { keyArgument } from '../core/key';
import type { Expected, WriteOptions } from '../core/ports';
import { parseReplication, type Replication } from './replication';

type Words = [string, ...(string | number | Buffer)[]];

/**
 * One command that has one reply, as words: `RedisNode` spells it itself. Text in it is of one byte a character, as keys
 * are.
 */
export interface SingleCommand<T> {
  readonly words: Readonly<Words>;
  /** The meaning of the reply, in which text is bytes. What it throws is what became of the command. */
  readonly parse: (reply: unknown) => T;
}

/**
 * Sends several commands that belong together on a connected client: what is one command is a `SingleCommand`. What goes
 * wrong rejects; it never throws.
 */
export type RedisCommand<T> = (client: Redis) => Promise<T>;

export type NodeCommand<T> = SingleCommand<T> | RedisCommand<T>;

/** The command as a function, for whatever client. */
export function asSender<T>(command: NodeCommand<T>): RedisCommand<T> {
  if (typeof command === 'function') return command;
  return async (client) => {
    const [name, ...args] = command.words;
    return command.parse(await client.callBuffer(name, ...forClient(args)));
  };
}

/** Words for ioredis, which writes text as UTF-8. */
function forClient(words: readonly Words[number][]): Words[number][] {
  return words.map((word) => (typeof word === 'string' ? keyArgument(word) : word));
}

/**
 * The value's bytes, or none: then it is empty or absent, and `getEmptyOrAbsent` tells which. At most `bytesMax` of them:
 * others can store half a gigabyte under a key, and one GET of that would cost every caller of this process more than
 * the one who asked. @throws CacheError `too_large`
 */
export function getBytes(key: Key, bytesMax: number): SingleCommand<Buffer> {
  // GETRANGE counts from 0 and includes its end, so it is asked for one byte more than may come.
  return {
    words: ['GETRANGE', key, 0, bytesMax],
    parse: (reply) => checkedSize(reply, bytesMax),
  };
}

/**
 * GETRANGE gives nothing for an absent key and for an empty value alike; only GET tells which (null: absent), in one step.
 * If a value has come in between, it is that. @throws CacheError `too_large`
 */
export function getEmptyOrAbsent(key: Key, bytesMax: number): SingleCommand<Buffer | null> {
  return {
    words: ['GET', key],
    parse: (reply) => (reply === null ? null : checkedSize(reply, bytesMax)),
  };
}

/** The value of a key whose slot is on its way to the node; null: absent. @throws CacheError `too_large` */
export function getAsking(key: Key, bytesMax: number): RedisCommand<Buffer | null> {
  return async (client) => {
    const bytes = await asking(getBytes(key, bytesMax))(client);
    return bytes.length > 0 ? bytes : asking(getEmptyOrAbsent(key, bytesMax))(client);
  };
}

function checkedSize(bytes: unknown, bytesMax: number): Buffer {
  if (!Buffer.isBuffer(bytes)) throw nonsense();
  if (bytes.length > bytesMax)
    throw new CacheError('too_large', 'What is stored under this key is too large.');
  return bytes;
}

/**
 * The command as a node takes it to which the slot is still on its way. It must be one that sends one command, at
 * once: ASKING holds for the next command on the connection and no further.
 */
export function asking<T>(command: NodeCommand<T>): RedisCommand<T> {
  const send = asSender(command);
  return (client) => {
    // Where it fails the command behind it fails as well, and that is heard.
    client.asking().catch(() => undefined);
    return send(client);
  };
}

/** Remaining life in ms; Infinity: no expiry; undefined: absent. */
export function getLife(key: Key): SingleCommand<number | undefined> {
  return { words: ['PTTL', key], parse: lifeOf };
}

/** PTTL's answer: −1 is no expiry, −2 no key. */
function lifeOf(pttl: unknown): number | undefined {
  if (typeof pttl !== 'number') throw nonsense();
  if (pttl === -1) return Infinity;
  return pttl < 0 ? undefined : pttl;
}

/** A command that changes a key, so that it can be sent alone or as a part of a transaction. */
export interface RedisChange<T> extends SingleCommand<T> {
  readonly key: Key;
}

/**
 * The change and, as one step, the announcement of its key on `channel`: nobody sees the one without the other, and
 * replicas carry both out together. @throws what the change itself met, as Redis said it
 */
export function sendAnnouncedChange<T>(change: RedisChange<T>, channel: string): RedisCommand<T> {
  const [name, ...args] = change.words;
  return async (client) => {
    const settled = await Promise.allSettled([
      client.call('MULTI'),
      client.call(name, ...forClient(args)),
      client.call('PUBLISH', ...forClient([channel, change.key])),
      client.callBuffer('EXEC'),
    ]);
    const [begun, made] = settled;
    if (begun.status === 'rejected' && made.status === 'fulfilled') {
      throw new CacheError(
        'unavailable',
        'The shard of this key takes no transactions. The change may stand.',
        {
          cause: begun.reason,
        },
      );
    }
    // What is refused while it is queued (out of memory, demoted) says so itself; EXEC only says that it was.
    for (const outcome of settled) if (outcome.status === 'rejected') throw outcome.reason;
    const [reply] = (settled[3] as PromiseFulfilledResult<unknown>).value as readonly unknown[];
    if (reply instanceof Error) throw reply;
    return change.parse(reply);
  };
}

/**
 * Compare and set on the stored bytes. Redis copies them into Lua and back: 1 MiB takes milliseconds, for everybody.
 */
const SET_EXPECTED_SCRIPT = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], unpack(ARGV, 2))
return 1`;

const DELETE_EXPECTED_SCRIPT = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])`;

/** `ttlMs` 0: no expiry, and one that the key had is cleared. False: the condition was not met. */
export function setValue(
  key: Key,
  bytes: Buffer,
  { ttlMs, condition }: Pick<WriteOptions, 'ttlMs' | 'condition'>,
): RedisChange<boolean> {
  const words: Words =
    typeof condition === 'object'
      ? ['EVAL', SET_EXPECTED_SCRIPT, 1, key, condition.expected, bytes]
      : ['SET', key, bytes];
  if (ttlMs === 'keep') words.push('KEEPTTL');
  else if (ttlMs > 0) words.push('PX', ttlMs);
  if (typeof condition === 'string') words.push(condition);
  return { key, words, parse: typeof condition === 'object' ? isOne : isOk };
}

function isOne(reply: unknown): boolean {
  return reply === 1;
}

function isOk(reply: unknown): boolean {
  return Buffer.isBuffer(reply) && reply.length === 2 && reply[0] === 0x4f && reply[1] === 0x4b;
}

/** False: there was nothing, or something else than was expected. */
export function deleteKey(key: Key, condition?: Expected): RedisChange<boolean> {
  const words: Words =
    condition === undefined ? ['DEL', key] : ['EVAL', DELETE_EXPECTED_SCRIPT, 1, key, condition.expected];
  return { key, words, parse: isOne };
}

/** A page of a walk over all keys; '0' begins one, and a returned '0' ends it. */
export function scanPage(cursor: string): SingleCommand<readonly [string, readonly Buffer[]]> {
  return {
    words: ['SCAN', cursor, 'COUNT', 500],
    parse: (reply) => {
      if (!Array.isArray(reply) || !Array.isArray(reply[1])) throw nonsense();
      const [next, keys] = reply as [unknown, readonly Buffer[]];
      return [String(next), keys];
    },
  };
}

/** The master's offset in its replication stream; Infinity when the node is no master any more. */
export const masterOffset: SingleCommand<number> = {
  words: ['ROLE'],
  parse: (role) => {
    if (!Array.isArray(role) || String(role[0]) !== 'master') return Infinity;
    const offset = Number(role[1]);
    return Number.isSafeInteger(offset) ? offset : Infinity;
  },
};

/** What the node says of its replication. */
export const replicationState: SingleCommand<Replication> = {
  words: ['INFO', 'replication'],
  parse: (text) => {
    const replication = parseReplication(String(text));
    if (replication === undefined) {
      throw new Error('INFO replication gives no role, replication id or offset');
    }
    return replication;
  },
};

/** The cluster as this node of it sees it: the text of CLUSTER NODES. */
export const clusterNodes: SingleCommand<string> = { words: ['CLUSTER', 'NODES'], parse: String };

/** Waits until so many replicas have what this connection wrote, and says how many have. Blocks the connection. */
export function waitForReplicas(count: number, patienceMs: number): SingleCommand<number> {
  return {
    words: ['WAIT', count, patienceMs],
    parse: (reply) => {
      if (typeof reply !== 'number') throw nonsense();
      return reply;
    },
  };
}
