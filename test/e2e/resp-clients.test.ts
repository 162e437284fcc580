/** The libraries that people use, unmodified, against the RESP door: ioredis, node-redis and BullMQ. */
import { readFileSync } from 'node:fs';
import { type Job, Queue, QueueEvents, Worker } from 'bullmq';
import { Redis, type RedisOptions } from 'ioredis';
import { createClient, WatchError } from 'redis';
import { eventually } from '../support/eventually';
import { type RespRig, startRespRig } from '../support/resp-rig';

jest.setTimeout(60_000);

let rig: RespRig;
beforeAll(async () => {
  rig = await startRespRig();
}, 60_000);
afterAll(() => rig.stop());

describe.each([
  ['RESP2', { protocol: 2 }],
  ['RESP3', { protocol: 3 }],
] as const)('ioredis in %s', (_name, protocol) => {
  let redis: Redis;
  const opened: Redis[] = [];
  const open = (more: RedisOptions = {}): Redis => {
    const options: RedisOptions = { port: rig.port, password: rig.apiKey, ...protocol, ...more };
    const client = new Redis(options as never);
    opened.push(client);
    return client;
  };
  beforeAll(() => {
    redis = open();
  });
  afterAll(() => opened.forEach((client) => client.disconnect()));

  it('has its connection checked and named', async () => {
    expect(await redis.ping()).toBe('PONG');
    expect(redis.status).toBe('ready');
    expect(await redis.client('SETNAME', 'of-the-tests')).toBe('OK');
    expect(await redis.client('GETNAME')).toBe('of-the-tests');
    expect(await redis.info()).toMatch(/^redis_version:/m);
  });

  it('reads what it wrote: strings, bytes, hashes, lists, sets', async () => {
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    expect(await redis.set('io:s', bytes, 'EX', 100)).toBe('OK');
    expect(await redis.getBuffer('io:s')).toEqual(bytes);
    await redis.hset('io:h', { a: 1, b: 'two' });
    expect(await redis.hgetall('io:h')).toEqual({ a: '1', b: 'two' });
    await redis.rpush('io:l', 'x', 'y');
    expect(await redis.lrange('io:l', 0, -1)).toEqual(['x', 'y']);
    await redis.zadd('io:z', 1.5, 'm');
    expect(await redis.zscore('io:z', 'm')).toBe('1.5');
    expect(await redis.mget('io:s', 'io:none')).toEqual([bytes.toString(), null]);
    expect(await redis.del('io:s', 'io:h', 'io:l', 'io:z')).toBe(4);
  });

  it('sends a pipeline, whose errors stand at their places', async () => {
    const results = await redis.pipeline().set('io:p', 'x').get('io:p').incr('io:p').del('io:p').exec();
    const [, , failed] = results ?? [];
    expect(failed?.[0]?.message).toBe('ERR value is not an integer or out of range');
    expect(results?.map(([, value]) => value)).toEqual(['OK', 'x', failed?.[1], 1]);
  });

  it('runs transactions, watched ones too', async () => {
    await redis.set('io:t', 1);
    expect(await redis.multi().incr('io:t').get('io:t').exec()).toEqual([
      [null, 2],
      [null, '2'],
    ]);
    await redis.watch('io:t');
    await open().incr('io:t');
    expect(await redis.multi().incr('io:t').exec()).toBeNull();
    expect(await redis.get('io:t')).toBe('3');
  });

  it('subscribes on a duplicate to channels and patterns', async () => {
    const subscriber = redis.duplicate();
    opened.push(subscriber);
    const heard: string[] = [];
    subscriber.on('message', (channel: string, message: string) => heard.push(`${channel}: ${message}`));
    subscriber.on('pmessage', (pattern: string, channel: string, message: string) =>
      heard.push(`${pattern}: ${channel}: ${message}`),
    );
    expect(await subscriber.subscribe('io:news', 'io:more')).toBe(2);
    expect(await subscriber.psubscribe('io:n*')).toBe(3);
    expect(await redis.publish('io:news', 'hello')).toBe(2);
    expect(await redis.publish('io:more', 'bye')).toBe(1);
    await eventually(() => heard.length === 3);
    expect(heard.sort()).toEqual(['io:more: bye', 'io:n*: io:news: hello', 'io:news: hello']);
    await subscriber.unsubscribe('io:news');
    expect(await redis.publish('io:news', 'again')).toBe(1);
  });

  it('scans as a stream', async () => {
    const keys = Array.from({ length: 40 }, (_, at) => `io:scan:${at}`);
    await redis.mset(keys.flatMap((key) => [key, 'v']));
    const found = new Set<string>();
    for await (const page of redis.scanStream({ match: 'io:scan:*', count: 10 })) {
      for (const key of page as string[]) found.add(key);
    }
    expect([...found].sort()).toEqual(keys.sort());
  });

  it('waits for a list on a connection of its own, while others go on', async () => {
    const waiting = open().brpop('io:queue', 10);
    expect(await redis.set('io:meanwhile', 'x')).toBe('OK');
    await redis.lpush('io:queue', 'job');
    expect(await waiting).toEqual(['io:queue', 'job']);
    expect(await open().brpop('io:queue', 0.05)).toBeNull();
  });

  it('runs scripts as a client with the scope admin', async () => {
    redis.defineCommand('addTwice', {
      numberOfKeys: 1,
      lua: "redis.call('incrby', KEYS[1], ARGV[1]) return redis.call('incrby', KEYS[1], ARGV[1])",
    });
    const scripted = redis as Redis & { addTwice(key: string, by: number): Promise<number> };
    await redis.del('io:script');
    expect(await scripted.addTwice('io:script', 2)).toBe(4);
    expect(await scripted.addTwice('io:script', 2)).toBe(8);
  });

  it('speaks TLS, as a named client', async () => {
    const { name, apiKey } = rig.worker;
    const tls = { ca: readFileSync(rig.certFile) };
    const client = open({ port: rig.tlsPort, username: name, password: apiKey, tls });
    expect(await client.set('worker:k', 'v')).toBe('OK');
    expect(await client.get('worker:k')).toBe('v');
    await expect(client.get('other')).rejects.toThrow(/^NOPERM/);
  });

  it('is told that its key is wrong', async () => {
    const client = open({ password: 'not the key' });
    const failures: Error[] = [];
    client.on('error', (error) => failures.push(error));
    await expect(client.get('k')).rejects.toThrow(/WRONGPASS|NOAUTH/);
    await eventually(() => failures.some(({ message }) => message.startsWith('WRONGPASS')));
  });
});

