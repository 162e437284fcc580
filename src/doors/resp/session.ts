/**
 * What happens with each request of one connection: it is looked up, judged (are the words as many as it takes, may it be
 * said before AUTH, in a transaction, while subscribed), and handed to those who carry out commands of its kind. What
 * is wrong with it becomes its reply here, in one place. Rights to keys are not judged here: the core does that.
 */
import type { Principal } from '../../core/grants';
import type { Words } from '../../core/ports';
import { BlockingCommands } from './blocking-commands';
import { labelOf } from './command-outcome';
import type { CommandSpec } from './command-spec';
import { encodeError } from './encoder';
import { arityReply, ERROR_REPLY, unknownCommandReply, unknownSubcommandReply } from './errors';
import { relayEverywhere } from './everywhere-commands';
import { findCommand, hasArity } from './find-command';
import { mayBlock } from './key-rules';
import { perform, prepare } from './keyed-commands';
import { LOCAL_COMMANDS } from './local/local-commands';
import { MemoryCommands } from './memory-commands';
import { Refusal, replyToThrown } from './refusal';
import type { RequestHandler } from './request-handler';
import { scanShards } from './scan-command';
import type { SessionState } from './session-state';
import { SessionWork } from './session-work';
import { ShortWay } from './short-way';
import { relaySplit } from './split-commands';
import { Subscriptions } from './subscriptions';
import { Transaction } from './transaction';
import { readValue } from './value-commands';

/** All that a client of RESP2 may say while it is subscribed: it could not tell replies from messages. */
const SUBSCRIBED: ReadonlySet<string> = new Set([
  ...['subscribe', 'psubscribe', 'ssubscribe', 'unsubscribe', 'punsubscribe', 'sunsubscribe'],
  ...['ping', 'quit', 'reset'],
]);
/** Carried out at once between MULTI and EXEC too. */
const NOT_QUEUED: ReadonlySet<string> = new Set(['multi', 'exec', 'discard', 'watch', 'quit', 'reset']);

/** The two versions of the protocol go over different connections, which have no common order. */
const CHANGES_PROTOCOL: ReadonlySet<string> = new Set(['hello', 'reset']);

export function createSession(state: SessionState): RequestHandler {
  return new Session(state);
}

/** What there is where values are in Redis. */
interface Relaying {
  readonly work: SessionWork;
  readonly transaction: Transaction;
  readonly blocking: BlockingCommands;
  readonly subscriptions: Subscriptions;
}

class Session implements RequestHandler {
  readonly shortWay: ShortWay | undefined;
  readonly #state: SessionState;
  readonly #relaying: Relaying | undefined;
  readonly #memory: MemoryCommands;

