/** How keys spread over the shards of a ring, and how few of them move when a shard is added. */
import { createTestCoherence } from '../support/ring';
import type { Key } from '../../src/core/command';
import { keyFromText } from '../../src/core/key';
import type { Engine } from '../../src/core/ports';
import { HashRing, type RingHash } from '../../src/engines/hash-ring';
import { openRing } from '../../src/engines/ring';
import { systemClock as clock } from '../../src/lib/clock';
import { createRecordingLog } from '../support/log';
import { startShards, type ShardProcesses } from '../support/redis';

const KEYS = 100_000;
const keys: readonly Key[] = Array.from({ length: KEYS }, (_, n) => keyFromText(`user:${n}:profile`));
/** Of these; the ring places them all. */
const KEYS_STORED = 20_000;
/** Keys that are written side by side. */
const PARALLEL = 1000;

const HASHES: readonly RingHash[] = ['ketama', 'twemproxy'];
const names = (count: number): string[] => Array.from({ length: count }, (_, n) => `shard-${n + 1}`);

describe('three shards of one master and three replicas', () => {
  let shards: readonly ShardProcesses[];
  let engine: Engine;

  beforeAll(async () => {
    shards = await startShards(3);
    engine = await openRing({
      shards: shards.map(({ config }) => config),
      hash: 'ketama',
      readFrom: 'replica',
      storedBytesMax: 1024,
      coherence: createTestCoherence('none'),
      clock,
      log: createRecordingLog(),
    });
  });
  afterAll(async () => {
    await engine.close();
    await Promise.all(shards.map((shard) => shard.stop()));
  });

  it('hold keys within 15 % of even, each key once, and their replicas hold the same', async () => {
    const value = Buffer.from('v');
    for (let start = 0; start < KEYS_STORED; start += PARALLEL) {
      const deadlineMs = clock.now() + 10_000;
      const options = { ttlMs: 0, condition: undefined, ack: 0, deadlineMs } as const;
      await Promise.all(keys.slice(start, start + PARALLEL).map((key) => engine.write(key, value, options)));
    }
    const sizes = await Promise.all(shards.map(({ master }) => master.client.dbsize()));
    expect(sizes.reduce((sum, size) => sum + size)).toBe(KEYS_STORED);
    for (const size of sizes)
      expect(Math.abs(size / (KEYS_STORED / shards.length) - 1)).toBeLessThanOrEqual(0.15);

    for (const [index, shard] of shards.entries()) {
      await shard.inSync();
      const copies = await Promise.all(shard.replicas.map(({ client }) => client.dbsize()));
      expect(copies).toEqual(copies.map(() => sizes[index]));
    }
  }, 60_000);
});

describe.each(HASHES)('a ring with hash %s', (hash) => {
  const ownersAmong = (count: number): string[] => {
    const shards = names(count);
    const ring = new HashRing(shards, hash);
    return keys.map((key) => shards[ring.ownerOf(ring.pointOf(key))]!);
  };

  it('spreads 100,000 keys over three shards within 15 % of even', () => {
    const owners = ownersAmong(3);
    for (const name of names(3)) {
      const share = owners.filter((owner) => owner === name).length / (KEYS / 3);
      expect(Math.abs(share - 1)).toBeLessThanOrEqual(0.15);
    }
  });

  it('a fourth shard takes at most 30 % of the keys, and no other key moves', () => {
    const before = ownersAmong(3);
    const after = ownersAmong(4);
    const moved = after.filter((owner, n) => owner !== before[n]);
    expect(moved.length / KEYS).toBeLessThanOrEqual(0.3);
    expect(moved.length / KEYS).toBeGreaterThanOrEqual(0.2);
    expect(new Set(moved)).toEqual(new Set(['shard-4']));
  });
});