describe.each([
  ['RESP2', 2],
  ['RESP3', 3],
] as const)('node-redis in %s', (_name, RESP) => {
  const options = (): { RESP: 2 | 3; password: string; socket: { host: string; port: number } } => ({
    RESP,
    password: rig.apiKey,
    socket: { host: '127.0.0.1', port: rig.port },
  });
  const open = async () => {
    const client = createClient(options());
    client.on('error', () => undefined);
    await client.connect();
    closers.push(() => client.destroy());
    return client;
  };
  const closers: (() => void)[] = [];
  let client: Awaited<ReturnType<typeof open>>;
  beforeAll(async () => {
    client = await open();
  });
  afterAll(() => closers.forEach((close) => close()));

  it('reads what it wrote', async () => {
    expect(await client.ping()).toBe('PONG');
    expect(await client.set('node:s', 'v', { expiration: { type: 'EX', value: 100 } })).toBe('OK');
    expect(await client.get('node:s')).toBe('v');
    await client.hSet('node:h', { a: '1', b: 'two' });
    expect({ ...(await client.hGetAll('node:h')) }).toEqual({ a: '1', b: 'two' });
    await client.zAdd('node:z', [{ score: 1.5, value: 'm' }]);
    expect(await client.zRangeWithScores('node:z', 0, -1)).toEqual([{ score: 1.5, value: 'm' }]);
    expect(await client.mGet(['node:s', 'node:none'])).toEqual(['v', null]);
    expect(await client.del(['node:s', 'node:h', 'node:z'])).toBe(3);
  });

  it('runs transactions', async () => {
    expect(await client.multi().set('node:t', '1').incr('node:t').get('node:t').exec()).toEqual([
      'OK',
      2,
      '2',
    ]);
  });

  it('watches on a duplicate, and is told of a change', async () => {
    const watching = client.duplicate();
    await watching.connect();
    closers.push(() => watching.destroy());
    await watching.watch('node:w');
    await client.set('node:w', 'changed');
    await expect(watching.multi().set('node:w', 'mine').exec()).rejects.toThrow(WatchError);
    await watching.watch('node:w');
    expect(await watching.multi().set('node:w', 'mine').exec()).toEqual(['OK']);
    expect(await client.get('node:w')).toBe('mine');
  });

  it('subscribes on a duplicate to channels and patterns', async () => {
    const subscriber = client.duplicate();
    await subscriber.connect();
    closers.push(() => subscriber.destroy());
    const heard: string[] = [];
    await subscriber.subscribe('node:news', (message, channel) => void heard.push(`${channel}: ${message}`));
    await subscriber.pSubscribe('node:n*', (message, channel) => void heard.push(`* ${channel}: ${message}`));
    expect(await client.publish('node:news', 'hello')).toBe(2);
    await eventually(() => heard.length === 2);
    expect(heard.sort()).toEqual(['* node:news: hello', 'node:news: hello']);
    await subscriber.unsubscribe('node:news');
    await subscriber.pUnsubscribe('node:n*');
    expect(await client.publish('node:news', 'again')).toBe(0);
  });

  it('scans with an iterator', async () => {
    const keys = Array.from({ length: 40 }, (_, at) => `node:scan:${at}`);
    await client.mSet(keys.map((key) => [key, 'v'] as [string, string]));
    const found: string[] = [];
    for await (const page of client.scanIterator({ MATCH: 'node:scan:*', COUNT: 10 })) found.push(...page);
    expect([...new Set(found)].sort()).toEqual(keys.sort());
  });

  it('waits for a list on a connection of its own', async () => {
    const waiter = await open();
    const waiting = waiter.blPop('node:queue', 10);
    await client.rPush('node:queue', 'job');
    expect(await waiting).toEqual({ key: 'node:queue', element: 'job' });
  });

  it('speaks TLS, as a named client', async () => {
    const { name, apiKey } = rig.worker;
    const socket = {
      host: '127.0.0.1',
      port: rig.tlsPort,
      tls: true as const,
      servername: 'localhost',
      ca: readFileSync(rig.certFile),
    };
    const named = createClient({ RESP, username: name, password: apiKey, socket });
    named.on('error', () => undefined);
    await named.connect();
    closers.push(() => named.destroy());
    expect(await named.set('worker:n', 'v')).toBe('OK');
    expect(await named.get('worker:n')).toBe('v');
    await expect(named.get('other')).rejects.toThrow(/^NOPERM/);
  });
});

