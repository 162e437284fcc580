/**
 * SCAN over all shards, a page of one shard at a time. Keys that the caller may not know of are left out, so a page may
 * be empty; the cursor tells when it is over, as it does in Redis.
 */
import type { Key } from '../../core/command';
import { CacheError } from '../../core/errors';
import type { Principal } from '../../core/grants';
import { keyFromBytes } from '../../core/key';
import type { Words } from '../../core/ports';
import { visible } from '../../core/relay';
import type { CommandSpec } from './command-spec';
import { encodeBulk, encodeError } from './encoder';
import { relayedCommand } from './relayed-command';
import { arrayOf, bytesOf, elementsOf } from './reply-parts';
import { nextCursor, parseCursor } from './scan-cursor';
import type { SessionWork } from './session-work';
import { isOption } from './words';

const TOO_MANY_KEYS = encodeError('ERR A cursor over all shards does not fit into 64 bits.');

const COUNT_MAX = Buffer.from('1000');

/** Of keys, those that may be heard of. */
export type Hears = (keys: readonly Key[]) => readonly Key[];

/** For more than one shard. @throws CacheError */
export async function scanShards(
  work: SessionWork,
  principal: Principal,
  spec: CommandSpec,
  words: Words,
): Promise<void> {
  const { relay, state } = work;
  const { shardCount } = relay;
  const position = parseCursor(words[1]?.toString('latin1') ?? '', shardCount);
  if (position === undefined) throw new CacheError('bad_request', 'invalid cursor');
  const { shard, cursor } = position;
  const own = cappedScan(words).map((word, at) => (at === 1 ? Buffer.from(String(cursor)) : word));
  const { command } = relayedCommand(spec, own, work.policy);
  await state.replies.settled();
  work.relayed(shard, principal, command, 'sweep', (reply) =>
    readScan(
      reply,
      (keys) => visible(principal, keys),
      (next) => nextCursor(shard, next, shardCount),
    ),
  );
  await state.replies.settled();
}

/** The words with a COUNT that does not hold up a shard: it is a hint, and Redis may give less as well. */
export function cappedScan(words: Words): Words {
  if (words.length < 4) return words;
  return words.map((word, at) => {
    const isCount = at > 2 && at % 2 === 1 && isOption(words[at - 1], 'count');
    return isCount && isAboveMax(word.toString('latin1')) ? COUNT_MAX : word;
  });
}

/** Of what Redis takes for a number: 64 bits, no more. */
function isAboveMax(text: string): boolean {
  if (!/^[1-9]\d{3,18}$/.test(text)) return false;
  const count = BigInt(text);
  return count > 1000n && BigInt.asIntN(64, count) === count;
}

/** A page without what may not be heard of, and with the cursor that `next` makes of Redis's. An error stays one. */
export function readScan(reply: Buffer, hears: Hears, next?: (cursor: bigint) => bigint | undefined): Buffer {
  const [cursor, page] = elementsOf(reply);
  if (cursor === undefined || page === undefined) return reply;
  const heard = filterKeys(page, hears);
  if (next === undefined) return arrayOf([cursor, heard]);
  const following = next(BigInt(bytesOf(cursor).toString('latin1')));
  return following === undefined ? TOO_MANY_KEYS : arrayOf([encodeBulk(String(following)), heard]);
}

/** An array of keys without those that may not be heard of. */
export function filterKeys(array: Buffer, hears: Hears): Buffer {
  const elements = elementsOf(array);
  const keys = elements.map((element) => keyFromBytes(bytesOf(element)));
  const heard = hears(keys);
  if (heard.length === keys.length) return array;
  const visible = new Set(heard);
  return arrayOf(elements.filter((_, at) => visible.has(keys[at] ?? ('' as Key))));
}
