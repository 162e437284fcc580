/**
 * All data of one gateway, and the rules by which all gateways come to hold the same. Pure memory: nothing here waits, and
 * each call is one synchronous stretch.
 *
 * Invariants:
 * - Of two entries of one key the later version stays, whatever the order in which they come, and however often.
 * - A deletion stays as a tombstone. Expiry makes a tombstone of the same version, so it changes no digest, and gateways need not
 *   agree on the moment.
 * - A tombstone may be forgotten TOMBSTONE_MS after its end. `horizon` is then at least its time, and what is not held
 *   and not later than the horizon is refused.
 * - What is forgotten is a matter of the epoch alone, a stretch of SWEEP_MS of group time: so the digests of two gateways that have
 *   swept for the same epoch are equal exactly when they hold the same.
 * - Work that touches everything is done in pages, so that no call takes more than a few milliseconds.
 *
 * Interleavings:
 * 1. DELETE K (time 7) comes before the WRITE K (time 5) that it deletes. The tombstone wins over it.
 * 2. The same, and the tombstone is forgotten before the WRITE comes. The horizon is 7, so the WRITE is refused (C5).
 * 3. K (time 5) is held from before; another key's tombstone of time 9 is forgotten; a newer K (time 8) comes. It is below
 *    the horizon, but K is held, or its tombstone is: it wins over that and is taken.
 * 4. This gateway expires K (time 5) a moment before a peer does, and the peer announces K again. The versions are
 *    equal: nothing changes. A peer that is told of the tombstone ignores it likewise, and expires K by itself.
 * 5. This gateway's idea of group time is wrong, and K seems to have expired. It is not seen here, but is kept, and handed
 *    on with its value, until a sweep makes it a tombstone: so `sweep` is for a gateway that knows the time.
 * 6. A pass of `sweep` is under way, and an entry comes for a bucket that it has left. It is swept in the next pass. While
 *    a pass is forgetting, `epoch` is 0, so nobody compares half of it.
 * 7. `entries` is being read, and K is deleted and written again meanwhile. It comes once, twice or, if it was not there
 *    throughout, not at all; each time in a version that was held at that moment. Merging it is harmless.
 */
import type { Key } from '../core/command';
import { holdBytes } from '../lib/held-bytes';
import { ownText } from '../lib/own-memory';
import { EntryTable } from './entry-table';
import { forgettableAtMs, openEntry, type HeldEntry } from './held-entry';
import { isLater } from './version';
import { encodedSize, type VersionedEntry } from './versioned-entry';

/** Between two passes of `sweep`. */
export const SWEEP_MS = 60 * 1000;

/** Entries that one call of `sweep` looks at: well below a millisecond. */
const SWEEP_ENTRIES = 2000;

/** Gateways whose ids are kept once for all entries: far more than run at one time. */
const ORIGINS_MAX = 1024;

interface Pass {
  readonly epoch: number;
  readonly entries: Iterator<HeldEntry>;
  /** Nothing was left that is to be forgotten. */
  forgetsAll: boolean;
}

export class ReplicaStore {
  readonly #groupNowMs: () => number;
  readonly #bytesMax: number;
  readonly #table = new EntryTable();
  readonly #origins = new Map<string, string>();
  #epoch = 0;
  #sweptEpoch = 0;
  #pass: Pass | undefined;

  /** The highest time of all tombstones that were forgotten here, or by the peer from which everything here came; 0: none. */
  horizon = 0;
  /** Group time until which everything has surely been heard here; kept by the replication log. */
  contact = 0;

  /** `groupNowMs` is group time; `bytesMax` bounds what is written here: see `isFull`. */
  constructor(options: { readonly groupNowMs: () => number; readonly bytesMax: number }) {
    this.#groupNowMs = options.groupNowMs;
    this.#bytesMax = options.bytesMax;
  }

  /** Entries with a value, those included that have expired and were not swept yet. */
  get size(): number {
    return this.#table.live;
  }

  get tombstones(): number {
    return this.#table.tombstones;
  }

  /** Of keys, values and what they cost beside; tombstones included. */
  get bytes(): number {
    return this.#table.bytes;
  }

  /**
   * Whether a write that begins here is to be refused. What others have written is taken nevertheless, since they
   * hold it: so gateways with one limit pass it by what was under way, and no more.
   */
  get isFull(): boolean {
    return this.#table.bytes >= this.#bytesMax;
  }

  /**
   * For which epoch the last pass of `sweep` has forgotten what was to be forgotten. Digests say something about gateways of one
   * epoch only; 0: not now.
   */
  get epoch(): number {
    return this.#epoch;
  }

  /** Whether a pass is not at its end: `sweep` is to be called again in a later turn. */
  get isSweeping(): boolean {
    return this.#pass !== undefined;
  }

  /** What a reader sees: nothing that was deleted or has expired. Its bytes are not to be written into. */
  peek(key: Key): VersionedEntry | undefined {
    const held = this.#table.get(key);
    return held !== undefined && this.#isLive(held) ? openEntry(held) : undefined;
  }

  /** What is held of the key, tombstones and what has expired included. Its bytes are not to be written into. */
  held(key: Key): VersionedEntry | undefined {
    const held = this.#table.get(key);
    return held === undefined ? undefined : openEntry(held);
  }

