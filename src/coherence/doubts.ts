/**
 * Changes of which nobody knows whether or when they take effect. A command whose caller was told `timeout`, or whose
 * connection ended, may lie in a buffer of a machine that is cut off or stands still, and be carried out when it is not:
 *
 *   1. WRITE K leaves, and is not answered  2. K is announced, and read anew by others: the old value
 *   3. the master goes on, and carries the WRITE out, unsaid
 *
 * So its key is announced again and again, with pauses that grow, for as long as a network stack keeps trying.
 */
import type { Key } from '../core/command';
import type { Clock } from '../lib/clock';

/** Until the second announcement; twice as long each time. */
const PAUSE_MS_MIN = 1000;
/** Behind the last pause nothing is expected any more: two minutes in all. */
const PAUSE_MS_MAX = 64_000;
/** Of one shard, in doubt at once. More, and the whole shard is. */
const KEYS_MAX = 4096;

export interface Doubt {
  readonly shard: string;
  readonly keys: readonly Key[] | 'everything';
}

interface Schedule {
  dueMs: number;
  pauseMs: number;
}

const EVERYTHING = Symbol('everything');

export class Doubts {
  readonly #clock: Clock;
  readonly #keysMax: number;
  readonly #shards = new Map<string, Map<Key | typeof EVERYTHING, Schedule>>();

  constructor(clock: Clock, keysMax = KEYS_MAX) {
    this.#clock = clock;
    this.#keysMax = keysMax;
  }

  get isEmpty(): boolean {
    return this.#shards.size === 0;
  }

  /** To be announced at once, and again later. */
  add({ shard, keys }: Doubt): void {
    let schedules = this.#shards.get(shard);
    if (schedules === undefined)
      this.#shards.set(shard, (schedules = new Map<Key | typeof EVERYTHING, Schedule>()));
    const dueMs = this.#clock.now() + PAUSE_MS_MIN;
    if (keys !== 'everything' && schedules.size + keys.length <= this.#keysMax) {
      for (const key of keys) schedules.set(key, { dueMs, pauseMs: PAUSE_MS_MIN });
      return;
    }
    // No later than it was to be, or it never would while more keys keep coming.
    const beforeMs = schedules.get(EVERYTHING)?.dueMs ?? Infinity;
    schedules.clear();
    schedules.set(EVERYTHING, { dueMs: Math.min(dueMs, beforeMs), pauseMs: PAUSE_MS_MIN });
  }

  /** What is to be announced again now. */
  takeDue(): readonly Doubt[] {
    const nowMs = this.#clock.now();
    const due: Doubt[] = [];
    for (const [shard, schedules] of this.#shards) {
      const keys: Key[] = [];
      let isAll = false;
      for (const [name, schedule] of schedules) {
        if (nowMs < schedule.dueMs) continue;
        if (name === EVERYTHING) isAll = true;
        else keys.push(name);
        schedule.pauseMs *= 2;
        schedule.dueMs = nowMs + schedule.pauseMs;
        if (schedule.pauseMs > PAUSE_MS_MAX) schedules.delete(name);
      }
      if (schedules.size === 0) this.#shards.delete(shard);
      if (isAll) due.push({ shard, keys: 'everything' });
      else if (keys.length > 0) due.push({ shard, keys });
    }
    return due;
  }
}
