/**
 * `REPLICATION_BUS=kafka`: a topic of one partition is the log, compacted by the keys of the cache. Kafka numbers the records, so
 * what has been missed is read again from where one was, and a gateway that starts reads all of it.
 *
 * Interleavings (more in `kafka-outbox.ts` and `kafka-answers.ts`):
 * 1. A gateway starts while others write. It is caught up when it has read to the high watermark that was there when it
 *    connected; what is written later is announced to it like to everybody.
 * 2. The wall clock of this machine is 10 minutes ahead. Before the first record is read, a heartbeat is appended, and the
 *    broker's time of that is group time: nothing is judged, and no version made, by the wall clock.
 * 3. The topic was deleted and made anew, or offsets are out of its range (a gap). Everything is read from the beginning; what is
 *    held, also of others, and is not in the topic is announced again. Nothing is dropped, since the topic may have lost it.
 * 4. A gateway was away for longer than the topic keeps tombstones. What it holds may have been deleted meanwhile, and nothing
 *    tells: it drops all that is not later than its last contact, is not caught up, and reads everything again. So it does with
 *    a snapshot that is as old.
 * 5. A write took effect here while Kafka was away, and its session comes to another gateway. There is no offset, so its position
 *    is the write's number here; the heartbeats tell up to which number all is in the topic before them.
 * 6. K expires, and its gateway ends it in the topic, while another one has written K anew, at a lower offset. The tombstone is of
 *    the old version, so it loses and is answered. What a gateway wrote that is gone, the one with the lowest id ends.
 *
 * The store's horizon is not needed, and kept at 0: what comes late has been compared with all that is in the topic first,
 * where tombstones stay longer than anybody may be away.
 */
import { createHash } from 'node:crypto';
import type { Ack, Key } from '../core/command';
import { CacheError } from '../core/errors';
import { keyFromBytes } from '../core/key';
import type { Position } from '../core/session';
import {
  openKafkaTopic,
  type Appended,
  type KafkaAddress,
  type KafkaMessage,
  type KafkaRecord,
  type KafkaTopic,
  type LinkInfo,
  type TopicReader,
} from '../kafka/client';
import { withDeadline } from '../lib/deadline';
import { KafkaAnswers } from './kafka-answers';
import { KafkaOutbox } from './kafka-outbox';
import { KafkaPeers } from './kafka-peers';
import { messageOfHeartbeat, readMessage } from './kafka-records';
import { KafkaWaits } from './kafka-waits';
import type { AnnounceOptions, PeerStatus, ReplicationLog, ReplicationLogDeps } from './replication-log';
import { isLater, timeOf } from './version';
import type { VersionedEntry } from './versioned-entry';

/** So long a gateway may be away; the topic keeps tombstones for two hours more, for clocks and for compaction. */
const AWAY_MS_MAX = 22 * 60 * 60 * 1000;
const TOPIC_CONFIG = {
  'cleanup.policy': 'compact',
  'delete.retention.ms': String(24 * 60 * 60 * 1000),
  // The largest value, what encryption adds, and a batch's own bytes.
  'max.message.bytes': String(9 * 1024 * 1024),
  // Compacted again when a quarter of it is superseded, so that a gateway that starts reads little more than what is live.
  'min.cleanable.dirty.ratio': '0.25',
  'segment.ms': String(60 * 60 * 1000),
};
/** Peers are heard when they were within the last second. */
const HEARTBEAT_MS = 400;
const SEND_MS = 1000;
/** More time for what is large: a slow broker must not be sent the same for ever. */
const SEND_BYTES_PER_MS = 4096;
const CLOSE_MS = 1000;

/**
 * Resolves when a first attempt to connect has ended; it goes on by itself.
 * @throws Error where kafkajs is not installed, or the topic has several partitions
 */
export async function openKafkaLog(
  { kafka, topic }: { readonly kafka: KafkaAddress; readonly topic: string },
  deps: ReplicationLogDeps,
): Promise<ReplicationLog> {
  const reader = new KafkaLog(topic, deps);
  const { clock, log } = deps;
  const config = TOPIC_CONFIG;
  reader.opened(await openKafkaTopic({ kafka, topic, config, from: 'beginning', reader, clock, log }));
  return reader;
}

class KafkaLog implements ReplicationLog, TopicReader {
  readonly shard: string;
  readonly #name: string;
  readonly #deps: ReplicationLogDeps;
  readonly #outbox: KafkaOutbox;
  readonly #answers: KafkaAnswers;
  readonly #waits: KafkaWaits;
  readonly #peers: KafkaPeers;
  #topic: KafkaTopic | undefined;
  /** Names the topic in positions; undefined before the first connection. */
  #lineage: string | undefined;
  #isCaughtUp = false;
  /** The offset behind what has been read. */
  #readOffset = 0;
  /** Where everything has been read again; undefined: it has. */
  #untilOffset: number | undefined;
  /** What is held and was not met yet, while everything is read again. */
  #unmet: Set<Key> | undefined;
  #isOddTold = false;
  #beat: NodeJS.Timeout | undefined;

