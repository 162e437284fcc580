/**
 * One Redis server as this gateway knows it: a connection, what the server last said of its replication, and
 * whether it answers. A node is asked for its replication state as soon as it is connected, then at a steady pace;
 * nothing is known of it before the first answer on the present connection.
 */
import type { Redis } from 'ioredis';
import { CacheError } from '../core/errors';
import type { Log } from '../core/ports';
import type { Clock } from '../lib/clock';
import { withDeadline } from '../lib/deadline';
import { createClient, nameOfAddress, type NodeAddress } from './client';
import type { RedisCommand } from './commands';
import { translateRedisError } from './redis-errors';
import { parseReplication, type Replication } from './replication';

/** A service does not wait longer than this for one node before it begins to serve with the others. */
const FIRST_ATTEMPT_MS_MAX = 1000;
/** The pace of probes while all is quiet. */
const PROBE_EVERY_MS = 500;
/** A node that leaves a probe unanswered for so long gets no more work until it answers one. */
const PROBE_TIMEOUT_MS = 500;
/** Silence after which the connection itself is given up: it may be half open, and only a new one would tell. */
const SILENCE_MS_MAX = 3000;

export class RedisNode {
  readonly name: string;
  readonly #client: Redis;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #onChange: () => void;
  #replication: Replication | undefined;
  /** The probe under way, if any: never more than one, so a frozen node collects no queue of them. */
  #probe: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #answeredAtMs: number;
  #suspect = false;
  #closed = false;

  /** `onChange` is called when `usable` or `replication` may have changed. */
  constructor(address: NodeAddress, deps: { clock: Clock; log: Log; onChange: () => void }) {
    this.name = nameOfAddress(address);
    this.#log = deps.log;
    this.#clock = deps.clock;
    this.#onChange = deps.onChange;
    this.#answeredAtMs = deps.clock.now();
    this.#client = createClient(address, { pipelining: true });
    this.#client.on('ready', () => void this.probe());
    this.#client.on('close', () => this.#lost());
    // ioredis says here why a connection failed, and throws when nobody listens.
    this.#client.on('error', (cause: Error) => {
      this.#log.debug({ node: this.name, cause: cause.message }, 'redis connection trouble');
    });
  }

  /**
   * Begins to connect. Resolves when the first attempt has succeeded or failed, or is taking long; it goes on, and
   * further attempts follow, in any case.
   */
  async open(): Promise<void> {
    this.#timer = setInterval(() => void this.probe(), PROBE_EVERY_MS);
    try {
      const connected = this.#client.connect().then(() => this.probe());
      await withDeadline(connected, FIRST_ATTEMPT_MS_MAX, timedOut);
    } catch (cause) {
      this.#log.warn({ node: this.name, cause: messageOf(cause) }, 'redis node cannot be reached yet');
    }
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

  /** A command has just gone unanswered: no more work until a probe is answered. */
  suspect(): void {
    if (this.#suspect || this.#closed) return;
    this.#suspect = true;
    this.#log.warn({ node: this.name }, 'redis node does not answer');
    this.#onChange();
    void this.probe();
  }

  /**
   * Runs one command with a deadline. @throws CacheError as `Engine` promises; `timeout` also marks the node
   * suspect.
   */
  async run<T>(waitMs: number, command: RedisCommand<T>): Promise<T> {
    if (this.#client.status !== 'ready') throw unreachable();
    if (waitMs <= 0) throw timedOut();
    try {
      return await withDeadline(command(this.#client), waitMs, timedOut);
    } catch (thrown) {
      if (thrown instanceof CacheError && thrown.code === 'timeout') this.suspect();
      throw translateRedisError(thrown);
    }
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#timer);
    this.#client.disconnect();
  }

  async #ask(): Promise<void> {
    if (this.#client.status !== 'ready' || this.#closed) return;
    try {
      const info = await withDeadline(this.#client.info('replication'), PROBE_TIMEOUT_MS, timedOut);
      this.#learn(parseReplication(info));
    } catch (thrown) {
      if (thrown instanceof CacheError && thrown.code === 'timeout') this.#unanswered();
      else this.#log.debug({ node: this.name, cause: messageOf(thrown) }, 'redis probe failed');
    }
  }

  #learn(replication: Replication | undefined): void {
    if (this.#client.status !== 'ready') return;
    this.#answeredAtMs = this.#clock.now();
    if (this.#replication === undefined || this.#suspect) {
      this.#log.info({ node: this.name, role: replication?.role }, 'redis node answers');
    }
    this.#suspect = false;
    this.#replication = replication;
    this.#onChange();
  }

  #unanswered(): void {
    this.suspect();
    if (this.#clock.now() - this.#answeredAtMs < SILENCE_MS_MAX || this.#closed) return;
    this.#answeredAtMs = this.#clock.now();
    this.#log.warn({ node: this.name }, 'redis node is silent: connecting anew');
    this.#client.disconnect(true);
  }

  #lost(): void {
    if (this.#replication !== undefined) this.#log.warn({ node: this.name }, 'redis connection lost');
    this.#replication = undefined;
    this.#suspect = false;
    this.#answeredAtMs = this.#clock.now();
    this.#onChange();
  }
}

function unreachable(): CacheError {
  return new CacheError('unavailable', 'The shard of this key cannot be reached.');
}

function timedOut(): CacheError {
  return new CacheError('timeout', 'The shard of this key did not answer in time.');
}

function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
