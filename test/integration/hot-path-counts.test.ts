/**
 * What a request costs in things that can be counted and do not depend on the machine: commands to Redis, and writes to
 * Redis and to clients. Who makes one of them more has to say why.
 */
import type { Command, Key, Reply } from '../../src/core/command';
import { eventually } from '../support/eventually';
import { DEADLINE_MS, anyone } from '../support/held-cache';
import { startRedis, startShard, type RedisProcess, type ShardProcesses } from '../support/redis';
import { openRespGateway, type RespGateway } from '../support/resp-gateway';
import { noteWrites } from '../support/written';

const VALUE = 'v'.repeat(100);
/** Fewer than after which a connection looks at the clock, and may leave the rest to another turn. */
const COUNT = 60;
/** The commands that carry requests; what watches over nodes is sent at its own pace. */
const DATA = ['GETRANGE', 'GET', 'PTTL', 'SET', 'DEL', 'ROLE'];

let redis: RedisProcess;
let shard: ShardProcesses;
let writes: ReturnType<typeof noteWrites>;
let near: RespGateway;
let plain: RespGateway;
let replicated: RespGateway;

beforeAll(async () => {
  redis = await startRedis();
  writes = noteWrites();
  const shards = [{ name: 'main', master: redis.address, replicas: [] }];
  near = await openRespGateway({ shards });
  plain = await openRespGateway({ shards, nearEntries: 0 });
  shard = await startShard({ name: 'replicated', replicas: 1 });
  replicated = await openRespGateway({ shards: [shard.config], nearEntries: 0 });
  await eventually(() => replicated.cache.ready());
});
afterAll(async () => {
  await near.close();
  await plain.close();
  await replicated.close();
  writes.restore();
  await redis.stop();
  await shard.stop();
});

const keyOf = (name: string, index: number): Key => `${name}:${index}` as Key;
const read = (key: Key): Command => ({ command: 'READ', key, consistency: 'eventual' });
const write = (key: Key): Command => ({
  command: 'WRITE',
  key,
  value: VALUE,
  ttlMs: undefined,
  condition: undefined,
  encrypt: undefined,
  ack: 0,
});

const remove = (key: Key): Command => ({ command: 'DELETE', key, ack: 0 });

async function execute({ cache }: RespGateway, command: Command): Promise<Reply> {
  return cache.execute(anyone, command, performance.now() + DEADLINE_MS);
}

/** All in one turn of the event loop. */
async function executeAll(gateway: RespGateway, commands: readonly Command[]): Promise<void> {
  const replies = await Promise.all(commands.map((command) => execute(gateway, command)));
  expect(replies.every(({ status }) => status === 'SUCCESS')).toBe(true);
}

async function put(name: string, client = redis.client): Promise<readonly Key[]> {
  const keys = Array.from({ length: COUNT }, (_, index) => keyOf(name, index));
  await client.mset(Object.fromEntries(keys.map((key) => [key, VALUE])));
  return keys;
}

/** The same, in the near cache too. */
async function putNear(name: string): Promise<readonly Key[]> {
  const keys = await put(name);
  await eventually(async () => {
    await executeAll(near, keys.map(read));
    return keys.every((key) => near.cache.isNear(anyone, key));
  });
  return keys;
}

/** How often Redis has carried out each data command while `work` went on, and in how many writes they left. */
async function countedIn(
  work: () => Promise<unknown>,
  client = redis.client,
): Promise<Record<string, number>> {
  await client.config('RESETSTAT');
  writes.take();
  await work();
  const { port } = client.options;
  const carriesData = ({ text }: { readonly text: string }): boolean =>
    DATA.some((word) => text.toUpperCase().includes(`\r\n${word}\r\n`));
  const toRedis = writes.take().filter((write) => write.remotePort === port && carriesData(write));
  const counts: Record<string, number> = { writes: toRedis.length };
  for (const [, name = '', calls] of (await client.info('commandstats')).matchAll(
    /cmdstat_(\w+):calls=(\d+)/g,
  )) {
    if (DATA.includes(name.toUpperCase())) counts[name.toUpperCase()] = Number(calls);
  }
  return counts;
}

