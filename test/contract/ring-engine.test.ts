/** The engine contract on the ring over real Redis servers, and what the ring promises by itself. */
import { keyFromText } from '../../src/core/key';
import type { Engine } from '../../src/core/ports';
import { openRing } from '../../src/engines/ring';
import { systemClock as clock } from '../../src/lib/clock';
import { eventually } from '../support/eventually';
import { createRecordingLog } from '../support/log';
import { createTestCoherence, openTopicCoherence } from '../support/ring';
import { startShards, type ShardProcesses } from '../support/redis';
import { codeOf, describeEngineContract, EngineUnderTest } from './engine-contract';

const STORED_BYTES_MAX = 16 * 1024 * 1024;

let processes: readonly ShardProcesses[];

beforeAll(async () => {
  processes = await startShards(3);
});
afterAll(() => Promise.all(processes.map((shard) => shard.stop())));

/** A ring over the first `count` shards, all of them empty. */
async function openEmptyRing(count: number, coherence = createTestCoherence()): Promise<Engine> {
  const shards = processes.slice(0, count);
  await Promise.all(
    shards.map(async (shard) => {
      await shard.master.client.flushall();
      await shard.inSync();
    }),
  );
  return openRing({
    shards: shards.map(({ config }) => config),
    hash: 'ketama',
    readFrom: 'replica',
    storedBytesMax: STORED_BYTES_MAX,
    coherence,
    clock,
    log: createRecordingLog(),
  });
}

describeEngineContract('ring of one shard', () => openEmptyRing(1));
describeEngineContract('ring of three shards', () => openEmptyRing(3));
describeEngineContract('ring of one shard, each change in a transaction', () =>
  openEmptyRing(1, createTestCoherence('pubsub')),
);
describeEngineContract('ring of one shard, each change announced on a topic', async () => {
  const coherence = await openTopicCoherence();
  const engine = await openEmptyRing(1, coherence);
  const close = engine.close.bind(engine);
  return Object.assign(engine, { close: () => close().then(() => coherence.close()) });
});

