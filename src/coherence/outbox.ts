/**
 * Changes that were made and must be announced before their callers hear of them. What gathers while a record is on its way
 * leaves together in the next one: one acknowledgement of Kafka for all of them.
 *
 *   1. a change is made on the master  2. its record is sent  3. Kafka does not answer, or refuses
 *
 * Then the caller is told at its deadline that the change may stand, and the change is announced all the same as soon as
 * Kafka takes it: near caches that have the old value must hear of it however late (C4). Sent twice it does no harm.
 */
import { CacheError } from '../core/errors';
import type { Key } from '../core/command';
import type { Clock } from '../lib/clock';
import { Overloaded } from '../redis/redis-errors';
import { keyBytes, type Changes } from './announcement';
import { LEASE_MS } from './feed';

/** Who waits until others cannot see any more what was before. One of the two is called once, and never at once. */
export interface AnnouncementWaiter {
  /** Monotonic. */
  readonly deadlineMs: number;
  settle(): void;
  /** `unavailable`: the change may stand. */
  fail(error: CacheError): void;
}

export interface OutboxDeps {
  readonly clock: Clock;
  /**
   * Sends one record, which says that it was sent at `sentMs`. Resolves when it can be lost no more; rejects when that is
   * not known, within a time of its own.
   */
  readonly send: (changes: readonly Changes[], sentMs: number) => Promise<void>;
}

/** The pace at which those that wait are looked after. */
export const TICK_MS = 50;
/** A record, even an empty one, leaves so often. */
export const BEAT_MS = 200;
/** Of keys in one record: Kafka takes 1 MiB unless told otherwise. */
const RECORD_BYTES_MAX = 256 * 1024;
/** Of keys that could not be announced. More than that, and their shards are announced as a whole. */
const BYTES_MAX = 8 * 1024 * 1024;

/** What leaves in one record. */
class Batch {
  waiters: AnnouncementWaiter[] = [];
  bytes = 0;
  /** By shard and history. */
  readonly #changes = new Map<string, Gathered>();

  get isEmpty(): boolean {
    return this.#changes.size === 0;
  }

  add({ shard, keys, lineage, offset }: Changes): void {
    // An offset of no known history says as little as none.
    const known = lineage === undefined || offset === Infinity ? undefined : lineage;
    const name = `${shard} ${known ?? ''}`;
    let gathered = this.#changes.get(name);
    if (gathered === undefined) {
      gathered = { shard, lineage: known, offset: 0, keys: new Set() };
      this.#changes.set(name, gathered);
    }
    gathered.offset = known === undefined ? Infinity : Math.max(gathered.offset, offset);
    if (gathered.keys === 'everything') return;
    if (keys === 'everything' || bytesOf(keys) > RECORD_BYTES_MAX) {
      gathered.keys = 'everything';
      return;
    }
    for (const key of keys) {
      if (gathered.keys.has(key)) continue;
      gathered.keys.add(key);
      this.bytes += keyBytes(key);
    }
  }

  changes(): readonly Changes[] {
    return [...this.#changes.values()].map(({ keys, ...gathered }) => ({
      ...gathered,
      keys: keys === 'everything' ? keys : [...keys],
    }));
  }
}

interface Gathered {
  readonly shard: string;
  readonly lineage: string | undefined;
  offset: number;
  keys: Set<Key> | 'everything';
}

export class Outbox {
  readonly #deps: OutboxDeps;
  readonly #clock: Clock;
  /** The oldest first; of each but the last so much has gathered that it is a record. */
  #batches: Batch[] = [];
  #underWay: Batch | undefined;
  #flight: Promise<boolean> | undefined;
  #isScheduled = false;
  /** Nothing leaves before the next tick: the last attempt failed. */
  #isPaused = false;
  #sentMs = -Infinity;
  /** When the last record left that was taken. */
  #takenMs = -Infinity;
  #closed = false;

  constructor(deps: OutboxDeps) {
    this.#deps = deps;
    this.#clock = deps.clock;
  }

  /**
   * Whether what is changed now can be announced, as far as one can tell. Who was not heard for a while must change nothing:
   * the others count it as gone, and may not hear of what it changed before it went (`kafka.ts`).
   */
  get isOpen(): boolean {
    return !this.#closed && this.#clock.now() < this.#takenMs + LEASE_MS;
  }

