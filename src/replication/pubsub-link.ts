/**
 * The two connections to the Redis that carries the replication log: one publishes and asks, one is subscribed. What is sent
 * leaves at once, in order, or never: a message that was under way when a connection ended may or may not have arrived, and is
 * not sent again; its number tells the others (`origins.ts`).
 *
 * The publisher is *up*; *doubtful*: it has just been lost, and is probably back in some milliseconds; or *down*: a whole
 * attempt to connect has failed, or it was silent. Whoever waits for the bus goes on waiting while that is doubtful.
 */
import type { Redis } from 'ioredis';
import type { Log } from '../core/ports';
import type { Clock } from '../lib/clock';
import { withDeadline } from '../lib/deadline';
import { bytesTaken } from '../lib/patience';
import { createClient, nameOfAddress, watchHandshake, type NodeAddress } from '../redis/client';
import { reasonOf } from '../redis/redis-errors';
import { Trouble } from '../redis/trouble';

const CHANNEL = 'ringcache:replication';
/** A publisher that owes an answer and moves no byte for so long is ended; so is a doubt. */
const SILENCE_MS_MAX = 1000;
/** A subscription that does not bring back what was published, though other things arrive on it. */
const DETOUR_MS_MAX = 5000;
const CLOSE_MS_MAX = 500;

export type PublisherState = 'up' | 'doubtful' | 'down';

/** All are called from the events of sockets or from `tick`; none may throw. */
export interface LinkEvents {
  /** What is published from now on arrives. */
  readonly onSubscribed: () => void;
  readonly onUnsubscribed: () => void;
  readonly onMessage: (bytes: Buffer) => void;
  readonly onPublisher: (state: PublisherState) => void;
}

export class PubsubLink {
  readonly #clock: Clock;
  readonly #events: LinkEvents;
  readonly #inbox: string;
  readonly #publisher: Redis;
  readonly #subscriber: Redis;
  readonly #watchers: readonly (() => void)[];
  readonly #trouble: Trouble;
  #state: PublisherState = 'down';
  /** When the publisher was lost last. */
  #doubtSinceMs = 0;
  /** Commands of the publisher without an answer, and since when nothing has moved. */
  #unanswered = 0;
  #readBytes = 0;
  #takenBytes = 0;
  #movedMs = 0;
  #wasAway = false;
  #isSubscribed = false;
  #isSubscribing = false;
  /** Bytes that the subscriber has read, and when that was last more than before. */
  #heardBytes = 0;
  #heardMs = 0;
  #closed = false;

