/**
 * Commands in the words of the store, which the core does not understand beyond what is said of them: whose keys they
 * name, what right they need, which words are values. It checks rights, seals values, and forgets what was changed, so
 * that a door that speaks the store's own protocol keeps every promise of the others.
 */
import type { Key } from './command';
import { CacheError, toCacheError } from './errors';
import type { Principal, Scope } from './grants';
import type {
  Cipher,
  EngineRelay,
  LinkOptions,
  Protocol,
  RelayLink,
  RelayRequest,
  RelaySubscriber,
  SubscriberOptions,
  Whereabouts,
  Words,
} from './ports';
import { cipherFor, encodeValue, openValue } from './value';

/** What a command needs to be allowed. */
export interface Claim {
  /** All of them. */
  readonly scopes: readonly Scope[];
  /** Each must be granted. A channel counts as a key, and of a pattern that which each match begins with. */
  readonly keys: readonly Key[];
  /** It may touch, or tell of, keys that it does not name: only for callers to whom all keys are granted. */
  readonly isUnbounded: boolean;
}

export interface RelayedCommand extends Claim {
  readonly words: Words;
  readonly isWrite: boolean;
  /** It may change or remove strings, which values are. Of writes only; where it does not, nobody need hear of it. */
  readonly changesStrings: boolean;
  /** It may change keys that it does not name. Of writes only. */
  readonly changesUnnamed: boolean;
  /** Carried out twice it does no more than once. Of writes this is never said. */
  readonly isRepeatable: boolean;
  /** The words that are a value as a whole, by their place in `words`, and the keys they are for. */
  readonly values: readonly ValueWord[];
}

export interface ValueWord {
  readonly at: number;
  readonly key: Key;
}

export interface RelayOptions {
  readonly protocol: Protocol;
  /** `any`: a read may be answered by a replica that has all that this gateway wrote to its keys. */
  readonly from: 'any' | 'master';
  /** Monotonic. */
  readonly deadlineMs: number;
}

/** Who waits for a reply. One of the two is called, once, and never before `send` has returned. */
export interface RelayCaller {
  /** The bytes as the store sent them. */
  settle(reply: Buffer): void;
  fail(error: CacheError): void;
}

/** A connection of one caller alone, for what blocks it or watches. */
export interface CacheLink {
  /** As `CacheRelay.send`, for what blocks, watches or reads (see `RelayLink`); `from` is without effect. */
  send(principal: Principal, command: RelayedCommand, options: RelayOptions, caller: RelayCaller): void;
  transact(
    principal: Principal,
    commands: readonly RelayedCommand[],
    options: RelayOptions,
    caller: RelayCaller,
  ): void;
  close(): void;
}

/** What a door sees of it. */
export interface CacheRelay {
  readonly shardCount: number;
  /** Life of a value that is written without one, in ms; 0: until deleted or evicted. The door says it in its words. */
  readonly defaultTtlMs: number;
  /** Values are encrypted unless the writer says otherwise, so changing a part of one would destroy it. */
  readonly encryptsByDefault: boolean;
  /** Keys of which this is the same can stand in one command. */
  placeOf(key: Key): number;
  /** The index of the shard that has the key now. */
  shardOf(key: Key): number;
  /**
   * Sends one command whose keys are all at one place. Rights are checked here too: what is not permitted fails. See
   * `EngineRelay.send` for the order in which commands take effect.
   */
  send(
    at: Whereabouts,
    principal: Principal,
    command: RelayedCommand,
    options: RelayOptions,
    caller: RelayCaller,
  ): void;
  /** Several as one step; the reply is an array of theirs, or that of EXEC when it refuses. */
  transact(
    at: Whereabouts,
    principal: Principal,
    commands: readonly RelayedCommand[],
    options: RelayOptions,
    caller: RelayCaller,
  ): void;
  /** @throws CacheError `unavailable` */
  open(at: Whereabouts, options: LinkOptions): Promise<CacheLink>;
  /** The door has checked with `permit` whatever it tells the subscriber to. @throws CacheError `unavailable` */
  subscribe(at: Whereabouts, options: SubscriberOptions): Promise<RelaySubscriber>;
  /**
   * The value's own bytes of what is stored: JSON as its text, bytes that need no envelope as they came.
   * @throws CacheError `corrupt_value`
   */
  openValue(key: Key, stored: Buffer): Buffer;
}

