/**
 * What one node tells this gateway of changes: a subscriber connection beside the node's data connection, and the
 * lease that it earns. What is read from a node is announced by that node and no other, since another one may be
 * ahead: its announcement would come before the stale fill (R2, R15).
 *
 * The lease (C3). For every node its shard learns from time to time: "all writes acked before T have been applied
 * here" (`engines/replication-clock.ts`). A PING that is sent on the subscriber connection after that is answered
 * behind every announcement of those writes. So when its PONG is processed, no value that was kept is older than T,
 * and a hit is legal until T + 1 s. The chain runs over the master's connection, the replication link, the node's
 * data connection and this one: whichever of them dies or freezes, or if this process does, the lease runs out.
 */
import type { Redis } from 'ioredis';
import type { Key } from '../core/command';
import { keyFromBytes } from '../core/key';
import type { Lease, Log } from '../core/ports';
import type { Clock } from '../lib/clock';
import { createClient, nameOfAddress, watchHandshake, type NodeAddress } from '../redis/client';
import { reasonOf } from '../redis/redis-errors';
import { Trouble } from '../redis/trouble';

/** How much older than the present a near hit may be (C3). */
export const LEASE_MS = 1000;
/** A PING that is unanswered for so long means that the connection is half open. */
const SILENCE_MS_MAX = 2000;

/** How a kind of coherence speaks on the subscriber connection. */
export interface Dialect {
  readonly channel: string;
  /** The keys that one message names; `everything` where all may have changed. */
  parse(message: unknown): readonly Buffer[] | 'everything';
  /**
   * Asks the node, on its data connection, to announce what is read there to the subscriber of that id. undefined:
   * announcements do not depend on the data connection.
   */
  readonly arm: ((data: Redis, subscriberId: number) => Promise<void>) | undefined;
  /** Whether a replica that is loaded anew says so itself. */
  readonly tellsReload: boolean;
}

/** One node's announcements, as the node's owner sees them. */
export interface Feed {
  /** Under which what is read from now on may be kept; undefined: its changes would not be announced. */
  readonly lease: Lease | undefined;
  open(): void;
  /** To be called at a steady pace. */
  tick(): void;
  /** The node has a new data connection, on which nothing was sent yet. */
  connected(data: Redis): void;
  /** The data connection has ended. */
  lost(): void;
  /** All writes that were acked before `asOfMs` (monotonic) have been applied by the node. */
  confirm(asOfMs: number): void;
  /** The node's role or history is another one: nothing read before counts. */
  gap(): void;
  /** The node, a replica, may have been loaded anew: what changed by that was not in its replication stream. */
  reloaded(): void;
  close(): void;
}

export interface FeedDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly readOnly: boolean;
  readonly onAnnounced: (key: Key) => void;
}

class OpenLease implements Lease {
  endsMs = 0;
}

/** A feed over a subscriber connection of its own, which is made anew whenever it ends. */
export class SubscriberFeed implements Feed {
  readonly #name: string;
  readonly #dialect: Dialect;
  readonly #deps: FeedDeps;
  readonly #subscriber: Redis;
  readonly #watchHandshake: () => void;
  readonly #trouble: Trouble;
  /** Of the present subscriber connection; undefined until it is subscribed. */
  #subscriberId: number | undefined;
  /** The `run_id` of the server at its other end. */
  #server: string | undefined;
  #data: Redis | undefined;
  #lease: OpenLease | undefined;
  #isSubscribing = false;
  #isArming = false;
  /** When the PING under way was sent, or the request to be subscribed. */
  #pingedMs: number | undefined;
  /** The newest `asOfMs` that came while a PING was under way. */
  #waitingAsOfMs = -Infinity;
  #closed = false;

  constructor(address: NodeAddress, dialect: Dialect, deps: FeedDeps) {
    this.#name = nameOfAddress(address);
    this.#dialect = dialect;
    this.#deps = deps;
    this.#trouble = new Trouble((cause) =>
      deps.log.warn({ node: this.#name, cause }, 'no announcements: its values are not kept near'),
    );
    this.#subscriber = createClient(address, deps.readOnly);
    this.#watchHandshake = watchHandshake(this.#subscriber, deps.clock);
    this.#subscriber.on('ready', () => void this.#subscribe());
    this.#subscriber.on('close', () => this.#unsubscribed());
    this.#subscriber.on('messageBuffer', (_channel: Buffer, message: unknown) => this.#announced(message));
    this.#subscriber.on('error', (cause: Error) => {
      // Where the data connection fails as well, that one tells the log.
      if (this.#data !== undefined) this.#complain(cause);
    });
  }

  get lease(): Lease | undefined {
    return this.#lease;
  }

  open(): void {
    // A failure is followed by further attempts.
    this.#subscriber.connect().catch(() => undefined);
  }

  tick(): void {
    this.#watchHandshake();
    const nowMs = this.#deps.clock.now();
    if (this.#pingedMs !== undefined && nowMs - this.#pingedMs > SILENCE_MS_MAX) {
      this.#subscriber.disconnect(true);
    }
    // What Redis refused once it may allow by now.
    void this.#subscribe();
    void this.#arm();
  }