  constructor(state: SessionState) {
    this.#state = state;
    this.#memory = new MemoryCommands(state);
    const { relay } = state.deps.cache;
    if (relay === undefined) return;
    const work = new SessionWork(state, relay);
    const { cache, hasShortWay } = state.deps;
    if (hasShortWay && cache.hasNear) this.shortWay = new ShortWay(work);
    this.#relaying = {
      work,
      transaction: new Transaction(work),
      blocking: new BlockingCommands(work),
      subscriptions: new Subscriptions(work),
    };
    state.abandon = () => {
      this.#relaying?.transaction.abandon();
      this.#relaying?.subscriptions.abandon();
    };
  }

  handle(words: Words): Promise<void> | undefined {
    this.shortWay?.interrupt();
    try {
      const pending = this.#perform(words);
      return pending?.catch((thrown: unknown) => {
        this.#refuse(thrown);
      });
    } catch (thrown) {
      this.#refuse(thrown);
      return undefined;
    }
  }

  recheck(): void {
    this.#relaying?.transaction.recheck();
    this.#relaying?.blocking.recheck();
    this.#relaying?.subscriptions.recheck();
  }

  end(): void {
    this.#relaying?.transaction.end();
    this.#relaying?.blocking.end();
    this.#relaying?.subscriptions.end();
  }

  /** Throws and rejects with what is wrong. */
  #perform(words: Words): undefined | Promise<void> {
    const state = this.#state;
    const spec = findCommand(words);
    if (spec === undefined) throw new Refusal(unknownCommandReply(words));
    if (spec === 'unknown subcommand') throw unknownSubcommand(words);
    if (!hasArity(spec, words)) throw this.#rejected(spec, arityReply(spec.name));
    state.lastCommand = spec.name;
    state.replies.label = labelOf(spec);
    state.lastCommandMs = state.deps.clock.now();
    if (spec.isOpen) return this.#performOpen(spec, words);

    if (state.credential === undefined) throw this.#rejected(spec, ERROR_REPLY.noAuth);
    const principal = state.credential.principal();
    if (state.subscriptions > 0) this.#checkSubscribed(spec);
    const transaction = this.#relaying?.transaction;
    if (transaction?.isOpen === true && !NOT_QUEUED.has(spec.name)) {
      if (spec.notInTransaction !== undefined) throw new Refusal(encodeError(`ERR ${spec.notInTransaction}`));
      if (spec.refusal !== undefined) throw new Refusal(encodeError(`ERR ${spec.refusal}`));
      transaction.queue(principal, spec, words);
      return undefined;
    }
    return this.#carryOut(principal, spec, words);
  }

  /** AUTH and its like, for which nobody has to have shown who it is. In a transaction they wait as all others do. */
  #performOpen(spec: CommandSpec, words: Words): undefined | Promise<void> {
    const { credential, subscriptions } = this.#state;
    if (subscriptions > 0) this.#checkSubscribed(spec);
    const transaction = this.#relaying?.transaction;
    if (transaction?.isOpen === true && credential !== undefined && !NOT_QUEUED.has(spec.name)) {
      transaction.queue(credential.principal(), spec, words);
      return undefined;
    }
    return this.#answer(spec, words);
  }

  #carryOut(principal: Principal, spec: CommandSpec, words: Words): undefined | Promise<void> {
    if (spec.kind === 'local') return this.#answer(spec, words);
    if (spec.refusal !== undefined) throw new Refusal(encodeError(`ERR ${spec.refusal}`));
    if (this.#relaying === undefined) {
      this.#memory.perform(principal, spec, words);
      return undefined;
    }
    const { work, transaction, blocking, subscriptions } = this.#relaying;
    switch (spec.kind) {
      case 'value':
        return readValue(work, principal, spec, words);
      case 'split':
        return relaySplit(work, principal, spec, words);
      case 'transaction':
        return transaction.perform(principal, spec, words);
      case 'subscription':
        return subscriptions.perform(principal, spec, words);
      case 'blocking':
        if (mayBlock(spec, words)) return blocking.perform(principal, spec, words);
        break;
      case 'single':
        if (work.relay.shardCount > 1) throw new Refusal(severalServersReply(spec));
        break;
      case 'scan':
        if (work.relay.shardCount > 1) return scanShards(work, principal, spec, words);
        break;
      case 'everywhere':
        if (work.relay.shardCount > 1) return relayEverywhere(work, principal, spec, words);
        break;
      case 'channel':
        if (work.relay.shardCount > 1 && !spec.name.endsWith('publish')) {
          return relayEverywhere(work, principal, spec, words);
        }
        break;
      case 'keyed':
      case 'refused':
    }
    return perform(work, principal, prepare(work, principal, spec, words));
  }

  #answer(spec: CommandSpec, words: Words): undefined | Promise<void> {
    const { replies } = this.#state;
    const command = LOCAL_COMMANDS.get(spec.name);
    if (command === undefined) throw new Refusal(unknownCommandReply(words));
    const answer = (): undefined | Promise<void> => {
      const { protocol } = this.#state;
      const pending = command(this.#state, words);
      if (this.#state.protocol !== protocol) this.#relaying?.transaction.changedProtocol();
      return pending instanceof Promise ? pending : undefined;
    };
    return CHANGES_PROTOCOL.has(spec.name) && replies.owed > 0 ? replies.settled().then(answer) : answer();
  }

  /** An EXEC that is not even looked at ends its transaction all the same. */
  #rejected({ name }: CommandSpec, reply: Buffer): Refusal {
    if (name !== 'exec') return new Refusal(reply);
    this.#relaying?.transaction.abandon();
    const reason = reply.toString('utf8', 1, reply.length - 2).replace(/^ERR /, '');
    return new Refusal(encodeError(`EXECABORT Transaction discarded because of: ${reason}`));
  }

  #checkSubscribed(spec: CommandSpec): void {
    if (this.#state.protocol === 3 || SUBSCRIBED.has(spec.name)) return;
    throw this.#rejected(
      spec,
      encodeError(
        `ERR Can't execute '${spec.name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context`,
      ),
    );
  }

  /** The reply to a request that is not carried out; a transaction that it was to be a part of fails with it. */
  #refuse(thrown: unknown): void {
    const state = this.#state;
    this.#relaying?.transaction.spoil();
    state.replies.write(replyToThrown(thrown));
  }
}

function unknownSubcommand(words: Words): Refusal {
  const [container, subcommand] = words;
  const name = container?.toString('latin1').toLowerCase() ?? '';
  return new Refusal(unknownSubcommandReply(name, subcommand ?? Buffer.alloc(0)));
}

function severalServersReply({ name }: CommandSpec): Buffer {
  const shown = name.replace('|', ' ').toUpperCase();
  return encodeError(`ERR ${shown} speaks of one Redis server, and there are several behind this gateway.`);
}
