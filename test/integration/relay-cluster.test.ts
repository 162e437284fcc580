/** Relaying on a cluster: slots move while they are used, and what is sent to one key takes effect in its order. */
import type { CacheError } from '../../src/core/errors';
import type { Key } from '../../src/core/command';
import type { Engine } from '../../src/core/ports';
import { Relay, type CacheRelay } from '../../src/core/relay';
import { slotOf } from '../../src/engines/slot-map';
import { systemClock as clock } from '../../src/lib/clock';
import { startCluster, type ClusterProcesses } from '../support/cluster';
import { openTestCluster } from '../support/cluster-engine';
import { eventually } from '../support/eventually';
import { ask, transact } from '../support/relay';

jest.setTimeout(60_000);

let cluster: ClusterProcesses;
let engine: Engine;
let relay: CacheRelay;

beforeAll(async () => {
  cluster = await startCluster({ shards: 3, replicasPerShard: 1 });
});
afterAll(() => cluster.stop());

beforeEach(async () => {
  engine = await openTestCluster([cluster.processes[0]!.address]);
  const none = { cipher: undefined, encryptByDefault: false, defaultTtlMs: 0 };
  relay = new Relay(engine.relay!, { ...none, forget: () => undefined, forgetAll: () => undefined });
});
afterEach(() => engine.close());

const messageOf = (thrown: unknown): string => (thrown as CacheError).message;
const bulk = (text: string) => `$${text.length}\r\n${text}\r\n`;

async function elsewhere(slot: number): Promise<number> {
  const nodes = await cluster.nodes();
  const owner = nodes.find(({ slots }) => slots.some(([first, last]) => first <= slot && slot <= last));
  return (owner!.shard + 1) % 3;
}

it('a key is at the place of its slot, and found on the shard that has it', async () => {
  for (const key of ['a', 'b', '{tag}1', '{tag}2'] as Key[]) {
    expect(relay.placeOf(key)).toBe(slotOf(key));
    expect(await ask(relay, `SET ${key} v`)).toBe('+OK\r\n');
    expect(await ask(relay, `GET ${key}`, { from: 'any' })).toBe(bulk('v'));
  }
  expect(await ask(relay, 'SET a 1', { keys: ['a'] })).toBe('+OK\r\n');
  expect(await ask(relay, 'MGET a b', { keys: ['a', 'b'] })).toMatch(/^-CROSSSLOT /);
});

it('the shards have the same numbers, whichever node told of them', async () => {
  const keys = Array.from({ length: 30 }, (_, n) => `k${n}` as Key);
  for (const { address } of cluster.processes) {
    const other = await openTestCluster([address]);
    try {
      expect(keys.map((key) => other.relay!.shardOf(key))).toEqual(keys.map((key) => relay.shardOf(key)));
    } finally {
      await other.close();
    }
  }
});

it('what names a shard goes there, to each of them once', async () => {
  for (const key of ['a', 'b', 'c', 'd', 'e', 'f']) await ask(relay, `SET ${key} v`);
  const sizes = await Promise.all(
    Array.from({ length: relay.shardCount }, (_, at) => ask(relay, 'DBSIZE', { keys: [], at })),
  );
  const masters = await Promise.all([0, 1, 2].map((shard) => cluster.masterOf(shard)));
  const expected = await Promise.all(masters.map(async ({ client }) => `:${await client.dbsize()}\r\n`));
  expect([...sizes].sort()).toEqual([...expected].sort());
});

it('a slot that was moved behind our back is found, and a pipeline on one key keeps its order', async () => {
  await ask(relay, 'SET {moved}k start');
  await cluster.moveSlot(slotOf('{moved}k' as Key), await elsewhere(slotOf('{moved}k' as Key)));
  const numbers = Array.from({ length: 200 }, (_, n) => n);
  const replies = numbers.map((n) => ask(relay, `RPUSH {moved}list ${n}`));
  const reads = ask(relay, 'LRANGE {moved}list 0 -1');
  expect(await Promise.all(replies)).toEqual(numbers.map((n) => `:${n + 1}\r\n`));
  expect(await reads).toMatch(/^\*200\r\n/);
  expect(await ask(relay, 'GET {moved}k', { from: 'any' })).toBe(bulk('start'));
});

it('a script whose slot was moved behind our back fails, and the next one goes where the slot is', async () => {
  const key = '{script}n';
  const words = ['EVAL', "return redis.call('INCR',KEYS[1])", '1', key];
  const run = () => ask(relay, 'EVAL', { words, keys: [key], isUnbounded: true }).catch(messageOf);
  expect(await run()).toBe(':1\r\n');
  const slot = slotOf(key as Key);
  await cluster.moveSlot(slot, await elsewhere(slot));
  const first = run();
  expect(await first).toMatch(/^:2|may have been done/);
  const done = (await first).startsWith(':') ? 2 : 1;
  expect(await run()).toBe(`:${done + 1}\r\n`);

  const own = [
    'EVAL',
    `redis.call('INCR',KEYS[1]) return redis.error_reply('MOVED 1 127.0.0.1:1')`,
    '1',
    key,
  ];
  expect(await ask(relay, 'EVAL', { words: own, keys: [key], isUnbounded: true })).toMatch(/^-MOVED 1 /);
  expect(await ask(relay, `GET ${key}`)).toBe(bulk(String(done + 2)));
});

