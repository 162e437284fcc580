/** A pipeline over the RESP door behaves as it would at one Redis, whichever ways its commands go. */
import type { RespClient } from '../support/resp-client';
import { openRespGateway, type RespGateway } from '../support/resp-gateway';
import { eventually } from '../support/eventually';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy';
import { startShards, type ShardProcesses } from '../support/redis';

jest.setTimeout(40_000);

describe.each([
  { shards: 1, nearEntries: 1000 },
  { shards: 1, nearEntries: 0 },
  { shards: 3, nearEntries: 1000 },
])('with $shards shards and a near cache of $nearEntries', ({ shards: shardCount, nearEntries }) => {
  let shards: ShardProcesses[];
  let gateway: RespGateway;
  let client: RespClient;

  beforeAll(async () => {
    shards = await startShards(shardCount, 1);
    gateway = await openRespGateway({ shards: shards.map(({ config }) => config), nearEntries });
  });
  beforeEach(async () => {
    client = await gateway.connect();
  });
  afterEach(() => client.close());
  afterAll(async () => {
    await gateway.close();
    await Promise.all(shards.map((shard) => shard.stop()));
  });

  test('each GET of a pipeline sees the SET before it, and not the one behind it', async () => {
    for (let round = 0; round < 20; round += 1) {
      const commands = Array.from({ length: 50 }, (_, at) => [
        ['SET', `order:${at % 5}`, `${round}.${at}`],
        ['GET', `order:${at % 5}`],
        ['GET', `order:${(at + 1) % 5}`],
      ]).flat();
      const replies = await client.pipeline(...commands);
      const stored = new Map<string, string>();
      commands.forEach(([name, key, value], at) => {
        if (name === 'SET') stored.set(key!, value!);
        else if (stored.has(key!)) expect(replies[at]).toBe(stored.get(key!));
      });
    }
  });

  test('a GET is not overtaken by the SET behind it', async () => {
    for (let round = 0; round < 50; round += 1) {
      const key = `overtaken:${round}`;
      await client.send('SET', key, 'old');
      expect(await client.pipeline(['GET', key], ['SET', key, 'new'], ['GET', key])).toEqual([
        'old',
        'OK',
        'new',
      ]);
    }
  });

  test('what is written is read at once, also through MGET, DEL and EXISTS', async () => {
    for (let round = 0; round < 30; round += 1) {
      const keys = Array.from({ length: 6 }, (_, at) => `own:${round}:${at}`);
      const replies = await client.pipeline(
        ['MSET', ...keys.flatMap((key) => [key, `v ${key}`])],
        ['MGET', ...keys],
        ['DEL', keys[0]!, keys[3]!],
        ['MGET', ...keys],
        ['EXISTS', ...keys, keys[1]!],
        ['UNLINK', ...keys],
        ['MGET', ...keys],
      );
      const values = keys.map((key) => `v ${key}`);
      expect(replies).toEqual([
        'OK',
        values,
        2,
        values.map((value, at) => (at === 0 || at === 3 ? null : value)),
        5,
        4,
        keys.map(() => null),
      ]);
    }
  });

  test('commands of all keys see what was written before them, and those behind them what they did', async () => {
    for (let round = 0; round < 10; round += 1) {
      const keys = Array.from({ length: 8 }, (_, at) => `all:${at}`);
      const replies = await client.pipeline(
        ...keys.map((key) => ['SET', key, 'x']),
        ['DBSIZE'],
        ['GET', keys[2]!],
        ['FLUSHALL'],
        ['DBSIZE'],
        ...keys.map((key) => ['GET', key]),
      );
      expect(replies[8]).toBeGreaterThanOrEqual(8);
      expect(replies.slice(9)).toEqual(['x', 'OK', 0, ...keys.map(() => null)]);
    }
  });

  test('a script sees what was written before it, and its changes are read behind it', async () => {
    const script = "redis.call('SET', KEYS[1], redis.call('GET', KEYS[1]) .. '!') return 'done'";
    for (let round = 0; round < 20; round += 1) {
      const replies = await client.pipeline(
        ['SET', 'script', 'a'],
        ['GET', 'script'],
        ['EVAL', script, '1', 'script'],
        ['GET', 'script'],
        ['GET', 'script'],
      );
      expect(replies).toEqual(['OK', 'a', 'done', 'a!', 'a!']);
    }
  });

  test('ten thousand commands in one packet are answered in their order', async () => {
    const commands = Array.from({ length: 10_000 }, (_, at) =>
      at % 3 === 0
        ? ['SET', `many:${at % 100}`, String(at)]
        : at % 3 === 1
          ? ['ECHO', String(at)]
          : ['INCR', 'many'],
    );
    await client.send('DEL', 'many');
    const replies = await client.pipeline(...commands);
    let count = 0;
    replies.forEach((reply, at) => {
      expect(reply).toBe(at % 3 === 0 ? 'OK' : at % 3 === 1 ? String(at) : (count += 1));
    });
  });
});

describe.each([{ shards: 1 }, { shards: 2 }])(
  'with slow replicas of $shards shards',
  ({ shards: shardCount }) => {
    let shards: ShardProcesses[];
    /** On the way to the replicas of the gateway; they hear of changes by themselves. */
    let ways: TcpProxy[];
    let gateway: RespGateway;
    let client: RespClient;

    beforeAll(async () => {
      shards = await startShards(shardCount, 1);
      ways = await Promise.all(shards.map(({ replicas: [replica] }) => startTcpProxy(replica!)));
      gateway = await openRespGateway({
        shards: shards.map(({ config }, at) => ({
          ...config,
          replicas: [{ ...config.master, port: ways[at]!.port }],
        })),
      });
      client = await gateway.connect();
    });
    afterAll(async () => {
      await gateway.close();
      await Promise.all(ways.map((way) => way.close()));
      await Promise.all(shards.map((shard) => shard.stop()));
    });

    test.each([['DEL', 'slow'], ['EVAL', "redis.call('DEL', KEYS[1])", '1', 'slow'], ['FLUSHALL']])(
      'a read that a replica answers late is not overtaken by %s',
      async (...change) => {
        const reads = async (): Promise<number> => {
          const infos = await Promise.all(
            shards.map(({ replicas: [replica] }) => replica!.client.info('commandstats')),
          );
          return infos.reduce((sum, info) => sum + Number(/hget:calls=(\d+)/.exec(info)?.[1] ?? 0), 0);
        };
        await client.send('HSET', 'slow', 'f', 'v');
        await eventually(async () => {
          const before = await reads();
          await client.send('HGET', 'slow', 'f');
          return (await reads()) > before;
        });
        for (const way of ways) way.pause('up');
        setTimeout(() => {
          for (const way of ways) way.resume();
        }, 150);
        const replies = await client.pipeline(['HGET', 'slow', 'f'], change, ['HGET', 'slow', 'f']);
        expect([replies[0], replies[2]]).toEqual(['v', null]);
      },
    );
  },
);
