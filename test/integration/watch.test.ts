/** Watching keys over real Redis: whoever changes them, and whatever becomes of the word of it. */
import { CacheError } from '../../src/core/errors';
import type { Watch } from '../../src/core/watches';
import { openGateway, type TestGateway } from '../support/coherence';
import { eventually } from '../support/eventually';
import { type ShardProcesses, startShard } from '../support/redis';
import { ask } from '../support/relay';

const START_MS = 30_000;
/** The next look around, on a busy machine. */
const SOON_MS = 5000;

let shard: ShardProcesses;
let a: TestGateway;
let b: TestGateway;
let watches: Watch[] = [];

beforeAll(async () => {
  shard = await startShard({ name: 'a', replicas: 2 });
}, START_MS);
afterAll(() => shard.stop());
beforeEach(async () => {
  [a, b] = await Promise.all([openGateway(shard.config), openGateway(shard.config)]);
}, START_MS);
afterEach(async () => {
  for (const watch of watches) watch.close(new CacheError('unavailable', 'over'));
  watches = [];
  await Promise.all([a.close(), b.close()]);
});

let keys = 0;
const freshKey = (): string => `watched ${++keys}`;

/** What the watch has told so far: a value, or undefined for absent. */
function collect(gateway: TestGateway, names: readonly string[]): unknown[] {
  const told: unknown[] = [];
  const watch = gateway.watch(names);
  watches.push(watch);
  const tell = async (): Promise<never> => {
    for (;;) told.push((await watch.next()).value);
  };
  void tell().catch(() => undefined);
  return told;
}

const until = (told: readonly unknown[], last: unknown): Promise<unknown> =>
  eventually(() => told.length > 0 && told.at(-1) === last, SOON_MS);

it('tells what is there, and each change through this gateway and through another one', async () => {
  const key = freshKey();
  const told = collect(a, [key]);
  await until(told, undefined);
  for (const [gateway, value] of [
    [a, 'from a'],
    [b, 'from b'],
    [a, 'from a again'],
  ] as const) {
    await gateway.write(key, value);
    await until(told, value);
  }
  await b.remove(key);
  await until(told, undefined);
  expect(told).toEqual([undefined, 'from a', 'from b', 'from a again', undefined]);
});

it('an own write is told in milliseconds, not by the next look around', async () => {
  const key = freshKey();
  const told = collect(a, [key]);
  await until(told, undefined);
  const tookMs: number[] = [];
  for (let round = 0; round < 10; round++) {
    const startedMs = performance.now();
    await a.write(key, `value ${round}`);
    await until(told, `value ${round}`);
    tookMs.push(performance.now() - startedMs);
  }
  expect(Math.min(...tookMs)).toBeLessThan(200);
});

it('what a Redis client writes, deletes and lets expire is told', async () => {
  const key = freshKey();
  const told = collect(a, [key]);
  await until(told, undefined);
  await shard.master.client.set(key, 'by hand');
  await until(told, 'by hand');
  await shard.master.client.set(key, 'for a while', 'PX', 300);
  await until(told, 'for a while');
  await until(told, undefined);
});

it.each(['pubsub', 'normal'] as const)(
  'a change whose announcement is lost with its connection (%s) is told all the same',
  async (type) => {
    const key = freshKey();
    await a.write(key, 'before');
    const told = collect(a, [key]);
    await until(told, 'before');
    await eventually(() => a.holds(key));
    const kills = [shard.master, ...shard.replicas].map((node) =>
      node.client.call('CLIENT', 'KILL', 'TYPE', type),
    );
    await Promise.all([...kills, shard.master.client.set(key, 'after')]);
    await until(told, 'after');
  },
  START_MS,
);

it('without anybody who announces, a change is seen when the near cache lets go of the key', async () => {
  const quiet = await openGateway(shard.config, { kind: 'none', nearTtlMs: 1000 });
  const key = freshKey();
  await shard.master.client.set(key, 'before');
  await shard.inSync();
  const told = collect(quiet, [key]);
  await until(told, 'before');
  await shard.master.client.set(key, 'after');
  await until(told, 'after');
  await quiet.close();
});

it('what is relayed and names no keys is told as well', async () => {
  const key = freshKey();
  await a.write(key, 'before');
  const told = collect(a, [key]);
  await until(told, 'before');
  await eventually(() => a.holds(key));
  const startedMs = performance.now();
  await ask(a.relay!, 'FLUSHALL', { keys: [], at: 0, isUnbounded: true });
  await until(told, undefined);
  expect(performance.now() - startedMs).toBeLessThan(900);
});

it('under COHERENCE=pubsub, changes through any gateway are told, at once and not by the next look', async () => {
  const [c, d] = await Promise.all([1, 2].map(() => openGateway(shard.config, { kind: 'pubsub' })));
  const key = freshKey();
  await c!.write(key, 'before');
  const told = collect(c!, [key]);
  await until(told, 'before');
  await eventually(() => c!.holds(key));
  const tookMs: number[] = [];
  for (let round = 0; round < 10; round++) {
    const startedMs = performance.now();
    await (round % 2 === 0 ? d! : c!).write(key, `value ${round}`);
    await until(told, `value ${round}`);
    tookMs.push(performance.now() - startedMs);
    await eventually(() => c!.holds(key));
  }
  expect(Math.min(...tookMs)).toBeLessThan(200);
  await d!.remove(key);
  await until(told, undefined);
  await Promise.all([c!.close(), d!.close()]);
});

it('changes come to all who watch, and nobody is told the same twice', async () => {
  const key = freshKey();
  const all = [a, a, a, b, b].map((gateway) => collect(gateway, [key]));
  await Promise.all(all.map((told) => until(told, undefined)));
  for (let round = 0; round < 50; round++) await b.write(key, `value ${round}`);
  await Promise.all(all.map((told) => until(told, 'value 49')));
  for (const told of all) {
    told.forEach((value, index) => expect(value).not.toBe(told[index + 1] ?? Symbol('none')));
  }
});