it('while a slot is on its way each key is where it is, and each keeps its order', async () => {
  const slot = slotOf('{way}' as Key);
  await ask(relay, 'SET {way}left old');
  await ask(relay, 'SET {way}stays old');
  const move = await cluster.beginMoveSlot(slot, await elsewhere(slot));
  await move.moveKeys(1);
  const told: Promise<string>[] = [];
  for (let n = 0; n < 100; n += 1) {
    for (const key of ['left', 'stays', 'new']) told.push(ask(relay, `APPEND {way}${key} ,${n}`));
  }
  await Promise.all(told);
  const suffix = Array.from({ length: 100 }, (_, n) => `,${n}`).join('');
  for (const from of ['any', 'master'] as const) {
    expect(await ask(relay, 'GET {way}left', { from })).toBe(bulk(`old${suffix}`));
    expect(await ask(relay, 'GET {way}stays', { from })).toBe(bulk(`old${suffix}`));
    expect(await ask(relay, 'GET {way}new', { from })).toBe(bulk(suffix));
  }
  expect(await transact(relay, ['APPEND {way}new !', 'STRLEN {way}new'])).toMatch(/^\*2\r\n:/);
  const moved = ask(relay, 'MGET {way}left {way}new {way}stays', {
    keys: ['{way}left', '{way}new', '{way}stays'],
  }).catch(messageOf);
  while ((await move.moveKeys(10)) > 0);
  await move.finish();
  expect(await moved).toMatch(/^(\*3|The shard)/);
  expect(await ask(relay, 'APPEND {way}left !')).toMatch(/^:/);
  expect(await ask(relay, 'GET {way}left', { from: 'any' })).toBe(bulk(`old${suffix}!`));
});

it('nothing is lost, done twice or out of its order while slots move under load', async () => {
  const slot = slotOf('{load}' as Key);
  const sent: Promise<string>[] = [];
  let n = 0;
  const timer = setInterval(() => {
    for (let burst = 0; burst < 10; burst += 1) {
      n += 1;
      sent.push(ask(relay, `RPUSH {load}${n % 3} ${n}`).catch(messageOf));
    }
  }, 2);
  try {
    for (let round = 0; round < 3; round += 1) {
      await cluster.moveSlot(slot, await elsewhere(slot));
      await eventually(() => sent.length > (round + 1) * 300);
    }
  } finally {
    clearInterval(timer);
  }
  const outcomes = await Promise.all(sent);
  expect(outcomes.filter((outcome) => !outcome.startsWith(':'))).toEqual([]);
  for (const list of [0, 1, 2]) {
    const stored = [...(await ask(relay, `LRANGE {load}${list} 0 -1`)).matchAll(/\r\n(\d+)(?=\r\n(\$|$))/g)];
    const expected = Array.from({ length: n }, (_, at) => at + 1).filter((one) => one % 3 === list);
    expect(stored.map(([, text]) => Number(text))).toEqual(expected);
  }
});

it('a shard that fails over in a planned way keeps order', async () => {
  const shard = relay.shardOf('{over}' as Key);
  expect(shard).toBeGreaterThanOrEqual(0);
  const nodes = await cluster.nodes();
  const slot = slotOf('{over}' as Key);
  const owner = nodes.find(({ slots }) =>
    slots.some(([first, last]) => first <= slot && slot <= last),
  )!.shard;
  const sent: Promise<string>[] = [];
  let n = 0;
  const timer = setInterval(() => {
    for (let burst = 0; burst < 10; burst += 1) {
      n += 1;
      sent.push(ask(relay, `RPUSH {over}list ${n}`).catch(messageOf));
    }
  }, 5);
  try {
    await eventually(() => n > 200);
    await cluster.failover(owner);
    const then = n;
    await eventually(() => n > then + 500);
  } finally {
    clearInterval(timer);
  }
  const outcomes = await Promise.all(sent);
  const stored = (await ask(relay, 'LRANGE {over}list 0 -1')).match(/\r\n(\d+)(?=\r\n)/g)!.map(Number);
  expect(stored).toEqual([...new Set(stored)].sort((a, b) => a - b));
  outcomes.forEach((outcome, index) => {
    if (outcome.startsWith(':')) expect(stored).toContain(index + 1);
  });
  await cluster.healthy();
});

it('links and subscribers lead to the shard of their key', async () => {
  const frames: string[] = [];
  const options = { protocol: 2, deadlineMs: clock.now() + 2000, onEnd: () => undefined } as const;
  const link = await relay.open('{link}' as Key, options);
  const subscriber = await relay.subscribe('news' as Key, {
    ...options,
    onMessage: (frame) => frames.push(frame.toString()),
  });
  subscriber.tell([Buffer.from('SUBSCRIBE'), Buffer.from('news')]);
  await eventually(() => frames.length === 1);
  await ask(relay, 'PUBLISH news hello', { keys: [], at: 'news' as Key });
  await eventually(() => frames.length === 2);
  link.close();
  subscriber.close();
});
