/**
 * One stretch of speaking with the leader of a topic's only partition: from finding it, making the topic where it is
 * missing, until either of its two connections ends. What is read has a connection of its own, since a broker answers the
 * requests of one connection in order, and a FETCH waits for something to happen.
 */
import type { Clock } from '../lib/clock';
import { BrokerConnection, type BrokerAddress, type KafkaAddress } from './broker-connection';
import { refusalOf, UNKNOWN_TOPIC_OR_PARTITION, type KafkaProtocol } from './protocol';
import { readFetchAnswer, readRecordBatches, type KafkaMessage, type RecordPage } from './record-batches';

/** How long a broker lets a FETCH wait; its answer, also an empty one, tells that the broker lives. */
const FETCH_WAIT_MS = 250;
/** Beyond that wait, so that a silent broker is given up 1.5 s after its last word. */
const FETCH_GRACE_MS = 1250;
/** One page of records is applied in one turn of the event loop; a single larger record comes alone. */
const PAGE_BYTES = 512 * 1024;
const LOOK_AGAIN_MS = 50;
const TOPIC_RESOURCE = 2;
const REPLICAS = 3;
/** To wait for all replicas that are in sync. */
const ACKS_ALL = -1;
/** Of the time there is, so that a broker whose replicas are slow can say so in time. */
const REPLICAS_SHARE = 0.8;
const READ_UNCOMMITTED = 0;
const EARLIEST = -2;
const LATEST = -1;
const NO_TIME = '-1';

export interface TopicLinkOptions {
  readonly kafka: KafkaAddress;
  /** To begin with; the others are learnt. */
  readonly seed: string;
  readonly topic: string;
  readonly config: Readonly<Record<string, string>>;
  readonly protocol: KafkaProtocol;
  readonly clock: Clock;
  /** For all of the opening. */
  readonly deadlineMs: number;
  /** Ends it, and the attempt at it. */
  readonly signal: AbortSignal;
  /** Once, when it has been opened and has ended. */
  readonly onEnd: (cause: Error) => void;
}

export interface Appended {
  /** Of the first message; the others follow. */
  readonly offset: number;
  /** On the broker's wall clock; undefined where the topic does not keep it. */
  readonly appendedMs: number | undefined;
  /** Monotonic: it was appended between these two. */
  readonly sentMs: number;
  readonly receivedMs: number;
}

export interface FetchedPage extends RecordPage {
  readonly highWatermark: number;
}

/** The topic has more than one partition, or cannot be made: trying again helps only when somebody changes it. */
export class TopicRefused extends Error {}

export class TopicLink {
  readonly #options: TopicLinkOptions;
  readonly #leader: BrokerConnection;
  readonly #fetching: BrokerConnection;
  readonly clusterId: string;
  /** The topic was missing and has been made. */
  readonly isNew: boolean;
  /** undefined: it could not be learnt. */
  readonly isCompacted: boolean | undefined;

  private constructor(
    options: TopicLinkOptions,
    parts: {
      leader: BrokerConnection;
      fetching: BrokerConnection;
      clusterId: string;
      isNew: boolean;
      isCompacted: boolean | undefined;
    },
  ) {
    this.#options = options;
    this.#leader = parts.leader;
    this.#fetching = parts.fetching;
    this.clusterId = parts.clusterId;
    this.isNew = parts.isNew;
    this.isCompacted = parts.isCompacted;
  }

  /** @throws Error when there is no leader by the deadline; TopicRefused */
  static async open(options: TopicLinkOptions): Promise<TopicLink> {
    const opened: BrokerConnection[] = [];
    let isOpen = false;
    const endAll = (cause: Error): void => {
      if (cause === DONE) return;
      if (isOpen) options.onEnd(cause);
      isOpen = false;
      for (const connection of opened) connection.end(cause);
    };
    const connect = async (address: BrokerAddress): Promise<BrokerConnection> => {
      const connection = await BrokerConnection.open(address, options.kafka, { ...options, onEnd: endAll });
      opened.push(connection);
      return connection;
    };
    try {
      const seed = await connect(addressOf(options.seed));
      const { leader: address, clusterId, isNew } = await findLeader(seed, connect, options);
      const leader = await connect(address);
      const fetching = await connect(address);
      const isCompacted = await learnCompaction(leader, options);
      options.signal.throwIfAborted();
      isOpen = true;
      const link = new TopicLink(options, { leader, fetching, clusterId, isNew, isCompacted });
      for (const other of opened.splice(0)) if (other !== leader && other !== fetching) other.end(DONE);
      opened.push(leader, fetching);
      return link;
    } catch (cause) {
      endAll(cause instanceof Error ? cause : new Error(String(cause)));
      throw cause;
    }
  }

  /** Appends them, in this order and one behind the other. @throws Error, as `BrokerConnection.ask` */
  async append(messages: readonly KafkaMessage[], deadlineMs: number): Promise<Appended> {
    const { protocol, topic, clock } = this.#options;
    const sentMs = clock.now();
    const plain = messages.map((message) => ({ ...message, value: message.value ?? null }));
    const partitions = [{ partition: 0, messages: plain }];
    const question = {
      acks: ACKS_ALL,
      timeout: Math.max(1, Math.floor((deadlineMs - sentMs) * REPLICAS_SHARE)),
      topicData: [{ topic, partitions }],
    };
    const { topics } = await this.#leader.ask(protocol.produce, question, deadlineMs);
    const appended = topics[0]?.partitions[0];
    if (appended === undefined) throw new Error('the broker told no offset');
    return {
      offset: Number(appended.baseOffset),
      appendedMs: appended.logAppendTime === NO_TIME ? undefined : Number(appended.logAppendTime),
      sentMs,
      receivedMs: clock.now(),
    };
  }

