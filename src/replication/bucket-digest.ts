/**
 * A digest of all that a gateway holds, so that two of them find what differs without sending it. Keys are divided
 * into buckets by a hash; the digest of a bucket is the XOR of the fingerprints of its entries, so that one entry is put in
 * or taken out without looking at the others.
 *
 * Part of the protocol between gateways: all of them must compute the same, so none of this may change without a new
 * version of the messages that carry it.
 */
import type { Key } from '../core/command';
import type { Version } from './version';

/** Buckets that the keys are divided into. */
export const BUCKETS = 4096;

/** Of one entry, and of one bucket. */
export const FINGERPRINT_BYTES = 8;

/** 64 bits: two signed 32-bit halves, which V8 keeps without a box. */
export interface Hash {
  readonly high: number;
  readonly low: number;
}

const BUCKET_SHIFT = 32 - Math.log2(BUCKETS);

export function hashKey(key: Key): Hash {
  let high = 0x243f6a88;
  let low = 0x13198a2e;
  for (let at = 0; at < key.length; at += 1) {
    const byte = key.charCodeAt(at);
    high = Math.imul(high ^ byte, 0x01000193);
    low = Math.imul(low ^ byte, 0x5bd1e995);
    low ^= low >>> 15;
  }
  return { high: mix(high ^ low), low: mix(low) };
}

/** 0 to BUCKETS − 1. */
export function bucketOf(hash: Hash): number {
  return hash.high >>> BUCKET_SHIFT;
}

/**
 * Of a key and its version, for which one value stands. Key and version are not merely XORed: else two keys that change
 * versions with each other would leave the digest as it was.
 */
export function fingerprintOf(hash: Hash, { time, origin }: Version): Hash {
  const timeLow = time | 0;
  const timeHigh = (time / 2 ** 32) | 0;
  let high = mix(hash.high ^ timeLow) ^ timeHigh;
  let low = mix(hash.low ^ timeHigh) ^ timeLow;
  for (let at = 0; at < origin.length; at += 1) {
    const digit = origin.charCodeAt(at);
    high = Math.imul(high ^ digit, 0x01000193);
    low = Math.imul(low ^ digit, 0x5bd1e995);
    low ^= low >>> 15;
  }
  return { high: mix(high ^ low), low: mix(low) };
}

/** The last step of MurmurHash3 (Austin Appleby, public domain): each bit of the input turns half of the output's. */
function mix(word: number): number {
  let mixed = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}

/** As it goes over the bus: the low half first, little endian. */
export function writeFingerprint({ high, low }: Hash, into: Buffer, at: number): void {
  into.writeInt32LE(low, at);
  into.writeInt32LE(high, at + 4);
}

/** The digests of all buckets, kept up to date one entry at a time. */
export class BucketDigest {
  /** The low and the high half of each bucket. */
  readonly #halves = new Int32Array(BUCKETS * 2);
  #rootHigh = 0;
  #rootLow = 0;

  /** Puts an entry in, or takes it out again. */
  toggle(hash: Hash, version: Version): void {
    const { high, low } = fingerprintOf(hash, version);
    const at = bucketOf(hash) * 2;
    this.#halves[at] = (this.#halves[at] ?? 0) ^ low;
    this.#halves[at + 1] = (this.#halves[at + 1] ?? 0) ^ high;
    this.#rootLow ^= low;
    this.#rootHigh ^= high;
  }

  /** `BUCKETS` times `FINGERPRINT_BYTES`. */
  toBuffer(): Buffer {
    const digest = Buffer.allocUnsafe(this.#halves.byteLength);
    this.#halves.forEach((half, at) => digest.writeInt32LE(half, at * 4));
    return digest;
  }

  /** Of everything: 16 hex digits. */
  root(): string {
    const root = Buffer.allocUnsafe(FINGERPRINT_BYTES);
    writeFingerprint({ high: this.#rootHigh, low: this.#rootLow }, root, 0);
    return root.toString('hex');
  }
}

/** The buckets in which two digests differ. */
export function differingBuckets(a: Buffer, b: Buffer): number[] {
  const buckets: number[] = [];
  for (let bucket = 0; bucket < BUCKETS; bucket += 1) {
    const at = bucket * FINGERPRINT_BYTES;
    const end = at + FINGERPRINT_BYTES;
    if (a.compare(b, at, end, at, end) !== 0) buckets.push(bucket);
  }
  return buckets;
}
