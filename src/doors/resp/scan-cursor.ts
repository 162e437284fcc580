/**
 * Cursors of SCAN that go over all shards, one after the other. A cursor is that of the shard's own Redis times the
 * number of shards plus the shard's index, so it holds no state here, and with one shard it is Redis's own:
 *
 *     3 shards   0 ── shard 0, from its beginning        3·c + 0 ── shard 0, on from c
 *                1 ── shard 1, from its beginning        3·c + 1 ── shard 1, on from c
 *
 * Redis's 0 means the end, and the beginning: at the end of a shard the next one begins, and at that of the last one
 * the cursor is 0. Each shard promises that what exists throughout comes at least once, so all of them together do.
 */

/** As C's strtoul takes it, which Redis asks: nothing at all is 0, and −1 the largest number there is. */
const NUMBER = /^([+-]?)(\d*)$/;
const DIGITS_MAX = 20;
const UINT64_MAX = 2n ** 64n - 1n;

export interface ScanPosition {
  readonly shard: number;
  readonly cursor: bigint;
}

/** undefined: it is none that Redis would take. */
export function parseCursor(text: string, shardCount: number): ScanPosition | undefined {
  const [, sign, digits] = NUMBER.exec(text) ?? [];
  if (digits === undefined || digits.length > DIGITS_MAX || (sign !== '' && digits === '')) return undefined;
  const size = BigInt(digits);
  if (size > UINT64_MAX) return undefined;
  const cursor = sign === '-' ? BigInt.asUintN(64, -size) : size;
  const shards = BigInt(shardCount);
  return { shard: Number(cursor % shards), cursor: cursor / shards };
}

/**
 * Behind a page of a shard, which ended with Redis's cursor `cursor`. undefined: it cannot be said in 64 bits, which no
 * keyspace that fits a memory comes near.
 */
export function nextCursor(shard: number, cursor: bigint, shardCount: number): bigint | undefined {
  if (cursor === 0n) return shard + 1 < shardCount ? BigInt(shard + 1) : 0n;
  const next = cursor * BigInt(shardCount) + BigInt(shard);
  return next > UINT64_MAX ? undefined : next;
}
