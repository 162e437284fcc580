/**
 * Chance that can be had again: all that a run decides by itself (keys, operations, what breaks, when and for how
 * long) comes from one seed. Each part of the rig draws from a stream of its own, so that one which is held up by
 * real time does not change what the others draw.
 */

export class Random {
  readonly #name: string;
  #state: number;

  constructor(name: string) {
    this.#name = name;
    // FNV-1a over the name.
    let hash = 2166136261;
    for (const char of name) hash = Math.imul(hash ^ char.charCodeAt(0), 16777619);
    this.#state = hash >>> 0;
  }

  /** A stream of its own, the same for the same seed and name. */
  stream(name: string): Random {
    return new Random(`${this.#name}/${name}`);
  }

  /** From 0 up to but not including 1: Tommy Ettinger's mulberry32. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let word = this.#state;
    word = Math.imul(word ^ (word >>> 15), word | 1);
    word ^= word + Math.imul(word ^ (word >>> 7), word | 61);
    return ((word ^ (word >>> 14)) >>> 0) / 2 ** 32;
  }

  chance(share: number): boolean {
    return this.next() < share;
  }

  between(low: number, high: number): number {
    return low + this.next() * (high - low);
  }

  pick<T>(items: readonly T[]): T {
    const item = items[Math.floor(this.next() * items.length)];
    if (item === undefined) throw new RangeError('nothing to pick from');
    return item;
  }
}

/** Picks the items by Zipf's law: the nth with the weight 1/n^0.8, so that some are hot and each is touched. */
export function createZipf<T>(items: readonly T[]): (random: Random) => T {
  let sum = 0;
  const upTo = items.map((_, index) => (sum += 1 / (index + 1) ** 0.8));
  return (random) => {
    const at = random.next() * sum;
    return items[upTo.findIndex((bound) => at < bound)]!;
  };
}
