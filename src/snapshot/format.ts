/**
 * The snapshot file. All numbers are little endian, times are milliseconds since 1970 as doubles.
 *
 *     header    8  magic 89 52 43 53 0D 0A 1A 0A: neither text, nor what is left of it after a transfer as text
 *               2  version, 1
 *               1  kind, 1: entries, 2: keys of a near cache, whose records have no value
 *               1  0
 *               8  savedAt   wall time
 *               8  asOf      ContentMarks
 *               8  horizon   ContentMarks
 *               4  checksum
 *     block     4  bytes of the payload, more than 0
 *     (any      4  records in it
 *     number)   n  payload: records, one behind the other; those used last come last
 *               4  checksum
 *     trailer   4  0, where a block would have its length
 *               4  blocks
 *               8  records, a double
 *               4  checksum
 *     then nothing more
 *
 *     record    1  flags: 1 it has a value, 2 it has a version
 *               4  bytes of the key
 *               4  bytes of the value
 *               8  expiresAt, wall time; infinite: none
 *              (8  time, a double      of the version, where it has one
 *               8) origin, as bytes
 *               n  key
 *               n  value, as stored
 *
 * A checksum is the CRC-32 of zlib over everything in the file that lies before it, other checksums left out. So it
 * stands for its block and for its place: blocks that were lost, repeated or swapped do not pass either.
 */
import { crc32 } from 'node:zlib';
import { keyWithin } from '../core/key';
import type { ContentMarks, SavedEntry } from '../core/ports';

export type SnapshotKind = 'entries' | 'keys';

export interface SnapshotHeader {
  readonly kind: SnapshotKind;
  /** Wall time at which it was begun. */
  readonly savedAtMs: number;
  readonly marks: ContentMarks;
}

/** Why a file cannot be used, for the log: says where, and quotes nothing of it. */
export class BadSnapshot extends Error {
  override readonly name = 'BadSnapshot';
}

/** Of a payload, but for one with a single record in it, which is as long as it must be. */
export const BLOCK_BYTES_MAX = 256 * 1024;
/** Bounds the work of one turn of the event loop, in which a block is made or read. */
export const BLOCK_RECORDS_MAX = 2000;

export const HEADER_BYTES = 40;
export const BLOCK_HEAD_BYTES = 8;
export const CHECKSUM_BYTES = 4;
export const TRAILER_BYTES = 20;

const MAGIC = Buffer.from('895243530d0a1a0a', 'hex');
const VERSION = 1;
const KIND_CODES = { entries: 1, keys: 2 } as const satisfies Record<SnapshotKind, number>;
const HAS_VALUE = 1;
const HAS_VERSION = 2;
const RECORD_HEAD_BYTES = 17;
const VERSION_BYTES = 16;
const ORIGIN_BYTES = 8;

/** The header with its checksum. */
export function encodeHeader({ kind, savedAtMs, marks }: SnapshotHeader): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES);
  MAGIC.copy(bytes);
  bytes.writeUInt16LE(VERSION, 8);
  bytes.writeUInt8(KIND_CODES[kind], 10);
  bytes.writeDoubleLE(savedAtMs, 12);
  bytes.writeDoubleLE(marks.asOfMs, 20);
  bytes.writeDoubleLE(marks.horizon, 28);
  bytes.writeUInt32LE(headerChecksum(bytes), HEADER_BYTES - CHECKSUM_BYTES);
  return bytes;
}

/** @throws BadSnapshot */
export function parseHeader(bytes: Buffer): SnapshotHeader {
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) throw new BadSnapshot('it is no snapshot');
  const version = bytes.readUInt16LE(8);
  // Before the checksum: where that lies is for the version to say.
  if (version !== VERSION) {
    throw new BadSnapshot(`it has version ${version} of the format, and only ${VERSION} is known here`);
  }
  if (bytes.readUInt32LE(HEADER_BYTES - CHECKSUM_BYTES) !== headerChecksum(bytes)) {
    throw new BadSnapshot('the checksum of its header is wrong');
  }
  const code = bytes.readUInt8(10);
  const kind = (Object.keys(KIND_CODES) as SnapshotKind[]).find((each) => KIND_CODES[each] === code);
  if (kind === undefined) throw new BadSnapshot('its header names no known kind');
  return {
    kind,
    savedAtMs: bytes.readDoubleLE(12),
    marks: { asOfMs: bytes.readDoubleLE(20), horizon: bytes.readDoubleLE(28) },
  };
}

