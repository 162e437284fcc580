/**
 * What this gateway tells everybody of itself, four times a second and whenever it is asked. One's own come back: by that a
 * subscription is known to bring what is published. With each, the bus is asked for its time.
 */
import type { Clock } from '../lib/clock';
import type { GroupClock } from './group-clock';
import type { Message } from './messages';
import type { Origins } from './origins';
import type { Outbox } from './outbox';
import { HEARD_MS } from './peers';
import type { PubsubLink } from './pubsub-link';
import type { ReplicaStore } from './replica-store';

const HEARTBEAT_MS = 250;

export interface HeartbeatsDeps {
  readonly id: string;
  readonly clock: Clock;
  readonly groupClock: GroupClock;
  readonly store: ReplicaStore;
  readonly origins: Origins;
  readonly outbox: Outbox;
  readonly link: PubsubLink;
  readonly isCaughtUp: () => boolean;
  readonly publish: (message: Message) => Promise<unknown>;
}

interface Sent {
  readonly number: number;
  readonly groupMs: number;
  /** When the bus took it. */
  takenMs: number | undefined;
}

export class Heartbeats {
  readonly #deps: HeartbeatsDeps;
  #number = 0;
  #sentMs = -Infinity;
  #isWanted = false;
  /** Those that have not come back on the present subscription. */
  #owed: Sent[] = [];
  /** When one came back last on the present subscription; undefined: none has. */
  #returnedMs: number | undefined;

  constructor(deps: HeartbeatsDeps) {
    this.#deps = deps;
  }

  /** The present subscription brings what this gateway publishes. */
  get isReturning(): boolean {
    const { clock } = this.#deps;
    return this.#returnedMs !== undefined && clock.now() - this.#returnedMs <= HEARD_MS + HEARTBEAT_MS;
  }

  /** When the bus took the first one that has not come back; undefined: none is owed. */
  get owedSinceMs(): number | undefined {
    return this.#owed.find(({ takenMs }) => takenMs !== undefined)?.takenMs;
  }

  /** A subscription has begun or ended. */
  forget(): void {
    this.#owed = [];
    this.#returnedMs = undefined;
  }

  /** To be called at a steady pace. */
  tick(): void {
    const { clock, link } = this.#deps;
    if (link.publisher === 'up' && clock.now() - this.#sentMs >= HEARTBEAT_MS) this.send(false);
  }

  /** One for all that ask in this turn. */
  sendSoon(): void {
    if (this.#isWanted) return;
    this.#isWanted = true;
    setImmediate(() => {
      this.#isWanted = false;
      if (this.#deps.link.publisher === 'up') this.send(false);
    });
  }

  send(wantsAnswer: boolean): void {
    const { id, clock, groupClock, store, origins, outbox, link, isCaughtUp, publish } = this.#deps;
    const sentMs = (this.#sentMs = clock.now());
    const sent: Sent = { number: ++this.#number, groupMs: groupClock.nowMs(), takenMs: undefined };
    if (link.isSubscribed) this.#owed.push(sent);
    const { seq } = outbox;
    // The origin that is heard last is the last one to be left out of a vector.
    if (seq > 0) origins.received(id, seq, sentMs);
    publish({
      ...{ type: 'heartbeat', number: sent.number, isCaughtUp: isCaughtUp(), wantsAnswer },
      ...{ horizon: store.horizon, epoch: store.epoch, rootDigest: store.rootDigest() },
      vector: origins.vector(sentMs),
    }).then(
      () => {
        sent.takenMs = clock.now();
        outbox.taken(seq);
      },
      () => {
        this.#owed = this.#owed.filter((each) => each !== sent);
        // A refusal of the bus: nobody waits for what it does not allow.
        if (link.publisher === 'up') outbox.taken(seq);
      },
    );
    link.time().then(
      (groupMs) => groupClock.observe(groupMs, sentMs, clock.now()),
      () => undefined,
    );
  }

  /** One's own has come back: the group time at which it was sent; undefined for an old one. */
  cameBack(number: number): number | undefined {
    const sent = this.#owed.find((each) => each.number === number);
    if (sent === undefined) return undefined;
    this.#owed = this.#owed.filter((each) => each.number > number);
    this.#returnedMs = this.#deps.clock.now();
    return sent.groupMs;
  }
}
