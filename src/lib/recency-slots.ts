/**
 * Keys in the order of their last use, each with a *slot*: a small number, at which whoever owns them keeps what belongs to
 * the key in columns of its own. An object for each key would cost more than most values are long; a column costs its width.
 *
 *     slot       0      1      2      3        0 is no key's: it closes the ring
 *     before     2      0      3      1        behind 0 is the key used longest ago, before 0 the one used last
 *     behind     1      3      0      2        here: 1, 3, 2
 *
 * Slots are given out from 1 upwards, free ones before new ones, so columns are as long as the most keys at one time.
 *
 * Whoever must meet every key while keys are used takes `recency-map.ts`: a walk along here is a hint, so that a use costs no more
 * than its links.
 */

/** No key's slot. */
export const NO_SLOT = 0;

/** Before a column has grown. */
export const SLOTS_FIRST = 64;

/** V8's Map holds 2^24 entries, of which those that were deleted may be half before it takes their places back. */
export const SLOTS_MAX = 2 ** 23;

export class RecencySlots<K> {
  readonly #keysMax: number;
  readonly #slots = new Map<K, number>();
  readonly #keys: (K | undefined)[] = [undefined];
  /** Of each slot the one before it and the one behind it, side by side: they are read together. */
  #links = new Uint32Array(2 * SLOTS_FIRST);
  /** The first free slot; behind it the next one. */
  #free = NO_SLOT;

  /** `keysMax`: how many there will be at the same time at most. */
  constructor(keysMax: number) {
    this.#keysMax = keysMax;
  }

  get size(): number {
    return this.#slots.size;
  }

  /** The key's slot, or `NO_SLOT`. Not a use of it. */
  find(key: K): number {
    return this.#slots.get(key) ?? NO_SLOT;
  }

  /** The key in a slot that is taken. */
  keyAt(slot: number): K {
    return this.#keys[slot] as K;
  }

  /** The slot of the key that was used longest ago; `NO_SLOT`: there is none. */
  oldest(): number {
    return this.behind(NO_SLOT);
  }

  /** The slot of the key that was used last; `NO_SLOT`: there is none. */
  newest(): number {
    return this.before(NO_SLOT);
  }

  /** Whose last use came just before that of this one; `NO_SLOT`: nobody's. */
  before(slot: number): number {
    return this.#links[2 * slot] as number;
  }

  /** Whose last use came just after that of this one; `NO_SLOT`: nobody's. */
  behind(slot: number): number {
    return this.#links[2 * slot + 1] as number;
  }

  /** The slot's key is the one used last now. */
  use(slot: number): void {
    const links = this.#links;
    if (links[NO_SLOT] === slot) return;
    const before = links[2 * slot] as number;
    const behind = links[2 * slot + 1] as number;
    links[2 * before + 1] = behind;
    links[2 * behind] = before;
    this.#append(slot);
  }

  /** A slot for a key that has none; it is the one used last now. */
  add(key: K): number {
    let slot = this.#free;
    if (slot === NO_SLOT) slot = this.#keys.length;
    else this.#free = this.behind(slot);
    this.#keys[slot] = key;
    if (2 * slot >= this.#links.length) this.#links = grown(this.#links, 2 * (this.#keysMax + 1));
    this.#slots.set(key, slot);
    this.#append(slot);
    return slot;
  }

  /** The slot's key goes, and the slot becomes free. */
  delete(slot: number): void {
    const links = this.#links;
    const before = links[2 * slot] as number;
    const behind = links[2 * slot + 1] as number;
    links[2 * before + 1] = behind;
    links[2 * behind] = before;
    this.#slots.delete(this.keyAt(slot));
    this.#keys[slot] = undefined;
    // Whoever walks along and stands here has come to an end, and not to what may have gone since.
    links[2 * slot] = NO_SLOT;
    links[2 * slot + 1] = this.#free;
    this.#free = slot;
  }

  #append(slot: number): void {
    const links = this.#links;
    const last = links[0] as number;
    links[2 * slot] = last;
    links[2 * slot + 1] = NO_SLOT;
    links[2 * last + 1] = slot;
    links[0] = slot;
  }
}

/** A column that is twice as long, but not longer than `lengthMax`. */
export function grown<C extends Uint8Array | Uint32Array | Float64Array>(column: C, lengthMax: number): C {
  const Column = column.constructor as new (length: number) => C;
  const longer = new Column(Math.min(2 * column.length, lengthMax));
  longer.set(column);
  return longer;
}
