/** Writes that wait until so many other gateways have applied them. */
import type { Ack } from '../core/command';
import { CacheError } from '../core/errors';
import type { Clock } from '../lib/clock';
import { withDeadline } from '../lib/deadline';
import type { Peers } from './peers';

interface Waiting {
  readonly seq: number;
  readonly ack: Ack;
  readonly confirmed: () => void;
}

export class AckWaits {
  readonly #clock: Clock;
  readonly #peers: Peers;
  readonly #waiting = new Set<Waiting>();

  constructor(clock: Clock, peers: Peers) {
    this.#clock = clock;
    this.#peers = peers;
  }

  /**
   * Resolves when so many have everything up to that number of this gateway's announcements.
   * @throws CacheError `unavailable` at the deadline
   */
  async wait(seq: number, ack: Ack, deadlineMs: number): Promise<void> {
    let waiting: Waiting | undefined;
    const confirmed = new Promise<void>((resolve) => {
      waiting = { seq, ack, confirmed: resolve };
      this.#waiting.add(waiting);
    });
    this.look();
    try {
      await withDeadline(confirmed, deadlineMs - this.#clock.now(), () => {
        const message = `Only ${String(this.#count(seq))} of ${String(ack)} gateways confirmed in time. The change stands here.`;
        return new CacheError('unavailable', message);
      });
    } finally {
      if (waiting !== undefined) this.#waiting.delete(waiting);
    }
  }

  /** Peers have told how far they are. */
  look(): void {
    for (const { seq, ack, confirmed } of this.#waiting) if (this.#count(seq) >= ack) confirmed();
  }

  #count(seq: number): number {
    return this.#peers.all().filter(({ reached }) => reached >= seq).length;
  }
}
