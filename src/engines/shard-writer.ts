/**
 * How one shard is changed. A change goes to the master, on a connection of its own where replicas must confirm it,
 * and its key is marked before the caller hears of it, and announced where that is done by itself.
 */
import type { Coherence } from '../coherence/coherence';
import { cannotAnnounce } from '../coherence/outbox';
import type { ShardAnnouncer } from '../coherence/shard-announcer';
import type { Ack } from '../core/command';
import { CacheError } from '../core/errors';
import type { Change, ChangeOptions } from '../core/ports';
import type { Session } from '../core/session';
import type { Clock } from '../lib/clock';
import { withDeadline } from '../lib/deadline';
import type { NodeAddress } from '../redis/client';
import { asking, replicationState, type NodeCommand, type RedisChange } from '../redis/commands';
import { ConfirmingConnection } from '../redis/confirming-connection';
import type { Asker } from '../redis/node-request';
import { NotDone, Overloaded, Redirected, unreachable } from '../redis/redis-errors';
import type { Replication } from '../redis/replication';
import type { Member } from './member';
import type { SessionPositions } from './session-positions';
import type { ShardMembers } from './shard-members';

export interface ShardWriterDeps {
  readonly members: ShardMembers;
  readonly positions: SessionPositions;
  readonly coherence: Coherence;
  readonly announcer: ShardAnnouncer | undefined;
  readonly clock: Clock;
}

/** What became of a change, where, and an offset as `Sent` has it. */
interface Made extends Change {
  readonly master: Member;
  readonly offset: number;
}

/** What a node replied to a change, and an offset of the replication stream that has it in it; `Infinity`: not known. */
interface Sent {
  readonly reply: boolean;
  readonly offset: number;
}

export class ShardWriter {
  readonly #members: ShardMembers;
  readonly #positions: SessionPositions;
  readonly #coherence: Coherence;
  readonly #announcer: ShardAnnouncer | undefined;
  readonly #clock: Clock;
  /** One for each number of replicas, since a WAIT for two would hold up those that need only one. */
  #confirming: Readonly<Record<Exclude<Ack, 0>, ConfirmingConnection>> | undefined;

  constructor({ members, positions, coherence, announcer, clock }: ShardWriterDeps) {
    this.#members = members;
    this.#positions = positions;
    this.#coherence = coherence;
    this.#announcer = announcer;
    this.#clock = clock;
  }

  /** The master is at another address from now on; undefined: there is none. */
  masterChanged(address: NodeAddress | undefined): void {
    this.close();
    this.#confirming = address && {
      1: new ConfirmingConnection(address, 1, this.#clock),
      2: new ConfirmingConnection(address, 2, this.#clock),
    };
  }

  /**
   * Sends a change to the master and marks its key before the caller hears of it. `isAsking`: the key's slot is on
   * its way here. @throws Redirected in a cluster, when the key is elsewhere
   */
  change(change: RedisChange<boolean>, options: ChangeOptions, isAsking: boolean): Promise<Change> {
    if (this.#announcer === undefined) return this.#change(change, options, isAsking);
    return this.#changeAndAnnounce(this.#announcer, change, options, isAsking);
  }

  /** What has not left is refused as not done. */
  close(): void {
    for (const connection of Object.values(this.#confirming ?? {})) connection.close();
  }

  async #changeAndAnnounce(
    announcer: ShardAnnouncer,
    change: RedisChange<boolean>,
    options: ChangeOptions,
    isAsking: boolean,
  ): Promise<Change> {
    if (!announcer.isOpen) throw cannotAnnounce();
    const keys = [change.key];
    let made: Made;
    try {
      made = await this.#change(change, options, isAsking);
    } catch (thrown) {
      if (!isUndone(thrown)) announcer.doubt(keys);
      throw thrown;
    }
    const { done, master, offset } = made;
    if (!done) return made;
    const lineage = master.node.replication?.lineage;
    await new Promise<void>((settle, fail) => {
      announcer.announce({ keys, lineage, offset }, { deadlineMs: options.deadlineMs, settle, fail });
    });
    return made;
  }

  #change(change: RedisChange<boolean>, options: ChangeOptions, isAsking: boolean): Promise<Made> {
    const { ack, session } = options;
    const master = this.#members.usableMaster();
    if (master === undefined || ack !== 0 || session !== undefined) {
      return this.#changeElse(change, options, isAsking);
    }
    // The straight way of nearly all writes: one promise, and the key is marked in the stretch of the reply.
    return new Promise((resolve, reject) => {
      this.#ask(master, this.#commandFor(change, isAsking), options.deadlineMs, {
        settle: (done, offset) => {
          this.#members.mark(change.key, offset);
          resolve({ done, session, master, offset });
        },
        fail: (error) => {
          if (isRefused(error)) resolve(this.#changeAgain(error, master, change, options, isAsking));
          else reject(error);
        },
      });
    });
  }

  /** For a session, or with replicas that confirm it, or when there is a master. */
  async #changeElse(change: RedisChange<boolean>, options: ChangeOptions, isAsking: boolean): Promise<Made> {
    const { ack, session, deadlineMs } = options;
    const master = this.#members.usableMaster() ?? (await this.#members.masterBy(deadlineMs));
    try {
      const command = this.#commandFor(change, isAsking);
      if (ack === 0 && session !== undefined) {
        return await this.#changeInSession(master, change, command, session, deadlineMs);
      }
      const { reply: done, offset } =
        ack === 0
          ? await this.#send(master, command, deadlineMs)
          : await this.#sendConfirmed(command, ack, deadlineMs);
      this.#members.mark(change.key, offset);
      if (session === undefined || !done) return { done, session, master, offset };
      return {
        done,
        master,
        offset,
        session: this.#positions.renewed(session, await this.#stateBehind(master, deadlineMs)),
      };
    } catch (thrown) {
      if (!(thrown instanceof CacheError && isRefused(thrown))) throw thrown;
      return this.#changeAgain(thrown, master, change, options, isAsking);
    }
  }

