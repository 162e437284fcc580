/** Work on one key goes one after the other, in the order in which it came; on different keys it does not wait. */
import { withDeadline } from './deadline';

export class Turns<Key> {
  /** Settles when nobody who came before has anything left to do. Never rejects. */
  readonly #ends = new Map<Key, Promise<void>>();

  /**
   * Runs `work` when its turn has come. Whoever has waited `waitMs` by then gives up, and gets the error that `onLate`
   * makes; the others keep their order.
   */
  async take<Result>(
    key: Key,
    waitMs: number,
    work: () => Promise<Result>,
    onLate: () => Error,
  ): Promise<Result> {
    const before = this.#ends.get(key);
    const done = before === undefined ? work() : withDeadline(before, waitMs, onLate).then(work);
    // Without its results: each end would hold that of the one before it for as long as somebody waits.
    const end = Promise.allSettled([before, done]).then(() => undefined);
    this.#ends.set(key, end);
    try {
      return await done;
    } finally {
      // Whoever gave up still has others before them, for whom those behind must wait.
      void end.then(() => {
        if (this.#ends.get(key) === end) this.#ends.delete(key);
      });
    }
  }
}
