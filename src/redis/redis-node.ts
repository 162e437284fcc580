/**
 * One Redis server as this gateway knows it: a connection, what the server last said of its replication, and
 * whether it answers. A node is asked for its replication state as soon as it is connected, then whenever its owner
 * thinks fit (`tick`); nothing is known of it before the first answer on the present connection.
 *
 * The commands of one turn of the event loop leave together, in one packet. ioredis could do that by itself, but it
 * holds the next turn's commands back until the last ones are answered: a node that freezes would get them when it
 * wakes, long after their callers were told that they had failed. Here a command leaves in its own turn or never. What
 * the socket has not taken and nobody waits for any more has a limit; beyond it commands are refused as not done.
 */
import type { Redis } from 'ioredis';
import { CacheError } from '../core/errors';
import type { Log } from '../core/ports';
import type { Clock } from '../lib/clock';
import { withDeadline } from '../lib/deadline';
import { ChangeGroup } from './change-group';
import { createClient, nameOfAddress, UNSENT_BYTES_MAX, watchHandshake, type NodeAddress } from './client';
import { CommandBatch } from './command-batch';
import { asSender, masterOffset, replicationState, type NodeCommand } from './commands';
import { NodeRequest, type Asker } from './node-request';
import { overloaded, reasonOf, timedOut, tooLate, unreachable } from './redis-errors';
import { ReplyFramer } from './reply-framer';
import type { Replication } from './replication';
import { RequestWatch } from './request-watch';
import { Trouble } from './trouble';

/** A service does not wait longer than this for one node before it begins to serve with the others. */
const FIRST_ATTEMPT_MS_MAX = 1000;
/** A probe is given up after so long, and the node is suspect if nothing at all was heard of it. */
const PROBE_WAIT_MS = 250;
/** Silence after which the connection itself is given up: it may be half open, and only a new one would tell. */
const SILENCE_MS_MAX = 3000;

/** What ioredis says of a reply that nobody asked for, and drops. */
const UNASKED = 'Command queue state error';

export interface RedisNodeDeps {
  readonly clock: Clock;
  readonly log: Log;
  /** A replica of a cluster must be told that reads are wanted from it. */
  readonly readOnly: boolean;
  /** Called with each answer to a probe that was sent at `askedAtMs`, before anybody else hears of it. */
  readonly onLearned: (replication: Replication, askedAtMs: number) => void;
  /** There is a new connection; nothing was sent on it yet. */
  readonly onConnected: (client: Redis) => void;
  /** The connection has ended. */
  readonly onLost: () => void;
}

export class RedisNode {
  readonly name: string;
  readonly #client: Redis;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #deps: RedisNodeDeps;
  readonly #watchHandshake: () => void;
  readonly #trouble: Trouble;
  #replication: Replication | undefined;
  /** The probe under way, if any: never more than one, so a frozen node collects no queue of them. */
  #probe: Promise<void> | undefined;
  readonly #watch: RequestWatch;
  /** What leaves together at the end of this turn, and the changes among it: a ROLE leaves behind them. */
  #departures: NodeRequest[] = [];
  #changes: ChangeGroup | undefined;
  #heardAtMs: number;
  #suspect = false;
  #closed = false;

