/**
 * The story of a cache request, the same for every door:
 *
 *     permit  ->  near cache  ->  engine  ->  forget what a change made old
 *
 * `execute` turns a Command into a Reply. It never throws: a failure is a Reply as well, so a batch can carry both.
 */
import type { Clock } from '../lib/clock';
import { SingleFlight } from '../lib/single-flight';
import { Turns } from '../lib/turns';
import { executeBatch } from './batch';
import type {
  Command,
  DeleteCommand,
  EtagCondition,
  Key,
  ReadCommand,
  Reply,
  Source,
  Value,
  WriteCommand,
} from './command';
import { CacheError, toCacheError } from './errors';
import { isMet } from './etag';
import type { Grants, Principal, Scope } from './grants';
import type { NearCache, NearCacheStatus } from './near-cache';
import type {
  Change,
  ChangeOptions,
  Cipher,
  Engine,
  Expected,
  Found,
  Location,
  Placement,
  ShardStatus,
  SnapshotResult,
  SnapshotSaver,
  WriteOptions,
} from './ports';
import { Relay, type CacheRelay } from './relay';
import { cipherFor, decodeValue, encodeValue } from './value';
import { Watches, type Watch } from './watches';

export interface CacheStatus {
  readonly engine: string;
  readonly ready: boolean;
  readonly shards: readonly ShardStatus[];
  readonly near: NearCacheStatus;
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
  /**
   * Tells the caller of each key, as it is and whenever it becomes another; see `watches.ts` for what of and how soon.
   * `caller` throws once they are nobody any more; asked again before each value and ten times a second.
   * @throws CacheError `forbidden`, `unavailable` (too many), and what `caller` throws
   */
  watch(caller: () => Principal, keys: readonly Key[]): Watch;
  /** Where a key lives; needs `admin` and a grant on the key: throws CacheError `forbidden`. */
  locate(principal: Principal, key: Key, deadlineMs: number): Promise<KeyLocation>;
  /** How keys are divided among shards; undefined: not at all. Needs `admin`: throws CacheError `forbidden`. */
  placement(principal: Principal): Placement | undefined;
  /** Whether the near cache would answer an eventual READ of the key now; undefined: not for who may not read it. */
  isNear(principal: Principal, key: Key): boolean | undefined;
  ready(): boolean;
  /**
   * Saves a snapshot, or joins the one that is being written. Needs `admin`.
   * @throws CacheError `forbidden`, `conflict` where no file is set for it, `unavailable` when it failed
   */
  snapshot(principal: Principal): Promise<SnapshotResult>;
  /** Whether READs can be answered by the near cache at all. */
  readonly hasNear: boolean;
  /** For a door that speaks the words of the store; undefined: the store has none. */
  readonly relay: CacheRelay | undefined;
}

export interface CacheOptions {
  readonly engine: Engine;
  readonly near: NearCache;
  /** undefined: no encryption keys are configured. */
  readonly cipher: Cipher | undefined;
  readonly encryptByDefault: boolean;
  /** 0: until deleted or evicted. */
  readonly defaultTtlMs: number;
  readonly coherence: string;
  /** undefined: nothing is saved. */
  readonly snapshots?: SnapshotSaver | undefined;
  readonly clock: Clock;
}

/** A change that says whether there was a value before. */
interface ToldChange extends Change {
  readonly existed: boolean;
}

interface Fetched {
  readonly value: Value;
  readonly source: Source;
}

/** For a READ on behalf of those who watch. */
const WATCH_READ_MS = 2000;

/** Far less than the second by which a READ may be behind (C3): a flight may be held up on its way back. */
export const BOARDING_MS = 250;

const SCOPE_OF = { READ: 'read', WRITE: 'write', DELETE: 'delete' } as const satisfies Record<
  Command['command'],
  Scope
>;

export class Cache implements CacheService {
  readonly #options: CacheOptions;
  readonly #engine: Engine;
  readonly #near: NearCache;
  readonly #flights: SingleFlight<Key, Fetched | undefined>;
  /** Of changes on condition of what is stored. */
  readonly #turns = new Turns<Key>();
  readonly #watches: Watches;
  readonly relay: CacheRelay | undefined;

