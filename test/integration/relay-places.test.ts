/** A ring of several shards: each key has one place, and what names an index goes to that shard. */
import type { Key } from '../../src/core/command';
import type { Engine } from '../../src/core/ports';
import { openRing } from '../../src/engines/ring';
import { systemClock as clock } from '../../src/lib/clock';
import { createRecordingLog } from '../support/log';
import { startShards, type ShardProcesses } from '../support/redis';
import { askEngine } from '../support/relay';
import { createTestCoherence } from '../support/ring';

let shards: ShardProcesses[];
let engine: Engine;

beforeAll(async () => {
  shards = await startShards(3, 0);
  engine = await openRing({
    shards: shards.map(({ config }) => config),
    hash: 'ketama',
    readFrom: 'replica',
    storedBytesMax: 1_000_000,
    coherence: createTestCoherence(),
    clock,
    log: createRecordingLog(),
  });
});
afterAll(async () => {
  await engine.close();
  await Promise.all(shards.map((shard) => shard.stop()));
});

it('a key is where a READ looks for it, and keys with one tag are at one place', async () => {
  const relay = engine.relay!;
  for (let n = 0; n < 30; n += 1) {
    const key = `key-${n}` as Key;
    expect(await askEngine(relay, `SET ${key} v`)).toBe('+OK\r\n');
    const { shard } = await engine.locate(key, clock.now() + 2000);
    expect(shard).toBe(`shard-${relay.placeOf(key) + 1}`);
    expect(relay.shardOf(key)).toBe(relay.placeOf(key));
    expect(await shards[relay.placeOf(key)]!.master.client.exists(key)).toBe(1);
    expect(relay.placeOf(`{${key}}other` as Key)).toBe(relay.placeOf(key));
  }
});

it('what names an index is asked of that shard', async () => {
  const relay = engine.relay!;
  expect(relay.shardCount).toBe(3);
  for (const [at, { master }] of shards.entries()) {
    const size = await askEngine(relay, 'DBSIZE', { keys: [], at });
    expect(size).toBe(`:${await master.client.dbsize()}\r\n`);
  }
  const nowhere = askEngine(relay, 'DBSIZE', { keys: [], at: 3 });
  await expect(nowhere).rejects.toMatchObject({ code: 'unavailable' });
});

it('a shard that is away holds up none of the others', async () => {
  const relay = engine.relay!;
  await shards[0]!.master.kill();
  const startedMs = clock.now();
  const outcomes = await Promise.allSettled(
    Array.from({ length: 60 }, (_, n) => askEngine(relay, `SET other-${n} v`)),
  );
  expect(clock.now() - startedMs).toBeLessThan(1500);
  outcomes.forEach(({ status }, n) => {
    const isAway = relay.placeOf(`other-${n}` as Key) === 0;
    expect(status).toBe(isAway ? 'rejected' : 'fulfilled');
  });
});