  /** Refused, so a second attempt is the first execution (C7). It needs a node that has become a better one. */
  async #changeAgain(
    refusal: CacheError,
    master: Member,
    change: RedisChange<boolean>,
    options: ChangeOptions,
    isAsking: boolean,
  ): Promise<Made> {
    const leftMs = options.deadlineMs - this.#clock.now();
    if (leftMs <= 0) throw refusal;
    await withDeadline(master.node.probe(), leftMs, () => refusal);
    if (this.#members.usableMaster() === master || this.#clock.now() >= options.deadlineMs) throw refusal;
    return this.#change(change, options, isAsking);
  }

  async #changeInSession(
    master: Member,
    { key }: RedisChange<boolean>,
    command: NodeCommand<boolean>,
    session: Session,
    deadlineMs: number,
  ): Promise<Made> {
    // Marked even where the answer behind it does not come.
    const sent = this.#send(master, command, deadlineMs).then((answered) => {
      this.#members.mark(key, answered.offset);
      return answered;
    });
    // It leaves behind the change, in the same packet.
    const state = this.#stateBehind(master, deadlineMs);
    const [answered, behind] = await Promise.allSettled([sent, state]);
    if (answered.status === 'rejected') throw answered.reason;
    const { reply: done, offset } = answered.value;
    if (!done) return { done, session, master, offset };
    if (behind.status === 'rejected') throw behind.reason;
    return { done, session: this.#positions.renewed(session, behind.value), master, offset };
  }

  #commandFor(change: RedisChange<boolean>, isAsking: boolean): NodeCommand<boolean> {
    const command = this.#coherence.send(change);
    return isAsking ? asking(command) : command;
  }

  #ask(master: Member, command: NodeCommand<boolean>, deadlineMs: number, asker: Asker<boolean>): void {
    if (this.#members.isReplicated) master.node.change(command, asker, deadlineMs);
    // Replicas may come meanwhile, so it is marked all the same.
    else master.node.ask(command, asker, deadlineMs);
  }

  #send(master: Member, command: NodeCommand<boolean>, deadlineMs: number): Promise<Sent> {
    return new Promise((resolve, reject) => {
      const settle = (reply: boolean, offset: number): void => resolve({ reply, offset });
      this.#ask(master, command, deadlineMs, { settle, fail: reject });
    });
  }

  #sendConfirmed(command: NodeCommand<boolean>, ack: Exclude<Ack, 0>, deadlineMs: number): Promise<Sent> {
    if (this.#confirming === undefined) throw unreachable();
    return this.#confirming[ack].run(command, deadlineMs);
  }

  /** Where the master stands, asked behind a change. @throws CacheError when that cannot be learnt */
  async #stateBehind(master: Member, deadlineMs: number): Promise<Replication> {
    try {
      const state = await master.node.run(replicationState, deadlineMs);
      if (state.role === 'master') return state;
    } catch {
      // Said below.
    }
    throw new CacheError('unavailable', 'The session cannot be renewed now. The change may stand.');
  }
}

/** It was not carried out, and another node may do better here. */
function isRefused(error: CacheError): boolean {
  return error instanceof NotDone && !(error instanceof Redirected || error instanceof Overloaded);
}

/** It was certainly not carried out. A node that is full says so of every change: none of them must cost near caches anything. */
function isUndone(thrown: unknown): boolean {
  return thrown instanceof NotDone || (thrown instanceof CacheError && thrown.code === 'out_of_memory');
}