  constructor(
    address: NodeAddress,
    id: string,
    deps: { readonly clock: Clock; readonly log: Log },
    events: LinkEvents,
  ) {
    this.#clock = deps.clock;
    this.#events = events;
    this.#inbox = inboxOf(id);
    this.#trouble = new Trouble((cause) =>
      deps.log.warn({ node: nameOfAddress(address), cause }, 'replication bus cannot be used'),
    );
    this.#publisher = createClient(address);
    this.#subscriber = createClient(address);
    this.#watchers = [this.#publisher, this.#subscriber].map((client) => watchHandshake(client, this.#clock));
    this.#publisher.on('ready', () => this.#become('up'));
    this.#publisher.on('close', () => this.#become(this.#state === 'up' ? 'doubtful' : 'down'));
    this.#subscriber.on('ready', () => void this.#subscribe());
    this.#subscriber.on('close', () => this.#unsubscribed());
    this.#subscriber.on('messageBuffer', (_channel: Buffer, message: Buffer) => events.onMessage(message));
    // ioredis throws where nobody listens.
    this.#publisher.on('error', (cause: Error) => this.#complain(cause));
    this.#subscriber.on('error', (cause: Error) => this.#complain(cause));
  }

  /** A connection that takes nothing any more is doubtful a moment before its end is told: what fails then was not refused. */
  get publisher(): PublisherState {
    const isEnding = this.#state === 'up' && streamOf(this.#publisher)?.writable !== true;
    return isEnding ? 'doubtful' : this.#state;
  }

  get isSubscribed(): boolean {
    return this.#isSubscribed;
  }

  open(): void {
    // A failure is followed by further attempts.
    this.#publisher.connect().catch(() => undefined);
    this.#subscriber.connect().catch(() => undefined);
  }

  /** To everybody, or to one gateway: gives how many have got it. Rejects when it was not taken, or nobody knows. */
  publish(bytes: Buffer, to?: string): Promise<number> {
    return this.#ask((client) => client.publish(to === undefined ? CHANNEL : inboxOf(to), bytes));
  }

  /** How many are subscribed, this gateway included. */
  async countSubscribers(): Promise<number> {
    const [, count] = await this.#ask((client) => client.pubsub('NUMSUB', CHANNEL));
    return Number(count);
  }

  /** The clock of the bus, in milliseconds since 1970. */
  async time(): Promise<number> {
    const [seconds, microseconds] = await this.#ask((client) => client.time());
    return Number(seconds) * 1000 + Number(microseconds) / 1000;
  }

  /**
   * To be called at a steady pace, behind the sockets. `owedSinceMs`: since when something that was published has not come
   * back, by which a subscription is known that brings nothing any more.
   */
  tick(owedSinceMs: number | undefined): void {
    for (const watch of this.#watchers) watch();
    const nowMs = this.#clock.now();
    this.#watchPublisher(nowMs);
    const heardBytes = streamOf(this.#subscriber)?.bytesRead ?? 0;
    if (heardBytes !== this.#heardBytes) this.#heardMs = nowMs;
    this.#heardBytes = heardBytes;
    if (!this.#isSubscribed) void this.#subscribe();
    else if (owedSinceMs !== undefined) {
      const isSilent = nowMs - Math.max(owedSinceMs, this.#heardMs) > SILENCE_MS_MAX;
      if (isSilent || nowMs - owedSinceMs > DETOUR_MS_MAX) this.#subscriber.disconnect(true);
    }
  }

  /** Ends both connections; resolves when they are gone. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([this.#publisher, this.#subscriber].map(end));
  }

  async #ask<T>(command: (client: Redis) => Promise<T>): Promise<T> {
    if (this.#unanswered === 0) this.#movedMs = this.#clock.now();
    this.#unanswered += 1;
    try {
      const reply = await command(this.#publisher);
      this.#movedMs = this.#clock.now();
      return reply;
    } catch (cause) {
      this.#complain(cause);
      throw cause;
    } finally {
      this.#unanswered -= 1;
    }
  }

  #watchPublisher(nowMs: number): void {
    const stream = streamOf(this.#publisher);
    const readBytes = stream?.bytesRead ?? 0;
    const takenBytes = stream === undefined ? 0 : bytesTaken(stream);
    // What goes out at once goes into the system's own buffer, whether anybody reads there or not; only where something waits
    // to go out does it tell that somebody does.
    const isTaking = takenBytes !== this.#takenBytes && (stream?.writableLength ?? 0) > 0;
    if (readBytes !== this.#readBytes || isTaking) this.#movedMs = nowMs;
    this.#readBytes = readBytes;
    this.#takenBytes = takenBytes;
    if (this.#state === 'doubtful' && nowMs - this.#doubtSinceMs > SILENCE_MS_MAX) this.#become('down');
    if (this.#state !== 'up' || this.#unanswered === 0 || nowMs - this.#movedMs <= SILENCE_MS_MAX) return;
    this.#become('down');
    this.#publisher.disconnect(true);
  }

  #become(state: PublisherState): void {
    if (this.#closed || (state === 'doubtful' && this.#state !== 'up')) return;
    if (state === 'doubtful') this.#doubtSinceMs = this.#clock.now();
    if (state === this.#state) return;
    this.#state = state;
    if (state === 'up') this.#trouble.end();
    this.#events.onPublisher(state);
  }

  async #subscribe(): Promise<void> {
    if (this.#isSubscribed || this.#isSubscribing || this.#subscriber.status !== 'ready') return;
    this.#isSubscribing = true;
    try {
      await withDeadline(
        this.#subscriber.subscribe(CHANNEL, this.#inbox),
        SILENCE_MS_MAX,
        () => new Error('SUBSCRIBE was not answered'),
      );
    } catch (cause) {
      this.#complain(cause);
      this.#subscriber.disconnect(true);
      return;
    } finally {
      this.#isSubscribing = false;
    }
    if (this.#closed) return;
    this.#isSubscribed = true;
    this.#heardMs = this.#clock.now();
    this.#events.onSubscribed();
  }

  /** A connection to the bus has ended, or could not be made. */
  get wasAway(): boolean {
    return this.#wasAway;
  }

  #unsubscribed(): void {
    const was = this.#isSubscribed;
    this.#isSubscribed = false;
    this.#wasAway = true;
    if (was && !this.#closed) this.#events.onUnsubscribed();
  }

  #complain(cause: unknown): void {
    if (!this.#closed) this.#trouble.meet(reasonOf(cause));
  }
}

function inboxOf(id: string): string {
  return `${CHANNEL}:${id}`;
}

/** There is none before the first attempt to connect, whatever the package's types say. */
function streamOf(client: { readonly stream?: Redis['stream'] }): Redis['stream'] | undefined {
  return client.stream;
}

async function end(client: Redis): Promise<void> {
  if (client.status === 'end') return;
  const ended = new Promise<void>((resolve) => {
    client.once('end', resolve);
  });
  client.disconnect();
  await withDeadline(ended, CLOSE_MS_MAX, () => new Error('still open')).catch(() => undefined);
}
