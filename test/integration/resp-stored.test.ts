/** What others have stored under a key, through every command of the RESP door that reads a value. */
import { eventually } from '../support/eventually';
import { startRedis, type RedisProcess } from '../support/redis';
import { ReplyError, type RespClient } from '../support/resp-client';
import { openRespGateway, type RespGateway } from '../support/resp-gateway';

jest.setTimeout(60_000);

const MB = 1024 * 1024;
const WRONG_TYPE = new ReplyError('WRONGTYPE Operation against a key holding the wrong kind of value');
const NO_PART = new ReplyError('ERR Values are encrypted here, so a part of one cannot be read.');
const UNREADABLE = { message: expect.stringMatching(/^ERR The stored value cannot be (read|decrypted)/) };

let redis: RedisProcess;
let gateway: RespGateway;
let client: RespClient;

beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());
afterEach(() => gateway.close());

async function open(nearEntries: number, encrypts: boolean): Promise<void> {
  await redis.client.flushall();
  gateway = await openRespGateway({
    shards: [{ name: 'main', master: redis.address, replicas: [] }],
    nearEntries,
    encrypts,
  });
  client = await gateway.connect();
  await client.send('MSET', 'good', 'one', 'fine', 'two');
}

describe.each([
  ['with a near cache, encrypted', 1000, true],
  ['without one, plain', 0, false],
])('%s', (_name, nearEntries, encrypts) => {
  beforeEach(() => open(nearEntries, encrypts));

  /** What speaks of a part of a value is refused where values are encrypted, whatever lies there. */
  const ofPart = (plain: unknown): unknown => (encrypts ? NO_PART : plain);

  it('a hash is no value, to whatever reads one, and stays', async () => {
    await redis.client.hset('bad', 'field', 'canary');
    for (const words of [
      ['GET', 'bad'],
      ['GETEX', 'bad', 'EX', '100'],
      ['GETDEL', 'bad'],
      ['GETSET', 'bad', 'v'],
      ['SET', 'bad', 'v', 'GET'],
    ]) {
      expect(await client.send(...words)).toEqual(WRONG_TYPE);
    }
    expect(await client.send('STRLEN', 'bad')).toEqual(ofPart(WRONG_TYPE));
    expect(await client.send('GETRANGE', 'bad', '0', '-1')).toEqual(ofPart(WRONG_TYPE));
    expect(await client.send('MGET', 'good', 'bad', 'fine')).toEqual(['one', null, 'two']);
    expect(await redis.client.hgetall('bad')).toEqual({ field: 'canary' });
    expect(await client.send('SET', 'bad', 'v')).toBe('OK');
    expect(await client.send('GET', 'bad')).toBe('v');
  });

  it.each<[string, readonly number[]]>([
    ['a truncated envelope', [0xfe, 0x72, 0x63, 1]],
    ['a value of an unknown kid', [0xfe, 0x72, 0x63, 1, 0x80, ...Buffer.alloc(100, 7)]],
  ])('%s is an error in its place, and what changes it has changed it', async (_what, bytes) => {
    const stored = Buffer.from(bytes);
    await redis.client.set('bad', stored);
    for (const words of [
      ['GET', 'bad'],
      ['GETEX', 'bad', 'EX', '100'],
    ]) {
      expect(await client.send(...words)).toMatchObject(UNREADABLE);
    }
    expect(await client.send('MGET', 'good', 'bad', 'fine')).toMatchObject(['one', UNREADABLE, 'two']);
    expect(await client.send('STRLEN', 'bad')).toEqual(ofPart(stored.length));
    expect(await client.send('GETRANGE', 'bad', '0', '1')).toEqual(ofPart(stored.toString('latin1', 0, 2)));
    expect(await client.send('GETSET', 'bad', 'v')).toMatchObject(UNREADABLE);
    expect(await client.send('GET', 'bad')).toBe('v');
    await redis.client.set('bad', stored);
    expect(await client.send('GETDEL', 'bad')).toMatchObject(UNREADABLE);
    expect(await redis.client.exists('bad')).toBe(0);
  });
});

describe('half a gigabyte', () => {
  it.each([1000, 0])(
    'with %d near entries is too large, fills no memory here, and others go on',
    async (nearEntries) => {
      await open(nearEntries, false);
      await redis.client.call('SETRANGE', 'bad', 512 * MB - 1, 'x');
      // To make so many zeros takes a busy machine longer than a node may be silent.
      await eventually(async () => (await client.send('SET', 'good', 'one')) === 'OK', 10_000);
      const other = await gateway.connect();
      const before = process.memoryUsage();
      let most = 0;
      const viaCore = [
        ['GET', 'bad'],
        ['MGET', 'good', 'bad', 'fine'],
        ['GETEX', 'bad', 'PERSIST'],
      ];
      const relayed = [
        ['GET', 'bad'],
        ['GETRANGE', 'bad', '0', '-1'],
      ];
      for (const words of nearEntries > 0 ? viaCore : relayed) {
        const reply = client.send(...words);
        const startedMs = performance.now();
        await eventually(async () => (await other.send('GET', 'fine')) === 'two', 10_000);
        expect(performance.now() - startedMs).toBeLessThan(10_000);
        expect(await reply).toMatchObject({
          message: expect.stringMatching(/^ERR .*(too large|longer than|in time)/),
        });
        most = Math.max(most, process.memoryUsage().arrayBuffers);
      }
      expect(most - before.arrayBuffers).toBeLessThan(200 * MB);
      await eventually(async () => (await client.send('STRLEN', 'bad')) === 512 * MB, 10_000);
      expect(await client.send('GETRANGE', 'bad', String(512 * MB - 1), '-1')).toBe('x');
      expect(await client.send('DEL', 'bad')).toBe(1);
      expect(await client.send('GET', 'bad')).toBeNull();
    },
  );
});