  constructor(name: string, deps: ReplicationLogDeps) {
    const { id, store, clock, log } = deps;
    this.#name = name;
    this.#deps = deps;
    this.shard = hexOf(`kafka ${name}`, 12);
    this.#waits = new KafkaWaits(clock);
    this.#peers = new KafkaPeers(id, clock);
    this.#outbox = new KafkaOutbox({
      held: (key) => store.held(key),
      readOffset: () => this.#readOffset,
      send: (messages) => this.#send(messages),
      log,
    });
    this.#answers = new KafkaAnswers(clock, (key) => this.#announceAgain(key));
  }

  opened(topic: KafkaTopic): void {
    this.#topic = topic;
  }

  get isCaughtUp(): boolean {
    return this.#isCaughtUp;
  }

  get isConnected(): boolean {
    return this.#topic?.isConnected === true;
  }

  get mayForget(): boolean {
    return this.isConnected && this.#isCaughtUp && this.#untilOffset === undefined;
  }

  checkAck(ack: Ack): void {
    if (ack === 0) return;
    throw new CacheError(
      'unavailable',
      'Kafka keeps what is written, and no gateway confirms it; nothing was done.',
    );
  }

  async announce(entries: readonly VersionedEntry[], { deadlineMs }: AnnounceOptions): Promise<Position> {
    const announced = this.#outbox.announce(entries);
    const { id, clock } = this.#deps;
    const number = this.#outbox.number;
    let endOffset: number | undefined;
    try {
      endOffset = await withDeadline(announced, deadlineMs - clock.now(), () => LATE);
    } catch {
      // It stands, and the others hear of it later, as when Kafka is away.
    }
    if (endOffset === undefined || this.#lineage === undefined) {
      return { shard: this.shard, lineage: id, offset: number };
    }
    return { shard: this.shard, lineage: this.#lineage, offset: endOffset };
  }

  async barrier(deadlineMs: number): Promise<void> {
    const highWatermark = await this.#reachable().highWatermark(deadlineMs);
    await this.#waits.until(
      () => this.#readOffset >= highWatermark,
      deadlineMs,
      () => this.#late('timeout'),
    );
  }

  async reach(positions: readonly Position[], deadlineMs: number): Promise<void> {
    const missing = positions.filter((position) => !this.#hasReached(position));
    if (missing.length === 0) return;
    const inTopic = missing.filter(({ lineage }) => lineage === this.#lineage);
    if (inTopic.length > 0) {
      const highWatermark = await this.#reachable().highWatermark(deadlineMs);
      if (inTopic.some(({ offset }) => offset > highWatermark)) throw lost();
    }
    const isHere = (): boolean => missing.every((position) => this.#hasReached(position));
    const isLost = (): boolean =>
      missing.some((position) => !this.#hasReached(position) && this.#peers.isGone(position.lineage));
    await this.#waits.until(isHere, deadlineMs, () => (isLost() ? lost() : this.#late('unavailable')));
  }

  includes(newer: Position, older: Position): boolean {
    return newer.lineage === older.lineage && newer.offset >= older.offset;
  }

  expired(keys: readonly Key[]): void {
    for (const key of keys) {
      const tombstone = this.#deps.store.held(key);
      if (tombstone === undefined || tombstone.bytes !== undefined) continue;
      const isOwn = tombstone.origin === this.#deps.id;
      if (isOwn || (this.#peers.isGone(tombstone.origin) && this.#peers.isFirst)) this.#outbox.add(tombstone);
    }
  }

  peers(): readonly PeerStatus[] {
    return this.#peers.statuses();
  }

  async close(): Promise<void> {
    await withDeadline(this.#outbox.drained(), CLOSE_MS, () => LATE).catch(() => undefined);
    clearInterval(this.#beat);
    this.#answers.pause();
    this.#outbox.close();
    await this.#topic?.close();
  }

  async onConnected({ clusterId, isCompacted, highWatermark }: LinkInfo, topic: KafkaTopic): Promise<void> {
    this.#topic = topic;
    const { log, store, groupClock } = this.#deps;
    if (isCompacted === false) {
      log.warn({ topic: this.#name }, 'the topic is not compacted: it grows, or what is old is lost from it');
    }
    const isFirst = this.#lineage === undefined;
    this.#lineage = hexOf(`${clusterId} ${this.#name}`, 16);
    await this.#sendHeartbeat();
    const isAged = store.contact > 0 && groupClock.nowMs() - store.contact > AWAY_MS_MAX;
    this.#untilOffset = highWatermark;
    if (isAged) this.#startAnew(topic);
    if (isFirst || isAged) this.#expectAll();
    clearInterval(this.#beat);
    this.#beat = setInterval(() => void this.#sendHeartbeat().catch(() => undefined), HEARTBEAT_MS);
  }

  onRecords(records: readonly KafkaRecord[], nextOffset: number, highWatermark: number): void {
    // A gap tells no watermark.
    this.#untilOffset = this.#untilOffset === Infinity ? highWatermark : this.#untilOffset;
    this.#deps.store.horizon = 0;
    const applied: Key[] = [];
    for (const record of records) if (this.#take(record)) applied.push(keyFromBytes(record.key));
    this.#readOffset = nextOffset;
    if (applied.length > 0) this.#deps.onApplied(applied);
    if (this.#untilOffset !== undefined && nextOffset >= this.#untilOffset) this.#arrive();
    this.#waits.look();
  }

  onGap(position: number): void {
    this.#deps.log.warn({ topic: this.#name, position }, 'the topic is read again');
    this.#readOffset = position;
    this.#pauseWriting();
    this.#untilOffset = Infinity;
    this.#expectAll();
  }

  onLost(): void {
    clearInterval(this.#beat);
    this.#pauseWriting();
    this.#waits.look();
  }

  /** Whether it changed anything here. */
  #take(record: KafkaRecord): boolean {
    const read = readMessage(record);
    if (read === undefined) {
      this.#tellOdd('the topic has records that are not of this program');
      return false;
    }
    if (!('key' in read)) {
      this.#peers.heard(read);
      // All that was in the topic before it has been read.
      const { store, id } = this.#deps;
      if (read.origin === id) store.contact = Math.max(store.contact, record.appendedMs);
      return false;
    }
    const { store, versions } = this.#deps;
    if (!versions.observe(read.time)) {
      this.#tellOdd('the topic has a version from the far future');
      return false;
    }
    this.#unmet?.delete(read.key);
    const isTaken = store.apply(read);
    const held = store.held(read.key);
    if (held !== undefined && isLater(held, read)) this.#answers.lost(read.key);
    else this.#answers.won(read.key);
    return isTaken;
  }

  /** All has been read that was there at the connection, or at the gap. */
  #arrive(): void {
    this.#untilOffset = undefined;
    const unmet = this.#unmet;
    this.#unmet = undefined;
    // As if each had lost: several gateways hold them, and one is enough to announce them.
    for (const key of unmet ?? []) if (this.#deps.store.peek(key) !== undefined) this.#answers.lost(key);
    if (!this.#isCaughtUp) this.#deps.log.info({ entries: this.#deps.store.size }, 'all data is here');
    this.#isCaughtUp = true;
    this.#answers.resume();
    this.#outbox.open();
  }

  #pauseWriting(): void {
    this.#outbox.shut();
    this.#answers.pause();
  }

  #expectAll(): void {
    this.#unmet = new Set();
    for (const page of this.#deps.store.keys()) for (const key of page) this.#unmet.add(key);
  }

  /** What is held is too old to be kept. */
  #startAnew(topic: KafkaTopic): void {
    const { store, log, onApplied } = this.#deps;
    log.warn({ topic: this.#name }, 'too long away: all data is read again');
    this.#isCaughtUp = false;
    for (const keys of store.dropUpTo(timeOf(store.contact + 1) - 1)) onApplied(keys);
    topic.readAgain();
  }

  #announceAgain(key: Key): void {
    const winner = this.#deps.store.held(key);
    if (winner !== undefined) this.#outbox.add(winner);
  }

  #hasReached({ lineage, offset }: Position): boolean {
    if (lineage === this.#lineage) return this.#readOffset >= offset;
    return lineage === this.#deps.id || this.#peers.toldBy(lineage) >= offset;
  }

  async #sendHeartbeat(): Promise<void> {
    const { id } = this.#deps;
    await this.#send([messageOfHeartbeat({ origin: id, told: this.#outbox.told })]);
  }

  async #send(messages: readonly KafkaMessage[]): Promise<Appended> {
    const { clock, groupClock } = this.#deps;
    const bytes = messages.reduce((sum, { value }) => sum + (value?.length ?? 0), 0);
    const deadlineMs = clock.now() + SEND_MS + bytes / SEND_BYTES_PER_MS;
    const appended = await this.#reachable().send(messages, deadlineMs);
    if (appended.appendedMs !== undefined)
      groupClock.observe(appended.appendedMs, appended.sentMs, appended.receivedMs);
    else this.#tellOdd('the topic keeps the times of its writers: set message.timestamp.type=LogAppendTime');
    return appended;
  }

  #reachable(): KafkaTopic {
    if (this.#topic === undefined) throw away();
    return this.#topic;
  }

  #late(code: 'timeout' | 'unavailable'): CacheError {
    if (!this.isConnected) return away();
    return new CacheError(code, 'What was to be read has not arrived here in time.');
  }

  #tellOdd(message: string): void {
    if (this.#isOddTold) return;
    this.#isOddTold = true;
    this.#deps.log.warn({ topic: this.#name }, message);
  }
}

const LATE = new Error('late');

function away(): CacheError {
  return new CacheError('unavailable', 'Kafka cannot be reached now.');
}

function lost(): CacheError {
  return new CacheError('conflict', 'What this session has written is lost.');
}

function hexOf(text: string, digits: number): string {
  return createHash('sha256').update(text).digest('hex').slice(0, digits);
}
