/**
 * MULTI, EXEC, DISCARD, WATCH and UNWATCH. Commands are queued here and leave together at EXEC, so a transaction takes
 * nothing of the store while its client thinks. All keys are at one place. Without WATCH it goes over the connection
 * that all share; with WATCH over a link of the session's own, since Redis watches for a connection:
 *
 *   1. WATCH k        on the link: Redis notes who watches
 *   2. GET k          on the same link. From the near cache, or a connection that still leads to a former master, it
 *                     could be older than what is watched, and the EXEC would overwrite a change that nobody has seen
 *   3. another client, on any gateway, changes k
 *   4. MULTI, SET k, EXEC on the link: Redis replies null, nothing is done
 *
 * A link that is lost watches nothing any more:
 *
 *   1. WATCH k        on the link
 *   2. the link ends: the node has failed, or is no master any more. k may have been changed since
 *   3. EXEC           is not sent anywhere. It replies null, as it would if k had been changed: the client begins anew
 *
 * A WATCH that fails watches nothing, and what was watched before it is lost with its link: perhaps the slot of these
 * keys has moved, and the next link leads to where it is now.
 *
 * So does a client that changes to the other version of the protocol: the link keeps to the one that it was opened with.
 *
 * If the link ends behind the EXEC, nobody knows whether that was carried out, and the reply is an error that says so.
 */
import type { Key } from '../../core/command';
import { CacheError } from '../../core/errors';
import type { Principal } from '../../core/grants';
import type { Words } from '../../core/ports';
import { permit, type RelayedCommand } from '../../core/relay';
import { isErrorReply } from '../../lib/whole-reply';
import type { CommandSpec } from './command-spec';
import { encodeError, encodeNullArray, REPLY } from './encoder';
import { ExecQueue } from './exec-queue';
import { checkOnePlace, commandAt } from './keyed-commands';
import { keysOf } from './key-rules';
import { checkKeyBytes } from './key-bytes';
import { OwnLink } from './own-link';
import { Refusal, replyToThrown } from './refusal';
import { asked, type SessionWork, type Watched } from './session-work';

const NOT_OPEN = {
  exec: encodeError('ERR EXEC without MULTI'),
  discard: encodeError('ERR DISCARD without MULTI'),
} as const;
const NESTED = encodeError('ERR MULTI calls can not be nested');
const WATCH_INSIDE = encodeError('ERR WATCH inside MULTI is not allowed');
const ABORTED = encodeError('EXECABORT Transaction discarded because of previous errors.');
/** Of one session. Redis looks through all that a connection watches for each key that is to be watched too. */
const WATCHED_MAX = 1000;
/** Sent where nothing else is in a transaction with watched keys: only Redis knows whether they were changed. */
const PROBE: RelayedCommand = plainCommand('PING');
const UNWATCH: RelayedCommand = plainCommand('UNWATCH');
const WATCH = Buffer.from('WATCH');

export class Transaction {
  readonly #work: SessionWork;
  readonly #link: OwnLink;
  /** undefined: there is none. */
  #queue: ExecQueue | undefined;
  readonly #watchedKeys = new Set<Key>();

  constructor(work: SessionWork) {
    this.#work = work;
    this.#link = new OwnLink(work, () => this.#loseWatch());
  }

  /** What comes is queued. */
  get isOpen(): boolean {
    return this.#queue !== undefined;
  }

