/** How commands of one connection are relayed: what they have in common while they are under way, and their order. */
import type { Key } from '../../core/command';
import { toCacheError, type CacheError } from '../../core/errors';
import type { Principal } from '../../core/grants';
import type { Whereabouts } from '../../core/ports';
import type { CacheLink, CacheRelay, RelayCaller, RelayedCommand, RelayOptions } from '../../core/relay';
import { CommandOrder } from './command-order';
import { errorReply } from './errors';
import { replyToThrown } from './refusal';
import type { RelayPolicy } from './relayed-command';
import type { ReplyPlace } from './reply-line';
import type { SessionState } from './session-state';
import { WorkPlace } from './work-place';

export class SessionWork {
  readonly order = new CommandOrder();
  readonly place: WorkPlace;
  readonly policy: RelayPolicy;
  /** While keys are watched. */
  watched: Watched | undefined;

  constructor(
    readonly state: SessionState,
    readonly relay: CacheRelay,
  ) {
    this.place = new WorkPlace(state.deps.places);
    this.policy = {
      defaultTtlMs: relay.defaultTtlMs,
      encryptsByDefault: relay.encryptsByDefault,
      keyBytesMax: state.deps.limits.keyBytesMax,
    };
  }

  get deadlineMs(): number {
    const { clock, limits } = this.state.deps;
    return clock.now() + limits.requestTimeoutMs;
  }

  options(from: 'any' | 'master'): RelayOptions {
    return { protocol: this.state.protocol, from, deadlineMs: this.deadlineMs };
  }

  /** Sends one command; its reply takes the next place in the line, after `read` has looked at it. @throws CacheError */
  relayed(
    at: Whereabouts,
    principal: Principal,
    command: RelayedCommand,
    effect: Effect,
    read?: ReadReply,
  ): void {
    const caller = new WaitingReply(this, command.keys, effect, read);
    const options = this.#optionsOf(effect);
    caller.begin(() => this.#send(at, principal, command, effect, options, caller));
  }

  /** As `relayed`, for several as one step. @throws CacheError */
  transacted(
    at: Whereabouts,
    principal: Principal,
    commands: readonly RelayedCommand[],
    keys: readonly Key[],
    effect: Effect,
    read?: ReadReply,
  ): void {
    const caller = new WaitingReply(this, keys, effect, read);
    const options = this.options('master');
    caller.begin(() => this.relay.transact(at, principal, commands, options, caller));
  }

  #optionsOf(effect: Effect): RelayOptions {
    return this.options(effect === 'read' ? 'any' : 'master');
  }

  #send(
    at: Whereabouts,
    principal: Principal,
    command: RelayedCommand,
    effect: Effect,
    options: RelayOptions,
    caller: RelayCaller,
  ): void {
    const link = effect === 'read master' ? this.#watchingLink(at) : undefined;
    if (link === undefined) this.relay.send(at, principal, command, options, caller);
    else link.send(principal, command, options, caller);
  }

  #watchingLink(at: Whereabouts): CacheLink | undefined {
    const { watched } = this;
    if (watched === undefined || typeof at === 'number') return undefined;
    return this.relay.placeOf(at) === watched.place ? watched.link : undefined;
  }

  /** Until what touches these keys may leave; undefined: now. */
  before(keys: readonly Key[] | 'all', effect: Effect): Promise<void> | undefined {
    if (keys !== 'all') return effect === 'change' ? this.order.beforeChange(keys) : undefined;
    return this.relay.shardCount === 1 ? this.order.beforeChange('all') : this.#settled();
  }

  /**
   * Until others may leave behind it; undefined: now. While keys are watched everything goes alone, since some of it goes
   * over the link, which has no order with the connections that are shared.
   */
  behind(keys: readonly Key[] | 'all'): Promise<void> | undefined {
    const isAlone = this.watched !== undefined || (keys === 'all' && this.relay.shardCount > 1);
    return isAlone ? this.#settled() : undefined;
  }

  #settled(): Promise<void> | undefined {
    const { replies } = this.state;
    return replies.owed === 0 ? undefined : replies.settled();
  }

  /** The reply of one command that is a part of another one, of which this is the effect. Never rejects. */
  ask(
    at: Whereabouts,
    principal: Principal,
    command: RelayedCommand,
    effect: Effect,
    options = this.#optionsOf(effect),
  ): Promise<Buffer> {
    return asked((caller) => this.#send(at, principal, command, effect, options, caller));
  }

  askTogether(at: Whereabouts, principal: Principal, commands: readonly RelayedCommand[]): Promise<Buffer> {
    return asked((caller) => {
      this.relay.transact(at, principal, commands, this.options('master'), caller);
    });
  }
}