describe('what leaves for Redis', () => {
  it('for near hits: nothing', async () => {
    const keys = await putNear('hit');
    expect(await countedIn(() => executeAll(near, keys.map(read)))).toEqual({ writes: 0 });
  });

  it('for READs of one turn that miss: value and life of each, in one write', async () => {
    const keys = await put('miss');
    expect(await countedIn(() => executeAll(near, keys.map(read)))).toEqual({
      GETRANGE: COUNT,
      PTTL: COUNT,
      writes: 1,
    });
  });

  it('for READs of one turn without a near cache: the value of each, in one write', async () => {
    const keys = await put('plain');
    expect(await countedIn(() => executeAll(plain, keys.map(read)))).toEqual({ GETRANGE: COUNT, writes: 1 });
  });

  it('for equal READs at the same time: one question', async () => {
    const [key] = await put('same');
    const reads = Array.from({ length: COUNT }, () => read(key!));
    expect(await countedIn(() => executeAll(plain, reads))).toEqual({ GETRANGE: 1, writes: 1 });
  });

  it('for a batch of READs: a small window first, then the rest together', async () => {
    const keys = await put('batch');
    const batch = async (): Promise<void> => {
      const replies = await plain.cache.executeBatch(anyone, keys.map(read), performance.now() + DEADLINE_MS);
      expect(replies).toHaveLength(COUNT);
    };
    expect(await countedIn(batch)).toEqual({ GETRANGE: COUNT, writes: 2 });
  });

  it.each([
    ['WRITEs', 'SET', write],
    ['DELETEs', 'DEL', remove],
  ])('for %s of one turn: each, in one write', async (_what, name, change) => {
    const keys = await put('changed');
    expect(await countedIn(() => executeAll(plain, keys.map(change)))).toEqual({ [name]: COUNT, writes: 1 });
  });

  it.each([
    ['WRITEs', 'SET', write],
    ['DELETEs', 'DEL', remove],
  ])(
    'for %s of one turn where there are replicas: one ROLE behind all of them',
    async (_what, name, change) => {
      const keys = await put('replicated', shard.master.client);
      expect(await countedIn(() => executeAll(replicated, keys.map(change)), shard.master.client)).toEqual({
        [name]: COUNT,
        ROLE: 1,
        writes: 1,
      });
    },
  );

  it('for a pipeline of the Redis protocol: one write for it, too', async () => {
    const keys = await put('relayed');
    const client = await plain.connect();
    try {
      const gets = keys.map((key) => ['GET', key] as const);
      // As long as it is not known how long replies are, few are asked for at a time.
      await client.pipeline(...gets);
      expect(await countedIn(() => client.pipeline(...gets))).toEqual({ GET: COUNT, writes: 1 });
      const sets = keys.map((key) => ['SET', key, VALUE] as const);
      expect(await countedIn(() => client.pipeline(...sets))).toEqual({ SET: COUNT, writes: 1 });
    } finally {
      client.close();
    }
  });
});

describe('what leaves for clients of the Redis protocol', () => {
  /** In how many writes the replies to these left. */
  async function writesOf(gateway: RespGateway, commands: readonly (readonly string[])[]): Promise<number> {
    const client = await gateway.connect();
    // As long as it is not known how long replies are, few are asked for at a time.
    await client.pipeline(...commands);
    writes.take();
    try {
      expect(await client.pipeline(...commands)).toHaveLength(commands.length);
      return writes.take().filter(({ localPort }) => localPort === gateway.port).length;
    } finally {
      client.close();
    }
  }

  it('the replies to a pipeline of near hits, in one write', async () => {
    const keys = await putNear('hit');
    expect(
      await writesOf(
        near,
        keys.map((key) => ['GET', key]),
      ),
    ).toBe(1);
  });

  it('what Redis answers at once, in one write', async () => {
    const keys = await put('passed');
    expect(
      await writesOf(
        plain,
        keys.map((key) => ['INCRBY', `${key}:n`, '1']),
      ),
    ).toBe(1);
  });
});