export interface RelayDeps {
  /** undefined: no encryption keys are configured. */
  readonly cipher: Cipher | undefined;
  readonly encryptByDefault: boolean;
  readonly defaultTtlMs: number;
  /** The key was changed, or may have been. */
  forget(key: Key): void;
  /** Any key may have been changed. */
  forgetAll(): void;
}

const NO_KEYS: readonly Key[] = [];

/** Every grant covers at least what begins with it, so only the grant of all keys covers this. */
const WHAT_ALL_BEGIN_WITH = '' as Key;

/** @throws CacheError `forbidden`, the same whether or not there is anything under the keys */
export function permit({ grants }: Principal, { scopes, keys, isUnbounded }: Claim): void {
  for (const scope of scopes) if (!grants.has(scope)) throw forbidden();
  for (const key of keys) if (!grants.covers(key)) throw forbidden();
  if (isUnbounded && !grants.covers(WHAT_ALL_BEGIN_WITH)) throw forbidden();
}

/** Of keys that the store named, those that the principal may hear of. */
export function visible({ grants }: Principal, keys: readonly Key[]): readonly Key[] {
  return keys.filter((key) => grants.covers(key));
}

export class Relay implements CacheRelay {
  readonly #engine: EngineRelay;
  readonly #deps: RelayDeps;

  constructor(engine: EngineRelay, deps: RelayDeps) {
    this.#engine = engine;
    this.#deps = deps;
  }

  get shardCount(): number {
    return this.#engine.shardCount;
  }

  get defaultTtlMs(): number {
    return this.#deps.defaultTtlMs;
  }

  get encryptsByDefault(): boolean {
    return this.#deps.encryptByDefault;
  }

  placeOf(key: Key): number {
    return this.#engine.placeOf(key);
  }

  shardOf(key: Key): number {
    return this.#engine.shardOf(key);
  }

  send(
    at: Whereabouts,
    principal: Principal,
    command: RelayedCommand,
    options: RelayOptions,
    caller: RelayCaller,
  ): void {
    const request = this.#requestOf(principal, command, options, caller);
    if (request !== undefined) this.#engine.send(at, request);
  }

  transact(
    at: Whereabouts,
    principal: Principal,
    commands: readonly RelayedCommand[],
    options: RelayOptions,
    caller: RelayCaller,
  ): void {
    const request = this.#transactionOf(principal, commands, options, caller);
    if (request !== undefined) this.#engine.send(at, request);
  }

  async open(at: Whereabouts, options: LinkOptions): Promise<CacheLink> {
    const link: RelayLink = await this.#engine.open(at, options);
    return {
      send: (principal, command, how, caller) => {
        const request = this.#requestOf(principal, command, how, caller);
        if (request !== undefined) link.send(request);
      },
      transact: (principal, commands, how, caller) => {
        const request = this.#transactionOf(principal, commands, how, caller);
        if (request !== undefined) link.send(request);
      },
      close: () => link.close(),
    };
  }

  subscribe(at: Whereabouts, options: SubscriberOptions): Promise<RelaySubscriber> {
    return this.#engine.subscribe(at, options);
  }

