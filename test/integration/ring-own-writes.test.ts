/** C2, first sentence: a read on a gateway never misses nor undoes a write that it acked, although replicas lag. */
import { Cache } from '../../src/core/cache';
import type { Command, Reply } from '../../src/core/command';
import { Grants } from '../../src/core/grants';
import { NearCache } from '../../src/core/near-cache';
import type { Engine } from '../../src/core/ports';
import { systemClock as clock } from '../../src/lib/clock';
import * as commands from '../support/commands';
import { eventually } from '../support/eventually';
import { startShard, type ShardProcesses } from '../support/redis';
import { openTestRing } from '../support/ring';

const NEAR_OFF = 0;
const NEAR_ON = 1000;
const anyone = { id: 'id', name: 'name', grants: new Grants(['read', 'write', 'delete', 'admin'], []) };

let shard: ShardProcesses;
let engine: Engine;

beforeAll(async () => {
  shard = await startShard({ name: 'a', replicas: 3, replicationThroughProxy: true });
});
afterAll(() => shard.stop());

beforeEach(async () => {
  engine = await openTestRing(shard.config);
});
afterEach(async () => {
  shard.resumeReplication();
  await engine.close();
  await shard.inSync();
});

function gateway(nearEntries: number) {
  const near = new NearCache({ entries: nearEntries, bytes: 1e6, ttlMs: 60_000, clock });
  const options = { cipher: undefined, encryptByDefault: false, defaultTtlMs: 0, coherence: 'none' };
  const cache = new Cache({ engine, near, clock, ...options });
  const run = async (command: Command): Promise<Reply> => cache.execute(anyone, command, clock.now() + 2000);
  return {
    read: (key: string) => run(commands.read(key)),
    write: (key: string, value: string) => run(commands.write(key, value)),
    remove: (key: string) => run(commands.remove(key)),
  };
}

describe.each([
  ['off', NEAR_OFF],
  ['on', NEAR_ON],
])('with replication paused and the near cache %s', (_name, nearEntries) => {
  it('a WRITE is read back at once, and a DELETE leaves nothing to read', async () => {
    const { read, write, remove } = gateway(nearEntries);
    for (let n = 0; n < 20; n += 1) await write(`k${n}`, 'old');
    await shard.inSync();
    shard.pauseReplication();
    for (let n = 0; n < 20; n += 1) {
      await write(`k${n}`, 'new');
      expect(await read(`k${n}`)).toMatchObject({ status: 'SUCCESS', value: 'new' });
      expect(await read(`k${n}`)).toMatchObject({ status: 'SUCCESS', value: 'new' });
    }
    for (let n = 0; n < 20; n += 1) {
      await remove(`k${n}`);
      expect(await read(`k${n}`)).toMatchObject({ status: 'NOT_FOUND' });
    }
  });
});

it('keys that were not written meanwhile are still read from replicas', async () => {
  const { read, write } = gateway(NEAR_OFF);
  await write('quiet', 'v');
  await eventually(async () => {
    expect(await read('quiet')).toMatchObject({ source: 'replica' });
    return true;
  });
  shard.pauseReplication();
  await write('busy', 'v');
  expect(await read('quiet')).toMatchObject({ source: 'replica' });
  expect(await read('busy')).toMatchObject({ source: 'master', value: 'v' });
});

it('reads go back to the replicas once these have caught up', async () => {
  const { read, write } = gateway(NEAR_OFF);
  shard.pauseReplication();
  await write('k', 'v');
  expect(await read('k')).toMatchObject({ source: 'master' });
  shard.resumeReplication();
  await eventually(async () => {
    expect(await read('k')).toMatchObject({ source: 'replica', value: 'v' });
    return true;
  });
});

it('a replica that froze before a write and wakes after it does not show the past', async () => {
  const { read, write } = gateway(NEAR_OFF);
  const keys = Array.from({ length: 30 }, (_, n) => `k${n}`);
  for (const key of keys) await write(key, 'old');
  await shard.inSync();
  const [frozen] = shard.replicas;
  frozen!.freeze();
  try {
    for (const key of keys) await write(key, 'new');
    // The others confirm, the marks are dropped, and the frozen one is out of use by then.
    await eventually(async () => {
      expect(await read('k0')).toMatchObject({ source: 'replica', value: 'new' });
      return true;
    });
  } finally {
    // What it was asked to replicate still lies in the proxy when it wakes.
    shard.pauseReplication();
    frozen!.thaw();
  }
  for (let round = 0; round < 30; round += 1) {
    for (const key of keys) expect(await read(key)).toMatchObject({ value: 'new' });
  }
});

it('with the master gone, what it acked last is read where it arrived, and never from where it did not', async () => {
  const { read, write } = gateway(NEAR_OFF);
  await write('arrived', 'v');
  await write('lost', 'old');
  await shard.inSync();
  shard.pauseReplication();
  await write('lost', 'new');
  await shard.master.kill();
  try {
    await eventually(async () => {
      expect(await write('x', 'v')).toMatchObject({ status: 'ERROR', error: { code: 'unavailable' } });
      return true;
    });

    expect(await read('arrived')).toMatchObject({ status: 'SUCCESS', value: 'v', source: 'replica' });
    expect(await read('lost')).toMatchObject({ status: 'ERROR', error: { code: 'unavailable' } });
  } finally {
    shard.resumeReplication();
    await shard.master.restart();
  }
}, 20_000);
