/** Gateways that replicate over a real Kafka broker: each with a store, a clock and a log of its own. */
import { randomBytes } from 'node:crypto';
import { keyFromText } from '../../src/core/key';
import { openKafkaTopic, type KafkaRecord } from '../../src/kafka/client';
import { systemClock } from '../../src/lib/clock';
import { GroupClock } from '../../src/replication/group-clock';
import { openKafkaLog } from '../../src/replication/kafka-log';
import { messageOfEntry } from '../../src/replication/kafka-records';
import { ReplicaStore } from '../../src/replication/replica-store';
import type { ReplicationLog } from '../../src/replication/replication-log';
import { HybridClock, timeOf } from '../../src/replication/version';
import type { VersionedEntry } from '../../src/replication/versioned-entry';
import { eventually } from '../support/eventually';
import { describeWithKafka, KAFKA_START_MS, startKafka, type KafkaProcess } from '../support/kafka';
import { createRecordingLog } from '../support/log';

jest.setTimeout(60_000);

const HOUR_MS = 60 * 60 * 1000;
const soon = (): number => systemClock.now() + 5000;

describeWithKafka('replication over Kafka', () => {
  let broker: KafkaProcess;
  let topic: string;
  let count = 0;
  const opened: { close(): Promise<void> }[] = [];

  beforeAll(async () => {
    broker = await startKafka();
  }, KAFKA_START_MS);
  afterAll(() => broker.stop());
  beforeEach(() => {
    topic = `replication-${(count += 1)}`;
  });
  afterEach(() => Promise.all(opened.splice(0).map((each) => each.close())));

  /** One gateway; `skewMs`: how far its machine's clock is ahead. `load` fills its store before. */
  async function openGateway(options: { skewMs?: number; load?: (store: ReplicaStore) => void } = {}) {
    const { skewMs = 0, load } = options;
    const clock = { now: () => systemClock.now(), wallMs: () => Date.now() + skewMs };
    const id = randomBytes(8).toString('hex');
    const groupClock = new GroupClock(clock);
    const groupNowMs = (): number => groupClock.nowMs();
    const versions = new HybridClock(groupNowMs);
    const store = new ReplicaStore({ groupNowMs, bytesMax: 2 ** 30 });
    load?.(store);
    const log = createRecordingLog();
    const applied: string[] = [];
    const onApplied = (keys: readonly string[]): void => void applied.push(...keys);
    const deps = { id, store, groupClock, versions, clock, log, onApplied };
    const replication: ReplicationLog = await openKafkaLog({ kafka: broker.address, topic }, deps);
    opened.push(replication);
    const commit = (name: string, text: string | undefined, ttlMs = Infinity) => {
      const key = keyFromText(name);
      const bytes = text === undefined ? undefined : Buffer.from(text);
      const entry = { key, bytes, time: versions.tick(), origin: id, expiresAtMs: groupNowMs() + ttlMs };
      store.apply(entry);
      return replication.announce([entry], { ack: 0, deadlineMs: soon() });
    };
    return {
      id,
      store,
      log,
      applied,
      replication,
      write: commit,
      remove: (name: string) => commit(name, undefined),
      text: (name: string) => store.peek(keyFromText(name))?.bytes?.toString(),
      held: (name: string) => store.held(keyFromText(name)),
    };
  }
  type Gateway = Awaited<ReturnType<typeof openGateway>>;

  async function openReadyGateway(options?: Parameters<typeof openGateway>[0]): Promise<Gateway> {
    const gateway = await openGateway(options);
    await eventually(() => gateway.replication.isCaughtUp, 20_000);
    return gateway;
  }

  /** The topic itself, as anybody sees it. */
  async function openRaw() {
    const records: KafkaRecord[] = [];
    const reader = {
      onConnected: () => undefined,
      onRecords: (page: readonly KafkaRecord[]) =>
        void records.push(...page.filter(({ key }) => key.length > 0)),
      onGap: () => undefined,
      onLost: () => undefined,
    };
    const { address: kafka } = broker;
    const raw = await openKafkaTopic({
      ...{ kafka, topic, config: {}, from: 'beginning', reader, clock: systemClock },
      log: createRecordingLog(),
    });
    opened.push(raw);
    return { raw, records };
  }

  const expectSame = async (gateways: readonly Gateway[]): Promise<void> => {
    await eventually(() => new Set(gateways.map(({ store }) => store.rootDigest())).size === 1);
  };

  it('what one gateway writes and removes is seen by all, and by one that starts later', async () => {
    const [a, b] = [await openReadyGateway(), await openReadyGateway()];
    await a.write('kept', 'value');
    await a.write('gone', 'value');
    await b.replication.barrier(soon());
    expect(b.text('kept')).toBe('value');
    expect(b.applied).toEqual(['kept', 'gone']);
    await b.remove('gone');
    const c = await openReadyGateway();
    expect(c.text('kept')).toBe('value');
    expect(c.text('gone')).toBeUndefined();
    await expectSame([a, b, c]);
    await eventually(() => a.replication.peers().length === 2);
    expect(a.replication.peers()).toContainEqual({ id: c.id, isHeard: true });
    expect(a.applied).toEqual(['gone']);
  });

  it('clocks that are 10 minutes apart change neither the order of writes nor the end of values', async () => {
    const ahead = await openReadyGateway({ skewMs: 600_000 });
    const behind = await openReadyGateway({ skewMs: -600_000 });
    await ahead.write('key', 'first', 60_000);
    await behind.replication.barrier(soon());
    expect(behind.text('key')).toBe('first');
    await behind.write('key', 'second', 60_000);
    await ahead.replication.barrier(soon());
    const later = await openReadyGateway({ skewMs: 600_000 });
    for (const gateway of [ahead, behind, later]) expect(gateway.text('key')).toBe('second');
    await expectSame([ahead, behind, later]);
  });

  it('a loser that is appended behind the winner is answered, so that one who starts later holds the winner', async () => {
    const gateways = [await openReadyGateway(), await openReadyGateway(), await openReadyGateway()];
    await gateways[0]!.write('key', 'winner');
    const { raw, records } = await openRaw();
    const late: VersionedEntry = {
      key: keyFromText('key'),
      bytes: Buffer.from('loser'),
      time: gateways[0]!.held('key')!.time - 1,
      origin: 'ffffffffffffffff',
      expiresAtMs: Infinity,
    };
    await raw.send([messageOfEntry(late)], soon());
    await eventually(() => records.length > 2 && records.at(-1)?.value?.toString() === 'winner');
    for (const gateway of gateways) expect(gateway.text('key')).toBe('winner');
    // Not from all of them: who reads the answer in time keeps quiet.
    const answers = records.length - 2;
    expect(answers).toBeLessThanOrEqual(gateways.length);
    const { text } = await openReadyGateway();
    expect(text('key')).toBe('winner');
  });

  it('what is written while Kafka is away reaches the others when it is back, and the later write stays', async () => {
    const [a, b] = [await openReadyGateway(), await openReadyGateway()];
    await a.write('old', 'value');
    await b.replication.barrier(soon());
    await broker.kill();
    await eventually(() => !a.replication.isConnected && !b.replication.isConnected);
    const startedMs = systemClock.now();
    const position = await a.write('only a', 'value');
    await a.write('both', 'earlier');
    await a.remove('old');
    // Neither has heard of the other, and their group times differ by what the way to the broker took.
    await eventually(async () => {
      await b.write('both', 'later');
      return b.held('both')!.time > a.held('both')!.time;
    });
    expect(systemClock.now() - startedMs).toBeLessThan(1000);
    await expect(b.replication.barrier(soon())).rejects.toMatchObject({ code: 'unavailable' });
    const missing = b.replication.reach([position], systemClock.now() + 300);
    await expect(missing).rejects.toMatchObject({ code: 'unavailable' });
    await a.replication.reach([position], systemClock.now() + 300);
    await broker.restart();
    await eventually(() => b.replication.isConnected, 20_000);
    await b.replication.reach([position], systemClock.now() + 20_000);
    expect(b.text('only a')).toBe('value');
    await eventually(() => a.text('both') === 'later');
    expect(b.text('both')).toBe('later');
    expect(b.text('old')).toBeUndefined();
    const c = await openReadyGateway();
    await expectSame([a, b, c]);
    expect(c.text('both')).toBe('later');
  }, 120_000);

  it('a frozen broker holds up no write, and what was under way arrives once it goes on', async () => {
    const [a, b] = [await openReadyGateway(), await openReadyGateway()];
    broker.freeze();
    try {
      // Its threads stop one after the other.
      await eventually(() =>
        b.replication.barrier(systemClock.now() + 100).then(
          () => false,
          () => true,
        ),
      );
      const startedMs = systemClock.now();
      await a.write('key', 'value');
      expect(systemClock.now() - startedMs).toBeLessThan(2000);
      const barrier = b.replication.barrier(systemClock.now() + 300);
      await expect(barrier).rejects.toMatchObject({ name: 'CacheError' });
    } finally {
      broker.thaw();
    }
    await eventually(() => b.text('key') === 'value', 20_000);
    await expectSame([a, b]);
  });

  it('a topic that is deleted loses nothing that a gateway holds', async () => {
    const [a, b] = [await openReadyGateway(), await openReadyGateway()];
    await a.write('one', 'value');
    await b.write('two', 'value');
    await Promise.all([a, b].map(({ replication }) => replication.barrier(soon())));
    await broker.deleteTopic(topic);
    const read = (gateway: Gateway) =>
      gateway.log.lines.some(({ message }) => message.includes('read again'));
    await eventually(() => read(a) && read(b), 20_000);
    const { records } = await openRaw();
    await eventually(() => new Set(records.map(({ key }) => key.toString())).size === 2, 20_000);
    const c = await openReadyGateway();
    expect([c.text('one'), c.text('two')]).toEqual(['value', 'value']);
    await expectSame([a, b, c]);
  });

  it('a position that is beyond the log is a conflict, and one that arrives is waited for', async () => {
    const [a, b] = [await openReadyGateway(), await openReadyGateway()];
    const position = await a.write('key', 'value');
    await b.replication.reach([position], soon());
    expect(b.text('key')).toBe('value');
    const next = await a.write('key', 'next');
    expect(a.replication.includes(next, position)).toBe(true);
    expect(a.replication.includes(position, next)).toBe(false);
    const beyond = { ...position, offset: position.offset + 1_000_000 };
    await expect(b.replication.reach([beyond], soon())).rejects.toMatchObject({ code: 'conflict' });
    const gone = { ...position, lineage: '00000000000000ff', offset: 1 };
    const reaching = b.replication.reach([gone], systemClock.now() + 300);
    await expect(reaching).rejects.toMatchObject({ code: 'conflict' });
  });

  it('a confirmation by gateways is refused before anything is done', async () => {
    const a = await openReadyGateway();
    a.replication.checkAck(0);
    expect(() => a.replication.checkAck(1)).toThrow(expect.objectContaining({ code: 'unavailable' }));
  });

  it('what has expired is ended in the topic by who wrote it', async () => {
    const a = await openReadyGateway();
    const { records } = await openRaw();
    await a.write('key', 'value', 1);
    await eventually(() => {
      a.replication.expired(a.store.sweep(a.replication.mayForget));
      return records.length === 2;
    });
    expect(records[1]!.value).toBeUndefined();
    expect(records[1]!.headers['v']).toEqual(records[0]!.headers['v']);
  });

  it('what was held when tombstones may have gone is dropped unless the topic has it, later things are not', async () => {
    const a = await openReadyGateway();
    await a.write('in topic', 'value');
    const old = (key: string, ageMs: number): VersionedEntry => ({
      key: keyFromText(key),
      bytes: Buffer.from('saved'),
      time: timeOf(Date.now() - ageMs),
      origin: '00000000000000aa',
      expiresAtMs: Infinity,
    });
    const loadAged = (contactAgeMs: number) => (store: ReplicaStore) => {
      store.contact = Date.now() - contactAgeMs;
      for (const entry of [old('before', 40 * HOUR_MS), old('since', HOUR_MS)]) store.apply(entry);
    };
    const stale = await openReadyGateway({ load: loadAged(30 * HOUR_MS) });
    expect([stale.text('in topic'), stale.text('before'), stale.text('since')]).toEqual([
      'value',
      undefined,
      'saved',
    ]);
    const fresh = await openReadyGateway({ load: loadAged(HOUR_MS) });
    expect(fresh.text('before')).toBe('saved');
    // What it alone has is announced.
    await eventually(() => a.text('before') === 'saved' && a.text('since') === 'saved');
  });

  it('a record of somebody else is passed over, and a topic that is not compacted is warned of', async () => {
    const { raw } = await openRaw();
    const key = Buffer.from('key');
    await raw.send([{ key, value: Buffer.from('odd'), headers: {} }], soon());
    const a = await openReadyGateway();
    expect(a.text('key')).toBeUndefined();
    const messages = a.log.lines.map(({ message }) => message).join('\n');
    expect(messages).toMatch(/not of this program/);
    expect(messages).toMatch(/not compacted/);
  });

  it('no line of the log has a key or a value in it', async () => {
    const [a, b] = [await openReadyGateway(), await openReadyGateway()];
    await a.write('secret-key', 'secret-value');
    await b.replication.barrier(soon());
    expect(JSON.stringify([...a.log.lines, ...b.log.lines])).not.toMatch(/secret/);
  });

  it('a close announces what is waiting', async () => {
    const [a, b] = [await openReadyGateway(), await openReadyGateway()];
    void a.write('last', 'word');
    await a.replication.close();
    await eventually(() => b.text('last') === 'word');
  });
});
