/**
 * A topic of one partition in this process, as gateways announce changes on it: for what must hold whatever carries the
 * records. Records are delivered in turns of their own, in order, and may be held back, refused or lost.
 */
import type { Appended, KafkaMessage, KafkaTopic, TopicReader } from '../../src/kafka/client';

interface Subscription {
  readonly reader: TopicReader;
  /** Of the record that it gets next. */
  position: number;
  isHeld: boolean;
}

export class AnnouncementTopic {
  readonly #records: Buffer[] = [];
  readonly #subscriptions: Subscription[] = [];
  /** Sends are refused as not taken. */
  isAway = false;
  /** Records are taken, and nobody who sent one hears of it. */
  isMute = false;

  /** How many there are. */
  get length(): number {
    return this.#records.length;
  }

  /** A gateway's way to it; see `KafkaCoherenceDeps`. `hold` keeps back what it would hear. */
  createLink(): TopicLink {
    return new TopicLink(this);
  }

  /** Whatever it is. */
  append(record: Buffer): number {
    const offset = this.#records.push(record) - 1;
    setImmediate(() => this.deliver());
    return offset;
  }

  subscribe(reader: TopicReader): Subscription {
    const subscription = { reader, position: this.length, isHeld: false };
    this.#subscriptions.push(subscription);
    const position = subscription.position;
    const link = { clusterId: 'c', isCompacted: false, position, highWatermark: position };
    void reader.onConnected(link, undefined as never);
    return subscription;
  }

  deliver(): void {
    for (const each of this.#subscriptions) {
      while (!each.isHeld && each.position < this.length) {
        const offset = each.position;
        each.position += 1;
        const value = this.#records[offset];
        const record = { offset, appendedMs: 0, key: Buffer.alloc(0), value, headers: {} };
        each.reader.onRecords([record], offset + 1, this.length);
      }
    }
  }

  end(subscription: Subscription): void {
    const at = this.#subscriptions.indexOf(subscription);
    if (at >= 0) this.#subscriptions.splice(at, 1);
  }
}

export class TopicLink {
  readonly #topic: AnnouncementTopic;
  #subscription: Subscription | undefined;
  /** What this gateway sends is refused. */
  isCut = false;

  constructor(topic: AnnouncementTopic) {
    this.#topic = topic;
  }

  readonly open = (reader: TopicReader): Promise<Pick<KafkaTopic, 'send' | 'close'>> => {
    const subscription = this.#topic.subscribe(reader);
    this.#subscription = subscription;
    return Promise.resolve({
      send: (messages: readonly KafkaMessage[]) => this.#send(messages),
      close: () => {
        this.#topic.end(subscription);
        return Promise.resolve();
      },
    });
  };

  /** It hears nothing, until `release`. */
  hold(): void {
    if (this.#subscription !== undefined) this.#subscription.isHeld = true;
  }

  release(): void {
    if (this.#subscription !== undefined) this.#subscription.isHeld = false;
    this.#topic.deliver();
  }

  /** What it has not heard yet it never will. */
  miss(): void {
    const subscription = this.#subscription;
    if (subscription === undefined) return;
    subscription.position = this.#topic.length;
    subscription.reader.onGap(subscription.position);
  }

  async #send(messages: readonly KafkaMessage[]): Promise<Appended> {
    await new Promise((resolve) => setImmediate(resolve));
    if (this.#topic.isAway || this.isCut) throw new Error('away');
    const offset = this.#topic.length;
    for (const { value = Buffer.alloc(0) } of messages) this.#topic.append(value);
    if (this.#topic.isMute) await new Promise(() => undefined);
    return { offset, appendedMs: 0, sentMs: 0, receivedMs: 0 };
  }
}
