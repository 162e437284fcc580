/**
 * Group time: milliseconds since 1970 on the clock that all gateways of one bus share, which is the bus's own. The clocks
 * of the machines may differ by what they like: entries end, and are ordered, by this one.
 *
 * Each question to the bus is one sample: what its clock said, at a moment that lies somewhere between question and answer.
 * The sample with the shortest way is the most exact one, as in NTP (RFC 5905, section 10, clock filter algorithm).
 */
import type { Clock } from '../lib/clock';

/** Among which the best is looked for; old ones must go, since quartzes drift. */
const SAMPLES_MAX = 16;

interface Sample {
  readonly roundTripMs: number;
  /** Group time minus monotonic time. */
  readonly offsetMs: number;
}

export class GroupClock {
  readonly #clock: Clock;
  readonly #samples: Sample[] = [];
  /** Of the best sample; undefined before the first. */
  #offsetMs: number | undefined;
  /** What was told last, and when. */
  #toldMs = -Infinity;
  #toldAtMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether the bus has been asked: before that `nowMs` is a guess. */
  get isKnown(): boolean {
    return this.#offsetMs !== undefined;
  }

  /**
   * The group time now, fractions included; before the first sample the machine's own. From the first sample on it never
   * goes back: where it is ahead of the bus, it goes at half the pace until it is not.
   */
  nowMs(): number {
    if (this.#offsetMs === undefined) return this.#clock.wallMs();
    const nowMs = this.#clock.now();
    const slowMs = this.#toldMs + Math.max(0, nowMs - this.#toldAtMs) / 2;
    this.#toldMs = Math.max(nowMs + this.#offsetMs, slowMs);
    this.#toldAtMs = nowMs;
    return this.#toldMs;
  }

  /** The bus's clock said `groupMs` at some moment between `sentMs` and `receivedMs` (monotonic). */
  observe(groupMs: number, sentMs: number, receivedMs: number): void {
    const roundTripMs = receivedMs - sentMs;
    this.#samples.push({ roundTripMs, offsetMs: groupMs - (sentMs + receivedMs) / 2 });
    if (this.#samples.length > SAMPLES_MAX) this.#samples.shift();
    const best = this.#samples.reduce((a, b) => (b.roundTripMs < a.roundTripMs ? b : a));
    this.#offsetMs = best.offsetMs;
  }
}
