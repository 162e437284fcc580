/**
 * `COHERENCE=kafka`: gateways announce the keys that they change on one topic of one partition. A change is made on the
 * master first, then announced, and its caller hears of it when Kafka has the announcement for good: so C3 counts from then.
 *
 *     WRITE K ──► master: SET, ROLE ──► offset ──► record {K, shard, lineage, offset} ──► Kafka's ack ──► SUCCESS
 *
 * Who reads the record forgets the key, and marks it with that offset as if it had written it itself: a replica that lags
 * would else be read anew, and what it has would stay (R2, R15). The lease is in `lease-chain.ts`.
 *
 *  1. **The topic is not heard from its beginning**, or records were missed (retention, a topic made anew): all leases end,
 *     and marks that were missed are made good by `confirm` (`lease-chain.ts`).
 *  2. **The announced offset is of another history** than the master's here, which is yet to follow a failover or has: it
 *     says nothing, so the key stays with the master until that has told an offset (`write-marks.ts`).
 *  3. **Kafka is away**: the lease runs out within 1.0 s, here and everywhere. What was changed and could not be announced
 *     fails at its deadline as what may stand, and is announced later (`outbox.ts`). From 1.0 s on nothing is changed.
 *  4. **A gateway is killed between change and announcement**: `peers.ts`.
 *  5. **A change takes effect after it has failed**: `doubts.ts`.
 *
 * What others write straight to Redis, and what Redis evicts, is announced by nobody.
 */
import { randomBytes } from 'node:crypto';
import type { Key } from '../core/command';
import type { Words, Log } from '../core/ports';
import type { KafkaTopic, TopicReader } from '../kafka/client';
import type { Clock } from '../lib/clock';
import { withDeadline } from '../lib/deadline';
import type { NodeCommand, RedisChange } from '../redis/commands';
import { Trouble } from '../redis/trouble';
import { encodeAnnouncement, parseAnnouncement, type Changes } from './announcement';
import { Doubts, type Doubt } from './doubts';
import type { Feed } from './feed';
import { LeaseChain } from './lease-chain';
import { Outbox, TICK_MS } from './outbox';
import { Peers } from './peers';
import type { ChangeListener, ShardAnnouncer } from './shard-announcer';

export interface KafkaCoherenceDeps {
  readonly clock: Clock;
  readonly log: Log;
  /** Called for each key that is announced, in the order and the turn in which that arrives. */
  readonly onAnnounced: (key: Key) => void;
  /** Opens the topic, to be read from its end. See `openKafkaTopic`. */
  readonly openTopic: (reader: TopicReader) => Promise<Pick<KafkaTopic, 'send' | 'close'>>;
}

/** For Kafka to take one record; then it is sent again. */
const SEND_MS_MAX = 1000;
/** For what is still to be announced when this gateway goes. */
const FAREWELL_MS_MAX = 500;

const NO_KEY = Buffer.alloc(0);

