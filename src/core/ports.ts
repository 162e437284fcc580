/**
 * What the core asks of the outside, on one page. Each port has one contract suite in `test/contract`, run against
 * every implementation.
 */
import type { Ack, Command, Consistency, Key, Source } from './command';

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
}

export interface ReadOptions {
  readonly consistency: Consistency;
  /** Ask for the key's remaining life too, for a fill of the near cache. */
  readonly withLife: boolean;
  readonly deadlineMs: number;
}

export interface WriteOptions {
  /** Whole milliseconds; 0: no expiry. */
  readonly ttlMs: number;
  readonly condition: 'NX' | 'XX' | undefined;
  readonly ack: Ack;
  readonly deadlineMs: number;
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
 * `out_of_memory` when Redis is full, `corrupt_value` when something that is no string lies under the key.
 */
export interface Engine {
  readonly kind: string;
  read(key: Key, options: ReadOptions): Promise<Found | undefined>;
  /** False: the condition was not met and nothing changed. */
  write(key: Key, bytes: Buffer, options: WriteOptions): Promise<boolean>;
  /** False: there was nothing under the key. */
  remove(key: Key, options: { readonly ack: Ack; readonly deadlineMs: number }): Promise<boolean>;
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
