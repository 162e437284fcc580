/**
 * The replication log over Redis Pub/Sub, which delivers at once and forgets at once: what a gateway has not heard it gets from
 * another one, over the same bus.
 *
 *   announce -> `outbox.ts` -> PUBLISH -> everybody -> applied, or a gap shows (`origins.ts`)
 *                                                              `sync.ts` decides to pull, `pull.ts` asks, `sync-answers.ts` answers
 *   a heartbeat each HEARTBEAT_MS tells everybody what is here; one's own proves that the subscription lives
 *
 *   1. The bus freezes, both connections are given up and made anew, and the bus wakes: it reads what lay in the old
 *      ones first. So old messages may come behind newer ones: entries lose by their versions, old heartbeats by their numbers.
 *   2. The publisher is cut, the subscription is not: others do not hear this gateway, and its writes are left out. The first thing
 *      that the next publisher carries is a heartbeat with the numbers, and they pull.
 *   3. The subscription is half open, so nothing comes any more, but what is published is taken: one's own heartbeat does
 *      not come back, and the subscription is made anew.
 */
import { createHash } from 'node:crypto';
import type { Ack } from '../core/command';
import { CacheError } from '../core/errors';
import type { Position } from '../core/session';
import { withDeadline } from '../lib/deadline';
import { nameOfAddress, type NodeAddress } from '../redis/client';
import { TOMBSTONE_MS } from './held-entry';
import { encodeMessage, isEntriesOf, parseMessage, type Message, type Received } from './messages';
import { Heartbeats } from './heartbeats';
import { Origins } from './origins';
import { Outbox } from './outbox';
import { HEARD_MS, Peers } from './peers';
import { PubsubLink, type PublisherState } from './pubsub-link';
import { applyEntries, Puller } from './pull';
import { ReadWaits } from './read-waits';
import type { AnnounceOptions, PeerStatus, ReplicationLog, ReplicationLogDeps } from './replication-log';
import { SyncAnswers } from './sync-answers';
import { Sync } from './sync';
import { AckWaits } from './ack-waits';
import { MalformedMessage, type VersionedEntry } from './versioned-entry';

const TICK_MS = 125;
/** Nothing is forgotten so soon after the bus was away: others may not be back yet, and would be too late then. */
const CALM_MS = 60_000;
const FLUSH_MS_MAX = 1000;
/** The same for all, since they are on one bus. */
const SHARD = createHash('sha256').update('ringcache:replication').digest('hex').slice(0, 12);

/** Returns at once, and connects by itself. */
export function openPubsubLog(address: NodeAddress, deps: ReplicationLogDeps): ReplicationLog {
  return new PubsubLog(address, deps);
}

class PubsubLog implements ReplicationLog {
  readonly shard = SHARD;
  readonly #deps: ReplicationLogDeps;
  readonly #name: string;
  readonly #idBytes: Buffer;
  readonly #link: PubsubLink;
  readonly #origins = new Origins();
  readonly #peers: Peers;
  readonly #outbox: Outbox;
  readonly #acks: AckWaits;
  readonly #reads: ReadWaits;
  readonly #puller: Puller;
  readonly #answers: SyncAnswers;
  readonly #sync: Sync;
  readonly #heartbeats: Heartbeats;
  readonly #timer: NodeJS.Timeout;
  /** Since when there is the present subscription. */
  #subscribedMs = Infinity;
  /** What the log was told last: both connections are there, and carry what is said. */
  #isLinked = false;
  /** What kinds of faults in messages were logged. */
  readonly #oddities = new Set<string>();
  readonly #onRefused = (): void => this.#oddity('of a time that lies too far ahead');
  #closed = false;

