/**
 * The connections to the store on which one session hears of messages: one to each shard that is needed. They are opened
 * when they are first needed, and closed with the session at the latest.
 */
import { CacheError } from '../../core/errors';
import type { Protocol, RelaySubscriber } from '../../core/ports';
import type { SessionWork } from './session-work';
import { takeUpstream } from './upstream-place';

export interface SubscriberLink extends RelaySubscriber {
  readonly protocol: Protocol;
}

export interface SubscriberLinksOptions {
  /** A message or a confirmation, in that version of the protocol; `shard` is the number it was opened with. */
  readonly onFrame: (shard: number, protocol: Protocol, frame: Buffer) => void;
  /** One of them has ended, and nobody here has closed it. */
  readonly onLoss: () => void;
}

export class SubscriberLinks {
  readonly #work: SessionWork;
  readonly #options: SubscriberLinksOptions;
  readonly #links = new Map<number, Promise<SubscriberLink>>();
  #isOver = false;

  constructor(work: SessionWork, options: SubscriberLinksOptions) {
    this.#work = work;
    this.#options = options;
  }

  /** @throws CacheError `unavailable`, `throttled` (the door has too many) */
  at(shard: number): Promise<SubscriberLink> {
    const known = this.#links.get(shard);
    if (known !== undefined) return known;
    const opened = this.#open(shard);
    this.#links.set(shard, opened);
    opened.catch(() => {
      if (this.#links.get(shard) === opened) this.#links.delete(shard);
    });
    return opened;
  }

  /** All of them; the next time new ones are opened. */
  close(): void {
    for (const link of this.#links.values()) {
      void link.then((opened) => {
        opened.close();
      }, ignore);
    }
    this.#links.clear();
  }

  end(): void {
    this.#isOver = true;
    this.close();
  }

  async #open(shard: number): Promise<SubscriberLink> {
    const { relay, state, deadlineMs } = this.#work;
    const { protocol } = state;
    const release = takeUpstream(state.deps.upstreams);
    try {
      const connection = await relay.subscribe(shard, {
        protocol,
        deadlineMs,
        onMessage: (frame) => {
          this.#options.onFrame(shard, protocol, frame);
        },
        onEnd: () => {
          release();
          this.#options.onLoss();
        },
      });
      const close = (): void => {
        release();
        connection.close();
      };
      if (this.#isOver) {
        close();
        throw new CacheError('unavailable', 'The connection has ended.');
      }
      return { protocol, tell: (words) => connection.tell(words), close };
    } catch (thrown) {
      release();
      throw thrown;
    }
  }
}

function ignore(): void {
  // The connection was not opened, so there is nothing to close.
}