describe('ring', () => {
  let store: EngineUnderTest;
  const key = keyFromText('key');
  const masterOf = async (name: typeof key) => {
    const location = await store.engine.locate(name, store.deadline());
    return processes.find((shard) => shard.name === location.shard)!.master.client;
  };

  beforeEach(async () => {
    store = new EngineUnderTest(await openEmptyRing(3));
  });
  afterEach(() => store.engine.close());

  it('what Redis holds under a key is the value and nothing else', async () => {
    await store.write(key, 'value');
    expect(await (await masterOf(key)).get('key')).toBe('value');
  });

  it('a key written straight to Redis is read', async () => {
    await (await masterOf(key)).set('key', 'by hand');
    await eventually(async () => (await store.text(key)) === 'by hand');
    expect((await store.read(key, { strong: true }))?.bytes.toString()).toBe('by hand');
  });

  it.each(['eventual', 'strong'] as const)(
    'something that is no string is corrupt_value to an %s read',
    async (consistency) => {
      await (await masterOf(key)).hset('key', 'field', 'value');
      await Promise.all(processes.map((shard) => shard.inSync()));
      for (const withLife of [true, false]) {
        const read = store.engine.read(key, { consistency, withLife, deadlineMs: store.deadline() });
        await expect(read).rejects.toMatchObject({ name: 'CacheError', code: 'corrupt_value' });
      }
      for (const change of [store.replace(key, 'value', 'next'), store.remove(key, 'value')]) {
        await expect(change).rejects.toMatchObject({ name: 'CacheError', code: 'corrupt_value' });
      }
    },
  );

  it('something that is no string is replaced by a write', async () => {
    await (await masterOf(key)).rpush('key', 'element');
    expect(await store.write(key, 'value')).toBe(true);
    expect(await store.text(key)).toBe('value');
  });

  it('something that is no string counts as there', async () => {
    await (await masterOf(key)).rpush('key', 'element');
    expect(await store.write(key, 'value', { condition: 'NX' })).toBe(false);
    expect(await store.write(key, 'value', { condition: 'XX' })).toBe(true);
    expect(await store.text(key)).toBe('value');
  });

  it('something that is no string is removed by a remove', async () => {
    await (await masterOf(key)).sadd('key', 'member');
    expect(await store.remove(key)).toBe(true);
    expect(await (await masterOf(key)).exists('key')).toBe(0);
  });

  it.each([1, 2] as const)('a write with ack %d is on that many replicas when it succeeds', async (ack) => {
    expect(await store.write(key, 'value', { ack })).toBe(true);
    const { shard } = await store.engine.locate(key, store.deadline());
    const { replicas } = processes.find(({ name }) => name === shard)!;
    const expectHeld = async (expected: string): Promise<void> => {
      const held = await Promise.all(replicas.map(({ client }) => client.get('key')));
      expect(held.filter((value) => value === expected).length).toBeGreaterThanOrEqual(ack);
    };
    await expectHeld('value');
    const condition = { expected: Buffer.from('value') };
    expect(await store.write(key, 'next', { ack, condition })).toBe(true);
    await expectHeld('next');
    expect((await store.engine.remove(key, { ack, deadlineMs: store.deadline() })).done).toBe(true);
  });

  it('an ack that too few replicas give in time is unavailable and says that the write may stand', async () => {
    const { shard } = await store.engine.locate(key, store.deadline());
    const { replicas } = processes.find(({ name }) => name === shard)!;
    replicas.slice(1).forEach((replica) => replica.freeze());
    try {
      const [outcome] = await Promise.allSettled([
        store.write(key, 'value', { ack: 2, deadlineMs: clock.now() + 400 }),
      ]);
      expect(codeOf(outcome)).toBe('unavailable');
      expect((outcome as PromiseRejectedResult).reason.message).toMatch(/may stand/);
      // What changed nothing needs no replica to confirm it.
      expect(await store.write(key, 'never', { ack: 2, condition: 'NX' })).toBe(false);
      const condition = { expected: Buffer.from('other') };
      expect(await store.write(key, 'never', { ack: 2, condition })).toBe(false);
    } finally {
      replicas.forEach((replica) => replica.thaw());
    }
  });

  it('reads are spread over all replicas of a shard', async () => {
    const nodes = new Set<string | undefined>();
    for (let n = 0; n < 200; n += 1) {
      nodes.add((await store.engine.locate(keyFromText(`k${n}`), store.deadline())).node);
    }
    const replicas = processes.flatMap((shard) => shard.replicas);
    expect([...nodes].sort()).toEqual(replicas.map(({ host, port }) => `${host}:${port}`).sort());
  });

  it('a value written by a full Redis is out_of_memory, and reads go on', async () => {
    await store.write(key, 'value');
    const master = await masterOf(key);
    await master.config('SET', 'maxmemory-policy', 'noeviction');
    await master.config('SET', 'maxmemory', '1');
    try {
      const condition = { expected: Buffer.from('value') };
      for (const options of [{}, { condition: 'XX' as const }, { condition }]) {
        await expect(store.write(key, 'more', options)).rejects.toMatchObject({ code: 'out_of_memory' });
      }
      expect(await store.text(key)).toBe('value');
      expect((await store.read(key, { strong: true }))?.bytes.toString()).toBe('value');
    } finally {
      await master.config('SET', 'maxmemory', '0');
    }
  });

  it('the servers see all of its connections end when it is closed', async () => {
    await store.write(key, 'value', { ack: 1 });
    const nodes = processes.flatMap((shard) => [shard.master, ...shard.replicas]);
    const connections = async (): Promise<number> => {
      const lists = await Promise.all(nodes.map(({ client }) => client.client('LIST') as Promise<string>));
      return lists.join('\n').match(/ name=ringcache /g)?.length ?? 0;
    };
    expect(await connections()).toBeGreaterThanOrEqual(nodes.length);
    await store.engine.close();
    await eventually(async () => (await connections()) === 0);
  });
});
