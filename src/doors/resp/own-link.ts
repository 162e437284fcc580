/**
 * A connection to the store that one session has alone, for what blocks it or what it watches. It is opened when it is
 * first needed, kept for a while for the next time if that is at the same place, and closed with the session at the
 * latest:
 *
 *   1. BLPOP waits on the link, for ever if nothing is pushed
 *   2. the client goes; the session ends and closes the link at once
 *   3. Redis sees the connection end and forgets the BLPOP, so what is pushed later stays in the list
 *
 * What Redis has popped before 3, and what is on its way, is lost, as it is when a client of Redis itself goes then.
 */
import type { Key } from '../../core/command';
import { CacheError } from '../../core/errors';
import type { Protocol } from '../../core/ports';
import type { CacheLink } from '../../core/relay';
import type { SessionWork } from './session-work';
import { takeUpstream } from './upstream-place';

/** One that nobody uses holds a place that others may need. */
const IDLE_MS_MAX = 30_000;

interface Held {
  readonly place: number;
  readonly protocol: Protocol;
  readonly link: CacheLink;
  /** Tells links apart. */
  readonly life: object;
  readonly release: () => void;
}

export class OwnLink {
  readonly #work: SessionWork;
  readonly #onEnd: () => void;
  #held: Held | undefined;
  #isClosed = false;
  /** Since when it rests; monotonic. Infinity: it does not. */
  #restsSinceMs = Infinity;

  /** `onEnd`: the link that was last opened has ended, and nobody here has closed it. */
  constructor(work: SessionWork, onEnd: () => void = () => undefined) {
    this.#work = work;
    this.#onEnd = onEnd;
  }

  /** The link to the place of the key. @throws CacheError `unavailable`, `throttled` (the door has too many) */
  async open(key: Key, protocol: Protocol, deadlineMs: number): Promise<CacheLink> {
    const { relay, state } = this.#work;
    const place = relay.placeOf(key);
    this.#restsSinceMs = Infinity;
    if (this.#held?.place === place && this.#held.protocol === protocol) return this.#held.link;
    this.drop();
    const release = takeUpstream(state.deps.upstreams);
    const life = { hasEnded: false };
    const onEnd = (): void => {
      life.hasEnded = true;
      release();
      if (this.#held?.life !== life) return;
      this.#held = undefined;
      this.#onEnd();
    };
    try {
      const link = await relay.open(key, { protocol, deadlineMs, onEnd });
      // The session may have ended meanwhile, and nobody would close it then.
      if (this.#isClosed || life.hasEnded) {
        link.close();
        throw new CacheError('unavailable', 'The connection to the store has ended. Nothing was done.');
      }
      this.#held = { place, protocol, link, life, release };
      return link;
    } catch (thrown) {
      release();
      throw thrown;
    }
  }

  /** It is not used from now on. */
  rest(): void {
    this.#restsSinceMs = this.#work.state.deps.clock.now();
  }

  /** To be called now and then while it is not used: closes it when it has not been for long. */
  dropIdle(): void {
    if (this.#held === undefined) return;
    if (this.#work.state.deps.clock.now() - this.#restsSinceMs > IDLE_MS_MAX) this.drop();
  }

  /** The next time a new one is opened. */
  drop(): void {
    const held = this.#held;
    this.#held = undefined;
    held?.release();
    held?.link.close();
  }

  close(): void {
    this.#isClosed = true;
    this.drop();
  }
}
