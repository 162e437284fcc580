/**
 * What this gateway has of what each gateway ever announced: the version vector. An origin numbers its messages from 1 and
 * leaves no number out, so what is missing shows.
 *
 *        1 2 3 4 5 . . 8 9 . 11          reached: 5, everything up to it has been applied here
 *        +-------+     +-+   +-+         islands: 8-9, 11-11, applied, but with gaps before them
 *                                        told: 11, the highest number that anybody spoke of
 *
 * Origins come anew with each start of a gateway, and those that have ended must go some time, or vectors would grow for
 * ever. Each one carries for how long it has not been heard, and the age travels with it: otherwise two gateways would
 * remind each other of it for ever.
 */

/** In a vector, and in a heartbeat. The ones that were heard last stay. */
export const ORIGINS_MAX = 256;
/** How long an origin is remembered after it was heard last; a session older than that cannot be judged any more. */
export const ORIGIN_AGE_MS_MAX = 24 * 60 * 60 * 1000;
/** Messages may arrive around so many gaps of one origin; what comes behind is taken for not received. */
const ISLANDS_MAX = 64;

/** How far somebody is with one origin. */
export interface Reached {
  readonly origin: string;
  /** Everything up to this number. */
  readonly seq: number;
  /** For how long it has not been heard, in milliseconds. */
  readonly ageMs: number;
}

export type Vector = readonly Reached[];

interface Island {
  from: number;
  to: number;
}

interface Known {
  reached: number;
  told: number;
  /** In order, not touching one another. */
  islands: Island[];
  heardMs: number;
}

/** Times are monotonic and handed in, as `nowMs`. */
export class Origins {
  readonly #known = new Map<string, Known>();

  /** A message was applied here. */
  received(origin: string, seq: number, nowMs: number): void {
    const known = this.#of(origin, nowMs);
    known.told = Math.max(known.told, seq);
    if (seq <= known.reached) return;
    insert(known.islands, seq);
    absorb(known);
  }

  /** The origin has announced up to here, or at least has used the numbers up to here. */
  told(origin: string, seq: number, nowMs: number): void {
    const known = this.#of(origin, nowMs);
    known.told = Math.max(known.told, seq);
  }

  /** Somebody has all that is in the vector. */
  toldAll(vector: Vector, nowMs: number): void {
    const ageMsMax = this.#ageMsMax(nowMs);
    for (const { origin, seq, ageMs } of vector) {
      if (ageMs <= ageMsMax) this.told(origin, seq, nowMs - ageMs);
    }
  }

  /** Everything that is in the vector has been applied here. */
  merge(vector: Vector, nowMs: number): void {
    for (const { origin, seq, ageMs } of vector) {
      const known = this.#of(origin, nowMs - ageMs);
      known.told = Math.max(known.told, seq);
      if (seq <= known.reached) continue;
      known.reached = seq;
      known.islands = known.islands.filter(({ to }) => to > seq);
      absorb(known);
    }
    this.#bound(nowMs);
  }

  reachedOf(origin: string): number {
    return this.#known.get(origin)?.reached ?? 0;
  }

  /** Whether everything of the vector is here. What is too old to be remembered is not missed. */
  includes(vector: Vector, nowMs: number): boolean {
    const ageMsMax = this.#ageMsMax(nowMs);
    return vector.every(({ origin, seq, ageMs }) => this.reachedOf(origin) >= seq || ageMs > ageMsMax);
  }

  hasGap(origin: string): boolean {
    const known = this.#known.get(origin);
    return known !== undefined && known.reached < known.told;
  }

  /** The origins of which something is known to be missing. */
  gaps(): readonly string[] {
    const gaps: string[] = [];
    for (const [origin, { reached, told }] of this.#known) if (reached < told) gaps.push(origin);
    return gaps;
  }

  /** What is here, for others. */
  vector(nowMs: number): Vector {
    this.#bound(nowMs);
    return [...this.#known].map(([origin, { reached, heardMs }]) => ({
      origin,
      seq: reached,
      ageMs: nowMs - heardMs,
    }));
  }

  #of(origin: string, heardMs: number): Known {
    const known = this.#known.get(origin);
    if (known !== undefined) {
      known.heardMs = Math.max(known.heardMs, heardMs);
      return known;
    }
    const created = { reached: 0, told: 0, islands: [], heardMs };
    this.#known.set(origin, created);
    if (this.#known.size > 2 * ORIGINS_MAX) this.#bound(heardMs);
    return created;
  }

  #ageMsMax(nowMs: number): number {
    if (this.#known.size < ORIGINS_MAX) return ORIGIN_AGE_MS_MAX;
    const oldestMs = [...this.#known.values()].reduce((ms, { heardMs }) => Math.min(ms, heardMs), nowMs);
    return Math.min(ORIGIN_AGE_MS_MAX, nowMs - oldestMs);
  }

  #bound(nowMs: number): void {
    for (const [origin, { heardMs }] of this.#known) {
      if (nowMs - heardMs > ORIGIN_AGE_MS_MAX) this.#known.delete(origin);
    }
    if (this.#known.size <= ORIGINS_MAX) return;
    const oldestFirst = [...this.#known].sort(([, a], [, b]) => a.heardMs - b.heardMs);
    for (const [origin] of oldestFirst.slice(0, -ORIGINS_MAX)) this.#known.delete(origin);
  }
}

function insert(islands: Island[], seq: number): void {
  let at = islands.length;
  while (at > 0 && (islands[at - 1]?.from ?? 0) > seq) at -= 1;
  const before = islands[at - 1];
  const behind = islands[at];
  if (before !== undefined && seq <= before.to) return;
  if (before?.to === seq - 1) {
    before.to = seq;
    if (behind?.from === seq + 1) {
      before.to = behind.to;
      islands.splice(at, 1);
    }
  } else if (behind?.from === seq + 1) behind.from = seq;
  else if (seq === 1 || islands.length < ISLANDS_MAX) islands.splice(at, 0, { from: seq, to: seq });
}

function absorb(known: Known): void {
  for (let next = known.islands[0]; next !== undefined; next = known.islands[0]) {
    if (next.from > known.reached + 1) return;
    known.reached = Math.max(known.reached, next.to);
    known.islands.shift();
  }
}
