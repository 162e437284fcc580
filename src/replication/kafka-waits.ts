/** Reads that wait until the records that they must see have been read, each until its deadline. */
import type { CacheError } from '../core/errors';
import type { Clock } from '../lib/clock';
import { withDeadline } from '../lib/deadline';

interface Waiting {
  readonly isDone: () => boolean;
  readonly resolve: () => void;
}

export class KafkaWaits {
  readonly #clock: Clock;
  readonly #waiting = new Set<Waiting>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves in the turn in which `look` finds it done. @throws what `onLate` makes */
  async until(isDone: () => boolean, deadlineMs: number, onLate: () => CacheError): Promise<void> {
    if (isDone()) return;
    let waiting: Waiting | undefined;
    const done = new Promise<void>((resolve) => {
      waiting = { isDone, resolve };
      this.#waiting.add(waiting);
    });
    try {
      await withDeadline(done, deadlineMs - this.#clock.now(), onLate);
    } finally {
      if (waiting !== undefined) this.#waiting.delete(waiting);
    }
  }

  /** More has been read. */
  look(): void {
    for (const { isDone, resolve } of this.#waiting) if (isDone()) resolve();
  }
}
