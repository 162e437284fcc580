/** One timer in place of many, for whoever watches over a lot of deadlines at once. */
import type { Clock } from './clock';

/** How late it may ring, so that deadlines that are close to one another cost one timer. */
const COARSE_MS = 20;

export class Alarm {
  readonly #clock: Clock;
  readonly #ring: () => void;
  readonly #coarseMs: number;
  #atMs = Infinity;
  #timer: NodeJS.Timeout | undefined;

  /**
   * `ring` looks for what is due and sets the alarm anew. It runs behind the sockets, as in `deadline.ts`: what lay in
   * them while this process stood still has been read. `coarseMs`: how late it may ring.
   */
  constructor(clock: Clock, ring: () => void, coarseMs = COARSE_MS) {
    this.#clock = clock;
    this.#ring = ring;
    this.#coarseMs = coarseMs;
  }

  /** Rings once, at `atMs` (monotonic) or when it was set to before, and within some milliseconds. Infinity: no matter. */
  setBy(atMs: number): void {
    if (atMs === Infinity || atMs > this.#atMs - this.#coarseMs) return;
    const nowMs = this.#clock.now();
    // What is due already must not put off, each time it is asked for, the ringing that is about to come.
    const ringsAtMs = Math.max(atMs, nowMs + this.#coarseMs);
    if (ringsAtMs > this.#atMs - this.#coarseMs) return;
    clearTimeout(this.#timer);
    this.#atMs = ringsAtMs;
    this.#timer = setTimeout(() => {
      this.#atMs = Infinity;
      setImmediate(this.#ring);
    }, this.#atMs - nowMs);
    // What it watches over has connections, and those keep the process; an alarm for what is long done must not.
    this.#timer.unref();
  }

  /** What has begun to ring still does. */
  cancel(): void {
    clearTimeout(this.#timer);
    this.#atMs = Infinity;
  }
}
