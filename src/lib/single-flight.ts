/**
 * One flight per key: callers that want the same thing at the same time share one trip to get it. A thousand
 * readers of a key that has just expired cost Redis one GET.
 */
import type { Clock } from './clock';

interface Flight<V> {
  /**
   * undefined once it has landed: the map outgrows its tables all the time, and those that are old by then would keep what
   * was in them, and all that hangs on it, until the next great collection of garbage.
   */
  landing: Promise<V> | undefined;
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
    if (underWay?.landing !== undefined && nowMs - underWay.departedMs <= this.#boardingMs) {
      return underWay.landing;
    }
    const flight: Flight<V> = { landing: undefined, departedMs: nowMs };
    const landing = depart().then(
      (result) => {
        this.#land(key, flight);
        return result;
      },
      (error: unknown) => {
        this.#land(key, flight);
        throw error;
      },
    );
    flight.landing = landing;
    this.#flights.set(key, flight);
    return landing;
  }

  #land(key: K, flight: Flight<V>): void {
    flight.landing = undefined;
    // Not unconditional: after `detach` another flight may stand under this key.
    if (this.#flights.get(key) === flight) this.#flights.delete(key);
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
