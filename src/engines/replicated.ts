/**
 * The engine of small data that is read everywhere: every gateway has all of it in its own memory, and answers reads without
 * asking anybody. Writes take effect here at once and are announced to the others by the replication log; of two writes
 * of one key the later version stays, on every gateway alike (`replication/version.ts`).
 *
 * A change is judged, given its version and applied in one synchronous stretch, so conditions need no lock here. What
 * another gateway writes at the same moment is not seen by it: two writes with NX on two gateways may both be told that they were
 * done, and one of them stays.
 *
 *   1. rewrap reads r1 here, and another gateway is written r2, which is under way
 *   2. rewrap puts r1' (r1 under another encryption key) in place of r1; a new version would be later than that of r2
 *   3. r2 arrives, loses, and an acked write is gone
 *
 * So a write that keeps the life of what it replaces, which is the same value in another form, takes the version right behind
 * that of r1, and any other write wins over it.
 */
import { randomBytes } from 'node:crypto';
import type { Key } from '../core/command';
import { CacheError } from '../core/errors';
import {
  LEASE_WITHOUT_END,
  type Change,
  type ChangeOptions,
  type Engine,
  type EngineContent,
  type Found,
  type Log,
  type NodeStatus,
  type ReadOptions,
} from '../core/ports';
import type { Clock } from '../lib/clock';
import { GroupClock } from '../replication/group-clock';
import { openLog } from '../replication/open-log';
import { ReplicaStore } from '../replication/replica-store';
import type { ReplicationBus } from '../replication/replication-log';
import { HybridClock, versionBehind } from '../replication/version';
import type { VersionedEntry } from '../replication/versioned-entry';
import { isMet } from './is-met';
import { replicaContent } from './replica-content';

/** The one shard's name. */
const NAME = 'replicated';

/** How often is looked whether the store is to be swept, and the pause between two pieces of that. */
const SWEEP_EVERY_MS = 1000;
const SWEEP_PAUSE_MS = 10;

export interface ReplicatedOptions {
  readonly bus: ReplicationBus;
  /** Of keys, values and what is kept of them; beyond, writes here are refused. */
  readonly bytesMax: number;
  readonly clock: Clock;
  readonly log: Log;
  /** Somebody else changed the key: called in the turn in which that takes effect here. */
  readonly onChanged: (key: Key) => void;
  /** Fills the empty store, before anything is heard. */
  readonly load: ((content: EngineContent) => Promise<void>) | undefined;
}

/**
 * Resolves when what `load` brings is in, and the bus is being connected to. Until all that the other gateways have is here
 * too, the engine is not ready, and every operation is `unavailable`; so is a `strong` read while the bus is away. All else
 * goes on without the bus, and is made good when it is back.
 *
 * Neither Buffers that are handed out nor those that are handed in are to be written into.
 * @throws Error when the client library of the bus is not installed
 */
