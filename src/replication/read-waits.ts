/**
 * Reads that wait until something has arrived here.
 *
 * A *barrier* is a message of this gateway to itself. The bus delivers it behind all that it took before; so when it comes back,
 * whatever others were told SUCCESS of before is here, or its number is known to be missing and it is being pulled. What a
 * gateway acked while it was cut off from the bus is not in that: nobody can know of it.
 *
 *   1. a barrier is sent  2. the subscription ends and W's write is taken meanwhile  3. a new subscription brings the
 *   barrier: it says nothing of what came before that subscription. So it counts only on one that is settled (`sync.ts`).
 */
import { CacheError } from '../core/errors';
import type { Position } from '../core/session';
import type { Clock } from '../lib/clock';
import { withDeadline } from '../lib/deadline';
import type { Origins } from './origins';
import { GONE_MS } from './peers';

export interface ReadWaitsDeps {
  readonly clock: Clock;
  readonly origins: Origins;
  /** Sends a barrier; it may be lost. */
  readonly sendBarrier: (number: number) => void;
  /** The bus is known to be away. */
  readonly isDown: () => boolean;
  /** The subscription is settled, and nothing is missing that anybody has. */
  readonly isComplete: () => boolean;
  /** For how long the origin has been away, while it could have been heard: in milliseconds. */
  readonly silenceOf: (origin: string) => number;
}

interface Waiting {
  /** True: settled. */
  look(): boolean;
  fail(error: CacheError): void;
}

export class ReadWaits {
  readonly #deps: ReadWaitsDeps;
  readonly #waiting = new Set<Waiting>();
  /** The last barrier that was sent, and the last one that came back. */
  #sent = 0;
  #returned = 0;
  #isSending = false;

  constructor(deps: ReadWaitsDeps) {
    this.#deps = deps;
  }

  /** All that call in one turn share a message. @throws CacheError `unavailable`, `timeout` */
  barrier(deadlineMs: number): Promise<void> {
    if (this.#deps.isDown()) return Promise.reject(busAway());
    if (!this.#isSending) {
      this.#isSending = true;
      setImmediate(() => {
        this.#isSending = false;
        this.#sent += 1;
        this.#deps.sendBarrier(this.#sent);
      });
    }
    const number = this.#sent + 1;
    return this.#wait(
      deadlineMs,
      () => this.#returned >= number && this.#deps.isComplete(),
      () => new CacheError('timeout', 'The other gateways could not be asked in time.'),
    );
  }

  /** @throws CacheError `conflict`, `unavailable` */
  async reach(positions: readonly Position[], deadlineMs: number): Promise<void> {
    const isHere = (): boolean => {
      const missing = positions.filter(
        ({ lineage, offset }) => this.#deps.origins.reachedOf(lineage) < offset,
      );
      if (missing.some((position) => this.#isLost(position))) throw lost();
      return missing.length === 0;
    };
    if (isHere()) return;
    await this.#wait(
      deadlineMs,
      isHere,
      () => new CacheError('unavailable', 'What this session has written has not arrived here yet.'),
    );
  }

  returned(number: number): void {
    this.#returned = Math.max(this.#returned, number);
    this.look();
  }

  /** A new subscription: barriers that have not come back went to the old one. */
  subscribed(): void {
    if (this.#returned < this.#sent) this.#deps.sendBarrier(this.#sent);
  }

  /** Something has changed for which somebody may wait. */
  look(): void {
    for (const waiting of this.#waiting) if (waiting.look()) this.#waiting.delete(waiting);
  }

  /** The bus is away: whoever asked it hears so. */
  down(): void {
    for (const waiting of this.#waiting) waiting.fail(busAway());
    this.#waiting.clear();
  }

  #isLost({ lineage }: Position): boolean {
    return this.#deps.isComplete() && this.#deps.silenceOf(lineage) > GONE_MS;
  }

  async #wait(deadlineMs: number, isDone: () => boolean, onLate: () => CacheError): Promise<void> {
    let waiting: Waiting | undefined;
    const done = new Promise<void>((resolve, reject) => {
      waiting = {
        look: () => {
          try {
            if (!isDone()) return false;
            resolve();
          } catch (cause) {
            reject(cause instanceof Error ? cause : busAway());
          }
          return true;
        },
        fail: reject,
      };
      this.#waiting.add(waiting);
    });
    try {
      await withDeadline(done, deadlineMs - this.#deps.clock.now(), onLate);
    } finally {
      if (waiting !== undefined) this.#waiting.delete(waiting);
    }
  }
}

function busAway(): CacheError {
  return new CacheError('unavailable', 'The other gateways cannot be asked now.');
}

function lost(): CacheError {
  return new CacheError('conflict', 'What this session has written is lost.');
}