  constructor(address: NodeAddress, deps: RedisNodeDeps) {
    this.name = nameOfAddress(address);
    this.#log = deps.log;
    this.#clock = deps.clock;
    this.#deps = deps;
    this.#heardAtMs = deps.clock.now();
    this.#watch = new RequestWatch({
      clock: deps.clock,
      heardBytes: () => this.#heardBytes(),
      onSilence: () => this.#suspectSilence(),
    });
    this.#client = createClient(address, deps.readOnly);
    this.#watchHandshake = watchHandshake(this.#client, deps.clock);
    this.#trouble = new Trouble((cause) =>
      this.#log.warn({ node: this.name, cause }, 'redis node cannot be used'),
    );
    this.#client.on('ready', () => {
      deps.onConnected(this.#client);
      void this.probe();
    });
    // In the turn in which it is connected, so nothing has come yet.
    this.#client.on('connect', () => this.#judge(this.#client.stream));
    this.#client.on('close', () => this.#lost());
    // ioredis says here why a connection failed, and throws when nobody listens.
    this.#client.on('error', (cause: Error) => {
      this.#complain(cause);
      // Which reply was one too many is not known, so none that comes may be believed.
      if (cause.message.startsWith(UNASKED)) this.#client.stream.destroy();
    });
  }

  /**
   * Begins to connect. Resolves when the first attempt has succeeded or failed, or is taking long; it goes on, and
   * further attempts follow, in any case.
   */
  async open(): Promise<void> {
    try {
      const connected = this.#client.connect().then(() => this.probe());
      await withDeadline(connected, FIRST_ATTEMPT_MS_MAX, timedOut);
    } catch (cause) {
      // A failure was told by ioredis's own event already.
      if (cause instanceof CacheError) this.#complain(cause);
    }
  }

  /** To be called at a steady pace: watches over the connection, and probes. Never rejects. */
  tick(): Promise<void> {
    this.#watchHandshake();
    return this.probe();
  }

  /** Commands whose callers still wait for an answer. */
  get inFlight(): number {
    return this.#watch.size;
  }

  /** What the server said last on the present connection; undefined before that. */
  get replication(): Replication | undefined {
    return this.#replication;
  }

  /** Connected, known, and answering. */
  get usable(): boolean {
    return this.#replication !== undefined && !this.#suspect;
  }

  /** Asks the server for its replication state now; joins a probe that is under way. Never rejects. */
  probe(): Promise<void> {
    this.#probe ??= this.#ask().finally(() => {
      this.#probe = undefined;
    });
    return this.#probe;
  }

  /**
   * Asks for one command, which leaves at the end of this turn. It fails as `Engine` promises: `timeout` after
   * `deadlineMs`, or as soon as the node has been silent for `silenceMs` while it owed the answer.
   */
  ask<T>(command: NodeCommand<T>, asker: Asker<T>, deadlineMs: number, silenceMs = Infinity): void {
    this.#depart(new NodeRequest(command, asker, deadlineMs, silenceMs, undefined));
  }

  /**
   * As `ask`, of a command that changes something: tells an offset of the replication stream that has the change in it,
   * learnt by one ROLE that leaves behind all changes of this turn.
   */
  change<T>(command: NodeCommand<T>, asker: Asker<T>, deadlineMs: number): void {
    this.#changes ??= new ChangeGroup();
    this.#depart(new NodeRequest(command, asker, deadlineMs, Infinity, this.#changes));
  }

  /** `ask`, for those who await it. @throws CacheError */
  run<T>(command: NodeCommand<T>, deadlineMs: number, silenceMs = Infinity): Promise<T> {
    return new Promise((settle, fail) => {
      this.ask(command, { settle, fail }, deadlineMs, silenceMs);
    });
  }

  close(): void {
    this.#closed = true;
    this.#watch.close();
    this.#client.disconnect();
  }

  /**
   * Ends the connection when what comes is no RESP. ioredis may take that for the beginning of a long reply, and all that
   * comes later for the rest of it: no answer would be heard any more, and no silence either.
   */
  #judge(stream: Redis['stream']): void {
    const framer = new ReplyFramer(0);
    stream.on('data', (chunk: Buffer) => {
      try {
        framer.push(chunk);
        while (framer.next() !== undefined);
      } catch (cause) {
        this.#complain(cause);
        stream.destroy();
      }
    });
  }

  #depart(request: NodeRequest): void {
    if (this.#departures.length === 0) setImmediate(() => this.#flush());
    this.#departures.push(request);
  }

  #flush(): void {
    const departures = this.#departures;
    const changes = this.#changes;
    this.#departures = [];
    this.#changes = undefined;
    const client = this.#client;
    const refusal = this.#refusal();
    if (refusal !== undefined) {
      for (const request of departures) request.refuse(refusal());
      return;
    }
    const nowMs = this.#clock.now();
    this.#watch.begin(nowMs);
    // One system call for all of them.
    client.stream.cork();
    const batch = new CommandBatch(client.stream);
    for (const request of departures) {
      if (nowMs < request.deadlineMs) request.leave(client, batch, this.#watch);
      else request.refuse(tooLate());
    }
    if (changes !== undefined) {
      // Its deadlines are those of the changes.
      const role = new NodeRequest(masterOffset, changes, Infinity, Infinity, undefined);
      role.leave(client, batch, undefined);
    }
    batch.flush();
    client.stream.uncork();
  }

  /** Why nothing can leave in this turn. */
  #refusal(): (() => CacheError) | undefined {
    if (this.#client.status !== 'ready') return unreachable;
    // A node that takes slowly, and answers, is never silent: who gives a WRITE up makes room for the next one, while its bytes
    // wait, to be carried out long after. So only what nobody waits for any more counts here. The rest is bounded by the places
    // and the deadlines of the callers, and who refused them for it would refuse small READs behind a few large WRITEs.
    const { writableLength: unsentBytes } = this.#client.stream;
    if (unsentBytes < UNSENT_BYTES_MAX) return undefined;
    return unsentBytes - this.#watch.awaitedBytes() >= UNSENT_BYTES_MAX ? overloaded : undefined;
  }

  #heardBytes(): number {
    return (this.#client.stream as { bytesRead?: number } | undefined)?.bytesRead ?? 0;
  }

  async #ask(): Promise<void> {
    if (this.#client.status !== 'ready' || this.#closed) return;
    const heardBytes = this.#heardBytes();
    const askedAtMs = this.#clock.now();
    try {
      const answer = asSender(replicationState)(this.#client);
      this.#learn(await withDeadline(answer, PROBE_WAIT_MS, timedOut), askedAtMs);
    } catch (thrown) {
      const isLate = thrown instanceof CacheError && thrown.code === 'timeout';
      if (!isLate) this.#complain(thrown);
      else if (this.#heardBytes() === heardBytes) this.#unanswered();
      else this.#heardAtMs = this.#clock.now();
    }
  }

  #learn(replication: Replication, askedAtMs: number): void {
    if (this.#client.status !== 'ready' || this.#closed) return;
    this.#heardAtMs = this.#clock.now();
    if (!this.usable) this.#log.info({ node: this.name, role: replication.role }, 'redis node answers');
    this.#suspect = false;
    this.#trouble.end();
    this.#replication = replication;
    this.#deps.onLearned(replication, askedAtMs);
  }

  /** It owes an answer and says nothing: no more work until it answers a probe. */
  #suspectSilence(): void {
    if (this.#suspect || this.#closed) return;
    this.#suspect = true;
    this.#log.warn({ node: this.name }, 'redis node does not answer');
    void this.probe();
  }

  #unanswered(): void {
    this.#suspectSilence();
    if (this.#clock.now() - this.#heardAtMs < SILENCE_MS_MAX || this.#closed) return;
    this.#heardAtMs = this.#clock.now();
    this.#log.warn({ node: this.name }, 'redis node is silent: connecting anew');
    this.#client.disconnect(true);
  }

  #lost(): void {
    if (this.#replication !== undefined && !this.#closed) {
      this.#log.warn({ node: this.name }, 'redis connection lost');
    }
    this.#replication = undefined;
    this.#suspect = false;
    this.#heardAtMs = this.#clock.now();
    this.#deps.onLost();
  }

  #complain(cause: unknown): void {
    if (!this.#closed) this.#trouble.meet(reasonOf(cause));
  }
}
