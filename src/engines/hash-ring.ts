/**
 * Placement, as pure functions: which of several names owns a key. The ring is npm's `hashring` (ketama: 160 points
 * a name from the MD5 of `name-i`, a key belongs to the next point clockwise). Adding a name to n others takes about
 * 1/(n+1) of the keys, and moves no other.
 *
 * `hashring.get` is not used: it remembers keys in a plain object, so that the key `__proto__` changes
 * `Object.prototype` of the whole process. Looking the ring up directly remembers nothing.
 */
import { hash as hashOnce } from 'node:crypto';
import Hashring from 'hashring';
import type { Key } from '../core/command';
import { keyArgument } from '../core/key';

/**
 * `ketama`: as npm's hashring has it, and hash tags `{…}` pin keys together. `twemproxy`: the same placement as
 * twemproxy with `hash: md5` and `distribution: ketama`, which differs for 7, 14, 28 … names and knows no tags.
 */
export type RingHash = 'ketama' | 'twemproxy';

/** A position on the ring, 0 to 2³² − 1. */
export type Point = number;
export const RING_POINTS = 2 ** 32;

/** What hashring has but its types leave out. */
interface Inner {
  readonly ring: readonly { readonly value: number; readonly server: string }[];
  find(point: Point): number;
}

const POINTS_PER_DIGEST = 4;
const DIGESTS_PER_NAME = 40;

export class HashRing {
  readonly #hash: RingHash;
  readonly #inner: Inner;
  /** For each position in the ring's order, the index of its name. */
  readonly #owners: readonly number[];
  readonly #names: readonly string[];
  /** By position; made when first asked for, since a ring of many names has no use for most of them. */
  readonly #successions: (readonly number[] | undefined)[] = [];

  /** `names` are unique and not empty; their order does not matter to placement. */
  constructor(names: readonly string[], hash: RingHash) {
    this.#hash = hash;
    this.#names = names;
    this.#inner = (hash === 'ketama'
      ? new Hashring([...names], md5)
      : new Hashring(twemproxyWeights(names), md5, EXPLICIT_VNODES)) as unknown as Inner;
    const indexOf = new Map(names.map((name, index) => [name, index]));
    this.#owners = this.#inner.ring.map(({ server }) => indexOf.get(server) ?? 0);
  }

  /**
   * Where the key falls: the first four bytes of its MD5, the lowest first, as ketama has it. Compute it once per
   * command and pass it on.
   */
  pointOf(key: Key): Point {
    const digest = md5(this.#hash === 'ketama' ? tagOf(key) : key);
    const [a, b, c, d] = [
      digest.charCodeAt(0),
      digest.charCodeAt(1),
      digest.charCodeAt(2),
      digest.charCodeAt(3),
    ];
    return ((d << 24) | (c << 16) | (b << 8) | a) >>> 0;
  }

  /** The index of the name that owns the point. */
  ownerOf(point: Point): number {
    return this.#owners[this.#inner.find(point)] ?? 0;
  }

  /** What each of the ring's points owns, in their order: from behind the one before it up to itself. */
  arcs(): { readonly lastPoint: Point; readonly owner: number }[] {
    return this.#inner.ring.map(({ value }, position) => ({
      lastPoint: value,
      owner: this.#owners[position] ?? 0,
    }));
  }

  /**
   * The owner's index, then the others in the order in which they would inherit the point if those before them left:
   * a ring over the healthy names alone gives the first healthy one of this list.
   */
  succession(point: Point): readonly number[] {
    const position = this.#inner.find(point);
    return (this.#successions[position] ??= this.#successionFrom(position));
  }

  #successionFrom(start: number): readonly number[] {
    const order: number[] = [];
    for (let step = 0; step < this.#owners.length && order.length < this.#names.length; step += 1) {
      const owner = this.#owners[(start + step) % this.#owners.length] ?? 0;
      if (!order.includes(owner)) order.push(owner);
    }
    return order;
  }
}

/**
 * The part of the key that is hashed: what stands between the first `{` and the next `}`, unless that is nothing.
 * Source: https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/, hash tags.
 */
export function tagOf(key: Key): string {
  const open = key.indexOf('{');
  if (open === -1) return key;
  const close = key.indexOf('}', open + 1);
  return close > open + 1 ? key.slice(open + 1, close) : key;
}

/**
 * The digest as a byte string: in one call and without a Buffer it takes a quarter of the time that a Hash object
 * takes, and each command needs one. Names and keys are byte strings; hashring would hash their UTF-8.
 */
function md5(bytes: string): string {
  return hashOnce('md5', keyArgument(bytes), 'binary');
}

/** Any default other than ours makes hashring take the given counts as they are. */
const EXPLICIT_VNODES = { 'vnode count': 1, replicas: POINTS_PER_DIGEST };

/**
 * twemproxy counts the digests of a name in 32-bit floats; hashring in 64-bit ones, which lose a digest where
 * `1/n * 40 * n` falls just short of 40. Source: twemproxy `src/hashkit/nc_ketama.c`, `ketama_update`.
 */
function twemproxyWeights(names: readonly string[]): Record<string, { vnodes: number }> {
  const { fround } = Math;
  const share = fround(fround(1) / fround(names.length));
  const points = fround(DIGESTS_PER_NAME * POINTS_PER_DIGEST);
  const digests = fround(fround(fround(fround(share * points) / POINTS_PER_DIGEST) * names.length) + 1e-10);
  return Object.fromEntries(names.map((name) => [name, { vnodes: Math.floor(digests) }]));
}