  constructor(options: CacheOptions) {
    this.#options = options;
    this.#engine = options.engine;
    this.#near = options.near;
    this.#flights = new SingleFlight(BOARDING_MS, options.clock);
    this.#watches = new Watches({
      read: (key) =>
        this.#read({ command: 'READ', key, consistency: 'eventual' }, options.clock.now() + WATCH_READ_MS),
      holds: (key) => this.#near.holds(key),
      clock: options.clock,
    });
    const { relay } = options.engine;
    this.relay =
      relay &&
      new Relay(relay, {
        ...options,
        forget: (key) => this.forget(key),
        forgetAll: () => this.#forgetAll(),
      });
  }

  get hasNear(): boolean {
    return this.#near.enabled;
  }

  execute(principal: Principal, command: Command, deadlineMs: number): Reply | Promise<Reply> {
    const { grants } = principal;
    if (!mayDo(grants, command) || !grants.covers(command.key)) {
      // Said before anything is looked up: an unreadable key and an absent one look alike.
      return failed(command, new CacheError('forbidden', `This client may not ${command.command} that key.`));
    }
    switch (command.command) {
      case 'READ':
        return this.#read(command, deadlineMs);
      case 'WRITE':
        return this.#write(command, deadlineMs);
      case 'DELETE':
        return this.#delete(command, deadlineMs);
    }
  }

  executeBatch(
    principal: Principal,
    commands: readonly Command[],
    deadlineMs: number,
  ): readonly Reply[] | Promise<readonly Reply[]> {
    return executeBatch(commands, (command) => this.execute(principal, command, deadlineMs));
  }

  watch(caller: () => Principal, keys: readonly Key[]): Watch {
    return this.#watches.open(caller, keys);
  }

  async locate(principal: Principal, key: Key, deadlineMs: number): Promise<KeyLocation> {
    checkAdmin(principal);
    if (!principal.grants.covers(key)) {
      throw new CacheError('forbidden', 'This client may not ask about that key.');
    }
    const location = await this.#engine.locate(key, deadlineMs);
    return { ...location, near: this.#near.holds(key) };
  }

  placement(principal: Principal): Placement | undefined {
    checkAdmin(principal);
    return this.#engine.placement();
  }

  isNear({ grants }: Principal, key: Key): boolean | undefined {
    return grants.has('read') && grants.covers(key) ? this.#near.holds(key) : undefined;
  }

  /** What this process tells of itself, to whoever composes it. */
  state(): CacheStatus {
    return {
      engine: this.#engine.kind,
      ready: this.#engine.ready(),
      shards: this.#engine.status(),
      near: this.#near.status(),
      coherence: this.#options.coherence,
    };
  }

  ready(): boolean {
    return this.#engine.ready();
  }

  async snapshot(principal: Principal): Promise<SnapshotResult> {
    checkAdmin(principal);
    const { snapshots } = this.#options;
    if (snapshots === undefined) {
      throw new CacheError('conflict', 'SNAPSHOT_FILE is not set, so there is nowhere to save to.');
    }
    return snapshots.save();
  }

  /**
   * The key was changed by somebody else, or may have been. To be called in the order in which such news arrives,
   * and in the same stretch of the event loop.
   */
  forget(key: Key): void {
    this.#near.forget(key);
    this.#flights.detach(key);
    this.#watches.changed(key);
  }

  #forgetAll(): void {
    this.#near.forgetAll();
    this.#flights.detachAll();
    this.#watches.changedAll();
  }

  #read(command: ReadCommand, deadlineMs: number): Reply | Promise<Reply> {
    if (!isPlain(command)) return this.#readPast(command, deadlineMs);
    const value = this.#near.get(command.key);
    if (value === undefined) return this.#readThrough(command, deadlineMs);
    return { command: 'READ', status: 'SUCCESS', value, source: 'near' };
  }

  /** Past the near cache and those who fill it. */
  #readPast(command: ReadCommand, deadlineMs: number): Promise<Reply> {
    return this.#ask(command, false, deadlineMs)
      .then((found) => replyOf(this.#decode(command.key, found)))
      .catch((thrown: unknown) => failed(command, thrown));
  }

  /**
   * Callbacks in place of `await` here and on the way of a write: what each promise less is worth is told in the
   * benchmark (row P2), and most requests pass here.
   */
  #readThrough(command: ReadCommand, deadlineMs: number): Promise<Reply> {
    const { key } = command;
    const depart = (): Promise<Fetched | undefined> => this.#fetchAndFill(command, deadlineMs);
    return this.#flights.join(key, depart).then(replyOf, (error: unknown) => {
      // A flight has the deadline of whoever departed first. Who boarded late may have time for another one.
      const isEarly = this.#options.clock.now() < deadlineMs;
      const isLate = error instanceof CacheError && error.code === 'timeout';
      if (!isLate || !isEarly) return failed(command, error);
      return this.#flights.join(key, depart).then(replyOf, (thrown: unknown) => failed(command, thrown));
    });
  }

  #fetchAndFill(command: ReadCommand, deadlineMs: number): Promise<Fetched | undefined> {
    if (this.#near.enabled) return this.#fillFrom(command, deadlineMs);
    return this.#ask(command, false, deadlineMs).then((found) => this.#decode(command.key, found));
  }

  async #fillFrom(command: ReadCommand, deadlineMs: number): Promise<Fetched | undefined> {
    const ticket = this.#near.takeTicket(command.key);
    try {
      const found = await this.#ask(command, true, deadlineMs);
      const fetched = this.#decode(command.key, found);
      if (fetched !== undefined && found?.remainingMs !== undefined && found.lease !== undefined) {
        this.#near.fill(ticket, fetched.value, found.askedAtMs + found.remainingMs, found.lease);
      }
      return fetched;
    } finally {
      this.#near.cancel(ticket);
    }
  }

  #ask(command: ReadCommand, withLife: boolean, deadlineMs: number): Promise<Found | undefined> {
    const { key, consistency, session } = command;
    return this.#engine.read(key, { consistency, session, withLife, deadlineMs });
  }

  #decode(key: Key, found: Found | undefined): Fetched | undefined {
    if (found === undefined) return undefined;
    return { value: decodeValue(key, found.bytes, this.#options.cipher), source: found.source };
  }

  #write(command: WriteCommand, deadlineMs: number): Promise<Reply> {
    const { key, condition, tellsExisted, ack, session } = command;
    const { cipher, encryptByDefault, defaultTtlMs } = this.#options;
    try {
      const sealer = cipherFor(command.encrypt ?? encryptByDefault, cipher);
      const bytes = encodeValue(key, command.value, sealer);
      const ttlMs = command.ttlMs ?? defaultTtlMs;
      if (typeof condition === 'object' || (condition === undefined && tellsExisted === true)) {
        return this.#writeAndTell(command, condition, bytes, ttlMs, deadlineMs);
      }
      // The straight way of nearly all writes: as `#changing`, in the fewest steps.
      return this.#engine.write(key, bytes, { ttlMs, condition, ack, session, deadlineMs }).then(
        (change) => {
          this.forget(key);
          return writeReply(change, existedBy(condition, change.done));
        },
        (thrown: unknown) => {
          this.forget(key);
          return failed(command, thrown);
        },
      );
    } catch (thrown) {
      return Promise.resolve(failed(command, thrown));
    }
  }

  /** A write that judges what is stored, or says whether there was anything. */
  async #writeAndTell(
    command: WriteCommand,
    condition: EtagCondition | undefined,
    bytes: Buffer,
    ttlMs: WriteOptions['ttlMs'],
    deadlineMs: number,
  ): Promise<Reply> {
    const { key, ack, session } = command;
    const options = { ttlMs, ack, session, deadlineMs };
    const write = (by: WriteOptions['condition']): Promise<Change> =>
      this.#engine.write(key, bytes, { ...options, condition: by });
    try {
      const change = await this.#changing(
        key,
        condition === undefined
          ? this.#changeAndTell(key, write)
          : this.#changeIf(key, condition, options, (found) => write(found ?? 'NX')),
      );
      return writeReply(change, change.existed);
    } catch (error) {
      return failed(command, error);
    }
  }

  async #delete(command: DeleteCommand, deadlineMs: number): Promise<Reply> {
    try {
      const { key, condition, ack, session: before } = command;
      const options = { ack, session: before, deadlineMs };
      if (condition === undefined) {
        const { done, session } = await this.#changing(key, this.#engine.remove(key, options));
        return { command: 'DELETE', status: done ? 'SUCCESS' : 'NOT_FOUND', session };
      }
      const { done, existed, session } = await this.#changing(
        key,
        this.#changeIf(
          key,
          condition,
          options,
          (found) => found && this.#engine.remove(key, { ...options, condition: found }),
        ),
      );
      const notDone = existed ? 'NOT_DELETED' : 'NOT_FOUND';
      return { command: 'DELETE', status: done ? 'SUCCESS' : notDone, session };
    } catch (error) {
      return failed(command, error);
    }
  }

  /**
   * A change on condition of what is stored now, made as one step: the condition is judged on what the master has, and
   * the change made in place of exactly that. Whoever is overtaken judges anew:
   *
   *   1. A and B read v1, which has the tag that both ask for
   *   2. A's change comes first, and puts v2 in place of v1
   *   3. B's expects v1 and is refused; B reads v2, which has another tag: not met
   *
   * Those of this gateway take turns. Side by side, n of them on a condition that stays true would need n² attempts,
   * since one of them gets on each time. So only others overtake here, and the deadline ends it.
   */
  #changeIf(
    key: Key,
    condition: EtagCondition,
    { session, deadlineMs }: ChangeOptions,
    /** undefined: there is nothing to change. */
    attempt: (found: Expected | undefined) => Promise<Change> | undefined,
  ): Promise<ToldChange> {
    const judgeAndChange = async (): Promise<ToldChange> => {
      for (;;) {
        const found = await this.#engine.read(key, { consistency: 'strong', withLife: false, deadlineMs });
        const existed = found !== undefined;
        const isDue = isMet(condition, this.#decode(key, found)?.value);
        const change = isDue ? await attempt(found && { expected: found.bytes }) : undefined;
        if (change === undefined) return { done: false, existed, session };
        if (change.done) return { ...change, existed };
      }
    };
    const waitMs = deadlineMs - this.#options.clock.now();
    return this.#turns.take(key, waitMs, judgeAndChange, tooLate);
  }

  /**
   * A write that says whether there was a value: NX and XX by turns until one of them is met, since each of them
   * tells by being met. What is near is most likely there.
   */
  async #changeAndTell(key: Key, write: (by: 'NX' | 'XX') => Promise<Change>): Promise<ToldChange> {
    let existed = this.#near.holds(key);
    for (;;) {
      const change = await write(existed ? 'XX' : 'NX');
      if (change.done) return { ...change, existed };
      existed = !existed;
    }
  }

  /**
   * Waits for a change and, before anyone hears of it, makes sure that no later READ here sees what was before:
   *
   *   C2   1. READ A misses and departs; the engine answers it with v1
   *        2. WRITE v2 reaches the engine; its reply arrives here
   *        3. READ B comes, after the ack of 2
   *
   * Without `forget` B could hit an entry that A filled between 2's execution and its ack, or board
   * A's flight. It runs in the same synchronous stretch in which the reply is processed, so nothing fits between
   * it and the ack; and whatever the outcome, since a write that failed may stand.
   */
  async #changing<T>(key: Key, change: Promise<T>): Promise<T> {
    try {
      return await change;
    } finally {
      this.forget(key);
    }
  }
}

