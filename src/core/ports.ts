/**
 * What the core asks of the outside, on one page. Each port has one contract suite in `test/contract`, run against
 * every implementation.
 */
import type { Ack, Command, Consistency, Key, Source } from './command';
import type { Session } from './session';

/**
 * One unbroken stretch in which all changes of what a node holds are announced to this gateway (`coherence.md` 1).
 * What was read from the node in it may be served from the near cache while `now < endsMs` (monotonic).
 *
 * A gap (a lost connection, a role that changed, everything flushed) ends it for ever: `endsMs` is `-Infinity` then,
 * and all that was filled under it is void at once, whatever their number. What is read later comes under a new one.
 */
export interface Lease {
  readonly endsMs: number;
}

/** For values that nobody but this gateway can change, and where their near TTL is all that is asked for. */
export const LEASE_WITHOUT_END: Lease = { endsMs: Infinity };

/** Bytes found under a key by an engine. */
export interface Found {
  readonly bytes: Buffer;
  /**
   * Life that was left at `askedAtMs`, in milliseconds; `Infinity` for a key without expiry; undefined when the
   * caller did not ask for it, or when it could not be learnt. An undefined life must not be remembered.
   */
  readonly remainingMs: number | undefined;
  /** Monotonic time at which the question left this process: `remainingMs` counts from here, so it errs early. */
  readonly askedAtMs: number;
  readonly source: Exclude<Source, 'near'>;
  /** Under which it was read; undefined: its changes are not announced, so it must not be remembered. */
  readonly lease: Lease | undefined;
}

export interface ReadOptions {
  readonly consistency: Consistency;
  /** For `session`: what must be visible. undefined: all that was acked before, so the master is asked. */
  readonly session?: Session | undefined;
  /** Ask for the key's remaining life too, for a fill of the near cache. */
  readonly withLife: boolean;
  readonly deadlineMs: number;
}

export interface WriteOptions {
  /** Whole milliseconds; 0: no expiry. */
  readonly ttlMs: number;
  readonly condition: 'NX' | 'XX' | undefined;
  readonly ack: Ack;
  readonly session?: Session | undefined;
  readonly deadlineMs: number;
}

export type RemoveOptions = Pick<WriteOptions, 'ack' | 'session' | 'deadlineMs'>;

/** What became of a change. */
export interface Change {
  /** False: the condition was not met, or there was nothing to remove; nothing changed. */
  readonly done: boolean;
  /** The caller's session with this change in it; undefined where the caller keeps none. */
  readonly session: Session | undefined;
}

export interface NodeStatus {
  /** `host:port`; never a credential. */
  readonly address: string;
  readonly role: 'master' | 'replica';
  /** Takes reads or writes from us now. */
  readonly healthy: boolean;
  /** A replica's link to its master, as the replica tells it; undefined for a master or when not known. */
  readonly linkUp: boolean | undefined;
  /** Bytes of the replication stream this replica is behind its master; undefined when not known. */
  readonly lagBytes: number | undefined;
  /** Whether what is read from it may be kept in the near cache now; undefined: coherence is `none`. */
  readonly announces: boolean | undefined;
}

export interface ShardStatus {
  readonly name: string;
  readonly nodes: readonly NodeStatus[];
}

/** Where a key lives, for people: `GET /ring/{key}`. */
export interface Location {
  /** The key's point on the ring, or undefined where the engine has no ring. */
  readonly hash: number | undefined;
  readonly shard: string;
  /** `host:port` of the node that an eventual read would ask now, or undefined when none can be asked. */
  readonly node: string | undefined;
  /** Remaining life in ms; Infinity: no expiry; undefined: absent. */
  readonly remainingMs: number | undefined;
}

/**
 * Stores bytes under keys. All waits end at `deadlineMs` (monotonic). Errors are `CacheError`s: `unavailable` when
 * the key's shard cannot be asked, `timeout` when it did not answer in time (a write may then stand),
 * `out_of_memory` when Redis is full, `corrupt_value` when something that is no string lies under the key,
 * `conflict` when what a session has written was lost by a failover.
 */
export interface Engine {
  readonly kind: string;
  read(key: Key, options: ReadOptions): Promise<Found | undefined>;
  write(key: Key, bytes: Buffer, options: WriteOptions): Promise<Change>;
  remove(key: Key, options: RemoveOptions): Promise<Change>;
  /** Atomically puts `next` in place of `expected` and keeps the key's expiry. False: something else is there now. */
  replace(key: Key, expected: Buffer, next: Buffer, deadlineMs: number): Promise<boolean>;
  /** Every key, in pages, each at least once if it exists throughout; for tools, not for doors. */
  scan(): AsyncIterable<readonly Key[]>;
  locate(key: Key, deadlineMs: number): Promise<Location>;
  /** True while at least one shard can be used. */
  ready(): boolean;
  status(): readonly ShardStatus[];
  close(): Promise<void>;
}

/** Authenticated encryption under a keyring. What it makes is only understood by what it made it with. */
export interface Cipher {
  /** Encrypts under the keyring's first key; `context` is authenticated beside the plaintext, not stored. */
  seal(plain: Buffer, context: Buffer): Buffer;
  /** @throws CacheError `corrupt_value` when it was altered, moved to another context, or its key is unknown. */
  open(sealed: Buffer, context: Buffer): Buffer;
  /** The name of the key that a sealed record was made with, for rotation; undefined when it is no record. */
  keyIdOf(sealed: Buffer): string | undefined;
  /** The name of the key that seals. */
  readonly currentKeyId: string;
}

/**
 * One request as the log tells of it. All but `client`, `address` and `cause` are words of ours that need no
 * escaping; none is ever a value, a token or a key.
 */
export interface RequestLine {
  readonly requestId: string;
  /** The route's pattern, never the path itself, which may hold a key. */
  readonly route: string;
  /** Who asked; undefined before that is known. */
  readonly client: string | undefined;
  /** Where a login came from; undefined for all other requests. */
  readonly address: string | undefined;
  readonly command: Command['command'] | 'BATCH' | undefined;
  /** How many commands a batch has. */
  readonly commands: number | undefined;
  /** A reply's status, an error's code, or what else became of it. */
  readonly outcome: string;
  readonly source: Source | undefined;
  /** Of HTTP; undefined where nobody was there to get the answer. */
  readonly status: number | undefined;
  readonly durationMs: number;
  /** Why it failed, where the caller is not told. */
  readonly cause: string | undefined;
}

/** One structured line a call; fields first, as pino has it. Never give it a value, token or key. */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  /** The one line that every request has, at the level info. */
  request(line: RequestLine): void;
}
