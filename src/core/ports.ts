/**
 * What the core asks of the outside, on one page. Each port has one contract suite in `test/contract`, run against
 * every implementation.
 */
import type { Ack, Command, Consistency, Key, Reply, Source } from './command';
import type { CacheError, ErrorCode } from './errors';
import type { Session } from './session';

/**
 * One unbroken stretch in which all changes of what a node holds are announced to this gateway.
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

/** Only in place of exactly these stored bytes. */
export interface Expected {
  readonly expected: Buffer;
}

export interface ChangeOptions {
  readonly ack: Ack;
  readonly session?: Session | undefined;
  readonly deadlineMs: number;
}

export interface WriteOptions extends ChangeOptions {
  /** Whole milliseconds; 0: no expiry; `keep`: as it is, for a write with an expectation. */
  readonly ttlMs: number | 'keep';
  readonly condition: 'NX' | 'XX' | Expected | undefined;
}

export interface RemoveOptions extends ChangeOptions {
  readonly condition?: Expected | undefined;
}

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
  /**
   * Commands whose callers wait for its answer, without those that wait for replicas as well; undefined where nothing
   * waits.
   */
  readonly inFlight: number | undefined;
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

/** A circle of `size` points, 0 to `size − 1`, on which each key has one (`Location.hash`). */
export interface Placement {
  readonly size: number;
  /** In the order of where they end. Each reaches from behind the one before it to its last point. */
  readonly arcs: readonly Arc[];
}

export interface Arc {
  readonly lastPoint: number;
  /** undefined: nobody owns it now. */
  readonly shard: string | undefined;
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
  /** Every key, in pages, each at least once if it exists throughout; for tools, not for doors. */
  scan(): AsyncIterable<readonly Key[]>;
  locate(key: Key, deadlineMs: number): Promise<Location>;
  /** How keys are divided among the shards now; undefined where there is but one place. */
  placement(): Placement | undefined;
  /** True while at least one shard can be used. */
  ready(): boolean;
  status(): readonly ShardStatus[];
  /** For callers who speak the words of the store itself; undefined: there is no store that has such words. */
  readonly relay: EngineRelay | undefined;
  /** For snapshots; absent: what is stored is in Redis, which keeps it. */
  readonly content?: EngineContent;
  close(): Promise<void>;
}

/** Everything that an engine keeps in this process, so that it can be saved and loaded. */
export interface EngineContent {
  /** What a load needs to know beside the entries; as it is before the first page is asked for. */
  marks(): ContentMarks;
  /** Everything once, a page of bounded size at a time; what changes meanwhile is in it or not. Nothing waits. */
  pages(): Iterable<readonly SavedEntry[]>;
  /**
   * Puts entries where nothing newer is; what has expired by now is left out. To be called before the first read, a page
   * at a time, `marks` with each.
   */
  load(entries: readonly SavedEntry[], marks: ContentMarks): void;
}

export interface ContentMarks {
  /** Wall time until which everything was surely known here; what was deleted elsewhere later is not in it. */
  readonly asOfMs: number;
  /** The latest deletion that was forgotten (`replication/version.ts`); 0: none. */
  readonly horizon: number;
}

export interface SavedEntry {
  readonly key: Key;
  /** As stored, so that what is encrypted stays so; undefined: a deletion that is remembered. */
  readonly bytes: Buffer | undefined;
  /** Wall time; Infinity: no expiry. */
  readonly expiresAtMs: number;
  /** Which of two entries of one key is the later (`replication/version.ts`); 0 and empty where that is not kept. */
  readonly time: number;
  readonly origin: string;
}

/** What a snapshot is made of. */
export type SnapshotContent = Pick<EngineContent, 'marks' | 'pages'>;

/** Saves everything that is kept in this process and is to be there after a restart. */
export interface SnapshotSaver {
  /**
   * Writes a snapshot in place of the last one, or joins the one that is being written, with or without what changed
   * since it began. @throws CacheError `unavailable` when it failed: the last one is still there
   */
  save(): Promise<SnapshotResult>;
}