/** Whether the near cache may answer: nothing is asked for that it cannot promise. */
function isPlain({ consistency, session }: ReadCommand): boolean {
  return consistency === 'eventual' || (consistency === 'session' && session?.isEmpty === true);
}

/** A condition on what is stored is answered with something about it. */
function mayDo(grants: Grants, command: Command): boolean {
  if (!grants.has(SCOPE_OF[command.command])) return false;
  return command.command === 'READ' || typeof command.condition !== 'object' || grants.has('read');
}

function replyOf(fetched: Fetched | undefined): Reply {
  if (fetched === undefined) return { command: 'READ', status: 'NOT_FOUND' };
  return { command: 'READ', status: 'SUCCESS', value: fetched.value, source: fetched.source };
}

function writeReply({ done, session }: Change, existed: boolean | undefined): Reply {
  return { command: 'WRITE', status: done ? 'SUCCESS' : 'NOT_STORED', existed, session };
}

/** A condition on presence tells by being met. */
function existedBy(condition: 'NX' | 'XX' | undefined, done: boolean): boolean | undefined {
  return condition === undefined ? undefined : (condition === 'XX') === done;
}

function tooLate(): CacheError {
  return new CacheError('timeout', 'Other changes of this key did not end in time. Nothing was done.');
}

/** @throws CacheError `forbidden` without the scope `admin` */
export function checkAdmin(principal: Principal): void {
  if (!principal.grants.has('admin')) {
    throw new CacheError('forbidden', 'This needs a client with the scope admin.');
  }
}

function failed(command: Command, thrown: unknown): Reply {
  return { command: command.command, status: 'ERROR', error: toCacheError(thrown) };
}