/** From which the checksum of the first block goes on. */
export function headerChecksum(header: Buffer): number {
  return crc32(header.subarray(0, HEADER_BYTES - CHECKSUM_BYTES));
}

/** The trailer with its checksum; `checksum`: of all that lies before. */
export function encodeTrailer(blocks: number, records: number, checksum: number): Buffer {
  const bytes = Buffer.alloc(TRAILER_BYTES);
  bytes.writeUInt32LE(blocks, 4);
  bytes.writeDoubleLE(records, 8);
  bytes.writeUInt32LE(
    crc32(bytes.subarray(0, TRAILER_BYTES - CHECKSUM_BYTES), checksum),
    TRAILER_BYTES - CHECKSUM_BYTES,
  );
  return bytes;
}

/** Bytes of the whole record. */
export function recordBytes(entry: SavedEntry): number {
  return recordHeadBytes(entry) + (entry.bytes?.length ?? 0);
}

/** Bytes of the record without its value, which is its end. */
export function recordHeadBytes({ key, origin }: SavedEntry): number {
  return RECORD_HEAD_BYTES + (origin === '' ? 0 : VERSION_BYTES) + key.length;
}

/** Writes the record without its value. Gives where the value goes. */
export function writeRecordHead(entry: SavedEntry, into: Buffer, at: number): number {
  const { key, bytes, expiresAtMs, time, origin } = entry;
  const flags = (bytes === undefined ? 0 : HAS_VALUE) | (origin === '' ? 0 : HAS_VERSION);
  into.writeUInt8(flags, at);
  into.writeUInt32LE(key.length, at + 1);
  into.writeUInt32LE(bytes?.length ?? 0, at + 5);
  into.writeDoubleLE(expiresAtMs, at + 9);
  let next = at + RECORD_HEAD_BYTES;
  if (origin !== '') {
    into.writeDoubleLE(time, next);
    into.write(origin, next + 8, ORIGIN_BYTES, 'hex');
    next += VERSION_BYTES;
  }
  return next + into.write(key, next, 'latin1');
}

/**
 * What a payload says. Values are views of it.
 * @throws BadSnapshot when it is not made of so many records
 */
export function parseRecords(payload: Buffer, records: number): SavedEntry[] {
  const entries: SavedEntry[] = [];
  let at = 0;
  const take = (bytes: number): number => {
    const from = at;
    at += bytes;
    if (at > payload.length) throw new BadSnapshot('a record reaches beyond its block');
    return from;
  };
  for (let count = 0; count < records; count += 1) {
    const head = take(RECORD_HEAD_BYTES);
    const flags = payload.readUInt8(head);
    const expiresAtMs = payload.readDoubleLE(head + 9);
    const version = (flags & HAS_VERSION) === 0 ? undefined : take(VERSION_BYTES);
    const time = version === undefined ? 0 : payload.readDoubleLE(version);
    if (flags > (HAS_VALUE | HAS_VERSION) || Number.isNaN(expiresAtMs) || !Number.isSafeInteger(time)) {
      throw new BadSnapshot('a record has fields that no record can have');
    }
    const origin =
      version === undefined ? '' : payload.toString('hex', version + 8, version + 8 + ORIGIN_BYTES);
    const key = take(payload.readUInt32LE(head + 1));
    const value = take(payload.readUInt32LE(head + 5));
    entries.push({
      key: keyWithin(payload, key, value),
      bytes: (flags & HAS_VALUE) === 0 ? undefined : payload.subarray(value, at),
      expiresAtMs,
      time,
      origin,
    });
  }
  if (at !== payload.length) throw new BadSnapshot('a block has bytes behind its last record');
  return entries;
}
