/** Placeholder signature while the core is being written. */
import type { Command, Key, Reply } from './command';
import type { Principal } from './grants';
import type { Location, ShardStatus } from './ports';

export interface CacheStatus {
  readonly engine: string;
  readonly ready: boolean;
  readonly shards: readonly ShardStatus[];
  readonly near: {
    readonly enabled: boolean;
    readonly entries: number;
    readonly bytes: number;
    readonly entriesMax: number;
    readonly bytesMax: number;
    readonly ttlSeconds: number;
    readonly hits: number;
    readonly misses: number;
    readonly evictions: number;
  };
  readonly coherence: string;
}

export interface KeyLocation extends Location {
  /** Whether the near cache holds a live entry for the key. */
  readonly near: boolean;
}

/** What a door sees of the core. */
export interface CacheService {
  /**
   * Carries out one command. Never throws and never rejects: a failure is a Reply with status ERROR. A near hit
   * is answered at once, everything else by a promise that settles by `deadlineMs` (monotonic).
   */
  execute(principal: Principal, command: Command, deadlineMs: number): Reply | Promise<Reply>;
  /** One reply each, in order. Commands on different keys run in parallel, those on one key in their order. */
  executeBatch(
    principal: Principal,
    commands: readonly Command[],
    deadlineMs: number,
  ): readonly Reply[] | Promise<readonly Reply[]>;
  /** Where a key lives; needs `admin` (and the key's prefix), checked here: throws CacheError `forbidden`. */
  locate(principal: Principal, key: Key, deadlineMs: number): Promise<KeyLocation>;
  /** Needs `admin`: throws CacheError `forbidden`. */
  status(principal: Principal): CacheStatus;
  ready(): boolean;
}
