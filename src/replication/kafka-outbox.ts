/**
 * What is to be written to the topic: keys and versions, no values, so that it takes little however long Kafka is away. What is
 * held under a key when its turn comes is what is sent, one request at a time, and what gathers meanwhile goes with the
 * next one.
 *
 * Interleavings:
 * 1. K=1 is on its way, and K=2 is announced here. The answer to the first request is about another version than the one that
 *    waits, so K stays and is sent again; who waits for K=1 hears of it with K=2.
 * 2. K=1 waits while Kafka is away, and another gateway writes K=2. Kafka is back: all that is there is read before anything is
 *    sent, K=2 is held, and K=1, which is not, is not sent.
 * 3. A request is not answered in time, and has been carried out. It is sent again: whoever reads it twice finds the same version.
 */
import type { Key } from '../core/command';
import { CacheError } from '../core/errors';
import type { Log } from '../core/ports';
import type { Appended, KafkaMessage } from '../kafka/client';
import { messageOfEntry } from './kafka-records';
import { isLater, type Version } from './version';
import { encodedSize, type VersionedEntry } from './versioned-entry';

/** Brokers take a mebibyte in one request unless the topic says otherwise; a larger entry goes alone. */
const BATCH_BYTES = 512 * 1024;
/** A few milliseconds of work. Less after a failure: a broker that is slow must not be sent the same, in vain, for ever. */
const BATCH_ENTRIES = 500;
const RETRY_MS = 100;

interface Waiting {
  /** The first of this gateway's changes in it. */
  readonly number: number;
  readonly version: Version;
  announcements: Announcement[];
}

/** One call of `announce`. */
interface Announcement {
  keysLeft: number;
  /** Of what was appended so far. */
  endOffset: number;
  readonly settle: (endOffset: number | undefined) => void;
}

export interface KafkaOutboxDeps {
  /** What is held under a key, tombstones included. */
  readonly held: (key: Key) => VersionedEntry | undefined;
  /** The offset behind what has been read. */
  readonly readOffset: () => number;
  readonly send: (messages: readonly KafkaMessage[]) => Promise<Appended>;
  readonly log: Log;
}

export class KafkaOutbox {
  readonly #deps: KafkaOutboxDeps;
  /** By their numbers. */
  readonly #waiting = new Map<Key, Waiting>();
  #number = 0;
  #isOpen = false;
  #isSending = false;
  #batchEntries = BATCH_ENTRIES;
  #timer: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;
  #onEmpty: (() => void) | undefined;

  constructor(deps: KafkaOutboxDeps) {
    this.#deps = deps;
  }

  /** The number of the last change that was announced here. */
  get number(): number {
    return this.#number;
  }

  /** All changes of this number and below are in the topic, or have lost against what is. */
  get told(): number {
    const [oldest] = this.#waiting.values();
    return oldest === undefined ? this.#number : oldest.number - 1;
  }

  /** Resolves with the offset behind them when they are in the topic; with undefined when that must wait for Kafka. */
  announce(entries: readonly VersionedEntry[]): Promise<number | undefined> {
    if (!this.#isOpen) {
      for (const entry of entries) this.add(entry);
      return Promise.resolve(undefined);
    }
    return new Promise((resolve) => {
      const announcement = { keysLeft: 0, endOffset: 0, settle: resolve };
      for (const entry of entries) this.add(entry, announcement);
    });
  }

  /** The same for one that nobody waits for. */
  add({ key, time, origin }: VersionedEntry, announcement?: Announcement): void {
    const before = this.#waiting.get(key);
    const version =
      before !== undefined && isLater(before.version, { time, origin }) ? before.version : { time, origin };
    const announcements = before?.announcements.splice(0) ?? [];
    if (announcement !== undefined && !announcements.includes(announcement)) {
      announcement.keysLeft += 1;
      announcements.push(announcement);
    }
    this.#number += 1;
    // In the place of the one before it, whose number is told with this one.
    this.#waiting.set(key, { number: before?.number ?? this.#number, version, announcements });
    this.#soon();
  }