/** Where keys are watched. What is read there is read on the same link, so that it is what WATCH has seen, or newer. */
export interface Watched {
  readonly place: number;
  /** undefined: it was lost, and EXEC will say so. */
  readonly link: CacheLink | undefined;
}

/**
 * What others on this connection have to know of a command: that it reads its keys wherever it likes, reads them on the
 * master, changes them, or reads or changes any key there is.
 */
export type Effect = 'read' | 'read master' | 'change' | 'sweep';

/** What the reply becomes before it is handed on. */
export type ReadReply = (reply: Buffer) => Buffer;

/** The reply to what `send` sends, or to its failure. Never rejects. */
export function asked(send: (caller: RelayCaller) => void): Promise<Buffer> {
  return new Promise((resolve) => {
    try {
      send({
        settle: resolve,
        fail: (error) => {
          resolve(errorReply(error));
        },
      });
    } catch (thrown) {
      resolve(replyToThrown(thrown));
    }
  });
}

/** What `make` makes or, if it throws, what is wrong: a place in the line is settled whatever happens. */
export function replyOf(make: () => Buffer): Buffer {
  try {
    return make();
  } catch (thrown) {
    return replyToThrown(thrown);
  }
}

/**
 * One command under way: it has its place in the line and among those at work, and others know of its effect, until its
 * reply is there. The one object that is made for it here.
 */
export class WaitingReply implements RelayCaller {
  readonly #work: SessionWork;
  readonly #keys: readonly Key[];
  readonly #effect: Effect;
  readonly #read: ReadReply | undefined;
  readonly #place: ReplyPlace;
  #isOver = false;

  /** @throws CacheError `throttled` */
  constructor(work: SessionWork, keys: readonly Key[], effect: Effect, read?: ReadReply) {
    work.place.begin();
    this.#work = work;
    this.#keys = keys;
    this.#effect = effect;
    this.#read = read;
    this.#place = work.state.replies.take();
    beginEffect(work.order, effect, keys);
  }

  /** What could not even be sent has failed. */
  begin(send: () => void): void {
    try {
      send();
    } catch (thrown) {
      this.fail(toCacheError(thrown));
    }
  }

  settle(reply: Buffer): void {
    if (!this.#end()) return;
    const read = this.#read;
    this.#place.settle(read === undefined ? reply : replyOf(() => read(reply)));
  }

  fail(error: CacheError): void {
    if (this.#end()) this.#place.settle(errorReply(error));
  }

  /** False: it was already over. */
  #end(): boolean {
    if (this.#isOver) return false;
    this.#isOver = true;
    endEffect(this.#work.order, this.#effect, this.#keys);
    this.#work.place.end();
    return true;
  }
}

function beginEffect(order: CommandOrder, effect: Effect, keys: readonly Key[]): void {
  if (effect === 'read') order.beginRead(keys);
  else if (effect === 'change') order.beginChange(keys);
  else if (effect === 'sweep') order.beginSweep();
}

function endEffect(order: CommandOrder, effect: Effect, keys: readonly Key[]): void {
  if (effect === 'read') order.endRead(keys);
  else if (effect === 'change') order.endChange(keys);
  else if (effect === 'sweep') order.endSweep();
}
