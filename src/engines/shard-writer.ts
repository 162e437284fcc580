/**
 * How one shard is changed. A change goes to the master, on a connection of its own where replicas must confirm it,
 * and its key is marked before the caller hears of it.
 */
import type { Coherence } from '../coherence/coherence';
import type { Ack } from '../core/command';
import { CacheError } from '../core/errors';
import type { Change, ChangeOptions } from '../core/ports';
import type { Session } from '../core/session';
import type { Clock } from '../lib/clock';
import type { NodeAddress } from '../redis/client';
import { asking, getReplication, type RedisChange, type RedisCommand } from '../redis/commands';
import { ConfirmingConnection } from '../redis/confirming-connection';
import { NotDone, Redirected, unreachable } from '../redis/redis-errors';
import type { Replication } from '../redis/replication';
import type { Member } from './member';
import type { SessionPositions } from './session-positions';
import type { ShardMembers } from './shard-members';

export interface ShardWriterDeps {
  readonly members: ShardMembers;
  readonly positions: SessionPositions;
  readonly coherence: Coherence;
  readonly clock: Clock;
}

/** What became of a change, and an offset of the replication stream that has it in it; `Infinity`: not known. */
interface Sent {
  readonly reply: boolean;
  readonly offset: number;
}

export class ShardWriter {
  readonly #members: ShardMembers;
  readonly #positions: SessionPositions;
  readonly #coherence: Coherence;
  readonly #clock: Clock;
  /** One for each number of replicas, since a WAIT for two would hold up those that need only one. */
  #confirming: Readonly<Record<Exclude<Ack, 0>, ConfirmingConnection>> | undefined;

  constructor({ members, positions, coherence, clock }: ShardWriterDeps) {
    this.#members = members;
    this.#positions = positions;
    this.#coherence = coherence;
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
  async change(change: RedisChange<boolean>, options: ChangeOptions, isAsking: boolean): Promise<Change> {
    const { ack, session, deadlineMs } = options;
    for (;;) {
      const master = this.#members.usableMaster() ?? (await this.#members.masterBy(deadlineMs));
      try {
        const plain = this.#coherence.send(change);
        const command = isAsking ? asking(plain) : plain;
        if (ack === 0 && session !== undefined) {
          return await this.#changeInSession(master, change, command, session, deadlineMs);
        }
        // Awaited here and nowhere in between: this is the path of every plain write.
        const { reply: done, offset } =
          ack === 0
            ? await this.#send(master, command, deadlineMs)
            : await this.#sendConfirmed(command, ack, deadlineMs);
        this.#members.mark(change.key, offset);
        if (session === undefined || !done) return { done, session };
        return {
          done,
          session: this.#positions.renewed(session, await this.#stateBehind(master, deadlineMs)),
        };
      } catch (thrown) {
        if (!(thrown instanceof NotDone) || thrown instanceof Redirected) throw thrown;
        // Refused, so a second attempt is the first execution (C7). It needs a node that has become a better one.
        await master.node.probe();
        if (this.#members.usableMaster() === master || this.#clock.now() >= deadlineMs) throw thrown;
      }
    }
  }

  /** What has not left is refused as not done. */
  close(): void {
    for (const connection of Object.values(this.#confirming ?? {})) connection.close();
  }

  async #changeInSession(
    master: Member,
    { key }: RedisChange<boolean>,
    command: RedisCommand<boolean>,
    session: Session,
    deadlineMs: number,
  ): Promise<Change> {
    // Marked even where the answer behind it does not come.
    const sent = this.#send(master, command, deadlineMs).then(({ reply, offset }) => {
      this.#members.mark(key, offset);
      return reply;
    });
    // It leaves behind the change, in the same packet.
    const state = this.#stateBehind(master, deadlineMs);
    const [done, behind] = await Promise.allSettled([sent, state]);
    if (done.status === 'rejected') throw done.reason;
    if (!done.value) return { done: false, session };
    if (behind.status === 'rejected') throw behind.reason;
    return { done: true, session: this.#positions.renewed(session, behind.value) };
  }

  #send(master: Member, command: RedisCommand<boolean>, deadlineMs: number): Promise<Sent> {
    if (this.#members.isReplicated) return master.node.change(command, deadlineMs);
    // Replicas may come meanwhile, so it is marked all the same.
    return master.node.run(command, deadlineMs).then((reply) => ({ reply, offset: Infinity }));
  }

  #sendConfirmed(command: RedisCommand<boolean>, ack: Exclude<Ack, 0>, deadlineMs: number): Promise<Sent> {
    if (this.#confirming === undefined) throw unreachable();
    return this.#confirming[ack].run(command, deadlineMs);
  }

  /** Where the master stands, asked behind a change. @throws CacheError when that cannot be learnt */
  async #stateBehind(master: Member, deadlineMs: number): Promise<Replication> {
    try {
      const state = await master.node.run(getReplication(), deadlineMs);
      if (state.role === 'master') return state;
    } catch {
      // Said below.
    }
    throw new CacheError('unavailable', 'The session cannot be renewed now. The change may stand.');
  }
}