  /** Waits for a quarter of a second if there is nothing. @throws Error, as `BrokerConnection.ask` */
  async fetch(offset: number): Promise<FetchedPage> {
    const { protocol, topic, clock } = this.#options;
    const question = {
      maxWaitTime: FETCH_WAIT_MS,
      minBytes: 1,
      maxBytes: PAGE_BYTES,
      isolationLevel: READ_UNCOMMITTED,
      topics: [{ topic, partitions: [{ partition: 0, fetchOffset: offset, maxBytes: PAGE_BYTES }] }],
    };
    const deadlineMs = clock.now() + FETCH_WAIT_MS + FETCH_GRACE_MS;
    return this.#fetching.askRaw(protocol.fetch, question, deadlineMs, async (body) => {
      const { batches, highWatermark } = readFetchAnswer(body);
      return { ...(await readRecordBatches(batches, offset, protocol.decompress)), highWatermark };
    });
  }

  /** The next offset that will be given; everything that was acked before is below it. @throws Error, as `ask` */
  highWatermark(deadlineMs: number): Promise<number> {
    return this.#offsetAt(LATEST, deadlineMs);
  }

  /** The first offset that is still there. @throws Error, as `ask` */
  firstOffset(deadlineMs: number): Promise<number> {
    return this.#offsetAt(EARLIEST, deadlineMs);
  }

  end(cause: Error): void {
    this.#leader.end(cause);
  }

  async #offsetAt(timestamp: number, deadlineMs: number): Promise<number> {
    const { protocol, topic } = this.#options;
    const topics = [{ topic, partitions: [{ partition: 0, timestamp }] }];
    const question = { isolationLevel: READ_UNCOMMITTED, topics };
    const { responses } = await this.#leader.ask(protocol.listOffsets, question, deadlineMs);
    return Number(responses[0]?.partitions[0]?.offset);
  }
}

/** The end of a connection that only was to show the way. */
const DONE = new Error('not needed any more');

async function findLeader(
  seed: BrokerConnection,
  connect: (address: BrokerAddress) => Promise<BrokerConnection>,
  options: TopicLinkOptions,
): Promise<{ leader: BrokerAddress; clusterId: string; isNew: boolean }> {
  const { protocol, topic, clock, deadlineMs } = options;
  let refusal: unknown;
  let isNew = false;
  while (clock.now() < deadlineMs) {
    const question = { topics: [topic], allowAutoTopicCreation: false };
    // Not checked by kafkajs, which throws the whole answer away when the topic is missing.
    const { brokers, clusterId, controllerId, topicMetadata } = await seed.askRaw(
      protocol.metadata,
      question,
      deadlineMs,
      (body, { response }) => response.decode(body),
    );
    const partitions = topicMetadata[0]?.partitionMetadata ?? [];
    if (partitions.length > 1) {
      throw new TopicRefused(`the topic must have one partition, and has ${partitions.length}`);
    }
    const leader = brokers.find(({ nodeId }) => nodeId === partitions[0]?.leader);
    if (leader !== undefined) return { leader, clusterId: clusterId ?? '', isNew };
    if (topicMetadata[0]?.topicErrorCode === UNKNOWN_TOPIC_OR_PARTITION && !isNew) {
      const controller = brokers.find(({ nodeId }) => nodeId === controllerId);
      try {
        const maker = controller === undefined ? seed : await connect(controller);
        await makeTopic(maker, Math.min(REPLICAS, brokers.length), options);
        isNew = true;
      } catch (cause) {
        // Another gateway may have been quicker; what is there then, is looked at again.
        refusal = cause;
      }
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
    options.signal.throwIfAborted();
  }
  throw new Error(`the topic has no leader${refusal === undefined ? '' : `: ${reasonOf(refusal)}`}`);
}

async function makeTopic(
  controller: BrokerConnection,
  replicationFactor: number,
  { protocol, topic, config, clock, deadlineMs }: TopicLinkOptions,
): Promise<void> {
  // Whatever the cluster's default is: of what brokers may compress with, kafkajs reads gzip alone.
  const own = { 'message.timestamp.type': 'LogAppendTime', 'compression.type': 'producer' };
  const entries = { ...own, ...config };
  const configEntries = Object.entries(entries).map(([name, value]) => ({ name, value }));
  const question = {
    topics: [{ topic, numPartitions: 1, replicationFactor, configEntries }],
    validateOnly: false,
    timeout: Math.max(1, Math.floor(deadlineMs - clock.now())),
  };
  await controller.ask(protocol.createTopics, question, deadlineMs);
}

/** undefined: this user may not know it. */
async function learnCompaction(
  leader: BrokerConnection,
  { protocol, topic, deadlineMs }: TopicLinkOptions,
): Promise<boolean | undefined> {
  const question = { resources: [{ type: TOPIC_RESOURCE, name: topic, configNames: ['cleanup.policy'] }] };
  try {
    const { resources } = await leader.ask(protocol.describeConfigs, question, deadlineMs);
    return resources[0]?.configEntries[0]?.configValue.split(',').includes('compact');
  } catch (cause) {
    if (refusalOf(cause) === undefined) throw cause;
    return undefined;
  }
}

/** kafkajs gathers what was wrong with each topic into one error. */
function reasonOf(cause: unknown): string {
  const errors: unknown = cause instanceof Error && 'errors' in cause ? cause.errors : [];
  const reason: unknown = Array.isArray(errors) && errors.length > 0 ? errors[0] : cause;
  return reason instanceof Error ? reason.message : String(reason);
}

function addressOf(seed: string): BrokerAddress {
  const colon = seed.lastIndexOf(':');
  return { host: seed.slice(0, colon).replace(/^\[(.*)\]$/, '$1'), port: Number(seed.slice(colon + 1)) };
}