export interface SnapshotResult {
  /** Entries, or keys where it is a near cache that was saved. */
  readonly entries: number;
  /** Of the file. */
  readonly bytes: number;
  readonly durationMs: number;
}

/** The last one that was saved, for those who watch. */
export interface SavedSnapshot extends SnapshotResult {
  /** Wall time at which it was begun. */
  readonly savedAtMs: number;
}

/** A command in the words of the store: its name, then its arguments. */
export type Words = readonly Buffer[];

/** The versions of the store's protocol; they spell some replies in different ways. */
export type Protocol = 2 | 3;

/** Where something is to be carried out: on the shard of a key, or on one of `shardCount`, by its index. */
export type Whereabouts = Key | number;

/**
 * Carries commands to the store as they are, and replies back as they came. What the store says is a reply, errors
 * included, but for those by which a node refuses every command (it loads, was demoted, the key is elsewhere): these
 * are followed or become a CacheError, and no address of a node reaches a caller.
 */
export interface EngineRelay {
  /** At least one. */
  readonly shardCount: number;
  /** Keys of which this is the same can stand in one command: the shard, or the slot of a cluster. */
  placeOf(key: Key): number;
  /** The index of the shard that has the key now. */
  shardOf(key: Key): number;
  /**
   * Sends it in this turn of the event loop or, while the shard has no node for it, as soon as there is one (for
   * HOLD_MS at most). What is sent to one place in one version of the protocol, all but reads `from` any, takes effect
   * in the order in which it was sent here, whatever has to be sent twice; so a read `from` the master sees every change
   * that was sent to its place before it. What names an index is in order with that of the same index, and where a place
   * is a shard with all else there.
   */
  send(at: Whereabouts, request: RelayRequest): void;
  /** A connection to the shard's master that nobody else uses. @throws CacheError `unavailable` */
  open(at: Whereabouts, options: LinkOptions): Promise<RelayLink>;
  /** A connection for what is published on the shard. @throws CacheError `unavailable` */
  subscribe(at: Whereabouts, options: SubscriberOptions): Promise<RelaySubscriber>;
}

export interface RelayRequest {
  /** One command; several with `isTransaction` only. */
  readonly commands: readonly Words[];
  /** The commands are carried out together, between MULTI and EXEC; the reply is EXEC's. */
  readonly isTransaction: boolean;
  /** All that they name, on one shard. */
  readonly keys: readonly Key[];
  /** They may touch, or tell of, keys that they do not name: what goes before or behind them matters, whatever it names. */
  readonly isUnbounded: boolean;
  /** Of the keys those under which a string, and so a value, may be another one or gone afterwards. */
  readonly announced: readonly Key[];
  readonly isWrite: boolean;
  /**
   * They may change keys that they do not name, as scripts do. What the store says of such a one is a reply wherever a script
   * can have said it, and what was sent once is not sent again.
   */
  readonly changesUnnamed: boolean;
  /** Carried out twice they do no more than once, so that a reply that comes too early can be asked for again. */
  readonly isRepeatable: boolean;
  readonly protocol: Protocol;
  /** `any`: a read that any node may answer which has all that this gateway wrote to the keys. */
  readonly from: 'any' | 'master';
  /** Monotonic; Infinity for what blocks, on a connection of its own. */
  readonly deadlineMs: number;
  /**
   * The reply's bytes in that protocol, which may be a view of a larger block; of a change, when its keys are marked.
   * This or `fail` is called once, and not before `send` has returned.
   */
  settle(reply: Buffer): void;
  /** `timeout` and `unavailable`: it may have been carried out unless the message says that nothing was done. */
  fail(error: CacheError): void;
}

export interface LinkOptions {
  readonly protocol: Protocol;
  /** For the connection to be there. */
  readonly deadlineMs: number;
  /** The connection has ended, and all that waited for a reply has failed. Once, and not after `close`. */
  readonly onEnd: () => void;
}

export interface RelayLink {
  /**
   * Where it leads: what the engine's `placeOf` says of a key there may change while it is open. A change by itself is not
   * announced under `COHERENCE=pubsub`: send here what may block, which changes no value, and transactions, and all
   * other changes by `EngineRelay.send`; what is watched here hears of those.
   */
  send(request: RelayRequest): void;
  /** What waits for a reply fails. */
  close(): void;
}