  /** Nothing waits to be announced. */
  get isEmpty(): boolean {
    return this.#batches.length === 0 && (this.#underWay === undefined || this.#underWay.isEmpty);
  }

  /** These were changed, or may have been; `waiter` waits until it is known everywhere that they may. */
  add(changes: Changes, waiter?: AnnouncementWaiter): void {
    if (this.#closed) {
      if (waiter !== undefined) setImmediate(() => waiter.fail(notAnnounced()));
      return;
    }
    let last = this.#batches.at(-1);
    if (last === undefined || last.bytes > RECORD_BYTES_MAX) {
      last = new Batch();
      this.#batches.push(last);
    }
    last.add(changes);
    if (waiter !== undefined) last.waiters.push(waiter);
    if (this.#batches.length * RECORD_BYTES_MAX > BYTES_MAX) this.#batches = [coarse(this.#batches)];
    // The changes of one turn of the event loop leave together.
    if (this.#isScheduled || this.#flight !== undefined) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      void this.flush();
    });
  }

  /** To be called each TICK_MS. */
  tick(): void {
    const nowMs = this.#clock.now();
    this.#isPaused = false;
    for (const batch of [this.#underWay, ...this.#batches]) {
      if (batch === undefined || batch.waiters.length === 0) continue;
      const isOver = ({ deadlineMs }: AnnouncementWaiter): boolean => deadlineMs - nowMs < TICK_MS;
      const over = batch.waiters.filter(isOver);
      batch.waiters = batch.waiters.filter((waiter) => !isOver(waiter));
      for (const waiter of over) waiter.fail(notAnnounced());
    }
    if (this.#batches.length > 0 || nowMs - this.#sentMs >= BEAT_MS) void this.flush();
  }

  /** Sends the next record, an empty one where nothing waits, and tells whether it was taken. Never rejects. */
  flush(): Promise<boolean> {
    this.#flight ??= this.#sendNext().finally(() => {
      this.#flight = undefined;
      if (this.#batches.length > 0 && !this.#isPaused) void this.flush();
    });
    return this.#flight;
  }

  /** Nobody waits any more, and nothing leaves. */
  close(): void {
    this.#closed = true;
    for (const batch of [this.#underWay, ...this.#batches]) {
      for (const waiter of batch?.waiters.splice(0) ?? []) waiter.fail(notAnnounced());
    }
    this.#batches = [];
  }

  async #sendNext(): Promise<boolean> {
    if (this.#closed || this.#isPaused) return false;
    const batch = this.#batches.shift() ?? new Batch();
    const sentMs = this.#clock.now();
    this.#underWay = batch;
    this.#sentMs = sentMs;
    try {
      await this.#deps.send(batch.changes(), sentMs);
    } catch (cause) {
      // Told by whoever sends. It may have been taken, or not.
      this.#isPaused = true;
      this.#underWay = undefined;
      // What the topic never takes would be in the way of all that comes.
      const isTooLarge = cause instanceof CacheError && cause.code === 'too_large';
      if (!batch.isEmpty && !this.#isClosed()) this.#batches.unshift(isTooLarge ? coarse([batch]) : batch);
      return false;
    }
    this.#underWay = undefined;
    this.#takenMs = sentMs;
    for (const waiter of batch.waiters.splice(0)) waiter.settle();
    return true;
  }

  #isClosed(): boolean {
    return this.#closed;
  }
}

/** In place of too many keys their shards, as a whole. */
function coarse(batches: readonly Batch[]): Batch {
  const whole = new Batch();
  for (const batch of batches) {
    for (const changes of batch.changes()) whole.add({ ...changes, keys: 'everything' });
    whole.waiters = [...whole.waiters, ...batch.waiters];
  }
  return whole;
}

function bytesOf(keys: readonly Key[]): number {
  let bytes = 0;
  for (const key of keys) bytes += keyBytes(key);
  return bytes;
}

/** Before anything is done. */
export function cannotAnnounce(): CacheError {
  return new Overloaded(
    'unavailable',
    'Changes cannot be announced to other gateways now. Nothing was done.',
  );
}

function notAnnounced(): CacheError {
  const message = 'The change could not be announced to other gateways in time. It may stand.';
  return new CacheError('unavailable', message);
}
