/**
 * An entry as it lies in memory. Nothing of it may be a view of what came in: a key can be a slice of a request's head and a value one of a
 * message, and would hold all of that.
 */
import type { Key } from '../core/command';
import { openBytes, type HeldBytes } from '../lib/held-bytes';
import { msOf } from './version';
import type { VersionedEntry } from './versioned-entry';

/** How long a deletion or an expiry is remembered: who was away for longer cannot be told of it. */
export const TOMBSTONE_MS = 60 * 60 * 1000;

export interface HeldEntry {
  readonly key: Key;
  /** undefined: a tombstone. */
  readonly value: HeldBytes | undefined;
  readonly time: number;
  readonly origin: string;
  readonly expiresAtMs: number;
}

/** As it came, tombstones as such. Its bytes are not to be written into. */
export function openEntry({ key, value, time, origin, expiresAtMs }: HeldEntry): VersionedEntry {
  const bytes = value === undefined ? undefined : openBytes(value);
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
