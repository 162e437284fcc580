/**
 * What gateways tell each other of a key, and its bytes on the bus.
 *
 * Entries stand one behind the other, with nothing between them. Numbers are little endian; `f64` is an IEEE double,
 * which holds every time and Infinity exactly.
 *
 *    0        4          12           20              28          32
 *   +--------+----------+------------+---------------+-----------+- - - -+- - - - -+
 *   | size   | time     | origin     | expires at ms | key bytes | key   | value   |
 *   | u32    | f64      | 8 bytes    | f64           | u32       |       |         |
 *   +--------+----------+------------+---------------+-----------+- - - -+- - - - -+
 *
 * `size` counts what follows it; its highest bit is set for a tombstone, which has no value. The bytes of a value are
 * as they are stored: what is encrypted stays so.
 */
import type { Key } from '../core/command';
import { keyWithin } from '../core/key';
import type { Version } from './version';

export interface VersionedEntry extends Version {
  readonly key: Key;
  /** As stored; undefined: a tombstone, the word that the key was deleted or has expired. */
  readonly bytes: Buffer | undefined;
  /** Group time at which it ends; Infinity: no expiry. A tombstone keeps the one of the value that it stands for. */
  readonly expiresAtMs: number;
}

/** No message is in the form that it should have. Says what is wrong with it, and nothing of what is in it. */
export class MalformedMessage extends Error {
  override readonly name = 'MalformedMessage';
}

/** The most that the setting of that name may be. */
const KEY_BYTES_MAX = 65_536;
const TIME_AT = 4;
const ORIGIN_AT = 12;
const EXPIRY_AT = 20;
const KEY_BYTES_AT = 28;
const KEY_AT = 32;
const TOMBSTONE = 0x80000000;

/** The largest value that is replicated, with 64 KiB for what encryption and envelope add to it. */
const VALUE_BYTES_MAX = 8 * 1024 * 1024 + 64 * 1024;

/** An entry that takes more on the bus is refused by whoever reads it. */
export const ENTRY_BYTES_MAX = KEY_AT + KEY_BYTES_MAX + VALUE_BYTES_MAX;

/** What the entry takes on the bus, in bytes. */
export function encodedSize({ key, bytes }: VersionedEntry): number {
  return KEY_AT + key.length + (bytes?.length ?? 0);
}

/** Writes it where there is room for its `encodedSize`. Returns the offset behind it. */
export function writeEntry(entry: VersionedEntry, into: Buffer, at: number): number {
  const { key, bytes } = entry;
  const end = at + encodedSize(entry);
  const size = end - at - TIME_AT;
  into.writeUInt32LE(bytes === undefined ? size + TOMBSTONE : size, at);
  into.writeDoubleLE(entry.time, at + TIME_AT);
  into.write(entry.origin, at + ORIGIN_AT, 'hex');
  into.writeDoubleLE(entry.expiresAtMs, at + EXPIRY_AT);
  into.writeUInt32LE(key.length, at + KEY_BYTES_AT);
  into.write(key, at + KEY_AT, 'latin1');
  bytes?.copy(into, at + KEY_AT + key.length);
  return end;
}

/**
 * All entries from `at` to the end. Their bytes are views of `bytes`, to be copied by who keeps them.
 * @throws MalformedMessage when anything in it is not as it should be; then none of them is to be used
 */
export function readEntries(bytes: Buffer, at: number): VersionedEntry[] {
  const entries: VersionedEntry[] = [];
  let start = at;
  while (start < bytes.length) {
    if (bytes.length - start < KEY_AT) throw new MalformedMessage('an entry is cut off');
    const word = bytes.readUInt32LE(start);
    const isTombstone = word >= TOMBSTONE;
    const end = start + TIME_AT + (isTombstone ? word - TOMBSTONE : word);
    entries.push(readEntry(bytes, start, end, isTombstone));
    start = end;
  }
  return entries;
}

function readEntry(bytes: Buffer, start: number, end: number, isTombstone: boolean): VersionedEntry {
  if (end > bytes.length) throw new MalformedMessage('an entry is cut off');
  if (end - start > ENTRY_BYTES_MAX) throw new MalformedMessage('an entry is too large');
  const time = bytes.readDoubleLE(start + TIME_AT);
  if (!Number.isSafeInteger(time) || time <= 0) throw new MalformedMessage('a time is none');
  const expiresAtMs = bytes.readDoubleLE(start + EXPIRY_AT);
  if (!(expiresAtMs > 0)) throw new MalformedMessage('an expiry is none');
  const keyEnd = start + KEY_AT + bytes.readUInt32LE(start + KEY_BYTES_AT);
  const isWhole = keyEnd > start + KEY_AT && (isTombstone ? keyEnd === end : keyEnd <= end);
  if (!isWhole) throw new MalformedMessage('a key does not fit its entry');
  return {
    key: keyWithin(bytes, start + KEY_AT, keyEnd),
    bytes: isTombstone ? undefined : bytes.subarray(keyEnd, end),
    time,
    origin: bytes.toString('hex', start + ORIGIN_AT, start + EXPIRY_AT),
    expiresAtMs,
  };
}
