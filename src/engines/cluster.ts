/**
 * The cluster engine: the shards of a Redis Cluster, which owns the placement of keys. A key belongs to a slot, a
 * slot to a shard, and slots move while they are used. A node that has lost a slot says where it is:
 *
 *     MOVED  the slot is there now          -> the map is asked anew, and the command goes by it
 *     ASK    the slot is on its way there,
 *            and this key is not here       -> this one command goes there, behind an ASKING
 *
 * Whatever is answered so was not carried out, so sending it elsewhere is its first execution (C7). And only nodes are
 * followed to that the cluster itself announces: a redirection alone opens no connection.
 */
import type { Key } from '../core/command';
import type { CacheError } from '../core/errors';
import { keyFromBytes } from '../core/key';
import type {
  Change,
  ChangeOptions,
  Engine,
  EngineRelay,
  Found,
  Location,
  Placement,
  ReadOptions,
  RemoveOptions,
  ShardStatus,
  WriteOptions,
} from '../core/ports';
import type { Clock } from '../lib/clock';
import { deleteKey, setValue, type RedisChange } from '../redis/commands';
import {
  isNodeTrouble,
  NotDone,
  NotYet,
  Redirected,
  translateRedisError,
  unreachable,
} from '../redis/redis-errors';
import { ClusterRedirects, REDIRECTIONS_MAX, waitFor } from './cluster-redirects';
import { ClusterRelay } from './cluster-relay';
import { ClusterMap, type ClusterMapOptions } from './cluster-map';
import { HOLD_MS } from './master-wait';
import type { Shard } from './shard';
import { pointOfSlot, slotOf, SLOTS, type Slot } from './slot-map';

export type ClusterOptions = Omit<ClusterMapOptions, 'isCluster'>;

/** From the third one on there is a pause in between, twice as long each time. */
const PAUSE_MS_MIN = 10;
/**
 * While the cluster has no master for a slot a command waits (HOLD_MS at most), and looks again after each of these.
 */
const HOLD_PAUSE_MS = 30;

/**
 * Asks the seeds for the cluster's nodes, connects to each and resolves when all have been tried once. Where no seed
 * answers it opens all the same, and is `unavailable` until one does.
 */
export async function openCluster(options: ClusterOptions): Promise<Engine> {
  const engine = new ClusterEngine(options);
  await engine.open();
  return engine;
}

/** One attempt of a command. `isAsking`: the slot is on its way to that shard. */
type Attempt<T> = (shard: Shard, isAsking: boolean) => Promise<T>;

class ClusterEngine implements Engine {
  readonly kind = 'cluster';
  readonly relay: EngineRelay;
  readonly #map: ClusterMap;
  readonly #redirects: ClusterRedirects;
  readonly #clock: Clock;
  /** Since when commands are held up for a shard, or for a slot that nobody owns. */
  readonly #heldSinceMs = new Map<Shard | Slot, number>();
  #closed = false;