export async function openReplicated(options: ReplicatedOptions): Promise<Engine> {
  const { bus, bytesMax, clock, onChanged } = options;
  const id = randomBytes(8).toString('hex');
  const groupClock = new GroupClock(clock);
  const groupNowMs = (): number => groupClock.nowMs();
  const versions = new HybridClock(groupNowMs);
  const store = new ReplicaStore({ groupNowMs, bytesMax });
  const content = replicaContent(store, versions, id);
  await options.load?.(content);
  content.loaded();

  const log = await openLog(bus, {
    id,
    store,
    groupClock,
    versions,
    clock,
    log: options.log,
    onApplied: (keys) => keys.forEach(onChanged),
  });
  let closed = false;
  const isReady = (): boolean => !closed && log.isCaughtUp;

  let sweeping: NodeJS.Timeout;
  // Who has not heard everything must neither forget deletions nor judge by a time that is not the group's yet.
  const sweep = (): void => {
    if (isReady()) log.expired(store.sweep(log.mayForget));
    sweeping = setTimeout(sweep, store.isSweeping ? SWEEP_PAUSE_MS : SWEEP_EVERY_MS).unref();
  };
  sweep();

  /** @throws CacheError `unavailable`, `timeout` */
  function checkOpen(deadlineMs: number): void {
    if (closed) throw new CacheError('unavailable', 'The store is closed.');
    if (!log.isCaughtUp) {
      throw new CacheError('unavailable', 'This gateway does not have all data yet; try again soon.');
    }
    if (clock.now() >= deadlineMs) throw new CacheError('timeout', 'No time was left; nothing was done.');
  }

  /** Waits for what a read must see. */
  async function arrive({ consistency, session, deadlineMs }: ReadOptions): Promise<void> {
    if (consistency === 'eventual') return;
    if (consistency === 'strong' || session === undefined || session.isOverflowing) {
      await log.barrier(deadlineMs);
    } else {
      const positions = session.positionsOn(log.shard);
      if (positions.length === 0) return;
      await log.reach(positions, deadlineMs);
    }
    checkOpen(deadlineMs);
  }

  /** Applies a change here, without a pause since it was judged, and tells the others. */
  async function commit(entry: VersionedEntry, { ack, session, deadlineMs }: ChangeOptions): Promise<Change> {
    // The clock has seen all that is held here: a change that loses would be acked and gone.
    if (!store.apply(entry))
      throw new CacheError('internal', 'The change is not later than what it was to replace.');
    const written = await log.announce([entry], { ack, deadlineMs });
    return { done: true, session: session?.with(written, (older) => log.includes(written, older)) };
  }

  return {
    kind: NAME,
    relay: undefined,
    content,

    async read(key, options): Promise<Found | undefined> {
      checkOpen(options.deadlineMs);
      await arrive(options);
      const entry = store.peek(key);
      if (entry?.bytes === undefined) return undefined;
      return {
        bytes: entry.bytes,
        remainingMs: options.withLife ? entry.expiresAtMs - groupNowMs() : undefined,
        askedAtMs: clock.now(),
        source: 'master',
        lease: LEASE_WITHOUT_END,
      };
    },

    async write(key, bytes, options): Promise<Change> {
      checkOpen(options.deadlineMs);
      log.checkAck(options.ack);
      const entry = store.peek(key);
      if (!isMet(options.condition, entry?.bytes)) return { done: false, session: options.session };
      if (store.isFull) {
        throw new CacheError('out_of_memory', 'All memory for values is in use; nothing was written.');
      }
      const { ttlMs } = options;
      if (ttlMs === 'keep' && entry !== undefined) {
        return commit({ key, bytes, ...versionBehind(entry), expiresAtMs: entry.expiresAtMs }, options);
      }
      const isEndless = ttlMs === 'keep' || ttlMs === 0;
      const expiresAtMs = isEndless ? Infinity : groupNowMs() + ttlMs;
      return commit({ key, bytes, time: versions.tick(), origin: id, expiresAtMs }, options);
    },

    async remove(key, options): Promise<Change> {
      checkOpen(options.deadlineMs);
      log.checkAck(options.ack);
      const entry = store.peek(key);
      if (entry === undefined || !isMet(options.condition, entry.bytes)) {
        return { done: false, session: options.session };
      }
      return commit(
        { key, bytes: undefined, time: versions.tick(), origin: id, expiresAtMs: Infinity },
        options,
      );
    },

    async *scan() {
      checkOpen(Infinity);
      for (const page of store.keys()) {
        if (page.length > 0) yield await Promise.resolve(page);
        checkOpen(Infinity);
      }
    },

    // eslint-disable-next-line @typescript-eslint/require-await -- what is thrown becomes the rejection
    async locate(key, deadlineMs) {
      checkOpen(deadlineMs);
      const entry = store.peek(key);
      const remainingMs = entry && entry.expiresAtMs - groupNowMs();
      return { hash: undefined, shard: NAME, node: id, remainingMs };
    },

    placement: () => undefined,

    ready: isReady,

    status: () => [
      {
        name: NAME,
        nodes: [
          { ...aNode, address: id, role: 'master', healthy: isReady(), announces: log.isConnected },
          ...log.peers().map((peer): NodeStatus => ({
            ...aNode,
            address: peer.id,
            role: 'replica',
            healthy: peer.isHeard,
            linkUp: peer.isHeard,
          })),
        ],
      },
    ],

    async close() {
      closed = true;
      clearTimeout(sweeping);
      await log.close();
    },
  };
}

/** What is not known of gateways. */
const aNode = { linkUp: undefined, lagBytes: undefined, inFlight: undefined, announces: undefined };
