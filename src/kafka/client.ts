/**
 * Talking to Kafka: one topic of one partition, which is appended to and read by everybody. Nobody joins a group and nothing is
 * committed: each reader keeps its own offset.
 *
 * The connection is made anew for ever, and reading goes on where it was. What a reader cannot know by its offset alone is
 * told as a gap: the offset is out of the topic's range, or the topic was gone in between. (A topic that was deleted, made
 * anew and filled beyond the offset while no gateway was connected looks like one that went on.)
 */
import { CacheError } from '../core/errors';
import type { Log } from '../core/ports';
import type { Clock } from '../lib/clock';
import { withDeadline } from '../lib/deadline';
import type { KafkaAddress } from './broker-connection';
import {
  loadProtocol,
  MESSAGE_TOO_LARGE,
  OFFSET_OUT_OF_RANGE,
  refusalOf,
  UNKNOWN_TOPIC_OR_PARTITION,
  type KafkaProtocol,
} from './protocol';
import type { KafkaMessage, KafkaRecord } from './record-batches';
import { TopicLink, TopicRefused, type Appended } from './topic-link';

export type { Appended, KafkaAddress, KafkaMessage, KafkaRecord };

/** For the first attempt; the next ones go on in the background. */
const START_MS = 5000;
/** To find the leader and connect to it. */
const CONNECT_MS = 3000;
const RETRY_MS_MIN = 25;
const RETRY_MS_MAX = 250;
/** Of questions that nobody waits for. */
const QUESTION_MS = 1500;

export interface LinkInfo {
  readonly clusterId: string;
  /** undefined: it could not be learnt. */
  readonly isCompacted: boolean | undefined;
  /** Where reading goes on. */
  readonly position: number;
  readonly highWatermark: number;
}

/** Who reads the topic. Nothing in it throws, but for a rejection of `onConnected`: the connection is then made anew. */
export interface TopicReader {
  /** At each connection, before the first records of it, which wait for it. Messages can be sent by `topic`. */
  onConnected(link: LinkInfo, topic: KafkaTopic): void | Promise<void>;
  /** In order, each once; also when there are none, at least every quarter of a second. */
  onRecords(records: readonly KafkaRecord[], nextOffset: number, highWatermark: number): void;
  /** Records may have been missed; reading goes on at `position`, which may be before what was read. */
  onGap(position: number): void;
  /** Once for each `onConnected` that was called, at most 1.5 s after the broker's last word. */
  onLost(): void;
}

export interface KafkaTopicOptions {
  readonly kafka: KafkaAddress;
  readonly topic: string;
  /** Of the topic, if it has to be made; it keeps the time of appending in any case. */
  readonly config: Readonly<Record<string, string>>;
  /** Where reading begins, and where it goes on after a gap. */
  readonly from: 'beginning' | 'end';
  readonly reader: TopicReader;
  readonly clock: Clock;
  readonly log: Log;
}

export interface KafkaTopic {
  /** Reading goes on, and messages can be sent. */
  readonly isConnected: boolean;
  /**
   * Appends messages, in this order, one behind the other, on all replicas that are in sync. Each call is one request.
   * @throws CacheError `unavailable`: not appended; `timeout`: nobody knows; `too_large`: the topic does not take that much
   */
  send(messages: readonly KafkaMessage[], deadlineMs: number): Promise<Appended>;
  /** The offset below which everything is that anybody was told to be appended. @throws CacheError `unavailable`, `timeout` */
  highWatermark(deadlineMs: number): Promise<number>;
  /** Reads everything again, after an `onGap`. */
  readAgain(): void;
  /** Ends at once, with what is under way. */
  close(): Promise<void>;
}

/**
 * Resolves when the first attempt to connect has ended, or after 5 s; it is tried for ever.
 * @throws Error where kafkajs is not installed; TopicRefused where the first attempt shows that the topic is not usable
 */
export async function openKafkaTopic(options: KafkaTopicOptions): Promise<KafkaTopic> {
  const topic = new OpenTopic(await loadProtocol(), options);
  try {
    await withDeadline(topic.firstAttempt, START_MS, () => new Error('not connected yet'));
  } catch (cause) {
    if (!(cause instanceof TopicRefused)) return topic;
    await topic.close();
    throw cause;
  }
  return topic;
}

const CLOSED = new Error('closed');

class OpenTopic implements KafkaTopic {
  readonly #protocol: KafkaProtocol;
  readonly #options: KafkaTopicOptions;
  readonly firstAttempt: Promise<void>;
  readonly #running: Promise<void>;
  #link: TopicLink | undefined;
  #isConnected = false;
  /** What to read next; undefined before the first connection. */
  #position: number | undefined;
  /** The topic was gone, or everything is to be read again. */
  #isGap = false;
  #isClosed = false;
  #attempt = 0;
  /** Since a page was read. */
  #failures = 0;
  #told: string | undefined;
  /** Of the present connection, or the attempt at one. */
  #life = new AbortController();
  #wake: () => void = () => undefined;

  constructor(protocol: KafkaProtocol, options: KafkaTopicOptions) {
    this.#protocol = protocol;
    this.#options = options;
    let run: Promise<void> | undefined;
    this.firstAttempt = new Promise((resolve, reject) => {
      run = this.#run(resolve, reject);
    });
    this.firstAttempt.catch(() => undefined);
    this.#running = run ?? Promise.resolve();
  }

