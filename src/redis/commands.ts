/** The commands that the engines send to a node, as data for `RedisNode.run`: what is sent, and what the answer means. */
import type { Redis } from 'ioredis';
import type { Key } from '../core/command';
import { CacheError } from '../core/errors';
import { keyArgument } from '../core/key';

/** Sends one command, or several that go out together, on a connected client. What goes wrong rejects; it never throws. */
export type RedisCommand<T> = (client: Redis) => Promise<T>;

/**
 * The value's bytes; null: absent. At most `bytesMax` of them: others can store half a gigabyte under a key, and one
 * GET of that would cost every caller of this process more than the one who asked.
 * @throws CacheError `too_large`
 */
export function getValue(key: Key, bytesMax: number): RedisCommand<Buffer | null> {
  const name = keyArgument(key);
  return async (client) => {
    const bytes = checkedSize(await client.getrangeBuffer(name, 0, bytesMax), bytesMax);
    return bytes.length > 0 ? bytes : getEmptyOrAbsent(client, name, bytesMax);
  };
}

/**
 * `getValue` and, asked for behind it, the key's remaining life as `getLife` gives it. The other way round the value
 * of a later write could be kept for the longer life of the one before (R7); this way only an older value can, and
 * of that its reader will be told.
 */
export function getValueAndLife(
  key: Key,
  bytesMax: number,
): RedisCommand<readonly [Buffer | null, number | undefined]> {
  const name = keyArgument(key);
  return async (client) => {
    const [start, lifeMs] = await Promise.all([
      client.getrangeBuffer(name, 0, bytesMax),
      client.pttl(name).then(lifeOf),
    ]);
    const bytes = checkedSize(start, bytesMax);
    // No life: the key was absent when that was asked, so a miss needs no second trip.
    if (bytes.length > 0 || lifeMs === undefined) return [bytes.length > 0 ? bytes : null, lifeMs];
    const value = await getEmptyOrAbsent(client, name, bytesMax);
    // The life is of what was there before: it holds for nothing but the empty value.
    return [value, value?.length === 0 ? lifeMs : undefined];
  };
}

/**
 * GETRANGE gives nothing for an absent key and for an empty value alike; only GET tells which, in one step. If a
 * value has come in between, it is that.
 */
async function getEmptyOrAbsent(
  client: Redis,
  name: string | Buffer,
  bytesMax: number,
): Promise<Buffer | null> {
  const bytes = await client.getBuffer(name);
  return bytes === null ? null : checkedSize(bytes, bytesMax);
}

/** GETRANGE counts from 0 and includes its end, so it was asked for one byte more than may come. */
function checkedSize(bytes: Buffer, bytesMax: number): Buffer {
  if (bytes.length > bytesMax)
    throw new CacheError('too_large', 'What is stored under this key is too large.');
  return bytes;
}

/** Remaining life in ms; Infinity: no expiry; undefined: absent. */
export function getLife(key: Key): RedisCommand<number | undefined> {
  return async (client) => lifeOf(await client.pttl(keyArgument(key)));
}

/** PTTL's answer: −1 is no expiry, −2 no key. */
function lifeOf(pttl: number): number | undefined {
  if (pttl === -1) return Infinity;
  return pttl < 0 ? undefined : pttl;
}

/** `ttlMs` 0: no expiry, and one that the key had is cleared. False: the condition was not met. */
export function setValue(
  key: Key,
  bytes: Buffer,
  options: { readonly ttlMs: number; readonly condition: 'NX' | 'XX' | undefined },
): RedisCommand<boolean> {
  const args: (string | number | Buffer)[] = [keyArgument(key), bytes];
  if (options.ttlMs > 0) args.push('PX', options.ttlMs);
  if (options.condition !== undefined) args.push(options.condition);
  // The typed overloads of `set` know each combination by itself; on the wire they are one list.
  return async (client) =>
    (await (client.set as (...all: unknown[]) => Promise<'OK' | null>)(...args)) === 'OK';
}

/** False: there was nothing. */
export function deleteKey(key: Key): RedisCommand<boolean> {
  return async (client) => (await client.del(keyArgument(key))) === 1;
}

/** Compare and set on the stored bytes; the key keeps its expiry. */
export const REPLACE_VALUE_SCRIPT = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
return 1`;

interface WithReplaceValue {
  replaceValue(key: string | Buffer, expected: Buffer, next: Buffer): Promise<number>;
}

/** False: something else than `expected` is there. */
export function replaceValue(key: Key, expected: Buffer, next: Buffer): RedisCommand<boolean> {
  return async (client) =>
    (await (client as unknown as WithReplaceValue).replaceValue(keyArgument(key), expected, next)) === 1;
}

/** A page of a walk over all keys; '0' begins one, and a returned '0' ends it. */
export function scanPage(cursor: string): RedisCommand<readonly [string, readonly Buffer[]]> {
  return async (client) => {
    const [next, keys] = await client.scanBuffer(cursor, 'COUNT', 500);
    return [next.toString(), keys];
  };
}

/** The master's offset in its replication stream; Infinity when the node is no master any more. */
export function masterOffset(): RedisCommand<number> {
  return async (client) => {
    const role: unknown = await client.role();
    if (!Array.isArray(role) || role[0] !== 'master') return Infinity;
    const offset = Number(role[1]);
    return Number.isSafeInteger(offset) ? offset : Infinity;
  };
}

/** Waits until so many replicas have what this connection wrote, and says how many have. Blocks the connection. */
export function waitForReplicas(count: number, patienceMs: number): RedisCommand<number> {
  return async (client) => client.wait(count, patienceMs);
}
