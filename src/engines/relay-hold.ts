/** How much relayed requests may be held back at the same time, and who holds some. */
import { Budget } from '../lib/budget';
import type { RelayEntry } from './relay-entry';

/** A hold takes HOLD_MS at most, so these are what a burst brings in that time. */
const ENTRIES_MAX = 65_536;
const BYTES_MAX = 64 * 1024 * 1024;

/** Who holds some of it. */
interface Waiting {
  /** Those that are held may leave. */
  wake(): void;
}

export class RelayHold {
  readonly waiting = new Set<Waiting>();
  readonly #entries = new Budget(ENTRIES_MAX);
  readonly #bytes = new Budget(BYTES_MAX);

  /** False: there is no room for it. */
  take(entry: RelayEntry): boolean {
    if (!this.#entries.take(1)) return false;
    if (this.#bytes.take(entry.bytes)) return true;
    this.#entries.release(1);
    return false;
  }

  release(entry: RelayEntry): void {
    this.#entries.release(1);
    this.#bytes.release(entry.bytes);
  }

  /** There is a new connection: those that are held may leave. */
  wake(): void {
    for (const line of this.waiting) line.wake();
  }
}