export class KafkaCoherence {
  readonly kind = 'kafka';
  readonly #deps: KafkaCoherenceDeps;
  readonly #origin = randomBytes(8).toString('hex');
  readonly #chain: LeaseChain;
  readonly #outbox: Outbox;
  readonly #doubts: Doubts;
  readonly #peers = new Peers();
  /** Told once: it may come with every record. */
  readonly #trouble: Trouble;
  /** By the shard's id. */
  readonly #listeners = new Map<string, ChangeListener>();
  /** The offset of the record that comes next. */
  #next: number | undefined;
  #topic: Pick<KafkaTopic, 'send' | 'close'> | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(deps: KafkaCoherenceDeps) {
    this.#deps = deps;
    this.#chain = new LeaseChain(deps.clock);
    this.#doubts = new Doubts(deps.clock);
    this.#trouble = new Trouble((reason) => deps.log.warn({}, reason));
    this.#outbox = new Outbox({
      clock: deps.clock,
      send: (changes, sentMs) => this.#send(changes, sentMs, false, SEND_MS_MAX),
    });
  }

  createFeed(): Feed {
    return this.#chain.createFeed();
  }

  send<T>(change: RedisChange<T>): NodeCommand<T> {
    return change;
  }

  publicationsOf(): readonly Words[] {
    return [];
  }

  join(shard: string, listener: ChangeListener): ShardAnnouncer {
    this.#listeners.set(shard, listener);
    const outbox = this.#outbox;
    return {
      get isOpen() {
        return outbox.isOpen;
      },
      announce: (changes, waiter) => outbox.add({ shard, ...changes }, waiter),
      doubt: (keys) => {
        this.#doubts.add({ shard, keys });
        outbox.add(withoutOffset({ shard, keys }));
      },
      close: () => this.#listeners.delete(shard),
    };
  }

  /**
   * Resolves when Kafka has been tried once; where it is away it goes on trying, and no change is made before it is there.
   * @throws Error without the client library, and where the topic has several partitions
   */
  async open(): Promise<void> {
    this.#topic = await this.#deps.openTopic({
      onConnected: ({ position }) => this.#goOnAt(position),
      onRecords: (records, nextOffset) => {
        for (const { offset, value } of records) {
          this.#goOnAt(offset);
          this.#heard(value);
          this.#next = offset + 1;
        }
        this.#goOnAt(nextOffset);
      },
      onGap: (position) => this.#missed(position),
      // The lease runs out by itself, unless the connection is back before that, and nothing was missed.
      onLost: () => undefined,
    });
    // Behind the sockets, as in `deadline.ts`: what Kafka said while this process stood still counts.
    this.#timer = setInterval(() => setImmediate(() => this.#tick()), TICK_MS);
    await this.#outbox.flush();
  }

  /** Announces what is still to be announced, for a while, and says goodbye where that was all. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await withDeadline(this.#bidFarewell(), FAREWELL_MS_MAX, () => new Error('too late')).catch(
      () => undefined,
    );
    this.#outbox.close();
    await this.#topic?.close();
  }

  async #bidFarewell(): Promise<void> {
    const outbox = this.#outbox;
    while (!outbox.isEmpty) if (!(await outbox.flush())) return;
    // Of what is in doubt the others must not believe that it is settled.
    if (this.#doubts.isEmpty) await this.#send([], this.#deps.clock.now(), true, FAREWELL_MS_MAX);
  }

  async #send(changes: readonly Changes[], sentMs: number, isLast: boolean, waitMs: number): Promise<void> {
    if (this.#topic === undefined) throw new Error('there is no topic yet');
    const value = encodeAnnouncement({ origin: this.#origin, sentMs, isLast, changes });
    await this.#topic.send([{ key: NO_KEY, value, headers: {} }], sentMs + waitMs);
  }

  /** No record is left out, unless it was missed: it fell to retention, or to a topic that is compacted or made anew. */
  #goOnAt(offset: number): void {
    if (this.#next !== undefined && this.#next !== offset) this.#missed(offset);
    else this.#next = offset;
  }

  #missed(offset: number): void {
    this.#deps.log.warn({}, 'announcements may have been missed: what is near is dropped');
    this.#chain.gap();
    this.#next = offset;
  }

  #heard(record: Buffer | undefined): void {
    const announcement = record && parseAnnouncement(record);
    if (announcement === undefined) {
      this.#trouble.meet('an announcement cannot be understood: what is near is dropped');
      this.#chain.gap();
      return;
    }
    const { origin, sentMs, isLast, changes } = announcement;
    if (origin === this.#origin) {
      // What this gateway changed it has forgotten and marked itself.
      // No later than now, whoever wrote it.
      this.#chain.extend(Math.min(sentMs, this.#deps.clock.now()));
      const gone = this.#peers.beat(sentMs);
      if (gone.length === 0) return;
      this.#deps.log.warn({ gateways: gone.length }, 'gateways went without a word: what is near is dropped');
      this.#chain.gap();
      return;
    }
    if (isLast) this.#peers.left(origin);
    else this.#peers.heard(origin);
    for (const each of changes) this.#apply(each);
  }

  #apply(changes: Changes): void {
    if (changes.keys !== 'everything') for (const key of changes.keys) this.#deps.onAnnounced(key);
    this.#listeners.get(changes.shard)?.(changes);
  }

  #tick(): void {
    this.#outbox.tick();
    for (const doubt of this.#doubts.takeDue()) {
      const changes = withoutOffset(doubt);
      this.#outbox.add(changes);
      // Our own record would be skipped.
      this.#apply(changes);
    }
  }
}

function withoutOffset(doubt: Doubt): Changes {
  return { ...doubt, lineage: undefined, offset: Infinity };
}
