/**
 * The port of the replicated engine: what carries the writes of one gateway to all others, and tells a gateway what it has
 * missed. `REPLICATION_BUS` says which there is.
 */
import type { Ack, Key } from '../core/command';
import type { Log } from '../core/ports';
import type { Position } from '../core/session';
import type { KafkaAddress } from '../kafka/client';
import type { Clock } from '../lib/clock';
import type { NodeAddress } from '../redis/client';
import type { GroupClock } from './group-clock';
import type { ReplicaStore } from './replica-store';
import type { HybridClock } from './version';
import type { VersionedEntry } from './versioned-entry';

export type ReplicationBus =
  | { readonly kind: 'redis'; readonly address: NodeAddress }
  | { readonly kind: 'kafka'; readonly kafka: KafkaAddress; readonly topic: string };

export interface ReplicationLog {
  /** The shard of its positions: 12 hex digits, the same on every gateway. */
  readonly shard: string;
  /** False until everything has arrived that was there at the start, and while what this gateway has is too old to be kept. */
  readonly isCaughtUp: boolean;
  /** Whether the bus can be spoken to now. */
  readonly isConnected: boolean;
  /**
   * To be asked before anything is done.
   * @throws CacheError `unavailable` when so many others can never confirm, or are not there now
   */
  checkAck(ack: Ack): void;
  /**
   * Tells the others of entries that have been applied here. What is announced in one turn of the event loop travels
   * together. Resolves when the bus has taken them, or is found to be away: they reach the others when it is back. With
   * `ack`, when so many other gateways have applied them.
   * @throws CacheError `unavailable` when those are too few by the deadline; the change stands
   */
  announce(entries: readonly VersionedEntry[], options: AnnounceOptions): Promise<Position>;
  /**
   * Waits until everything has been applied here that any gateway was told SUCCESS of before the call.
   * @throws CacheError `unavailable` while the bus is away, `timeout`
   */
  barrier(deadlineMs: number): Promise<void>;
  /**
   * Waits until what a session has written has been applied here; at once where it has.
   * @throws CacheError `conflict` when it is known to be lost, `unavailable` when it does not arrive in time
   */
  reach(positions: readonly Position[], deadlineMs: number): Promise<void>;
  /** Whether who has reached the newer position has reached the older one. */
  includes(newer: Position, older: Position): boolean;
  /**
   * Whether tombstones may be forgotten now (`ReplicaStore.sweep`): everybody who is there knows of them, nobody is being
   * told of them, and a bus that was away has been back for long enough that all others are back too.
   */
  readonly mayForget: boolean;
  /** The keys that a sweep found to have ended, for a bus that keeps entries itself. */
  expired(keys: readonly Key[]): void;
  /** Of whatever else writes to this log. */
  peers(): readonly PeerStatus[];
  /** Announces what is waiting, within a second, and ends. */
  close(): Promise<void>;
}

export interface AnnounceOptions {
  readonly ack: Ack;
  /** Monotonic. */
  readonly deadlineMs: number;
}

export interface PeerStatus {
  /** Its origin. */
  readonly id: string;
  /** It has been heard within the last second. */
  readonly isHeard: boolean;
}

export interface ReplicationLogDeps {
  /** This gateway's origin. */
  readonly id: string;
  readonly store: ReplicaStore;
  readonly groupClock: GroupClock;
  /** Makes the versions of this gateway's own changes; the log tells it of all others. */
  readonly versions: HybridClock;
  readonly clock: Clock;
  readonly log: Log;
  /** What others wrote has been applied: called in the same turn, before anything else can read. */
  readonly onApplied: (keys: readonly Key[]) => void;
}
