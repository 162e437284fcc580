/**
 * How long a command waits for a master (C7, 25). One that only a master can carry out, and that finds none, waits
 * for the one that a failover brings; it was sent nowhere yet, so sending it then is its first execution.
 */
import type { Clock } from '../lib/clock';
import { withDeadline } from '../lib/deadline';
import { unreachable } from '../redis/redis-errors';
import type { Member } from './member';

/**
 * A command that only a master can carry out waits so long at most for there to be one, counted from the first that
 * found none: a planned failover takes less. After that it is refused at once.
 */
export const HOLD_MS = 450;

export class MasterWait {
  readonly #clock: Clock;
  readonly #usableMaster: () => Member | undefined;
  /** Those that wait. */
  readonly #holding = new Set<() => void>();
  /** When the master was first found missing. */
  #missedMs: number | undefined;
  #closed = false;

  /** `usableMaster` tells the one that can be used now. */
  constructor(clock: Clock, usableMaster: () => Member | undefined) {
    this.#clock = clock;
    this.#usableMaster = usableMaster;
  }

  /**
   * The master, as soon as there is one that can be used.
   * @throws CacheError `unavailable` when there is none in time; nothing was done
   */
  async masterBy(deadlineMs: number): Promise<Member> {
    for (;;) {
      const master = this.#usableMaster();
      if (master !== undefined) return master;
      const nowMs = this.#clock.now();
      this.#missedMs ??= nowMs;
      const leftMs = Math.min(this.#missedMs + HOLD_MS, deadlineMs) - nowMs;
      if (leftMs <= 0 || this.#closed) throw unreachable();
      await this.#hold(leftMs);
    }
  }

  /** There is a usable master: all that wait go on. */
  release(): void {
    this.#missedMs = undefined;
    for (const release of this.#holding) release();
    this.#holding.clear();
  }

  /** Nobody waits from now on. */
  close(): void {
    this.#closed = true;
    this.release();
  }

  /** Until something may have changed, or the time is over. */
  async #hold(waitMs: number): Promise<void> {
    let release: () => void = () => undefined;
    const released = new Promise<void>((resolve) => {
      release = resolve;
      this.#holding.add(release);
    });
    await withDeadline(released, waitMs, unreachable).catch(() => undefined);
    this.#holding.delete(release);
  }
}
