/**
 * One Sentinel as this gateway knows it: it is asked at a steady pace, and tells of failovers by itself on a
 * connection of its own, which saves us most of that pace. Nobody waits for it for long: a Sentinel that owes an answer
 * is not asked again, and a silent connection is made anew.
 */
import type { Redis } from 'ioredis';
import type { Log } from '../core/ports';
import type { Clock } from '../lib/clock';
import { withDeadline } from '../lib/deadline';
import { createClient, nameOfAddress, watchHandshake, type NodeAddress } from './client';
import { reasonOf, unreachable } from './redis-errors';
import {
  FAILOVER_CHANNELS,
  getSentinelReport,
  parseSelected,
  type NodeAt,
  type SentinelReport,
} from './sentinel-replies';
import { Trouble } from './trouble';

/** Nobody waits longer than this for an answer; a healthy Sentinel takes under 1 ms. */
const SENTINEL_WAIT_MS = 250;
/** The service does not wait longer than this for its first connection. */
const FIRST_ATTEMPT_MS_MAX = 1000;
/** Silence after which a connection is given up: it may be half open. */
const SILENCE_MS_MAX = 2000;

export interface SentinelDeps {
  /** The names of the watched masters. */
  readonly masters: readonly string[];
  readonly nodeAt: NodeAt;
  readonly clock: Clock;
  readonly log: Log;
  /** The answer to a question that was sent at `askedAtMs`. */
  readonly onReport: (master: string, report: SentinelReport, askedAtMs: number) => void;
  /** The Sentinel is about to make this replica the master. */
  readonly onSelected: (master: string, address: NodeAddress) => void;
}

export class SentinelConnection {
  readonly name: string;
  readonly #deps: SentinelDeps;
  readonly #client: Redis;
  readonly #subscriber: Redis;
  readonly #watchHandshakes: readonly (() => void)[];
  readonly #trouble: Trouble;
  /** Since when an answer is owed on either connection. */
  readonly #owedSinceMs = new Map<Redis, number>();
  #closed = false;

  constructor(address: NodeAddress, deps: SentinelDeps) {
    this.name = nameOfAddress(address);
    this.#deps = deps;
    this.#trouble = new Trouble((cause) =>
      deps.log.warn({ sentinel: this.name, cause }, 'sentinel cannot be asked'),
    );
    this.#client = createClient(address);
    this.#subscriber = createClient(address);
    const clients = [this.#client, this.#subscriber];
    this.#watchHandshakes = clients.map((client) => watchHandshake(client, deps.clock));
    for (const client of clients) {
      client.on('close', () => this.#owedSinceMs.delete(client));
      // ioredis says here why a connection failed, and throws when nobody listens.
      client.on('error', (cause: Error) => this.#complain(cause));
    }
    this.#subscriber.on('ready', () => {
      this.#subscriber.subscribe(...FAILOVER_CHANNELS).catch((cause: unknown) => this.#complain(cause));
    });
    this.#subscriber.on('message', (_channel: string, message: string) => this.#told(message));
  }

  /** Begins to connect. Resolves when that has succeeded or failed once, or takes long; it goes on in any case. */
  async open(): Promise<void> {
    this.#subscriber.connect().catch(() => undefined);
    // A failure is told by ioredis's own event, and followed by further attempts.
    await withDeadline(this.#client.connect(), FIRST_ATTEMPT_MS_MAX, unreachable).catch(() => undefined);
  }

  /** To be called at a steady pace: asks, unless an answer is owed. */
  tick(): void {
    if (this.#client.status === 'ready' && !this.#owes(this.#client)) void this.ask();
    if (this.#subscriber.status === 'ready' && !this.#owes(this.#subscriber)) {
      this.#await(this.#subscriber, this.#subscriber.ping()).catch(() => undefined);
    }
  }

  /** To be called at a pace that is slower than a handshake. */
  watchHandshakes(): void {
    for (const watch of this.#watchHandshakes) watch();
  }

  /** Asks now, whatever is owed. Resolves when all is told or late; never rejects. */
  async ask(): Promise<void> {
    const client = this.#client;
    if (client.status !== 'ready') return;
    const askedAtMs = this.#deps.clock.now();
    const { masters, nodeAt, onReport } = this.#deps;
    client.stream.cork();
    const answers = masters.map((master) => this.#await(client, getSentinelReport(master, nodeAt)(client)));
    client.stream.uncork();
    const heard = answers.map(async (answer, index) => {
      try {
        const report = await answer;
        if (!this.#closed) onReport(masters[index] ?? '', report, askedAtMs);
        return true;
      } catch (cause) {
        this.#complain(cause);
        return false;
      }
    });
    try {
      const all = await withDeadline(Promise.all(heard), SENTINEL_WAIT_MS, unreachable);
      if (all.every((isHeard) => isHeard)) this.#well();
    } catch (cause) {
      this.#complain(cause);
    }
  }

  close(): void {
    this.#closed = true;
    this.#client.disconnect();
    this.#subscriber.disconnect();
  }

  /** Whether it owes an answer on that connection, which is given up when that takes too long. */
  #owes(client: Redis): boolean {
    const sinceMs = this.#owedSinceMs.get(client);
    if (sinceMs !== undefined && this.#deps.clock.now() - sinceMs > SILENCE_MS_MAX) client.disconnect(true);
    return sinceMs !== undefined;
  }

  #await<T>(client: Redis, answer: Promise<T>): Promise<T> {
    if (!this.#owedSinceMs.has(client)) this.#owedSinceMs.set(client, this.#deps.clock.now());
    return answer.finally(() => this.#owedSinceMs.delete(client));
  }

  #told(message: string): void {
    if (this.#closed) return;
    // What `+switch-master` says is in the report as well, with its epoch.
    void this.ask();
    const selected = parseSelected(message, this.#deps.nodeAt);
    if (selected !== undefined && this.#deps.masters.includes(selected.name)) {
      this.#deps.onSelected(selected.name, selected.address);
    }
  }

  #well(): void {
    if (this.#trouble.end()) this.#deps.log.info({ sentinel: this.name }, 'sentinel answers again');
  }

  #complain(cause: unknown): void {
    if (!this.#closed) this.#trouble.meet(reasonOf(cause));
  }
}