  get isConnected(): boolean {
    return this.#isConnected;
  }

  async send(messages: readonly KafkaMessage[], deadlineMs: number): Promise<Appended> {
    const link = this.#usable();
    try {
      return await link.append(messages, deadlineMs);
    } catch (cause) {
      const refusal = refusalOf(cause);
      if (refusal === MESSAGE_TOO_LARGE)
        throw new CacheError('too_large', 'Kafka takes no message that large.');
      if (refusal === UNKNOWN_TOPIC_OR_PARTITION) link.end(errorOf(cause));
      throw new CacheError('timeout', 'Kafka did not confirm it in time; it may stand.', { cause });
    }
  }

  async highWatermark(deadlineMs: number): Promise<number> {
    const link = this.#usable();
    try {
      return await link.highWatermark(deadlineMs);
    } catch (cause) {
      const isLate = this.#options.clock.now() >= deadlineMs;
      throw new CacheError(isLate ? 'timeout' : 'unavailable', 'Kafka does not answer.', { cause });
    }
  }

  readAgain(): void {
    this.#isGap = true;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#life.abort(CLOSED);
    this.#wake();
    await this.#running;
  }

  #usable(): TopicLink {
    if (this.#link === undefined) throw new CacheError('unavailable', 'Kafka cannot be reached now.');
    return this.#link;
  }

  async #run(tried: () => void, failed: (cause: unknown) => void): Promise<void> {
    while (!this.#closed()) {
      try {
        await this.#live(tried);
      } catch (cause) {
        failed(cause);
        if (!this.#closed()) this.#complain(cause);
      }
      if (!this.#closed()) await this.#pause(Math.min(RETRY_MS_MIN * 2 ** this.#failures, RETRY_MS_MAX));
      this.#failures += 1;
    }
    failed(CLOSED);
  }

  /** One connection, from its beginning to its end. @throws whatever ended it */
  async #live(onConnected: () => void): Promise<void> {
    const { kafka, topic, config, clock, reader } = this.#options;
    const seed = kafka.brokers[this.#attempt++ % kafka.brokers.length] ?? '';
    const deadlineMs = clock.now() + CONNECT_MS;
    const onEnd = (): void => {
      this.#link = undefined;
      this.#isConnected = false;
    };
    this.#life = new AbortController();
    const { signal } = this.#life;
    const protocol = this.#protocol;
    const link = await TopicLink.open({
      ...{ kafka, seed, topic, config, protocol, clock, deadlineMs, signal, onEnd },
    });
    let isTold = false;
    try {
      this.#link = link;
      if (link.isNew && this.#position !== undefined) this.#isGap = true;
      const highWatermark = await link.highWatermark(deadlineMs);
      const position = this.#position ?? (await this.#startOf(link));
      this.#position = position;
      isTold = true;
      const { clusterId, isCompacted } = link;
      await reader.onConnected({ clusterId, isCompacted, position, highWatermark }, this);
      this.#isConnected = this.#link === link;
      onConnected();
      await this.#read(link, position);
    } finally {
      this.#life.abort(CLOSED);
      if (isTold) reader.onLost();
    }
  }

  /** @throws whatever ended the connection */
  async #read(link: TopicLink, from: number): Promise<never> {
    const { reader, log, topic } = this.#options;
    let isProven = false;
    for (let position = from; ; this.#position = position) {
      if (this.#isGap) {
        position = await this.#startOf(link);
        this.#isGap = false;
        reader.onGap(position);
      }
      try {
        const page = await link.fetch(position);
        // Asked for meanwhile.
        if (this.#gapIsDue()) continue;
        position = page.nextOffset;
        // Not before: where what is there cannot be read, each connection would be as good as the last one.
        if (!isProven) {
          isProven = true;
          this.#failures = 0;
          this.#told = undefined;
          log.info({ topic }, 'connected to Kafka');
        }
        reader.onRecords(page.records, position, page.highWatermark);
      } catch (cause) {
        const refusal = refusalOf(cause);
        // Where the topic is gone, there is a gap even if another one has as many records by the next look.
        this.#isGap ||= refusal === OFFSET_OUT_OF_RANGE || refusal === UNKNOWN_TOPIC_OR_PARTITION;
        if (refusal !== OFFSET_OUT_OF_RANGE) throw cause;
      }
    }
  }

  #startOf(link: TopicLink): Promise<number> {
    const deadlineMs = this.#options.clock.now() + QUESTION_MS;
    return this.#options.from === 'end' ? link.highWatermark(deadlineMs) : link.firstOffset(deadlineMs);
  }

  // Methods, since what a field was before an `await` says nothing of what it is.
  #closed(): boolean {
    return this.#isClosed;
  }

  #gapIsDue(): boolean {
    return this.#isGap;
  }

  async #pause(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** Each reason once in a row: it is tried several times a second. */
  #complain(cause: unknown): void {
    const reason = errorOf(cause).message;
    if (reason === this.#told) return;
    this.#told = reason;
    const { log, topic } = this.#options;
    const level = cause instanceof TopicRefused ? 'error' : 'warn';
    log[level]({ topic, cause: reason }, 'Kafka cannot be used');
  }
}

function errorOf(cause: unknown): Error {
  return cause instanceof Error ? cause : new Error(String(cause));
}
