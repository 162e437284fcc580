/** The Kafka client against a real broker, and what it does when that breaks. */
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { openKafkaTopic, type KafkaRecord, type KafkaTopic, type TopicReader } from '../../src/kafka/client';
import { systemClock as clock } from '../../src/lib/clock';
import { eventually } from '../support/eventually';
import { findFreePort } from '../support/free-port';
import { describeWithKafka, KAFKA_START_MS, startKafka, type KafkaProcess } from '../support/kafka';
import { createRecordingLog } from '../support/log';

jest.setTimeout(60_000);

const COMPACTED = { 'cleanup.policy': 'compact' };

describeWithKafka('kafka client', () => {
  let broker: KafkaProcess;
  let count = 0;
  const opened: KafkaTopic[] = [];

  beforeAll(async () => {
    broker = await startKafka();
  }, KAFKA_START_MS);
  afterAll(() => broker.stop());
  afterEach(() => Promise.all(opened.splice(0).map((topic) => topic.close())));

  /** `null`: a tombstone. */
  const message = (key: string, value: string | null = key) => ({
    key: Buffer.from(key),
    value: value === null ? undefined : Buffer.from(value),
    headers: { h: Buffer.from([0, 255]) },
  });
  const soon = (): number => clock.now() + 5000;

  /** What a reader was told. */
  class Reader implements TopicReader {
    readonly records: { offset: number; key: string; value: string | undefined }[] = [];
    readonly raw: KafkaRecord[] = [];
    readonly gaps: number[] = [];
    lost = 0;
    nextOffset = -1;
    onConnected(): void {
      // Nothing to do.
    }
    onRecords(records: readonly KafkaRecord[], nextOffset: number): void {
      this.nextOffset = nextOffset;
      for (const record of records) {
        this.raw.push(record);
        const { offset, key, value } = record;
        this.records.push({ offset, key: key.toString(), value: value?.toString() });
      }
    }
    onGap(position: number): void {
      this.gaps.push(position);
    }
    onLost(): void {
      this.lost += 1;
    }
  }

  async function open(
    topic = `topic-${(count += 1)}`,
    options: { from?: 'beginning' | 'end'; config?: Record<string, string>; brokers?: string[] } = {},
  ) {
    const { from = 'beginning', config = COMPACTED, brokers = broker.address.brokers } = options;
    const reader = new Reader();
    const log = createRecordingLog();
    const kafka = { ...broker.address, brokers };
    const startedMs = clock.now();
    const opening = await openKafkaTopic({ kafka, topic, config, from, reader, clock, log });
    opened.push(opening);
    return { topic: opening, name: topic, reader, log, openMs: clock.now() - startedMs };
  }

  it('what is sent comes to every reader in order, with its bytes, headers and the time of appending', async () => {
    const { topic, name, reader } = await open();
    const appended = await topic.send([message('a'), message('b', ''), message('c', null)], soon());
    const { reader: other } = await open(name);
    for (const each of [reader, other]) {
      await eventually(() => each.records.length === 3);
      expect(each.records).toEqual([
        { offset: 0, key: 'a', value: 'a' },
        { offset: 1, key: 'b', value: '' },
        { offset: 2, key: 'c', value: undefined },
      ]);
      expect(each.raw.map(({ headers }) => headers['h'])).toEqual(Array(3).fill(Buffer.from([0, 255])));
      expect(each.raw[0]!.appendedMs).toBe(appended.appendedMs);
    }
    expect(Math.abs(appended.appendedMs! - Date.now())).toBeLessThan(5000);
    expect(await topic.highWatermark(soon())).toBe(3);
  });

  it("who reads from the end gets what is sent from then on, and knows the end's offset", async () => {
    const { topic, name } = await open();
    await topic.send([message('before')], soon());
    const { reader } = await open(name, { from: 'end' });
    await eventually(() => reader.nextOffset === 1);
    await topic.send([message('after')], soon());
    await eventually(() => reader.records.length === 1);
    expect(reader.records[0]).toEqual({ offset: 1, key: 'after', value: 'after' });
  });

  it('a topic that somebody else has made is used as it is, and one of several partitions refused', async () => {
    await makeTopic(broker, 'wide', 3);
    await expect(open('wide')).rejects.toThrow('must have one partition, and has 3');
    await makeTopic(broker, 'narrow', 1);
    const { topic } = await open('narrow', { from: 'end' });
    expect((await topic.send([message('a')], soon())).appendedMs).toBeUndefined();
  });

  it('a topic whose records cannot be read is tried again at a measured pace, and told of once', async () => {
    const config = { ...COMPACTED, 'compression.type': 'lz4' };
    const { topic, reader, log } = await open(undefined, { config });
    await eventually(() => topic.send([message('a')], soon()).then(() => true), 5000);
    await eventually(() => reader.lost >= 4);
    const [before, sinceMs] = [reader.lost, clock.now()];
    await eventually(() => reader.lost >= before + 5, 10_000);
    expect(clock.now() - sinceMs).toBeGreaterThan(1000);
    expect(log.lines.filter(({ level }) => level === 'warn')).toHaveLength(1);
  });

  it('a message that is larger than the topic takes is refused as that, and others go on', async () => {
    const { topic } = await open(undefined, { config: { ...COMPACTED, 'max.message.bytes': '2000' } });
    const sending = topic.send([message('large', 'x'.repeat(3000))], soon());
    await expect(sending).rejects.toMatchObject({ name: 'CacheError', code: 'too_large' });
    expect((await topic.send([message('small')], soon())).offset).toBe(0);
  });

  it('a large message comes whole, between small ones', async () => {
    const { topic, reader } = await open(undefined, { config: { 'max.message.bytes': '9000000' } });
    const values = ['a', 'x'.repeat(8_000_000), 'b'];
    for (const value of values) await topic.send([message('key', value)], soon() + 20_000);
    await eventually(() => reader.records.length === 3, 20_000);
    expect(reader.records.map(({ value }) => value === values.shift())).toEqual([true, true, true]);
  });

  it('a frozen broker is lost within two seconds, no call waits longer than its deadline, and nothing is missed', async () => {
    const { topic, reader } = await open();
    await topic.send([message('before')], soon());
    await eventually(() => reader.records.length === 1);
    broker.freeze();
    try {
      // Its threads stop one after the other.
      await eventually(() =>
        topic.highWatermark(clock.now() + 100).then(
          () => false,
          () => true,
        ),
      );
      const startedMs = clock.now();
      const calls = [topic.send([message('during')], startedMs + 300), topic.highWatermark(startedMs + 300)];
      const outcomes = await Promise.allSettled(calls);
      expect(clock.now() - startedMs).toBeLessThan(1000);
      for (const outcome of outcomes) {
        const { reason } = outcome as PromiseRejectedResult;
        expect(reason).toMatchObject({ name: 'CacheError', code: 'timeout' });
      }
      // Who has little time does not end the connection for the others.
      expect(reader.lost).toBe(0);
      await eventually(() => reader.lost === 1 && !topic.isConnected, 2500);
      await expect(topic.send([message('x')], soon())).rejects.toMatchObject({ code: 'unavailable' });
    } finally {
      broker.thaw();
    }
    await eventually(() => topic.isConnected, 20_000);
    await topic.send([message('after')], soon());
    await eventually(() => reader.records.at(-1)?.key === 'after');
    expect(reader.records.map(({ offset }) => offset)).toEqual(reader.records.map((_, index) => index));
    expect(reader.gaps).toEqual([]);
  });

  it('a broker that is killed and started again is found, and reading goes on where it was', async () => {
    const { topic, reader, log } = await open();
    await topic.send([message('before')], soon());
    await eventually(() => reader.records.length === 1);
    await broker.kill();
    await eventually(() => reader.lost === 1);
    await expect(topic.highWatermark(soon())).rejects.toMatchObject({ code: 'unavailable' });
    await eventually(() => log.lines.some(({ level }) => level === 'warn'));
    await broker.restart();
    await eventually(() => topic.isConnected, 20_000);
    await topic.send([message('after')], soon());
    await eventually(() => reader.records.length === 2);
    expect(reader.records.map(({ key }) => key)).toEqual(['before', 'after']);
    expect(reader.gaps).toEqual([]);
    // Tried several times a second, told once for each reason.
    expect(log.lines.filter(({ level }) => level === 'warn').length).toBeLessThan(6);
  }, 120_000);

  it('a topic that is deleted is made anew, and read from its beginning after a gap', async () => {
    const { topic, name, reader } = await open();
    await topic.send([message('a'), message('b')], soon());
    await eventually(() => reader.records.length === 2);
    await broker.deleteTopic(name);
    await eventually(() => reader.gaps.length > 0, 20_000);
    await eventually(() => topic.send([message('c')], soon()), 20_000);
    await eventually(() => reader.records.length === 3);
    expect(reader.records[2]).toEqual({ offset: 0, key: 'c', value: 'c' });
  });

  it('all is read again where that is asked for', async () => {
    const { topic, reader } = await open();
    await topic.send([message('a'), message('b')], soon());
    await eventually(() => reader.records.length === 2);
    topic.readAgain();
    await eventually(() => reader.records.length === 4);
    expect(reader.gaps).toEqual([0]);
  });

  it.each([
    ['says nothing', Buffer.alloc(0)],
    ['speaks something else', Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')],
  ])('who %s in place of a broker holds up neither the start nor the close', async (_what, words) => {
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
      socket.on('data', () => socket.write(words));
    }).listen(0, '127.0.0.1');
    try {
      await once(server, 'listening');
      const { port } = server.address() as AddressInfo;
      const { topic, openMs } = await open('any', { brokers: [`127.0.0.1:${port}`] });
      expect(openMs).toBeLessThan(6000);
      expect(topic.isConnected).toBe(false);
      const startedMs = clock.now();
      await topic.close();
      expect(clock.now() - startedMs).toBeLessThan(1000);
      await eventually(() => sockets.size === 0);
    } finally {
      server.close();
    }
  });

  it('the next broker of the list is asked when one is not there, and closing ends all connections', async () => {
    const away = `127.0.0.1:${await findFreePort()}`;
    const { topic } = await open('listed', { brokers: [away, ...broker.address.brokers] });
    await eventually(() => topic.isConnected);
    const late = topic.highWatermark(soon());
    await topic.close();
    await expect(late).rejects.toMatchObject({ name: 'CacheError' });
    expect(topic.isConnected).toBe(false);
  });
});

async function makeTopic(broker: KafkaProcess, topic: string, numPartitions: number): Promise<void> {
  const { Kafka, logLevel } = await import('kafkajs');
  const admin = new Kafka({ brokers: [...broker.address.brokers], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic, numPartitions }] });
  await admin.disconnect();
}
