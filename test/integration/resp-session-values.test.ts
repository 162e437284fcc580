/** Values of the gateway through the RESP door: encrypted ones, their default life, and own writes while replicas lag. */
import { ReplyError, type RespClient } from '../support/resp-client';
import { openRespGateway, type RespGateway } from '../support/resp-gateway';
import { startShard, startShards, type ShardProcesses } from '../support/redis';

jest.setTimeout(40_000);

describe.each([{ shards: 1 }, { shards: 3 }])('encrypted, with $shards shards', ({ shards: shardCount }) => {
  let shards: ShardProcesses[];
  let gateway: RespGateway;
  let client: RespClient;

  beforeAll(async () => {
    shards = await startShards(shardCount, 1);
    gateway = await openRespGateway({ shards: shards.map(({ config }) => config), encrypts: true });
    client = await gateway.connect();
  });
  afterAll(async () => {
    await gateway.close();
    await Promise.all(shards.map((shard) => shard.stop()));
  });

  /** What lies under a key on whichever master has it. */
  const stored = async (key: string): Promise<Buffer | null> => {
    const found = await Promise.all(shards.map(({ master }) => master.client.getBuffer(key)));
    return found.find((each) => each !== null) ?? null;
  };

  test('each form of SET encrypts, and each form of GET decrypts', async () => {
    const writes = [
      ['SET', 'e:1', 'secret'],
      ['SETEX', 'e:1', '100', 'secret'],
      ['PSETEX', 'e:1', '100000', 'secret'],
      ['MSET', 'e:1', 'secret', 'e:2', 'secret', 'e:3', 'secret'],
      ['GETSET', 'e:1', 'secret'],
      ['SET', 'e:1', 'secret', 'GET'],
    ];
    for (const write of writes) {
      await client.send(...write);
      expect((await stored('e:1'))!.includes('secret')).toBe(false);
      expect(await client.send('GET', 'e:1')).toBe('secret');
    }
    await client.send('DEL', 'e:1');
    expect(await client.send('SETNX', 'e:1', 'secret')).toBe(1);
    expect((await stored('e:1'))!.includes('secret')).toBe(false);
    expect(await client.send('MGET', 'e:1', 'e:none', 'e:2', 'e:3')).toEqual([
      'secret',
      null,
      'secret',
      'secret',
    ]);
    expect(await client.pipeline(['SET', 'e:1', 'v'], ['MGET', 'e:1', 'e:2'])).toEqual([
      'OK',
      ['v', 'secret'],
    ]);
    expect(await client.send('GETEX', 'e:1', 'EX', '50')).toBe('v');
    expect(await client.send('GETSET', 'e:1', 'w')).toBe('v');
    expect(await client.send('SET', 'e:1', 'x', 'GET')).toBe('w');
    expect(await client.send('GETDEL', 'e:1')).toBe('x');
  });

  test('EXEC decrypts in its places', async () => {
    await client.send('MSET', '{e}:a', 'one', '{e}:b', 'two');
    const replies = await client.pipeline(
      ['MULTI'],
      ['GET', '{e}:a'],
      ['MGET', '{e}:b', '{e}:none', '{e}:a'],
      ['SET', '{e}:a', 'three', 'GET'],
      ['GETDEL', '{e}:b'],
      ['TTL', '{e}:a'],
      ['GET', '{e}:a'],
      ['EXEC'],
    );
    expect(replies.at(-1)).toEqual(['one', ['two', null, 'one'], 'one', 'two', -1, 'three']);
  });

  test('a part of a value cannot be changed', async () => {
    await client.send('SET', 'e:part', 'abc');
    for (const command of [
      ['APPEND', 'e:part', 'd'],
      ['SETRANGE', 'e:part', '0', 'x'],
      ['SETBIT', 'e:part', '1', '1'],
    ]) {
      expect(await client.send(...command)).toEqual(
        new ReplyError('ERR Values are encrypted here, so a part of one cannot be changed.'),
      );
    }
    expect(await client.send('GET', 'e:part')).toBe('abc');
  });

  test('what is no value of the gateway is read as it lies there, and what does not decrypt is an error', async () => {
    await client.send('SET', '{e}:moved', 'x');
    const rename = "return redis.call('rename', KEYS[1], KEYS[2])";
    expect(await client.send('EVAL', rename, '2', '{e}:moved', '{e}:elsewhere')).toBe('OK');
    const corrupt = expect.objectContaining({ message: expect.stringMatching(/^ERR .*cannot be decrypted/) });
    expect(await client.send('GET', '{e}:elsewhere')).toEqual(corrupt);
    await client.send('RPUSH', '{e}:list', 'x');
    expect(await client.send('GET', '{e}:list')).toEqual(
      new ReplyError('WRONGTYPE Operation against a key holding the wrong kind of value'),
    );
    expect(await client.send('MGET', '{e}:elsewhere', '{e}:list')).toEqual([corrupt, null]);
    expect(await client.send('SET', '{e}:elsewhere', 'again')).toBe('OK');
    expect(await client.send('GET', '{e}:elsewhere')).toBe('again');
  });
});

