/** MGET of many keys, and of large ones, through the RESP door. */
import { openRespGateway, type RespGateway } from '../support/resp-gateway';
import { ReplyError, type RespClient } from '../support/resp-client';
import { startShards, type ShardProcesses } from '../support/redis';

jest.setTimeout(60_000);

const TOO_LARGE = expect.objectContaining({ message: expect.stringMatching(/^ERR .* fewer keys\.$/) });
const LARGE = 'x'.repeat(900_000);

describe.each([
  { shardCount: 1, nearEntries: 0 },
  { shardCount: 1, nearEntries: 1000 },
  { shardCount: 3, nearEntries: 0 },
])('with $shardCount shards and $nearEntries near entries', ({ shardCount, nearEntries }) => {
  let shards: ShardProcesses[];
  let gateway: RespGateway;
  let client: RespClient;

  beforeAll(async () => {
    shards = await startShards(shardCount, 0);
    gateway = await openRespGateway({
      shards: shards.map(({ config }) => config),
      nearEntries,
      // 72 MB are read before they are refused.
      limits: { requestTimeoutMs: 20_000 },
    });
    client = await gateway.connect();
  });
  afterAll(async () => {
    await gateway.close();
    await Promise.all(shards.map((shard) => shard.stop()));
  });

  test('values of hundreds of keys come in their order, absent ones and repeated ones among them', async () => {
    const keys = Array.from({ length: 700 }, (_, at) => `k:${at % 650}`);
    await client.send('MSET', ...keys.filter((_, at) => at % 3 !== 0).flatMap((key) => [key, `of ${key}`]));
    await client.send('DEL', ...keys.filter((_, at) => at % 650 === at && at % 3 === 0));
    const reply = await client.send('MGET', ...keys);
    expect(reply).toEqual(keys.map((key) => (Number(key.slice(2)) % 3 === 0 ? null : `of ${key}`)));
  });

  test('a change behind it is not read by it, and one before it is', async () => {
    const keys = Array.from({ length: 100 }, (_, at) => `o:${at}`);
    await client.send('MSET', ...keys.flatMap((key) => [key, 'old']));
    const replies = await client.pipeline(
      ['SET', 'o:98', 'new'],
      ['MGET', ...keys],
      ['SET', 'o:99', 'newer'],
      ['MGET', ...keys],
      ['GET', 'o:99'],
    );
    expect((replies[1] as string[]).slice(97)).toEqual(['old', 'new', 'old']);
    expect((replies[3] as string[]).slice(97)).toEqual(['old', 'new', 'newer']);
    expect(replies[4]).toBe('newer');
  });

  test('more than fits into one reply is refused, and the connection goes on', async () => {
    const keys = Array.from({ length: 80 }, (_, at) => `l:${at % 2}`);
    await client.pipeline(['SET', 'l:0', LARGE], ['SET', 'l:1', LARGE]);
    expect(await client.send('MGET', ...keys)).toEqual(TOO_LARGE);
    expect(await client.send('MGET', 'l:0', 'l:1')).toEqual([LARGE, LARGE]);
  });

  test('one that is no value and one without a right to it', async () => {
    await client.send('RPUSH', 'list', 'x');
    const keys = Array.from({ length: 40 }, () => 'list');
    expect(await client.send('MGET', ...keys)).toEqual(keys.map(() => null));
    const narrow = await gateway.connect(gateway.secretFor(['read'], ['k:']));
    expect(await narrow.send('MGET', ...keys.map((_, at) => `k:${at}`), 'list')).toEqual(
      expect.any(ReplyError),
    );
  });
});

test('keys of which nothing is known are asked for a few at a time', async () => {
  const [shard] = (await startShards(1, 0)) as [ShardProcesses];
  const gateway = await openRespGateway({ shards: [shard.config], nearEntries: 0 });
  try {
    const client = await gateway.connect();
    const calls = async (): Promise<number> => {
      const stats = await shard.master.client.info('commandstats');
      return Number(/cmdstat_mget:calls=(\d+)/.exec(stats)?.[1] ?? 0);
    };
    const keys = Array.from({ length: 48 }, (_, at) => `c:${at}`);
    await client.send('MGET', ...keys.slice(0, 16));
    expect(await calls()).toBe(1);
    // 16, then 32 of the short ones.
    await client.send('MGET', ...keys);
    expect(await calls()).toBe(3);
    for (const key of keys) await client.send('SET', key, LARGE.slice(0, 300_000));
    // 16 three times: they are not short.
    await client.send('MGET', ...keys);
    expect(await calls()).toBe(6);
  } finally {
    await gateway.close();
    await shard.stop();
  }
});