describe('BullMQ on one shard', () => {
  it('adds jobs, works them off, waits for a delayed one, and closes', async () => {
    // What blocks must be told never to give up.
    const connection = {
      host: '127.0.0.1',
      port: rig.port,
      password: rig.apiKey,
      maxRetriesPerRequest: null,
    };
    const queue = new Queue<{ n: number }, number>('sums', { connection });
    const events = new QueueEvents('sums', { connection });
    await events.waitUntilReady();
    const done: string[] = [];
    events.on('completed', ({ returnvalue }) => done.push(returnvalue));
    const work = async (job: Job<{ n: number }, number>): Promise<number> => {
      if (job.data.n < 0) throw new Error('a job that fails');
      await job.updateProgress(50);
      return job.data.n * 2;
    };
    const worker = new Worker<{ n: number }, number>('sums', work, { connection });
    const failures: unknown[] = [];
    const fail = (error: Error): void => void failures.push(error);
    queue.on('error', fail).setMaxListeners(100);
    events.on('error', fail).setMaxListeners(100);
    worker.on('error', fail);
    await worker.waitUntilReady();

    const jobs = await queue.addBulk(Array.from({ length: 20 }, (_, n) => ({ name: 'double', data: { n } })));
    const delayed = await queue.add('double', { n: 100 }, { delay: 200 });
    const failing = await queue.add('double', { n: -1 });
    const results = await Promise.all([...jobs, delayed].map((job) => job.waitUntilFinished(events, 20_000)));
    expect(results).toEqual([...Array.from({ length: 20 }, (_, n) => 2 * n), 200]);
    await expect(failing.waitUntilFinished(events, 20_000)).rejects.toThrow('a job that fails');
    expect(await queue.getJobCounts('completed', 'failed', 'waiting', 'delayed', 'active')).toEqual({
      completed: 21,
      failed: 1,
      waiting: 0,
      delayed: 0,
      active: 0,
    });
    await eventually(() => done.length === 21);
    await worker.close();
    await events.close();
    await queue.obliterate();
    await queue.close();
    expect(failures).toEqual([]);
  });
});