test('values that are written without a life get the default one', async () => {
  const shards = await startShards(3, 0);
  const gateway = await openRespGateway({ shards: shards.map(({ config }) => config), defaultTtlMs: 60_000 });
  try {
    const client = await gateway.connect();
    const lives = async (...keys: string[]): Promise<void> => {
      for (const key of keys) {
        const ttl = Number(await client.send('PTTL', key));
        expect(ttl).toBeGreaterThan(50_000);
        expect(ttl).toBeLessThanOrEqual(60_000);
      }
    };
    expect(await client.send('SET', 'a', 'x')).toBe('OK');
    expect(await client.send('SETNX', 'b', 'x')).toBe(1);
    expect(await client.send('SETNX', 'b', 'y')).toBe(0);
    expect(await client.send('GETSET', 'c', 'x')).toBeNull();
    expect(await client.send('MSET', ...['d', 'e', 'f', 'g', 'h'].flatMap((key) => [key, 'x']))).toBe('OK');
    expect(
      await client.pipeline(['MULTI'], ['MSET', '{i}', '1', '{i}j', '2'], ['GET', '{i}j'], ['EXEC']),
    ).toEqual(['OK', 'QUEUED', 'QUEUED', ['OK', '2']]);
    await lives('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', '{i}', '{i}j');
    expect(await client.pipeline(['SET', 'a', 'x', 'EX', '10'], ['TTL', 'a'])).toEqual(['OK', 10]);
  } finally {
    await gateway.close();
    await Promise.all(shards.map((shard) => shard.stop()));
  }
});

test('own writes are read while the replicas hear of nothing', async () => {
  const shard = await startShard({ name: 'main', replicas: 2, replicationThroughProxy: true });
  const gateway = await openRespGateway({ shards: [shard.config] });
  try {
    const client = await gateway.connect();
    await client.pipeline(['SET', 'lag:1', 'old'], ['SET', 'lag:2', 'old'], ['HSET', 'lag:h', 'f', 'old']);
    await shard.inSync();
    await client.pipeline(['GET', 'lag:1'], ['GET', 'lag:2'], ['HGET', 'lag:h', 'f']);
    shard.pauseReplication();
    expect(
      await client.pipeline(
        ['GET', 'lag:1'],
        ['SET', 'lag:1', 'new'],
        ['GET', 'lag:1'],
        ['HSET', 'lag:h', 'f', 'new'],
        ['HGET', 'lag:h', 'f'],
        ['MULTI'],
        ['SET', 'lag:2', 'new'],
        ['EXEC'],
        ['MGET', 'lag:1', 'lag:2'],
      ),
    ).toEqual(['old', 'OK', 'new', 0, 'new', 'OK', 'QUEUED', ['OK'], ['new', 'new']]);
    // Whatever connection asks, once the write was acked.
    const other = await gateway.connect();
    for (let at = 0; at < 20; at += 1) {
      expect(await other.send('HGET', 'lag:h', 'f')).toBe('new');
      expect(await other.send('GET', 'lag:1')).toBe('new');
      expect(await other.send('MGET', 'lag:2', 'lag:1')).toEqual(['new', 'new']);
    }
    shard.resumeReplication();
  } finally {
    await gateway.close();
    await shard.stop();
  }
});
