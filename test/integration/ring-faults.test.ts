/** What breaks on purpose in one shard of 1 + 3, under load, and what the ring engine must make of it. */
import type { Key } from '../../src/core/command';
import { CacheError } from '../../src/core/errors';
import type { Engine } from '../../src/core/ports';
import { systemClock as clock } from '../../src/lib/clock';
import { eventually } from '../support/eventually';
import { startShard, type ShardProcesses } from '../support/redis';
import { openTestRing, STORED_BYTES_MAX } from '../support/ring';
import { startTcpProxy } from '../support/tcp-proxy';

/** As `REQUEST_TIMEOUT_MS` has it. */
const DEADLINE_MS = 2000;
const KEYS = Array.from({ length: 50 }, (_, n) => `key-${n}` as Key);

let shard: ShardProcesses;
let engine: Engine;

beforeEach(async () => {
  shard = await startShard({ name: 'a', replicas: 3 });
  engine = await openTestRing(shard.config);
  for (const key of KEYS) await write(key, 'v');
  await shard.inSync();
  // Reads are spread over all three replicas from here on.
  await eventually(() => engine.status()[0]!.nodes.every((node) => node.healthy));
});
afterEach(async () => {
  await engine.close();
  await shard.stop();
});

const read = (key: Key) =>
  engine.read(key, { consistency: 'eventual', withLife: true, deadlineMs: clock.now() + DEADLINE_MS });
const write = (key: Key, text: string) =>
  engine.write(key, Buffer.from(text), {
    ttlMs: 0,
    condition: undefined,
    ack: 0,
    deadlineMs: clock.now() + DEADLINE_MS,
  });

