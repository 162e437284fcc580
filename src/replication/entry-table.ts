/**
 * Where the entries of one gateway lie, what they cost, and their digest. What may replace what is for `replica-store.ts` to say.
 *
 * Each bucket of the digest is a Map of its own: so the entries of a bucket are found at once, and no Map is so large
 * that its growth holds up the event loop (with one Map for 1,000,000 entries it does so for 100 ms and more).
 */
import type { Key } from '../core/command';
import {
  BucketDigest,
  BUCKETS,
  bucketOf,
  FINGERPRINT_BYTES,
  fingerprintOf,
  hashKey,
  writeFingerprint,
} from './bucket-digest';
import type { HeldEntry } from './held-entry';

/**
 * What an entry takes beside the bytes of its key and value: measured with 600,000 to 1,100,000 entries of 100 bytes
 * under keys of 20 it is 173 to 184 (heap and external memory, Node 20, 64-bit); the resident size grows by 230.
 */
export const ENTRY_BYTES = 190;

/** Entries in one page. */
const PAGE_ENTRIES = 1000;

export class EntryTable {
  /** Made when first needed. */
  readonly #buckets = new Array<Map<Key, HeldEntry> | undefined>(BUCKETS).fill(undefined);
  readonly #digest = new BucketDigest();
  #bytes = 0;
  #live = 0;
  #tombstones = 0;

  /** Entries with a value. */
  get live(): number {
    return this.#live;
  }

  get tombstones(): number {
    return this.#tombstones;
  }

  /** Of keys and values, and what they cost beside. */
  get bytes(): number {
    return this.#bytes;
  }

  get digest(): BucketDigest {
    return this.#digest;
  }

  get(key: Key): HeldEntry | undefined {
    return this.#buckets[bucketOf(hashKey(key))]?.get(key);
  }

  /** Puts it in the place of `replaced`, which is what the key has now. */
  put(held: HeldEntry, replaced: HeldEntry | undefined): void {
    const hash = hashKey(held.key);
    const bucket = (this.#buckets[bucketOf(hash)] ??= new Map<Key, HeldEntry>());
    if (replaced !== undefined) {
      this.#digest.toggle(hash, replaced);
      this.#count(replaced, -1);
    }
    bucket.set(held.key, held);
    this.#digest.toggle(hash, held);
    this.#count(held, 1);
  }

  /** `held` is what its key has now. */
  drop(held: HeldEntry): void {
    const hash = hashKey(held.key);
    this.#buckets[bucketOf(hash)]?.delete(held.key);
    this.#digest.toggle(hash, held);
    this.#count(held, -1);
  }

  /**
   * Everything that is there throughout, once; what comes, goes or is replaced meanwhile may be in it or not. It may be
   * left and taken up again in a later turn.
   */
  *all(): Generator<HeldEntry> {
    for (const bucket of this.#buckets) {
      if (bucket !== undefined) yield* bucket.values();
    }
  }

  /** The same in pages of bounded size. A page is as things are when it is asked for. */
  *pages(): Generator<readonly HeldEntry[]> {
    let page: HeldEntry[] = [];
    for (const held of this.all()) {
      page.push(held);
      if (page.length < PAGE_ENTRIES) continue;
      yield page;
      page = [];
    }
    if (page.length > 0) yield page;
  }

  /** Of the bucket's entries, one behind the other in no order. */
  fingerprints(bucket: number): Buffer {
    const prints = Buffer.allocUnsafe((this.#buckets[bucket]?.size ?? 0) * FINGERPRINT_BYTES);
    let at = 0;
    for (const held of this.#in(bucket)) {
      writeFingerprint(fingerprintOf(hashKey(held.key), held), prints, at);
      at += FINGERPRINT_BYTES;
    }
    return prints;
  }

  /** Those of the bucket whose fingerprints are not in `known`. */
  *unknownTo(known: Buffer, bucket: number): Generator<HeldEntry> {
    const prints = new Set<string>();
    for (let at = 0; at < known.length; at += FINGERPRINT_BYTES) {
      prints.add(known.toString('latin1', at, at + FINGERPRINT_BYTES));
    }
    const print = Buffer.allocUnsafe(FINGERPRINT_BYTES);
    for (const held of this.#in(bucket)) {
      writeFingerprint(fingerprintOf(hashKey(held.key), held), print, 0);
      if (!prints.has(print.toString('latin1'))) yield held;
    }
  }

  /** Nothing for what is no bucket. */
  #in(bucket: number): Iterable<HeldEntry> {
    return this.#buckets[bucket]?.values() ?? [];
  }

  #count({ key, value }: HeldEntry, sign: 1 | -1): void {
    this.#bytes += sign * (key.length + (value?.length ?? 0) + ENTRY_BYTES);
    if (value === undefined) this.#tombstones += sign;
    else this.#live += sign;
  }
}
