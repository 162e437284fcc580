/**
 * One flight per key: callers that want the same thing at the same time share one trip to get it. A thousand
 * readers of a key that has just expired cost Redis one GET.
 */
import type { Clock } from './clock';

interface Flight<V> {
  readonly landing: Promise<V>;
  readonly departedMs: number;
}

export class SingleFlight<K, V> {
  readonly #flights = new Map<K, Flight<V>>();
  readonly #boardingMs: number;
  readonly #clock: Clock;

  /** Nobody boards a flight that left more than `boardingMs` ago: what it brings may be as old as that. */
  constructor(boardingMs: number, clock: Clock) {
    this.#boardingMs = boardingMs;
    this.#clock = clock;
  }

  /**
   * The result of the flight under way for `key`, or of `depart`, which becomes that flight. A failed flight fails
   * for all that shared it and is then forgotten; it never hangs them longer than `depart` itself takes.
   */
  join(key: K, depart: () => Promise<V>): Promise<V> {
    const nowMs = this.#clock.now();
    const underWay = this.#flights.get(key);
    if (underWay !== undefined && nowMs - underWay.departedMs <= this.#boardingMs) return underWay.landing;
    const landing = depart().finally(() => {
      // Not unconditional: after `detach` another flight may stand under this key.
      if (this.#flights.get(key)?.landing === landing) this.#flights.delete(key);
    });
    this.#flights.set(key, { landing, departedMs: nowMs });
    return landing;
  }

  /**
   * Nobody joins the present flight of `key` any more; those aboard still land. To be called when what the flight
   * fetches may have changed since it left.
   */
  detach(key: K): void {
    this.#flights.delete(key);
  }

  /** `detach` of every key. */
  detachAll(): void {
    this.#flights.clear();
  }

  get size(): number {
    return this.#flights.size;
  }
}