/** Far fewer turns of the event loop than pass until a question to a node is given up. */
async function someTurns(): Promise<void> {
  for (let n = 0; n < 100; n += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** What went wrong in a stretch of load, and how long the slowest answer took. */
interface Load {
  readonly reads: number;
  readonly misses: number;
  readonly errors: readonly CacheError[];
  readonly slowestMs: number;
}

/** Reads and, if wished, writes all keys with eight clients until `until` resolves. */
async function loadUntil(until: Promise<unknown>, options: { writes: boolean }): Promise<Load> {
  let over = false;
  void until.finally(() => {
    over = true;
  });
  const errors: CacheError[] = [];
  let reads = 0;
  let misses = 0;
  let slowestMs = 0;
  const client = async (id: number): Promise<void> => {
    for (let n = id; !over; n += 1) {
      const key = KEYS[n % KEYS.length]!;
      const startedMs = clock.now();
      try {
        if (options.writes && n % 4 === 0) await write(key, 'v');
        else {
          reads += 1;
          if ((await read(key)) === undefined) misses += 1;
        }
      } catch (error) {
        errors.push(error as CacheError);
      }
      slowestMs = Math.max(slowestMs, clock.now() - startedMs);
    }
  };
  await Promise.all(Array.from({ length: 8 }, (_, id) => client(id)));
  return { reads, misses, errors, slowestMs };
}

it.each([
  ['SIGKILL', (victim: ShardProcesses['replicas'][number]) => victim.kill()],
  [
    'SIGSTOP',
    (victim: ShardProcesses['replicas'][number]) => {
      victim.freeze();
      return Promise.resolve();
    },
  ],
])('%s of a replica under load costs nobody an error', async (_signal, strike) => {
  const victim = shard.replicas[1]!;
  const struck = strike(victim).then(() =>
    eventually(() => engine.status()[0]!.nodes.some((node) => node.role === 'replica' && !node.healthy)),
  );
  const during = await loadUntil(struck, { writes: true });
  const after = await loadUntil(
    eventually(() => countTo(20)),
    { writes: true },
  );
  for (const load of [during, after]) {
    expect(load.errors).toEqual([]);
    expect(load.misses).toBe(0);
    expect(load.slowestMs).toBeLessThan(DEADLINE_MS);
  }
  victim.thaw();
});

it('a replica that comes back serves again by itself', async () => {
  const victim = shard.replicas[0]!;
  await victim.kill();
  await eventually(() => engine.status()[0]!.nodes.some((node) => !node.healthy));
  await victim.restart();
  const load = await loadUntil(
    eventually(() => engine.status()[0]!.nodes.every((node) => node.healthy), 10_000),
    { writes: true },
  );
  expect(load.errors).toEqual([]);
  expect(load.misses).toBe(0);
});

it('without its master a shard refuses writes at once and goes on reading', async () => {
  await shard.master.kill();
  await eventually(() => engine.status()[0]!.nodes.some((node) => node.role === 'master' && !node.healthy));
  const load = await loadUntil(
    eventually(() => countTo(20)),
    { writes: false },
  );
  expect(load).toMatchObject({ errors: [], misses: 0 });
  expect(load.reads).toBeGreaterThan(100);
  const startedMs = clock.now();
  await expect(write(KEYS[0]!, 'w')).rejects.toMatchObject({ code: 'unavailable' });
  // Refused without a question to anybody; the bound is generous for a busy machine.
  expect(clock.now() - startedMs).toBeLessThan(DEADLINE_MS / 4);
});

it('SIGKILL of the master under load: what fails is refused within the deadline, and reads go on', async () => {
  const struck = shard.master.kill().then(() => eventually(() => countTo(20)));
  const load = await loadUntil(struck, { writes: true });
  expect(load.slowestMs).toBeLessThan(DEADLINE_MS);
  for (const error of load.errors) expect(error.code).toBe('unavailable');
  expect(load.misses).toBe(0);
});

it('writes work again within a second of the master being back', async () => {
  await shard.master.kill();
  await eventually(() => engine.status()[0]!.nodes.some((node) => node.role === 'master' && !node.healthy));
  await shard.master.restart();
  const backMs = clock.now();
  await eventually(() => write(KEYS[0]!, 'again'));
  expect(clock.now() - backMs).toBeLessThan(1000);
  expect((await read(KEYS[0]!))?.bytes.toString()).toBe('again');
});

it('with all nodes gone everything fails at once, and works again within a second of their return', async () => {
  const nodes = [shard.master, ...shard.replicas];
  await Promise.all(nodes.map((node) => node.kill()));
  await eventually(() => !engine.ready());
  const startedMs = clock.now();
  await expect(read(KEYS[0]!)).rejects.toMatchObject({ code: 'unavailable' });
  await expect(write(KEYS[0]!, 'w')).rejects.toMatchObject({ code: 'unavailable' });
  expect(clock.now() - startedMs).toBeLessThan(500);
  await Promise.all(nodes.map((node) => node.restart()));
  const backMs = clock.now();
  await eventually(() => write(KEYS[0]!, 'again'));
  expect(clock.now() - backMs).toBeLessThan(1000);
}, 20_000);

it('a frozen master costs a write its deadline once; then writes are refused at once, until it wakes', async () => {
  shard.master.freeze();
  const startedMs = clock.now();
  await expect(write(KEYS[0]!, 'w')).rejects.toBeInstanceOf(CacheError);
  expect(clock.now() - startedMs).toBeLessThan(DEADLINE_MS + 500);
  const laterMs = clock.now();
  await expect(write(KEYS[0]!, 'w')).rejects.toMatchObject({ code: 'unavailable' });
  expect(clock.now() - laterMs).toBeLessThan(500);
  expect(await read(KEYS[1]!)).toBeDefined();
  shard.master.thaw();
  await eventually(() => write(KEYS[0]!, 'again'), 2000);
}, 20_000);

it('a write that is too late is refused at once, also while its master says nothing', async () => {
  shard.master.freeze();
  const options = { ttlMs: 0, condition: undefined, ack: 0, deadlineMs: clock.now() - 1 } as const;
  const late = engine.write(KEYS[0]!, Buffer.from('w'), options).catch((error: unknown) => error);
  expect(await Promise.race([late, someTurns()])).toMatchObject({
    message: expect.stringContaining('Nothing was done') as string,
  });
  shard.master.thaw();
});

it('a write for which there is no room on the way to the master is refused at once, and the master is not asked why', async () => {
  const proxy = await startTcpProxy(shard.master);
  const master = { ...shard.master.address, host: proxy.host, port: proxy.port };
  const narrow = await openTestRing({ ...shard.config, master });
  const send = (key: string, waitMs: number): Promise<unknown> =>
    narrow
      .write(key as Key, Buffer.alloc(1024 * 1024), {
        ...{ ttlMs: 0, condition: undefined, ack: 0, deadlineMs: clock.now() + waitMs },
      })
      .catch((error: unknown) => error);
  try {
    proxy.pause('up');
    // Given up before the master counts as silent.
    const givenUp = Array.from({ length: 80 }, (_, n) => send(`large-${n}`, 200));
    for (const outcome of await Promise.all(givenUp)) {
      expect(outcome).toMatchObject({ message: expect.stringContaining('may stand') as string });
    }
    expect(await Promise.race([send('one-too-many', 10_000), someTurns()])).toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('too much to do. Nothing was done') as string,
    });
    proxy.resume();
    await eventually(async () => (await shard.master.client.exists('large-0', 'large-79')) === 2);
    expect(await shard.master.client.exists('one-too-many')).toBe(0);
  } finally {
    await narrow.close();
    await proxy.close();
  }
}, 20_000);

it('what is no value, or too large for one, is not read, and a full master says so', async () => {
  await shard.master.client.hset('hash', 'field', 'v');
  await shard.inSync();
  await expect(read('hash' as Key)).rejects.toMatchObject({ code: 'corrupt_value' });
  await shard.master.client.set('huge', Buffer.alloc(STORED_BYTES_MAX + 1));
  await shard.inSync();
  await expect(read('huge' as Key)).rejects.toMatchObject({ code: 'too_large' });
  await shard.master.client.config('SET', 'maxmemory', '1');
  await expect(write(KEYS[0]!, 'w')).rejects.toMatchObject({ code: 'out_of_memory' });
  expect(await read(KEYS[0]!)).toBeDefined();
});

/** False until it has been asked so often: a stretch of load that does not hang on the clock. */
let count = 0;
function countTo(n: number): boolean {
  count += 1;
  if (count < n) return false;
  count = 0;
  return true;
}