  constructor(options: ClusterOptions) {
    this.#map = new ClusterMap({ ...options, isCluster: true });
    this.#clock = options.clock;
    this.#redirects = new ClusterRedirects(this.#map, options);
    this.relay = new ClusterRelay({ map: this.#map, redirects: this.#redirects, clock: options.clock });
  }

  open(): Promise<void> {
    return this.#map.open();
  }

  read(key: Key, options: ReadOptions): Promise<Found | undefined> {
    const slot = slotOf(key);
    return this.#route(slot, { isRead: true, ...options }, (shard, isAsking) =>
      isAsking ? shard.readAsking(key, options) : shard.read(key, pointOfSlot(slot), options),
    );
  }

  write(key: Key, bytes: Buffer, options: WriteOptions): Promise<Change> {
    return this.#change(setValue(key, bytes, options), options);
  }

  remove(key: Key, options: RemoveOptions): Promise<Change> {
    return this.#change(deleteKey(key, options.condition), options);
  }

  /** Shards to which slots come meanwhile are walked again; a key of a slot that is still on its way may be missed. */
  async *scan(): AsyncGenerator<readonly Key[]> {
    if (this.#map.shards.length === 0) throw unreachable();
    const walked = new Map<Shard, number>();
    for (;;) {
      const shard = this.#map.shards.find((one) => walked.get(one) !== one.arrivals);
      if (shard === undefined) return;
      walked.set(shard, shard.arrivals);
      for await (const page of shard.scan()) yield page.map(keyFromBytes);
    }
  }

  async locate(key: Key, deadlineMs: number): Promise<Location> {
    const slot = slotOf(key);
    return this.#route(slot, { isRead: true, deadlineMs }, async (shard, isAsking) => ({
      hash: slot,
      shard: shard.name,
      node: shard.nodeFor(key, pointOfSlot(slot)),
      remainingMs: await shard.life(key, deadlineMs, isAsking),
    }));
  }

  placement(): Placement {
    return { size: SLOTS, arcs: this.#map.arcs() };
  }

  ready(): boolean {
    return this.#map.shards.some((shard) => shard.usable());
  }

  status(): readonly ShardStatus[] {
    return this.#map.shards.map((shard) => shard.status());
  }

  close(): Promise<void> {
    this.#closed = true;
    this.#map.close();
    return Promise.resolve();
  }

  #change(change: RedisChange<boolean>, options: ChangeOptions): Promise<Change> {
    const slot = slotOf(change.key);
    return this.#route(slot, { isRead: false, ...options }, async (shard, isAsking) => {
      const done = await shard.change(change, options, isAsking);
      // Before anybody hears of it.
      if (isAsking) this.#map.ownerOf(slot)?.changedElsewhere(change.key);
      return done;
    });
  }

  /** Carries a command out where its slot is, and follows the slot. */
  async #route<T>(
    slot: Slot,
    { isRead, deadlineMs }: { readonly isRead: boolean; readonly deadlineMs: number },
    attempt: Attempt<T>,
  ): Promise<T> {
    const startedMs = this.#clock.now();
    let shard = this.#map.ownerOf(slot);
    let isAsking = false;
    for (let redirections = 0; ;) {
      try {
        if (shard === undefined) throw noOwner();
        const result = await attempt(shard, isAsking);
        if (this.#heldSinceMs.size > 0) {
          this.#heldSinceMs.delete(shard);
          this.#heldSinceMs.delete(slot);
        }
        return result;
      } catch (thrown) {
        const error = translateRedisError(thrown);
        if (this.#closed) throw unreachable();
        if (!isNodeTrouble(error) || this.#clock.now() >= deadlineMs) throw error;
        if (error instanceof Redirected && shard !== undefined) {
          redirections += 1;
          if (redirections > REDIRECTIONS_MAX) throw error;
          if (redirections > 2) await this.#pause(PAUSE_MS_MIN * 2 ** (redirections - 2), deadlineMs);
          shard = await this.#redirects.follow(error, slot, shard, deadlineMs);
          isAsking = error.redirection.kind === 'ask';
          continue;
        }
        const asked: Shard | undefined = shard;
        if (error instanceof NotYet || (isRead && asked?.hasMaster === false)) {
          await this.#hold(error, asked ?? slot, Math.min(startedMs + HOLD_MS, deadlineMs));
        } else {
          void this.#map.refreshSoon();
          // Unless the shard has lost the slot, or has gone, while it was asked.
          if (this.#map.ownerOf(slot) === asked || isAsking) throw error;
          if (!isRead && !(error instanceof NotDone)) throw error;
        }
        shard = this.#map.ownerOf(slot);
        isAsking = false;
      }
    }
  }

  /** Until the cluster may be another one. @throws `error` when that has been awaited for too long */
  async #hold(error: CacheError, held: Shard | Slot, untilMs: number): Promise<void> {
    const nowMs = this.#clock.now();
    const sinceMs = this.#heldSinceMs.get(held) ?? nowMs;
    this.#heldSinceMs.set(held, sinceMs);
    const waited = waitFor(this.#map.refreshSoon(), untilMs, this.#clock);
    if (nowMs >= Math.min(sinceMs + HOLD_MS, untilMs)) throw error;
    await Promise.all([waited, this.#pause(HOLD_PAUSE_MS, untilMs)]);
  }

  async #pause(waitMs: number, deadlineMs: number): Promise<void> {
    const leftMs = Math.max(0, Math.min(waitMs, deadlineMs - this.#clock.now()));
    await new Promise((resolve) => setTimeout(resolve, leftMs));
  }
}

function noOwner(): NotYet {
  return new NotYet('unavailable', 'No shard has the slot of this key now. Nothing was done.');
}
