/** The engine contract on a Redis Cluster, and what the cluster engine promises by itself while nothing moves. */
import { createHash } from 'node:crypto';
import { keyFromBytes, keyFromText } from '../../src/core/key';
import type { Engine } from '../../src/core/ports';
import { parseEnv } from '../../src/config/env';
import { openEngine } from '../../src/engines/open-engine';
import { slotOf } from '../../src/engines/slot-map';
import { startCluster, type ClusterProcesses } from '../support/cluster';
import { openTestCluster } from '../support/cluster-engine';
import { systemClock as clock } from '../../src/lib/clock';
import { eventually } from '../support/eventually';
import { createRecordingLog } from '../support/log';
import type { RedisProcess } from '../support/redis';
import { createTestCoherence } from '../support/ring';
import { describeEngineContract, EngineUnderTest } from './engine-contract';

const STORED_BYTES_MAX = 16 * 1024 * 1024;

let cluster: ClusterProcesses;
let masters: readonly RedisProcess[];

beforeAll(async () => {
  cluster = await startCluster({ shards: 3, replicasPerShard: 1 });
  masters = await Promise.all([0, 1, 2].map((shard) => cluster.masterOf(shard)));
}, 60_000);
afterAll(() => cluster.stop());

async function openEmptyCluster(): Promise<Engine> {
  await Promise.all(masters.map(({ client }) => client.flushall()));
  await cluster.healthy();
  // One seed is enough: the cluster names the others.
  return openTestCluster([masters[1]!.address], { storedBytesMax: STORED_BYTES_MAX });
}

describeEngineContract('cluster of three shards', openEmptyCluster);

describe('cluster', () => {
  let store: EngineUnderTest;

  beforeEach(async () => {
    store = new EngineUnderTest(await openEmptyCluster());
  });
  afterEach(() => store.engine.close());

  it('a key is where the cluster has it, whatever its bytes, and locate tells the slot', async () => {
    const keys = ['key', '{}', 'foo{}{bar}', '{tag}key', 'a{b}c', 'é{ü}', '🔑', 'x'.repeat(300)].map(
      keyFromText,
    );
    for (const key of keys) {
      await store.write(key, 'value');
      const name = Buffer.from(key, 'latin1');
      const slot = Number(await masters[0]!.client.call('CLUSTER', 'KEYSLOT', name));
      const location = await store.engine.locate(key, store.deadline());
      expect(location).toMatchObject({ hash: slot, remainingMs: Infinity });
      const held = await Promise.all(
        masters.map(({ client }) => client.callBuffer('CLUSTER', 'GETKEYSINSLOT', slot, 9)),
      );
      expect(held.flat()).toContainEqual(name);
    }
  });

  it('slots are those that Redis computes, for braces wherever they stand', async () => {
    const random = Array.from({ length: 500 }, (_, n) =>
      Array.from(
        createHash('sha512')
          .update(`seed ${n}`)
          .digest()
          .subarray(0, n % 20),
        (byte) => (byte % 3 === 0 ? '{' : byte % 3 === 1 ? '}' : String.fromCharCode(byte)),
      ).join(''),
    );
    const { client } = masters[0]!;
    const expected = await Promise.all(
      random.map((bytes) => client.call('CLUSTER', 'KEYSLOT', Buffer.from(bytes, 'latin1'))),
    );
    expect(random.map((bytes) => slotOf(keyFromBytes(Buffer.from(bytes, 'latin1'))))).toEqual(expected);
  });

  it('its arcs are the runs of slots as the cluster has them', async () => {
    const placement = store.engine.placement()!;
    expect(placement.size).toBe(16_384);
    expect(placement.arcs.at(-1)?.lastPoint).toBe(16_383);
    const ranges = (await masters[0]!.client.cluster('SLOTS')) as [number, number, ...unknown[]][];
    expect(placement.arcs.map(({ lastPoint }) => lastPoint)).toEqual(
      ranges.map(([, last]) => last).sort((a, b) => a - b),
    );
  });

  it('hash tags keep keys together', async () => {
    const shards = new Set<string>();
    for (let n = 0; n < 20; n += 1) {
      shards.add((await store.engine.locate(keyFromText(`k${n}{user:7}`), store.deadline())).shard);
    }
    expect(shards.size).toBe(1);
  });

  it('values that are there are read from replicas', async () => {
    const sources = new Set<string | undefined>();
    for (let n = 0; n < 30; n += 1) await store.write(keyFromText(`k${n}`), 'value');
    await cluster.healthy();
    await eventually(async () => {
      sources.clear();
      for (let n = 0; n < 30; n += 1) sources.add((await store.read(keyFromText(`k${n}`)))?.source);
      return sources.size === 1 && sources.has('replica');
    });
  });

  it('every gateway calls a shard by the smallest id of its nodes', async () => {
    const nodes = await cluster.nodes();
    const smallest = [0, 1, 2].map(
      (shard) =>
        nodes
          .filter((node) => node.shard === shard)
          .map(({ id }) => id)
          .sort()[0],
    );
    expect(
      store.engine
        .status()
        .map(({ name }) => name)
        .sort(),
    ).toEqual(smallest.sort());
  });

  it('a write with ack 1 is on a replica when it succeeds', async () => {
    for (let n = 0; n < 10; n += 1) {
      const key = keyFromText(`acked ${n}`);
      expect(await store.write(key, `value ${n}`, { ack: 1 })).toBe(true);
      const held = await Promise.all(
        cluster.processes
          .filter((process) => !masters.includes(process))
          .map(async ({ client }) => {
            await client.call('READONLY');
            return client.get(key).catch(() => undefined);
          }),
      );
      expect(held).toContain(`value ${n}`);
    }
  });

  it('opens as the settings say', async () => {
    const environment = { JWT_SECRET: 's'.repeat(32), ENGINE: 'cluster', ...cluster.settings };
    const deps = {
      coherence: createTestCoherence(),
      onChanged: () => undefined,
      valueBytesMax: 1000,
      clock,
      log: createRecordingLog(),
    };
    const engine = await openEngine(parseEnv(environment).engine, deps);
    try {
      expect([engine.kind, engine.ready(), engine.status().length]).toEqual(['cluster', true, 3]);
    } finally {
      await engine.close();
    }
  });

  it('a seed that is away does not matter while another one answers', async () => {
    const nowhere = { ...masters[0]!.address, port: 1 };
    const engine = await openTestCluster([nowhere, masters[2]!.address]);
    try {
      expect(engine.ready()).toBe(true);
      expect(engine.status()).toHaveLength(3);
    } finally {
      await engine.close();
    }
  });
});