  constructor(address: NodeAddress, deps: ReplicationLogDeps) {
    const { id, clock, groupClock, log, store, versions, onApplied } = deps;
    this.#deps = deps;
    this.#name = nameOfAddress(address);
    this.#idBytes = Buffer.from(id, 'hex');
    const origins = this.#origins;
    const send = (message: Message, to: string): Promise<number> => this.#publish(message, to);
    const isCaughtUp = (): boolean => this.isCaughtUp;
    const onRefused = this.#onRefused;
    this.#peers = new Peers(id, log);
    this.#link = new PubsubLink(address, id, deps, {
      onSubscribed: () => this.#subscribed(),
      onUnsubscribed: () => this.#unsubscribed(),
      onMessage: (bytes) => this.#received(bytes),
      onPublisher: (state) => this.#publisherIs(state),
    });
    this.#outbox = new Outbox({
      ...{ id, clock, origins },
      publisher: () => this.#link.publisher,
      publish: (message) => this.#link.publish(message),
    });
    this.#acks = new AckWaits(clock, this.#peers);
    this.#reads = new ReadWaits({
      ...{ clock, origins },
      sendBarrier: (number) => void this.#publish({ type: 'barrier', number }, id).catch(() => undefined),
      isDown: () => this.#link.publisher === 'down',
      isComplete: () => this.#sync.isSettled && !this.#sync.isBehind,
      silenceOf: (origin) => this.#silenceOf(origin),
    });
    this.#puller = new Puller({
      ...{ store, origins, versions, groupClock, clock, log, onApplied, onRefused, isCaughtUp, send },
      onStale: () => this.#sync.becomeStale(),
    });
    this.#answers = new SyncAnswers({ store, origins, clock, isCaughtUp, send });
    this.#sync = new Sync({
      ...{ id, clock, groupClock, log, store, origins, peers: this.#peers, puller: this.#puller },
      onProgress: () => this.#reads.look(),
    });
    this.#heartbeats = new Heartbeats({
      ...{ id, clock, groupClock, store, origins, isCaughtUp },
      ...{ link: this.#link, outbox: this.#outbox },
      publish: (message) => this.#publish(message),
    });
    // Out of a snapshot, and perhaps nowhere else.
    if (store.size + store.tombstones > 0) this.#outbox.skip();
    // Behind the sockets, as in `lib/deadline.ts`: what came while this process stood still has been read.
    this.#timer = setInterval(() => setImmediate(() => this.#tick()), TICK_MS).unref();
    this.#link.open();
  }

  get isCaughtUp(): boolean {
    return this.#sync.isCaughtUp;
  }

  get isConnected(): boolean {
    return this.#link.publisher === 'up' && this.#heartbeats.isReturning;
  }

  get mayForget(): boolean {
    const { clock, groupClock, store } = this.#deps;
    const isCalm = clock.now() - this.#subscribedMs >= CALM_MS;
    // Where the bus's clock has jumped ahead, what would be forgotten may be later than the contact of all gateways, and
    // each would find itself too old for the others: then all would drop everything.
    const isHeardOf = store.contact >= groupClock.nowMs() - TOMBSTONE_MS;
    const isWhole = this.isCaughtUp && this.isConnected && !this.#sync.isBehind;
    return isCalm && isHeardOf && isWhole && !this.#answers.isAsked;
  }

  checkAck(ack: Ack): void {
    if (ack === 0) return;
    const present = this.#peers.present(this.#deps.clock.now()).length;
    if (this.isConnected && present >= ack) return;
    const message = `There are ${String(this.isConnected ? present : 0)} other gateways to confirm it now. Nothing was done.`;
    throw new CacheError('unavailable', message);
  }

  async announce(entries: readonly VersionedEntry[], options: AnnounceOptions): Promise<Position> {
    const { ack, deadlineMs } = options;
    const seq = await this.#outbox.announce(entries, { wantsAck: ack > 0, deadlineMs });
    if (ack > 0) await this.#acks.wait(seq, ack, deadlineMs);
    return { shard: SHARD, lineage: this.#deps.id, offset: seq };
  }

  barrier(deadlineMs: number): Promise<void> {
    return this.#reads.barrier(deadlineMs);
  }

  reach(positions: readonly Position[], deadlineMs: number): Promise<void> {
    return this.#reads.reach(positions, deadlineMs);
  }

  includes(newer: Position, older: Position): boolean {
    return newer.shard === older.shard && newer.lineage === older.lineage && newer.offset >= older.offset;
  }

  /** Entries of others end on their gateways by themselves. */
  expired(): void {
    return;
  }

  peers(): readonly PeerStatus[] {
    const nowMs = this.#deps.clock.now();
    return this.#peers.all().map(({ id, heardMs }) => ({ id, isHeard: nowMs - heardMs <= HEARD_MS }));
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    const flushed = this.#outbox.announce([], { wantsAck: false, deadlineMs: Infinity });
    await withDeadline(flushed, FLUSH_MS_MAX, () => new Error('late')).catch(() => undefined);
    this.#closed = true;
    clearInterval(this.#timer);
    this.#answers.close();
    this.#sync.unsubscribed();
    this.#outbox.away();
    this.#reads.down();
    await this.#link.close();
  }

  #publish(message: Message, to?: string): Promise<number> {
    return this.#link.publish(encodeMessage(this.#deps.id, message), to);
  }

  #publisherIs(state: PublisherState): void {
    if (state === 'up') this.#greet();
    else this.#lost();
    if (state !== 'down') return;
    this.#outbox.away();
    this.#reads.down();
  }

  #subscribed(): void {
    this.#heartbeats.forget();
    this.#subscribedMs = this.#deps.clock.now();
    this.#sync.subscribed(this.#link.wasAway);
    this.#greet();
    this.#reads.subscribed();
  }

  #lost(): void {
    if (this.#isLinked && !this.#closed) this.#deps.log.warn({ node: this.#name }, 'replication bus lost');
    this.#isLinked = false;
  }

  #unsubscribed(): void {
    this.#lost();
    this.#heartbeats.forget();
    this.#subscribedMs = Infinity;
    this.#sync.unsubscribed();
  }

  /** The first words on a new connection: what is here, who is there, and what do they have? */
  #greet(): void {
    if (this.#link.publisher !== 'up' || !this.#link.isSubscribed) return;
    this.#heartbeats.send(true);
    this.#link.countSubscribers().then(
      (count) => this.#sync.counted(count - 1),
      () => undefined,
    );
  }

  #tick(): void {
    if (this.#closed) return;
    const { clock } = this.#deps;
    const nowMs = clock.now();
    this.#link.tick(this.#heartbeats.owedSinceMs);
    this.#outbox.tick();
    this.#peers.tick(nowMs);
    this.#heartbeats.tick();
    this.#sync.evaluate();
    this.#reads.look();
  }

  #received(bytes: Buffer): void {
    if (this.#closed || isEntriesOf(this.#idBytes, bytes)) return;
    let message: Received;
    try {
      message = parseMessage(bytes);
    } catch (cause) {
      this.#oddity(cause instanceof MalformedMessage ? cause.message : 'not to be read');
      return;
    }
    if (message.origin === this.#deps.id) this.#cameBack(message);
    else this.#cameFrom(message.origin, message);
  }

  #cameBack(message: Received): void {
    if (message.type === 'barrier') this.#reads.returned(message.number);
    if (message.type !== 'heartbeat') return;
    const sentGroupMs = this.#heartbeats.cameBack(message.number);
    if (sentGroupMs === undefined) return;
    if (!this.#isLinked) this.#deps.log.info({ node: this.#name }, 'replication bus connected');
    this.#isLinked = true;
    this.#sync.proven(sentGroupMs);
  }

  #cameFrom(origin: string, message: Received): void {
    switch (message.type) {
      case 'entries':
        applyEntries(message.entries, { ...this.#deps, onRefused: this.#onRefused });
        this.#origins.received(origin, message.seq, this.#deps.clock.now());
        if (message.wantsAck) this.#confirm(origin);
        this.#sync.received(origin);
        this.#reads.look();
        break;
      case 'heartbeat': {
        if (!this.#deps.versions.observe(message.horizon)) {
          this.#onRefused();
          break;
        }
        if (message.wantsAnswer) this.#heartbeats.sendSoon();
        const peer = this.#peers.heard(origin, message, this.#deps.clock.now());
        if (peer !== undefined) this.#sync.heard(peer);
        this.#acks.look();
        break;
      }
      case 'ack':
        this.#peers.reached(origin, message.seq);
        this.#acks.look();
        break;
      case 'digestRequest':
      case 'entriesRequest':
        this.#answers.asked(origin, message);
        break;
      case 'digest':
      case 'entriesReply':
        this.#puller.answered(origin, message);
        break;
      case 'barrier':
        break;
    }
  }

  #confirm(origin: string): void {
    const seq = this.#origins.reachedOf(origin);
    if (seq > 0) this.#publish({ type: 'ack', seq }, origin).catch(() => undefined);
  }

  #silenceOf(origin: string): number {
    const nowMs = this.#deps.clock.now();
    if (origin === this.#deps.id) return 0;
    return nowMs - Math.max(this.#peers.get(origin)?.heardMs ?? -Infinity, this.#subscribedMs);
  }

  /** Somebody else publishes here, or a gateway of another version: once for each kind. */
  #oddity(what: string): void {
    if (this.#oddities.has(what)) return;
    this.#oddities.add(what);
    this.#deps.log.warn({ what }, 'a message on the replication bus was ignored');
  }
}
