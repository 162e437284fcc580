/** C2 for relayed commands: a read behind a change sees it, although replicas lag, freeze and wake. */
import type { EngineRelay, Engine } from '../../src/core/ports';
import { eventually } from '../support/eventually';
import { startShard, type ShardProcesses } from '../support/redis';
import { askEngine, type Told } from '../support/relay';
import { openTestRing } from '../support/ring';

let shard: ShardProcesses;
let engine: Engine;
let relay: EngineRelay;

beforeAll(async () => {
  shard = await startShard({ name: 'a', replicas: 2, replicationThroughProxy: true });
});
afterAll(() => shard.stop());

beforeEach(async () => {
  await shard.master.client.flushall();
  await shard.inSync();
  engine = await openTestRing(shard.config);
  relay = engine.relay!;
});
afterEach(async () => {
  shard.resumeReplication();
  await engine.close();
  await shard.inSync();
});

const ask = (text: string, told?: Told) => askEngine(relay, text, { from: 'any', ...told });
const bulk = (text: string) => `$${text.length}\r\n${text}\r\n`;

/** How many GETs the replicas have carried out. */
async function replicaGets(): Promise<number> {
  let calls = 0;
  for (const { client } of shard.replicas) {
    calls += Number(/cmdstat_get:calls=(\d+)/.exec(await client.info('commandstats'))?.[1] ?? 0);
  }
  return calls;
}

async function readFromReplicas(text: string): Promise<void> {
  await eventually(async () => {
    const before = await replicaGets();
    await ask(text);
    return (await replicaGets()) > before;
  });
}

it('reads that any node may answer go to replicas, all others to the master', async () => {
  await ask('SET k v');
  await shard.inSync();
  await readFromReplicas('GET k');
  const before = await replicaGets();
  for (let n = 0; n < 20; n += 1) await ask('GET k', { from: 'master' });
  expect(await replicaGets()).toBe(before);
});

it('with replication paused a change is read back at once, whatever it changed, in both protocols', async () => {
  for (const protocol of [2, 3] as const) {
    for (let n = 0; n < 10; n += 1) await ask(`SET k${n} old`, { protocol });
    await shard.inSync();
    await readFromReplicas('GET k0');
    shard.pauseReplication();
    for (let n = 0; n < 10; n += 1) {
      await ask(`SET k${n} new`, { protocol });
      expect(await ask(`GET k${n}`, { protocol })).toBe(bulk('new'));
    }
    await ask('RENAME k0 moved', { keys: ['k0', 'moved'], protocol });
    expect(await ask('GET moved', { protocol })).toBe(bulk('new'));
    expect(await ask('GET k0', { protocol })).toBe(protocol === 2 ? '$-1\r\n' : '_\r\n');
    shard.resumeReplication();
    await shard.inSync();
  }
});

it('a read of several keys sees the changes of each of them', async () => {
  await ask('MSET a old b old c old', { keys: ['a', 'b', 'c'] });
  await shard.inSync();
  await readFromReplicas('GET a');
  shard.pauseReplication();
  await ask('SET c new');
  const all = `*3\r\n${bulk('old')}${bulk('old')}${bulk('new')}`;
  for (let n = 0; n < 5; n += 1) expect(await ask('MGET a b c', { keys: ['a', 'b', 'c'] })).toBe(all);
});

it('a change that names no keys keeps all reads from replicas until these have it', async () => {
  await ask('SET hidden old');
  await shard.inSync();
  await readFromReplicas('GET hidden');
  shard.pauseReplication();
  await ask("EVAL return(redis.call('SET','hidden','new')) 0", { keys: [], isUnbounded: true, at: 0 });
  expect(await ask('GET hidden')).toBe(bulk('new'));
  shard.resumeReplication();
  await readFromReplicas('GET hidden');
});

it('a replica that froze before a change and wakes after it does not show the past', async () => {
  for (let n = 0; n < 20; n += 1) await ask(`SET k${n} old`);
  await shard.inSync();
  for (let n = 0; n < 20; n += 1) await ask(`GET k${n}`);
  const [frozen] = shard.replicas;
  frozen!.freeze();
  try {
    for (let n = 0; n < 20; n += 1) await ask(`SET k${n} new`);
    // A read that the frozen one owes is asked elsewhere before its deadline.
    for (let n = 0; n < 20; n += 1) expect(await ask(`GET k${n}`)).toBe(bulk('new'));
  } finally {
    shard.pauseReplication();
    frozen!.thaw();
  }
  for (let n = 0; n < 200; n += 1) expect(await ask(`GET k${n % 20}`)).toBe(bulk('new'));
});

it('reads under way on a replica that freezes are answered by another node', async () => {
  await ask('SET k v');
  await shard.inSync();
  await readFromReplicas('GET k');
  for (const replica of shard.replicas) replica.freeze();
  try {
    const answers = await Promise.all(Array.from({ length: 50 }, () => ask('GET k')));
    expect(new Set(answers)).toEqual(new Set([bulk('v')]));
  } finally {
    for (const replica of shard.replicas) replica.thaw();
  }
});

it('a pipeline of changes and reads of one key takes effect in its order', async () => {
  const replies: Promise<string>[] = [];
  for (let n = 0; n < 2000; n += 1) {
    replies.push(ask(`SET k ${n}`), ask('GET k', { from: 'master' }));
  }
  const all = await Promise.all(replies);
  for (let n = 0; n < 2000; n += 1) {
    expect(all[2 * n]).toBe('+OK\r\n');
    expect(all[2 * n + 1]).toBe(bulk(String(n)));
  }
});

it('a change whose reply is too long to be passed on is seen all the same', async () => {
  const chunk = 'x'.repeat(1024 * 1024);
  for (let n = 0; n < 65; n += 1) await shard.master.client.append('k', chunk);
  for (let n = 0; n < 20; n += 1) await ask(`SET k${n} v`);
  await shard.inSync();
  // Each replica is known, and connected to.
  for (let n = 0; n < 20; n += 1) await readFromReplicas(`GET k${n}`);
  shard.pauseReplication();
  const failure: unknown = await ask('GETDEL k', { withinMs: 10_000 }).catch((thrown: unknown) => thrown);
  expect(failure).toMatchObject({ code: 'too_large' });
  expect(await ask('GET k')).toBe('$-1\r\n');
});
