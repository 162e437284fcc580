/**
 * Those who wait for the answers of one server, which come in the order of the questions. Whoever has waited too long
 * is told so and leaves, but keeps the place in the line: the late answer is nobody's, and not the next one's.
 */
import type { CacheError } from '../core/errors';

interface Waiting {
  /** Monotonic. */
  readonly deadlineMs: number;
  fail(error: CacheError): void;
}

/** Empty places at the front are removed when there are so many, and as many as there are others. */
const EMPTY_PLACES_MAX = 1024;

export class WaitingLine<Waiter extends Waiting> {
  /** undefined: has left. */
  #places: (Waiter | undefined)[] = [];
  /** The place that is next. */
  #front = 0;
  #earliestDeadlineMs = Infinity;

  /** Answers to come. */
  get length(): number {
    return this.#places.length - this.#front;
  }

  /** No deadline is before this; it may lie in the past when all of that time are gone. */
  get earliestDeadlineMs(): number {
    return this.#earliestDeadlineMs;
  }

  /** Whoever is next waits for as long as it takes. */
  get isPatient(): boolean {
    return this.#places[this.#front]?.deadlineMs === Infinity;
  }

  add(waiter: Waiter): void {
    this.#places.push(waiter);
    if (waiter.deadlineMs < this.#earliestDeadlineMs) this.#earliestDeadlineMs = waiter.deadlineMs;
  }

  /** Takes the next place; undefined: whoever had it has left. */
  shift(): Waiter | undefined {
    const waiter = this.#places[this.#front];
    this.#places[this.#front] = undefined;
    this.#front += 1;
    if (this.#front === this.#places.length) {
      this.#places = [];
      this.#front = 0;
      this.#earliestDeadlineMs = Infinity;
    } else if (this.#front >= EMPTY_PLACES_MAX && 2 * this.#front >= this.#places.length) {
      this.#places = this.#places.slice(this.#front);
      this.#front = 0;
    }
    return waiter;
  }

  /** Those whose time has come leave with one error for all. */
  expire(nowMs: number, makeError: () => CacheError): void {
    if (nowMs < this.#earliestDeadlineMs) return;
    const late: Waiter[] = [];
    this.#earliestDeadlineMs = Infinity;
    for (let at = this.#front; at < this.#places.length; at++) {
      const waiter = this.#places[at];
      if (waiter === undefined) continue;
      if (waiter.deadlineMs <= nowMs) {
        late.push(waiter);
        this.#places[at] = undefined;
      } else this.#earliestDeadlineMs = Math.min(this.#earliestDeadlineMs, waiter.deadlineMs);
    }
    const error = makeError();
    for (const waiter of late) waiter.fail(error);
  }

  /** All leave with the error, and so do their places. */
  end(error: CacheError): void {
    const waiters = this.#places.slice(this.#front);
    this.#places = [];
    this.#front = 0;
    this.#earliestDeadlineMs = Infinity;
    for (const waiter of waiters) waiter?.fail(error);
  }
}