  /** Kafka can be written to, and all that was there has been read. */
  open(): void {
    this.#isOpen = true;
    this.#soon();
  }

  /** Kafka is away: nobody waits for it any more, all that waited stays. */
  shut(): void {
    this.#isOpen = false;
    this.#settleAll();
  }

  /** Resolves when there is nothing to send, or nowhere. */
  async drained(): Promise<void> {
    if (!this.#isOpen || this.#waiting.size === 0) return;
    await new Promise<void>((resolve) => {
      this.#onEmpty = resolve;
    });
  }

  close(): void {
    this.shut();
    clearTimeout(this.#timer);
    clearImmediate(this.#immediate);
  }

  /** Behind all that this turn of the event loop announces. */
  #soon(): void {
    if (!this.#isOpen || this.#isSending || this.#immediate !== undefined) return;
    this.#immediate = setImmediate(() => {
      this.#immediate = undefined;
      void this.#flush();
    });
  }

  async #flush(): Promise<void> {
    if (this.#isSending) return;
    this.#isSending = true;
    clearTimeout(this.#timer);
    while (this.#isOpen) {
      const batch = this.#nextBatch();
      if (batch.length === 0) break;
      if (!(await this.#sendBatch(batch))) break;
    }
    this.#isSending = false;
    if (this.#waiting.size === 0) this.#onEmpty?.();
    // What failed is not tried in a circle that never rests.
    else if (this.#isOpen) this.#timer = setTimeout(() => this.#soon(), RETRY_MS).unref();
  }

  #nextBatch(): readonly [Waiting, VersionedEntry][] {
    const batch: [Waiting, VersionedEntry][] = [];
    let bytes = 0;
    for (const [key, waiting] of this.#waiting) {
      const entry = this.#deps.held(key);
      if (entry === undefined || isLater(entry, waiting.version)) {
        this.#done(key, waiting, this.#deps.readOffset());
        continue;
      }
      bytes += encodedSize(entry);
      if (batch.length > 0 && bytes > BATCH_BYTES) break;
      batch.push([waiting, entry]);
      if (batch.length === this.#batchEntries) break;
    }
    return batch;
  }

  /** Whether to go on at once. */
  async #sendBatch(batch: readonly [Waiting, VersionedEntry][]): Promise<boolean> {
    try {
      const { offset } = await this.#deps.send(batch.map(([, entry]) => messageOfEntry(entry)));
      this.#batchEntries = Math.min(BATCH_ENTRIES, 2 * this.#batchEntries);
      batch.forEach(([waiting, { key }], index) => this.#done(key, waiting, offset + index + 1));
      return true;
    } catch (cause) {
      const isTooLarge = cause instanceof CacheError && cause.code === 'too_large';
      const [first] = batch;
      if (!isTooLarge || first === undefined) {
        this.#batchEntries = Math.max(1, Math.floor(this.#batchEntries / 4));
        this.#settleAll();
        return false;
      }
      this.#batchEntries = 1;
      if (batch.length === 1) {
        const bytes = encodedSize(first[1]);
        this.#deps.log.error(
          { bytes },
          'an entry is not replicated: the topic needs a larger max.message.bytes',
        );
        this.#done(first[1].key, first[0], this.#deps.readOffset());
      }
      return true;
    }
  }

  #done(key: Key, waiting: Waiting, endOffset: number): void {
    if (this.#waiting.get(key) === waiting) this.#waiting.delete(key);
    for (const announcement of waiting.announcements.splice(0)) {
      announcement.keysLeft -= 1;
      announcement.endOffset = Math.max(announcement.endOffset, endOffset);
      if (announcement.keysLeft === 0) announcement.settle(announcement.endOffset);
    }
  }

  #settleAll(): void {
    for (const waiting of this.#waiting.values()) {
      for (const announcement of waiting.announcements.splice(0)) announcement.settle(undefined);
    }
    this.#onEmpty?.();
  }
}