  openValue(key: Key, stored: Buffer): Buffer {
    return openValue(key, stored, this.#deps.cipher);
  }

  /** undefined: the caller will be told why not. */
  #requestOf(
    principal: Principal,
    command: RelayedCommand,
    options: RelayOptions,
    caller: RelayCaller,
  ): RelayRequest | undefined {
    try {
      permit(principal, command);
      const announced = command.changesStrings ? command.keys : NO_KEYS;
      return new CoreRequest([this.#sealed(command)], false, command, announced, options, caller, this.#deps);
    } catch (thrown) {
      refuse(caller, thrown);
      return;
    }
  }

  #transactionOf(
    principal: Principal,
    commands: readonly RelayedCommand[],
    options: RelayOptions,
    caller: RelayCaller,
  ): RelayRequest | undefined {
    try {
      for (const command of commands) permit(principal, command);
      const words = commands.map((command) => this.#sealed(command));
      const whole = {
        // Without an order: what is named twice is forgotten and marked once.
        keys: [...new Set(commands.flatMap(({ keys }) => keys))],
        isWrite: commands.some(({ isWrite }) => isWrite),
        isUnbounded: commands.some(({ isUnbounded }) => isUnbounded),
        changesUnnamed: commands.some(({ changesUnnamed }) => changesUnnamed),
        isRepeatable: commands.every(({ isRepeatable }) => isRepeatable),
      };
      const changing = commands.filter(({ changesStrings }) => changesStrings);
      const announced = [...new Set(changing.flatMap(({ keys }) => keys))];
      return new CoreRequest(words, true, whole, announced, options, caller, this.#deps);
    } catch (thrown) {
      refuse(caller, thrown);
      return;
    }
  }

  /** The words with each value as it is to be stored. @throws CacheError `bad_request` */
  #sealed({ words, values }: RelayedCommand): Words {
    if (values.length === 0) return words;
    const cipher = cipherFor(this.#deps.encryptByDefault, this.#deps.cipher);
    const sealed = [...words];
    for (const { at, key } of values) {
      const value = words[at];
      if (value !== undefined) sealed[at] = encodeValue(key, value, cipher);
    }
    return sealed;
  }
}

/**
 * What goes to the engine. A class, since one is made for each command: its methods are not made anew with it.
 *
 * What a change made old is forgotten in the stretch in which its caller hears of it, whatever became of it: see
 * `Cache` for the interleaving behind that.
 */
class CoreRequest implements RelayRequest {
  readonly keys: readonly Key[];
  readonly isUnbounded: boolean;
  readonly isWrite: boolean;
  readonly changesUnnamed: boolean;
  readonly isRepeatable: boolean;
  readonly protocol: Protocol;
  readonly from: 'any' | 'master';
  readonly deadlineMs: number;
  readonly #caller: RelayCaller;
  readonly #deps: RelayDeps;

  constructor(
    readonly commands: readonly Words[],
    readonly isTransaction: boolean,
    {
      keys,
      isUnbounded,
      isWrite,
      changesUnnamed,
      isRepeatable,
    }: Pick<RelayRequest, 'keys' | 'isUnbounded' | 'isWrite' | 'changesUnnamed' | 'isRepeatable'>,
    readonly announced: readonly Key[],
    { protocol, from, deadlineMs }: RelayOptions,
    caller: RelayCaller,
    deps: RelayDeps,
  ) {
    this.keys = keys;
    this.isUnbounded = isUnbounded;
    this.isWrite = isWrite;
    this.changesUnnamed = changesUnnamed;
    this.isRepeatable = isRepeatable;
    this.protocol = protocol;
    this.from = isWrite ? 'master' : from;
    this.deadlineMs = deadlineMs;
    this.#caller = caller;
    this.#deps = deps;
  }

  settle(reply: Buffer): void {
    this.#forget();
    this.#caller.settle(reply);
  }

  fail(error: CacheError): void {
    this.#forget();
    this.#caller.fail(error);
  }

  #forget(): void {
    if (!this.isWrite) return;
    if (this.changesUnnamed) this.#deps.forgetAll();
    else for (const key of this.keys) this.#deps.forget(key);
  }
}

/** Whoever asks is told later: they may not be ready to hear while they ask. */
function refuse(caller: RelayCaller, thrown: unknown): undefined {
  const error = toCacheError(thrown);
  queueMicrotask(() => caller.fail(error));
}

/** Said before anything is looked up: what may not be read and what is absent look alike. */
function forbidden(): CacheError {
  return new CacheError('forbidden', 'This client may not do that, or not with that key.');
}