  /**
   * Takes an entry where nothing as late is held. False: it lost, is held already or may have been deleted and forgotten, and
   * nothing has changed. Its bytes are kept as `holdBytes` does, until a sweep finds that it has expired: when a snapshot is
   * loaded, the group's time may not be known yet, and the machine's own may be ahead of it.
   */
  apply(entry: VersionedEntry): boolean {
    const held = this.#table.get(entry.key);
    if (held === undefined ? entry.time <= this.horizon : !isLater(entry, held)) return false;
    const { bytes } = entry;
    const taken = {
      key: held?.key ?? ownText(entry.key),
      value: bytes === undefined ? undefined : holdBytes(bytes),
      time: entry.time,
      origin: this.#originOf(entry.origin),
      expiresAtMs: entry.expiresAtMs,
    };
    this.#table.put(taken, held);
    return true;
  }

  /** Every key that a reader sees, in pages of bounded size; what is there throughout comes. */
  *keys(): Generator<readonly Key[]> {
    for (const page of this.#table.pages()) {
      yield page.filter((held) => this.#isLive(held)).map(({ key }) => key);
    }
  }

  /** Everything that is held, tombstones included, in pages of bounded size. What no sweep has met has its value, expired or not. */
  *entries(): Generator<readonly VersionedEntry[]> {
    for (const page of this.#table.pages()) yield page.map(openEntry);
  }

  /**
   * Does a bounded piece of a pass over everything, which begins when an epoch has: makes tombstones of what has expired and
   * returns the keys, and with `mayForget` forgets the tombstones whose time has come. That is not for a gateway
   * that may be missing something: which cannot hear others, or has not got everything yet.
   */
  sweep(mayForget: boolean): readonly Key[] {
    const due = Math.floor(this.#groupNowMs() / SWEEP_MS);
    if (this.#pass === undefined) {
      if (due <= this.#sweptEpoch) return [];
      this.#pass = { epoch: due, entries: this.#table.all(), forgetsAll: true };
    }
    const pass = this.#pass;
    const expired: Key[] = [];
    for (let count = 0; count < SWEEP_ENTRIES; count += 1) {
      const next = pass.entries.next();
      if (next.done === true) {
        this.#sweptEpoch = pass.epoch;
        if (pass.forgetsAll) this.#epoch = pass.epoch;
        this.#pass = undefined;
        break;
      }
      const isDue = next.value.value !== undefined && this.#hasExpired(next.value);
      const held = isDue ? this.#expire(next.value) : next.value;
      if (isDue) expired.push(held.key);
      if (held.value !== undefined || forgettableAtMs(held) > pass.epoch * SWEEP_MS) continue;
      pass.forgetsAll &&= mayForget;
      if (!mayForget) continue;
      this.#epoch = 0;
      this.horizon = Math.max(this.horizon, held.time);
      this.#table.drop(held);
    }
    return expired;
  }

  /**
   * Drops everything that is not later than `time`, in pages with the keys that a reader saw: for a gateway that was away for
   * so long that peers have forgotten what was deleted up to then. To be run to its end before anything is taken from
   * a peer. The horizon becomes 0, so that all that peers hold can be taken; when it has been, theirs is to be set.
   */
  *dropUpTo(time: number): Generator<readonly Key[]> {
    this.horizon = 0;
    for (const page of this.#table.pages()) {
      const dropped = page.filter((held) => held.time <= time);
      for (const held of dropped) this.#table.drop(held);
      yield dropped.filter(({ value }) => value !== undefined).map(({ key }) => key);
    }
  }

  /** One fingerprint for each bucket, of `FINGERPRINT_BYTES`. */
  digest(): Buffer {
    return this.#table.digest.toBuffer();
  }

  /** Of everything: 16 hex digits. */
  rootDigest(): string {
    return this.#table.digest.root();
  }

  /** Of all that is held in the bucket, tombstones included, one behind the other in no order. */
  fingerprints(bucket: number): Buffer {
    return this.#table.fingerprints(bucket);
  }

  /**
   * Entries of the bucket whose fingerprints are not among `known`: as many as take at most `bytesMax` when they are written
   * down, but one at least. `more`: there are others, to be asked for again with the fingerprints of these in `known`;
   * of those too that have lost there, else they come for ever.
   */
  missing(
    bucket: number,
    known: Buffer,
    bytesMax: number,
  ): { readonly entries: VersionedEntry[]; readonly more: boolean } {
    const entries: VersionedEntry[] = [];
    let bytes = 0;
    for (const held of this.#table.unknownTo(known, bucket)) {
      const entry = openEntry(held);
      bytes += encodedSize(entry);
      if (bytes > bytesMax && entries.length > 0) return { entries, more: true };
      entries.push(entry);
    }
    return { entries, more: false };
  }

  #hasExpired({ expiresAtMs }: HeldEntry): boolean {
    return expiresAtMs !== Infinity && expiresAtMs <= this.#groupNowMs();
  }

  #isLive(held: HeldEntry): boolean {
    return held.value !== undefined && !this.#hasExpired(held);
  }

  #expire(held: HeldEntry): HeldEntry {
    const tombstone = { ...held, value: undefined };
    this.#table.put(tombstone, held);
    return tombstone;
  }

  /** Each entry comes with a string of its own for what a few gateways are called. */
  #originOf(origin: string): string {
    const known = this.#origins.get(origin);
    if (known !== undefined) return known;
    if (this.#origins.size >= ORIGINS_MAX) this.#origins.clear();
    this.#origins.set(origin, origin);
    return origin;
  }
}
