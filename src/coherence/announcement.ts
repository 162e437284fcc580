/**
 * What gateways write to each other under `COHERENCE=kafka`, one record for all that gathered while the last one was on its
 * way. Little endian:
 *
 *     0   "rca" and a version, 1
 *     4   flags: 1, the gateway says goodbye
 *     5   8 bytes: the gateway, new at each start
 *    13   double: when it was sent, on the sender's monotonic clock; of use to the sender alone
 *    21   changes, none of them in a mere heartbeat, each of one shard and one history:
 *           6 bytes   the shard's id
 *           1 byte    length of the lineage; 0: not known
 *           …         the lineage
 *           double    an offset of the replication stream that has all of it in it; Infinity: not known
 *           4 bytes   number of keys; 0xffffffff: everything on that shard
 *           …         each key: 4 bytes of length, and the key
 */
import type { Key } from '../core/command';
import { keyWithin } from '../core/key';

/** Changes on one shard. */
export interface Changes {
  /** As session tokens call it: 12 hex digits, the same on every gateway. */
  readonly shard: string;
  readonly keys: readonly Key[] | 'everything';
  /** The history that the offset is of; undefined: not known. */
  readonly lineage: string | undefined;
  /** Of the replication stream, with all of them in it; Infinity: not known. */
  readonly offset: number;
}

export interface Announcement {
  /** 16 hex digits. */
  readonly origin: string;
  /** Monotonic, of the origin. */
  readonly sentMs: number;
  /** The origin will change nothing any more. */
  readonly isLast: boolean;
  readonly changes: readonly Changes[];
}

const MAGIC = Buffer.from('rca\x01', 'latin1');
const HEAD_BYTES = 21;
const SHARD_BYTES = 6;
const LAST = 1;
const EVERYTHING = 0xffffffff;

/** Bytes that one more key takes. */
export function keyBytes(key: Key): number {
  return 4 + key.length;
}

export function encodeAnnouncement({ origin, sentMs, isLast, changes }: Announcement): Buffer {
  const bytes = Buffer.allocUnsafe(changes.reduce((sum, each) => sum + changesBytes(each), HEAD_BYTES));
  MAGIC.copy(bytes);
  bytes[4] = isLast ? LAST : 0;
  bytes.write(origin, 5, 8, 'hex');
  bytes.writeDoubleLE(sentMs, 13);
  let at = HEAD_BYTES;
  for (const { shard, lineage = '', offset, keys } of changes) {
    at += bytes.write(shard, at, SHARD_BYTES, 'hex');
    at = bytes.writeUInt8(lineage.length, at);
    at += bytes.write(lineage, at, 'latin1');
    at = bytes.writeDoubleLE(offset, at);
    at = bytes.writeUInt32LE(keys === 'everything' ? EVERYTHING : keys.length, at);
    if (keys === 'everything') continue;
    for (const key of keys) {
      at = bytes.writeUInt32LE(key.length, at);
      at += bytes.write(key, at, 'latin1');
    }
  }
  return bytes;
}

function changesBytes({ lineage = '', keys }: Changes): number {
  const head = SHARD_BYTES + 1 + lineage.length + 8 + 4;
  return keys === 'everything' ? head : keys.reduce((sum, key) => sum + keyBytes(key), head);
}

/** undefined: torn, or not of this version. Who wrote it may have changed anything. */
export function parseAnnouncement(bytes: Buffer): Announcement | undefined {
  if (bytes.length < HEAD_BYTES || !bytes.subarray(0, 4).equals(MAGIC)) return undefined;
  const sentMs = bytes.readDoubleLE(13);
  if (!Number.isFinite(sentMs)) return undefined;
  const changes: Changes[] = [];
  let at = HEAD_BYTES;
  try {
    while (at < bytes.length) {
      const shard = bytes.toString('hex', at, at + SHARD_BYTES);
      at += SHARD_BYTES;
      const lineageEnd = at + 1 + bytes.readUInt8(at);
      const lineage = bytes.toString('latin1', at + 1, lineageEnd);
      const offset = bytes.readDoubleLE(lineageEnd);
      if (offset !== Infinity && !(Number.isSafeInteger(offset) && offset >= 0)) return undefined;
      const count = bytes.readUInt32LE(lineageEnd + 8);
      at = lineageEnd + 12;
      const keys: Key[] = [];
      for (let n = 0; count !== EVERYTHING && n < count; n += 1) {
        const end = at + 4 + bytes.readUInt32LE(at);
        if (end > bytes.length) return undefined;
        keys.push(keyWithin(bytes, at + 4, end));
        at = end;
      }
      changes.push({
        shard,
        lineage: lineage === '' ? undefined : lineage,
        offset,
        keys: count === EVERYTHING ? 'everything' : keys,
      });
    }
  } catch {
    // It ends in the middle of a number.
    return undefined;
  }
  return {
    origin: bytes.toString('hex', 5, 13),
    sentMs,
    isLast: (bytes.readUInt8(4) & LAST) !== 0,
    changes,
  };
}