  connected(data: Redis): void {
    this.#data = data;
    void this.#arm();
  }

  lost(): void {
    this.#data = undefined;
    // Redis has forgotten with the connection what was read on it, and will not announce that (R5). Without tracking
    // the next connection may still be one to another server.
    this.gap();
  }

  confirm(asOfMs: number): void {
    if (this.#lease === undefined) return;
    if (this.#pingedMs !== undefined) this.#waitingAsOfMs = Math.max(this.#waitingAsOfMs, asOfMs);
    else void this.#ping(asOfMs);
  }

  gap(): void {
    this.#end();
    void this.#arm();
  }

  reloaded(): void {
    if (!this.#dialect.tellsReload) this.gap();
  }

  close(): void {
    this.#closed = true;
    this.#end();
    this.#subscriber.disconnect();
  }

  async #subscribe(): Promise<void> {
    const subscriber = this.#subscriber;
    if (this.#subscriberId !== undefined || this.#isSubscribing || subscriber.status !== 'ready') return;
    this.#isSubscribing = true;
    this.#pingedMs = this.#deps.clock.now();
    try {
      // Asked first: in RESP2 a subscriber may ask nothing but PING.
      const [id, server] = await Promise.all([subscriber.client('ID'), runIdOf(subscriber)]);
      await subscriber.subscribe(this.#dialect.channel);
      // If the connection ended meanwhile, one of them was rejected.
      this.#subscriberId = id;
      this.#server = server;
    } catch (cause) {
      this.#complain(cause);
      return;
    } finally {
      this.#isSubscribing = false;
      this.#pingedMs = undefined;
    }
    await this.#arm();
  }

  #unsubscribed(): void {
    if (this.#subscriberId !== undefined && !this.#closed) {
      this.#deps.log.warn({ node: this.#name }, 'announcements lost: its values are not kept near');
    }
    this.#subscriberId = undefined;
    this.#pingedMs = undefined;
    this.#waitingAsOfMs = -Infinity;
    this.#end();
  }

  /** Begins a lease where there is none and all that it needs is there. */
  async #arm(): Promise<void> {
    const id = this.#subscriberId;
    const data = this.#data;
    if (this.#lease !== undefined || this.#isArming || this.#closed) return;
    if (id === undefined || data?.status !== 'ready') return;
    this.#isArming = true;
    try {
      const [server] = await Promise.all([runIdOf(data), this.#dialect.arm?.(data, id)]);
      // R4: 1. `arm` is sent  2. either connection ends and comes back  3. its OK is processed: it speaks of the
      // old pair. The next tick arms the new one.
      if (id !== this.#subscriberId || data !== this.#data || this.#isClosed()) return;
      // One name, several servers (DNS, a load balancer): the id may even be a connection of somebody else there.
      if (server !== this.#server) {
        this.#complain(new Error('the connections have ended at two servers'));
        this.#subscriber.disconnect(true);
        return;
      }
      this.#lease = new OpenLease();
      this.#trouble.end();
      this.#deps.log.info({ node: this.#name }, 'announcements arrive');
    } catch (cause) {
      this.#complain(cause);
    } finally {
      this.#isArming = false;
    }
  }

  #isClosed(): boolean {
    return this.#closed;
  }

  /** O(1), however many entries were filled under it. */
  #end(): void {
    if (this.#lease !== undefined) this.#lease.endsMs = -Infinity;
    this.#lease = undefined;
  }

  async #ping(asOfMs: number): Promise<void> {
    const lease = this.#lease;
    if (lease === undefined) return;
    this.#pingedMs = this.#deps.clock.now();
    try {
      await this.#subscriber.ping();
      // A lease that has ended stays so; of the present one this PONG may say nothing.
      if (lease === this.#lease) lease.endsMs = Math.max(lease.endsMs, asOfMs + LEASE_MS);
    } catch (cause) {
      // The connection has ended, and `#unsubscribed` with it all that is to be done; or PING is not allowed.
      if (this.#subscriber.status === 'ready') {
        this.#pingedMs = undefined;
        this.#complain(cause);
      }
      return;
    }
    this.#pingedMs = undefined;
    const waiting = this.#waitingAsOfMs;
    this.#waitingAsOfMs = -Infinity;
    if (waiting > asOfMs) this.confirm(waiting);
  }

  #announced(message: unknown): void {
    const keys = this.#dialect.parse(message);
    if (keys !== 'everything') {
      for (const key of keys) this.#deps.onAnnounced(keyFromBytes(key));
    } else if (this.#lease !== undefined) {
      // R9: the node goes on announcing what is read from now on, as far as it did before.
      const { endsMs } = this.#lease;
      this.#lease.endsMs = -Infinity;
      this.#lease = new OpenLease();
      this.#lease.endsMs = endsMs;
    }
  }

  #complain(cause: unknown): void {
    if (!this.#closed) this.#trouble.meet(reasonOf(cause));
  }
}

/** Differs between servers, and between two lives of one. */
async function runIdOf(client: Redis): Promise<string | undefined> {
  return /^run_id:(\w+)/m.exec(await client.info('server'))?.[1];
}
