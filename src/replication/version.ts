/**
 * Which of two writes of one key is the later, told alike by every gateway: a version is a hybrid logical timestamp
 * and the id of the gateway that made it.
 *
 * Source of the clock: Kulkarni, Demirbas, Madappa, Avva and Leone, "Logical Physical Clocks and Consistent Snapshots
 * in Globally Distributed Databases", 2014. Their pair (physical part, count) is one safe integer here, so that it is
 * compared and stored as a number:
 *
 *   time = (whole milliseconds of group time since 2020-01-01) * 4096 + count
 *
 * which is good until 2089. More than 4096 ticks within one millisecond run over into the next one: the clock is then ahead of
 * group time by that much, and keeps its order.
 *
 * Invariants: one clock never gives the same time twice, and what it gives is later than all it has observed. So a
 * change that was made with the knowledge of another one wins over it, whatever the clocks of the machines say.
 */

export interface Version {
  /** A safe integer above 0. */
  readonly time: number;
  /** The gateway process that made it: 16 hex digits, new at each start. */
  readonly origin: string;
}

/**
 * How far ahead of group time an observed time may be. More is a fault of whoever made it; taken over, it would make
 * all that is written from now on lie in the future too.
 */
export const DRIFT_MS_MAX = 24 * 60 * 60 * 1000;

const ORIGIN_DIGITS = 16;
const FIRST_ORIGIN = '0'.repeat(ORIGIN_DIGITS);
const LAST_ORIGIN = 'f'.repeat(ORIGIN_DIGITS);

const FIRST_MS = Date.UTC(2020, 0, 1);
const TICKS_PER_MS = 4096;

/** Whether `a` wins over `b`: by time, then by origin. A total order; a version does not win over itself. */
export function isLater(a: Version, b: Version): boolean {
  return a.time > b.time || (a.time === b.time && a.origin > b.origin);
}

/**
 * The version right behind this one: it wins over it, and whatever else was made with the knowledge of this one wins over
 * that, since its time is later. For the same value in another form.
 */
export function versionBehind({ time, origin }: Version): Version {
  if (origin === LAST_ORIGIN) return { time: time + 1, origin: FIRST_ORIGIN };
  return { time, origin: (BigInt(`0x${origin}`) + 1n).toString(16).padStart(ORIGIN_DIGITS, '0') };
}

/** The physical part: group time in whole milliseconds since 1970. */
export function msOf(time: number): number {
  return FIRST_MS + Math.floor(time / TICKS_PER_MS);
}

/** The smallest time of that millisecond of group time. */
export function timeOf(groupMs: number): number {
  return Math.floor(groupMs - FIRST_MS) * TICKS_PER_MS;
}

/** Makes the times of one gateway's versions. `groupNowMs` may jump, also backwards: the times never do. */
export class HybridClock {
  readonly #groupNowMs: () => number;
  #last = 0;

  constructor(groupNowMs: () => number) {
    this.#groupNowMs = groupNowMs;
  }

  /** A time that is later than every one before and than all that was observed. */
  tick(): number {
    this.#last = Math.max(this.#last + 1, timeOf(this.#groupNowMs()));
    return this.#last;
  }

  /** To be told every time that comes from elsewhere. False: it is too far ahead, or no time at all, and was not taken. */
  observe(time: number): boolean {
    if (!Number.isSafeInteger(time) || time > timeOf(this.#groupNowMs() + DRIFT_MS_MAX)) return false;
    this.#last = Math.max(this.#last, time);
    return true;
  }
}
