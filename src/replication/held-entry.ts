/**
 * An entry as it lies in memory. Nothing of it may be a view of what came in: a key can be a slice of a request's head and a value one of a
 * message, and would hold all of that.
 *
 * Small values are strings of one byte a character, on V8's heap: of 1,000,000 values of 100 bytes each costs 172 bytes
 * beside key and value then, by the resident size 236; as Buffers with memory of their own 336 and 573. Large ones are
 * Buffers: what those cost beside is little then, they need no copy to be read, and they are not counted against the limit of V8's heap.
 */
import type { Key } from '../core/command';
import { keyFromBytes } from '../core/key';
import { msOf } from './version';
import type { VersionedEntry } from './versioned-entry';

/** How long a deletion or an expiry is remembered: who was away for longer cannot be told of it. */
export const TOMBSTONE_MS = 60 * 60 * 1000;

/** From so many bytes on a value is a Buffer. */
const LARGE_BYTES = 1024;

export interface HeldEntry {
  readonly key: Key;
  /** undefined: a tombstone. */
  readonly value: string | Buffer | undefined;
  readonly time: number;
  readonly origin: string;
  readonly expiresAtMs: number;
}

/** The key in memory of its own. */
export function holdKey(key: Key): Key {
  return keyFromBytes(Buffer.from(key, 'latin1'));
}

/** The value in memory of its own. */
export function holdValue(bytes: Buffer): string | Buffer {
  if (bytes.length < LARGE_BYTES) return bytes.toString('latin1');
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  bytes.copy(copy);
  return copy;
}

/** As it came, tombstones as such. Its bytes are not to be written into. */
export function openEntry({ key, value, time, origin, expiresAtMs }: HeldEntry): VersionedEntry {
  const bytes = typeof value === 'string' ? Buffer.from(value, 'latin1') : value;
  return { key, bytes, time, origin, expiresAtMs };
}

/**
 * When a tombstone may be forgotten, in group time: TOMBSTONE_MS after the deletion, or after the end of the value that it
 * stands for.
 */
export function forgettableAtMs({ time, expiresAtMs }: HeldEntry): number {
  const endMs = expiresAtMs === Infinity ? msOf(time) : Math.max(msOf(time), expiresAtMs);
  return endMs + TOMBSTONE_MS;
}