  /** A command was refused, so EXEC will be too. */
  spoil(): void {
    if (this.#queue !== undefined) this.#queue.isVoid = true;
  }

  /** @throws CacheError, Refusal when it cannot be queued */
  queue(principal: Principal, spec: CommandSpec, words: Words): void {
    const { state } = this.#work;
    this.#queue?.add(principal, spec, words);
    state.queued = this.#queue?.length;
    state.replies.write(REPLY.queued);
  }

  /** MULTI and its like. Throws and rejects with CacheError, Refusal. */
  perform(principal: Principal, spec: CommandSpec, words: Words): undefined | Promise<void> {
    switch (spec.name) {
      case 'multi':
        this.#begin();
        return undefined;
      case 'exec':
        return this.#exec(principal);
      case 'discard':
        return this.#discard(principal);
      case 'watch':
        return this.#watch(principal, spec, words);
      default:
        return this.#unwatch(principal);
    }
  }

  /** For RESET, and an EXEC that is none: nothing is queued or watched any more. */
  abandon(): void {
    this.#close();
    this.#forgetWatch();
    this.#link.drop();
  }

  /** The session speaks the other version of the protocol from now on. */
  changedProtocol(): void {
    if (this.#work.watched?.link !== undefined) this.#dropLink();
  }

  /** To be called about twice a second. */
  recheck(): void {
    if (this.#work.watched === undefined) this.#link.dropIdle();
  }

  end(): void {
    this.#link.close();
  }

  #begin(): void {
    const { state } = this.#work;
    if (this.#queue !== undefined) {
      // Written, not thrown: the transaction survives it.
      state.replies.write(NESTED);
      return;
    }
    this.#queue = new ExecQueue(this.#work, this.#watchedKey);
    state.queued = 0;
    state.replies.write(REPLY.ok);
  }

  #exec(principal: Principal): undefined | Promise<void> {
    const queue = this.#close()?.renewedFor(principal);
    if (queue === undefined) throw new Refusal(NOT_OPEN.exec);
    const { watched } = this.#work;
    if (queue.isVoid) {
      return watched === undefined
        ? refuse(ABORTED)
        : this.#stopWatching(principal).then(() => refuse(ABORTED));
    }
    if (watched !== undefined) return this.#execWatched(principal, queue);
    return queue.isRelayed ? this.#execShared(principal, queue) : this.#execHere(queue);
  }

  #execShared(principal: Principal, queue: ExecQueue): undefined | Promise<void> {
    const work = this.#work;
    const { at, commands, keys, effect } = queue;
    const scope = effect === 'sweep' ? 'all' : keys;
    // What the door answers itself is a part of the reply, and may change how replies are spelt.
    const isAlone = queue.hasLocal;
    const send = (): undefined | Promise<void> => {
      if (!isAlone) {
        work.transacted(at, principal, commands, keys, effect, (reply) => queue.read(reply));
        return work.behind(scope);
      }
      return this.#reply(queue, () =>
        asked((caller) => {
          work.relay.transact(at, principal, commands, work.options('master'), caller);
        }),
      );
    };
    const before = isAlone ? work.state.replies.settled() : work.before(scope, effect);
    return before === undefined ? send() : before.then(send);
  }

  async #execHere(queue: ExecQueue): Promise<void> {
    await this.#work.state.replies.settled();
    await this.#reply(queue, () => Promise.resolve(REPLY.emptyArray));
  }

  async #execWatched(principal: Principal, queue: ExecQueue): Promise<void> {
    const work = this.#work;
    await work.state.replies.settled();
    const link = work.watched?.link;
    const commands = queue.isRelayed ? queue.commands : [PROBE];
    // EXEC ends the watching, whatever becomes of it.
    this.#forgetWatch();
    await this.#reply(queue, async () => {
      if (link === undefined) return encodeNullArray(work.state.protocol);
      const reply = await asked((caller) => {
        link.transact(principal, commands, work.options('master'), caller);
      });
      // Perhaps it never came to the EXEC, and the node still watches.
      if (isErrorReply(reply)) this.#link.drop();
      return reply;
    });
  }

  /** Takes the next place in the line, and waits. */
  async #reply(queue: ExecQueue, ask: () => Promise<Buffer>): Promise<void> {
    const { state, place } = this.#work;
    place.begin();
    const line = state.replies.take();
    const reply = await ask();
    place.end();
    line.settle(await queue.readWithLocal(reply).catch(replyToThrown));
  }

  #discard(principal: Principal): undefined | Promise<void> {
    if (this.#close() === undefined) throw new Refusal(NOT_OPEN.discard);
    return this.#unwatch(principal);
  }

  #unwatch(principal: Principal): undefined | Promise<void> {
    const { state, watched } = this.#work;
    if (watched !== undefined) {
      return this.#stopWatching(principal).then(() => {
        state.replies.write(REPLY.ok);
      });
    }
    state.replies.write(REPLY.ok);
    return undefined;
  }

  async #watch(principal: Principal, spec: CommandSpec, words: Words): Promise<void> {
    const work = this.#work;
    const { state, relay } = work;
    if (this.#queue !== undefined) {
      state.replies.write(WATCH_INSIDE);
      return;
    }
    const named = keysOf(spec, words);
    checkKeyBytes(named, work.policy.keyBytesMax);
    permit(principal, commandAt(spec, words, named));
    checkOnePlace(relay, this.#watchedKey === undefined ? named : [this.#watchedKey, ...named]);
    const keys = [...new Set(named)].filter((key) => !this.#watchedKeys.has(key));
    if (this.#watchedKeys.size + keys.length > WATCHED_MAX)
      throw new CacheError('too_large', `A connection watches at most ${WATCHED_MAX} keys.`);
    await state.replies.settled();
    const line = state.replies.take();
    const [key] = keys;
    // Once lost, all that was watched counts as changed, however much more is watched.
    if (key === undefined || (work.watched !== undefined && work.watched.link === undefined)) {
      line.settle(REPLY.ok);
      return;
    }
    const command = commandAt(spec, [WATCH, ...keys.map((each) => Buffer.from(each, 'latin1'))], keys);
    const { protocol } = state;
    try {
      const link = work.watched?.link ?? (await this.#link.open(key, protocol, work.deadlineMs));
      const reply = await asked((caller) => {
        link.send(principal, command, work.options('master'), {
          settle: (settled) => {
            // In this stretch: the link may end in the next one, and the watch is lost with it.
            if (!isErrorReply(settled)) this.#noteWatch(keys, { place: relay.placeOf(key), link });
            caller.settle(settled);
          },
          fail: (error) => caller.fail(error),
        });
      });
      if (isErrorReply(reply)) this.#dropLink();
      line.settle(reply);
    } catch (thrown) {
      this.#dropLink();
      line.settle(replyToThrown(thrown));
    }
  }

  #noteWatch(keys: readonly Key[], watched: Watched): void {
    for (const each of keys) this.#watchedKeys.add(each);
    this.#work.watched = watched;
  }

  /** What it watches counts as changed. */
  #dropLink(): void {
    this.#link.drop();
    this.#loseWatch();
  }

  /** The link is kept for the next WATCH. */
  async #stopWatching(principal: Principal): Promise<void> {
    const work = this.#work;
    await work.state.replies.settled();
    const link = work.watched?.link;
    this.#forgetWatch();
    if (link === undefined) return;
    const reply = await asked((caller) => {
      link.send(principal, UNWATCH, work.options('master'), caller);
    });
    if (isErrorReply(reply)) this.#link.drop();
  }

  /** The queue so far, which takes nothing more. */
  #close(): ExecQueue | undefined {
    const queue = this.#queue;
    this.#queue = undefined;
    this.#work.state.queued = undefined;
    return queue;
  }

  /** One of those that are watched, which are all at one place. */
  get #watchedKey(): Key | undefined {
    const [key] = this.#watchedKeys;
    return key;
  }

  /** What is watched counts as changed. */
  #loseWatch(): void {
    const { watched } = this.#work;
    if (watched !== undefined) this.#work.watched = { place: watched.place, link: undefined };
  }

  #forgetWatch(): void {
    this.#work.watched = undefined;
    this.#watchedKeys.clear();
    this.#link.rest();
  }
}

function plainCommand(name: string): RelayedCommand {
  return {
    words: [Buffer.from(name)],
    keys: [],
    scopes: [],
    isUnbounded: false,
    isWrite: false,
    changesStrings: false,
    changesUnnamed: false,
    isRepeatable: true,
    values: [],
  };
}

function refuse(reply: Buffer): never {
  throw new Refusal(reply);
}