export interface SubscriberOptions extends LinkOptions {
  /** Everything that arrives, a frame at a time: confirmations and messages. */
  readonly onMessage: (frame: Buffer) => void;
}

export interface RelaySubscriber {
  /** SUBSCRIBE, UNSUBSCRIBE and their like; their confirmations come as messages. */
  tell(words: Words): void;
  close(): void;
}

/** Authenticated encryption under a keyring. What it makes is only understood by what it made it with. */
export interface Cipher {
  /**
   * `header`, and behind it a record of the plaintext, encrypted under the keyring's first key. The header and the cache key
   * are authenticated with it.
   */
  seal(plain: Buffer, header: Buffer, key: Key): Buffer;
  /**
   * The plaintext of what was sealed, with a header of so many bytes.
   * @throws CacheError `corrupt_value` when it was altered or moved to another key, or the key that sealed it is unknown.
   */
  open(sealed: Buffer, headerBytes: number, key: Key): Buffer;
  /** The name of the key that a record behind a header was sealed with, for rotation; undefined when it is none. */
  keyIdOf(sealed: Buffer, headerBytes: number): string | undefined;
  /** The name of the key that seals. */
  readonly currentKeyId: string;
}

/**
 * How a request ended, for log and metrics: a reply's status, an error's code, that the caller has the value already,
 * that commands of its batch failed but not all of them alike, or that it never became whole.
 */
export type Outcome =
  Exclude<Reply['status'], 'ERROR'> | 'NOT_MODIFIED' | 'PARTIAL' | 'INCOMPLETE' | ErrorCode;

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
  readonly outcome: Outcome;
  readonly source: Source | undefined;
  /** Of HTTP; undefined where nobody was there to get the answer. */
  readonly status: number | undefined;
  /** It was answered with a fault of the service. */
  readonly isFault: boolean;
  /** From the arrival of its head. */
  readonly durationMs: number;
  /** From when it was there as a whole, so without what a slow sender takes; undefined where there is no command. */
  readonly workMs: number | undefined;
  /** Why it failed, where the caller is not told. */
  readonly cause: string | undefined;
}

/** As what single commands are counted. `OTHER`: one of the store's own that neither reads nor changes keys. */
export type CountedCommand = Command['command'] | 'OTHER';

/** Who counts what comes through one door. Called for each request: it must be cheap, and it never throws. */
export interface Observer {
  request(line: RequestLine): void;
  /** Single commands that came to the same: of one batch, or where there are no requests but commands. */
  commands(command: CountedCommand, outcome: Outcome, count: number): void;
  /** Says, once, how the door is asked for its load whenever somebody looks. */
  watchLoad(load: () => DoorLoad): void;
}

/** What a door has on its hands at this moment. */
export interface DoorLoad {
  /** Requests at work, and how many there may be. */
  readonly inFlight: number;
  readonly inFlightMax: number;
  /** Of bodies that have arrived in part or as a whole and are not done with. */
  readonly bodyBytes: number;
}

/** What was counted, of all doors together, for those who watch. */
export interface Telemetry {
  /** The media type of `exposition`. */
  readonly contentType: string;
  /** Everything, in the text format of Prometheus. Asking disturbs nobody else who asks. */
  exposition(): Promise<string>;
  /** The same for people, in short. */
  figures(): TelemetryFigures;
}

export interface TelemetryFigures {
  readonly uptimeMs: number;
  readonly requests: {
    readonly total: number;
    /** Answered with a fault on our side: HTTP 500 and above. */
    readonly failed: number;
    readonly inFlight: number;
    readonly inFlightMax: number;
  };
  /** Of requests with a command in them: how many took longer than one bound and at most the next. */
  readonly latency: { readonly boundsMs: readonly number[]; readonly counts: readonly number[] };
  readonly eventLoopDelayMs: EventLoopDelay;
}

/** How late the event loop was, in milliseconds. */
export interface EventLoopDelay {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
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
