/**
 * Changes that so many replicas must confirm before they count (`ack`). Redis's WAIT speaks of what its own
 * connection wrote, and blocks that connection meanwhile: what is sent behind it is carried out when it ends,
 * perhaps long after its caller was told that it had failed:
 *
 *   1. WRITE K=old is sent behind a WAIT that takes long; its deadline passes, its caller is told `unavailable`
 *   2. WRITE K=new succeeds on another connection
 *   3. the WAIT ends, and Redis carries out K=old: an acked write is undone
 *
 * So nothing is ever sent behind a WAIT. Changes come in groups: while a group is being confirmed the next one
 * gathers here, and of that only those are sent whose deadline has not passed. When an answer does not come in time
 * the connection is given up, and with it whatever it may still carry.
 */
import type { Redis } from 'ioredis';
import { CacheError } from '../core/errors';
import type { Clock } from '../lib/clock';
import { withDeadline } from '../lib/deadline';
import { createClient, type NodeAddress } from './client';
import { asSender, masterOffset, waitForReplicas, type NodeCommand } from './commands';
import { NotDone, translateRedisError, unreachable } from './redis-errors';

/** Kept back from the deadline, so that WAIT's answer arrives before our own patience ends. */
const MARGIN_MS = 50;

/** A change that waits for its group. */
interface Candidate {
  readonly deadlineMs: number;
  /** Sends it, and tells whether something was changed that needs to be confirmed. Never rejects. */
  send(client: Redis): Promise<boolean>;
  refuse(error: CacheError): void;
  /** So many replicas have what it changed, and `offset` of the replication stream has it in it. */
  settle(replicas: number, offset: number): void;
}

export class ConfirmingConnection {
  readonly #address: NodeAddress;
  readonly #replicas: number;
  readonly #clock: Clock;
  #client: Redis | undefined;
  #candidates: Candidate[] = [];
  #isBusy = false;
  #closed = false;

  /** Connects when first used. `replicas`: how many must confirm each change. */
  constructor(address: NodeAddress, replicas: number, clock: Clock) {
    this.#address = address;
    this.#replicas = replicas;
    this.#clock = clock;
  }

  /**
   * Runs the change and waits for its confirmations, unless its reply is that nothing was changed (false). Tells an
   * offset of the replication stream that has it in it, by one ROLE behind each group; `Infinity`: it could not be
   * learnt.
   * @throws CacheError `unavailable` when too few came by `deadlineMs`; the message says whether the change may stand.
   */
  run(
    change: NodeCommand<boolean>,
    deadlineMs: number,
  ): Promise<{ readonly reply: boolean; readonly offset: number }> {
    if (this.#closed) return Promise.reject(unreachable());
    const sendChange = asSender(change);
    return new Promise((resolve, reject) => {
      let reply = false;
      this.#candidates.push({
        deadlineMs,
        send: (client) =>
          sendChange(client).then(
            (made) => (reply = made),
            (thrown: unknown) => {
              reject(translateRedisError(thrown));
              return false;
            },
          ),
        refuse: reject,
        settle: (replicas, offset) => {
          if (replicas < this.#replicas) reject(tooFew());
          else resolve({ reply, offset });
        },
      });
      if (this.#isBusy) return;
      this.#isBusy = true;
      // The changes of one turn of the event loop are one group.
      setImmediate(() => void this.#confirmGroups());
    });
  }

  /** What has not left is refused as not done, so that another master may carry it out; nothing leaves from now on. */
  close(): void {
    this.#closed = true;
    this.#client?.disconnect();
    for (const candidate of this.#candidates.splice(0)) candidate.refuse(unreachable());
  }

  /** One group after the other until none waits. Never rejects. */
  async #confirmGroups(): Promise<void> {
    while (this.#candidates.length > 0) {
      const client = await this.#connected(earliestOf(this.#candidates));
      const stillTimely = this.#clock.now() + MARGIN_MS;
      const group: Candidate[] = [];
      const waiting: Candidate[] = [];
      for (const candidate of this.#candidates) {
        if (candidate.deadlineMs < stillTimely) candidate.refuse(notMade());
        else (client === undefined ? waiting : group).push(candidate);
      }
      this.#candidates = waiting;
      if (client !== undefined && group.length > 0) await this.#confirm(client, group);
    }
    this.#isBusy = false;
  }

  /** WAIT leaves when the group is answered, and only if something was changed: until it ends nobody else gets on. */
  async #confirm(client: Redis, group: readonly Candidate[]): Promise<void> {
    const untilMs = earliestOf(group);
    const inTime = <T>(work: Promise<T>): Promise<T> =>
      withDeadline(work, untilMs - this.#clock.now(), tooFew);
    client.stream.cork();
    const sent = group.map((candidate) => candidate.send(client));
    const offset = asSender(masterOffset)(client).catch(() => Infinity);
    client.stream.uncork();
    try {
      const [reached, ...areMade] = await inTime(Promise.all([offset, ...sent]));
      const made = group.filter((candidate, index) => {
        if (areMade[index] === true) return true;
        candidate.settle(Infinity, reached);
        return false;
      });
      if (made.length === 0) return;
      const patienceMs = Math.max(1, Math.floor(untilMs - this.#clock.now() - MARGIN_MS));
      const confirmed = await inTime(asSender(waitForReplicas(this.#replicas, patienceMs))(client));
      for (const candidate of made) candidate.settle(confirmed, reached);
    } catch (thrown) {
      for (const candidate of group) candidate.refuse(tooFew(thrown));
      this.#giveUp(client);
    }
  }

  /** A client that can send, or undefined when there is none by then. */
  async #connected(deadlineMs: number): Promise<Redis | undefined> {
    const client = (this.#client ??= this.#open());
    // One whose socket takes nothing more is `ready` until its end is told, in a later turn; then it is made anew.
    if (client.status === 'ready' && client.stream.writable) return client;
    let succeed: () => void = () => undefined;
    const ready = new Promise<Redis>((resolve) => {
      succeed = () => resolve(client);
      client.once('ready', succeed);
    });
    try {
      return await withDeadline(ready, deadlineMs - this.#clock.now(), notMade);
    } catch {
      client.off('ready', succeed);
      // Half-way through a handshake with a silent server it would stay for ever.
      if (client.status === 'connect') this.#giveUp(client);
      return undefined;
    }
  }

  /** The next group gets a connection of its own. */
  #giveUp(client: Redis): void {
    client.disconnect();
    this.#client = undefined;
  }

  #open(): Redis {
    const client = createClient(this.#address);
    // The master's own connection tells the log of its troubles; ioredis throws when nobody listens.
    client.on('error', () => undefined);
    // A failure is followed by further attempts, and seen by those who wait for `ready`.
    client.connect().catch(() => undefined);
    return client;
  }
}

function earliestOf(candidates: readonly Candidate[]): number {
  let earliestMs = Infinity;
  for (const { deadlineMs } of candidates) earliestMs = Math.min(earliestMs, deadlineMs);
  return earliestMs;
}

function tooFew(cause?: unknown): CacheError {
  const message = 'Too few replicas confirmed this in time. The change may stand.';
  return new CacheError('unavailable', message, { cause });
}

function notMade(): CacheError {
  return new NotDone('unavailable', 'The replicas could not be asked in time. The change was not made.');
}
