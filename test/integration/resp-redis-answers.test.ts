/**
 * A Redis that answers what it should not, seen through the whole RESP door: the client is told within its deadline what
 * is wrong and nothing else, nobody connects to where such a node points, and the door serves as soon as it is sane.
 */
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { eventually } from '../support/eventually';
import { saying, sayingForEver, startLyingNode, type Lie, type LyingNode } from '../support/lying-node';
import { startRedis, type RedisProcess } from '../support/redis';
import { ReplyError, type RespClient } from '../support/resp-client';
import { openRespGateway, type RespGateway } from '../support/resp-gateway';

const DEADLINE_MS = 300;
const CANARY = 'a-value-of-somebody-else';
const LOST = 'ERR The connection to the shard of this key was lost. A WRITE or DELETE may stand.';
const NONSENSE = 'ERR The shard of this key gave an answer that makes no sense.';

/** A name, what is asked, and with which commands the gateway asks Redis then. */
type Asked = readonly [string, readonly string[], readonly string[]];

const SHARED: readonly Asked[] = [
  ['GET', ['GET', 'k'], ['GETRANGE', 'PTTL', 'GET']],
  ['MGET', ['MGET', 'k', 'other'], ['GETRANGE', 'PTTL', 'GET']],
  ['SET', ['SET', 'k', 'v'], ['SET']],
  ['INCR', ['INCR', 'n'], ['INCR']],
  ['LPUSH', ['LPUSH', 'l', 'x'], ['LPUSH']],
];
/** On a connection of the client's own. */
const LINKED: readonly Asked[] = [
  ['BLPOP', ['BLPOP', 'l', '0'], ['BLPOP']],
  ['WATCH', ['WATCH', 'k'], ['WATCH']],
];

const ENDLESS = ['$500000000\r\n', '*1000000\r\n$5000000\r\n', '+'];

let keys = 0;
let redis: RedisProcess;
let node: LyingNode;
let gateway: RespGateway;
let client: RespClient;
let other: RespClient;

beforeAll(async () => {
  redis = await startRedis();
  node = await startLyingNode(redis.address);
  gateway = await openRespGateway({
    shards: [{ name: 'main', master: node.address, replicas: [] }],
    limits: { requestTimeoutMs: DEADLINE_MS },
  });
});
afterAll(async () => {
  await gateway.close();
  await node.close();
  await redis.stop();
});
beforeEach(async () => {
  await redis.client.flushall();
  [client, other] = [await gateway.connect(), await gateway.connect()];
  await servesAgain();
});
afterEach(() => {
  node.beSane();
  // Whatever a test that failed had begun on them.
  node.killConnections();
  for (const each of [client, other]) each.close();
});

/** It does, for both, and nobody is given what another one asked for, or more than was asked for. */
async function servesAgain(): Promise<void> {
  node.beSane();
  await eventually(async () => (await client.send('SET', 'again', 'one')) === 'OK');
  await eventually(async () => (await client.send('GET', 'again')) === 'one');
  await redis.client.del('l');
  // What was watched on a connection that is lost counts as changed.
  await client.send('UNWATCH');
  const [mine, others] = await Promise.all([
    client.pipeline(['SET', 'k', 'v'], ['GET', 'k'], ['WATCH', 'k'], ['MULTI'], ['ECHO', 'a'], ['EXEC']),
    other.pipeline(['LPUSH', 'l', 'x'], ['BLPOP', 'l', '1'], ['SET', 'n', '1'], ['INCR', 'n']),
  ]);
  expect(mine).toEqual(['OK', 'v', 'OK', 'OK', 'QUEUED', ['a']]);
  expect(others).toEqual([1, ['l', 'x'], 'OK', 2]);
  expect([client.unasked, other.unasked]).toEqual([0, 0]);
}

/** The reply, which must come by the deadline, while Redis lies about these commands. */
async function askLiar(words: readonly string[], names: readonly string[], lie: Lie): Promise<unknown> {
  node.lie(names, lie);
  keys += 1;
  const startedMs = performance.now();
  // No near cache has a key that was never asked for.
  const reply = await client.send(...words.map((word) => (word === 'k' ? `k${keys}` : word)));
  expect(performance.now() - startedMs).toBeLessThan(DEADLINE_MS + 1000);
  expect(node.told).toBeGreaterThan(0);
  return reply;
}

describe('garbage', () => {
  it.each([...SHARED, ...LINKED])('to %s is a lost connection, and none of it is shown', async (...asked) => {
    const [, words, names] = asked;
    const garbage = [
      'HTTP/1.1 400 Bad Request\r\n\r\n',
      `$3\r\n${CANARY}\r\n`,
      '*x\r\n',
      '$-2\r\n',
      '\0\0\r\n',
    ];
    for (const bytes of garbage) {
      const reply = await askLiar(words, names, saying(bytes));
      // A length below that of null is null to who reads values.
      expect([LOST, NONSENSE]).toContain((reply as ReplyError).message);
      await servesAgain();
    }
    expect(JSON.stringify(gateway.log.lines)).not.toContain(CANARY);
  });
});

describe('a reply that never ends', () => {
  it.each([...SHARED, LINKED[1]!].map((asked, at) => [...asked, ENDLESS[at % ENDLESS.length]!] as const))(
    'to %s is a timeout',
    async (_name, words, names, first) => {
      const reply = await askLiar(words, names, sayingForEver(first));
      expect(reply).toMatchObject({
        message: expect.stringMatching(/^ERR The shard of this key did not answer/),
      });
      node.killConnections();
      await servesAgain();
    },
  );

  it('to BLPOP, which may wait for ever, ends with its connection, and holds nobody else up', async () => {
    node.lie(['BLPOP'], sayingForEver('*2\r\n$1\r\nl\r\n$500000000\r\n'));
    const popped = client.send('BLPOP', 'l', '0');
    await eventually(() => node.told === 1);
    expect(await other.send('INCR', 'n')).toBe(3);
    node.killConnections();
    expect(await popped).toEqual(new ReplyError(LOST));
    await servesAgain();
  });
});

describe('a reply that nobody asked for', () => {
  it.each([
    ['SET', ['SET', 'k', 'v'], ['SET'], '+OK\r\n', 'OK'],
    ['INCR', ['INCR', 'n'], ['INCR'], ':7\r\n', 7],
    ['LPUSH', ['LPUSH', 'l', 'x'], ['LPUSH'], ':7\r\n', 7],
    ['BLPOP', ['BLPOP', 'l', '0'], ['BLPOP'], '*2\r\n$1\r\nl\r\n$1\r\nx\r\n', ['l', 'x']],
    ['WATCH', ['WATCH', 'k'], ['WATCH'], '+OK\r\n', 'OK'],
  ])('behind that to %s is given to nobody', async (_name, words, names, own, expected) => {
    const reply = await askLiar(words, names, saying(`${own}$${CANARY.length}\r\n${CANARY}\r\n`));
    expect(reply).toEqual(expected);
    await servesAgain();
    expect(JSON.stringify(gateway.log.lines)).not.toContain(CANARY);
  });

  it('behind that to GET ends the connection on which values are read, and is in no log', async () => {
    await client.send('GET', 'near');
    const bulk = `$${CANARY.length}\r\n${CANARY}\r\n`;
    // The second of the two questions of a read has three answers.
    await askLiar(['GET', 'k'], ['PTTL'], saying(`:-1\r\n${bulk}${bulk}`));
    await eventually(() => gateway.log.lines.some(({ message }) => message === 'redis connection lost'));
    await servesAgain();
    expect(JSON.stringify(gateway.log.lines)).not.toContain(CANARY);
  });
});

describe('a reply of another kind', () => {
  it.each([
    ['a number', ':7\r\n'],
    ['an array', '*1\r\n$1\r\nx\r\n'],
    ['an array of none', '*0\r\n'],
    ['null', '$-1\r\n'],
    ['an error of no sense', `-WHAT ${CANARY}\r\n`],
  ])('in place of a value, %s, makes no sense', async (_name, bytes) => {
    for (const words of [
      ['GET', 'k'],
      ['MGET', 'k', 'again'],
    ]) {
      expect(await askLiar(words, ['GETRANGE'], saying(bytes))).toEqual(new ReplyError(NONSENSE));
    }
    await servesAgain();
  });

  it.each([
    ['a value', '$1\r\nx\r\n'],
    ['an array', '*0\r\n'],
    ['null', '$-1\r\n'],
  ])('in place of a life, %s, makes no sense', async (_name, bytes) => {
    expect(await askLiar(['GET', 'k'], ['PTTL'], saying(bytes))).toEqual(new ReplyError(NONSENSE));
    await servesAgain();
  });

  it('is passed on as it came where the door is between, and only to who asked', async () => {
    node.lie(['INCR', 'BLPOP', 'LPUSH'], saying('$5\r\nthree\r\n'));
    const replies = await client.pipeline(
      ['INCR', 'n'],
      ['SET', 'k', 'v'],
      ['LPUSH', 'l', 'x'],
      ['GET', 'k'],
    );
    expect(replies).toEqual(['three', 'OK', 'three', 'v']);
    expect(await client.send('BLPOP', 'l', '1')).toBe('three');
    expect(await other.send('ECHO', 'mine')).toBe('mine');
    await servesAgain();
  });
});

describe('MOVED and ASK', () => {
  let outside: Server;
  let outsideConnections = 0;
  let place: string;

  beforeAll(async () => {
    outside = createServer((socket) => {
      outsideConnections += 1;
      socket.destroy();
    }).listen(0, '127.0.0.1');
    await once(outside, 'listening');
    place = `127.0.0.1:${(outside.address() as AddressInfo).port}`;
  });
  afterAll(() => outside.close());

  describe.each(['MOVED', 'ASK'])('%s to a host that was not configured', (kind) => {
    it.each([...SHARED, ...LINKED])('leads %s nowhere', async (_name, words, names) => {
      const reply = await askLiar(words, names, saying(`-${kind} 1 ${place}\r\n`));
      expect(reply).toMatchObject({ message: expect.stringMatching(/^ERR The .* Nothing was done\.$/) });
      expect(String(reply)).not.toContain(place);
      await servesAgain();
      expect(outsideConnections).toBe(0);
    });
  });

  it('in a cluster leads nowhere but to its nodes', async () => {
    const { port } = node.address;
    const line = `${'a'.repeat(40)} 127.0.0.1:${port}@${port} myself,master - 0 0 5 connected 0-16383\n`;
    const truth = `$${line.length}\r\n${line}\r\n`;
    const names = [...SHARED, ...LINKED].flatMap(([, , those]) => those);
    const how = { say: truth };
    const lie: Lie = (socket) => socket.write(how.say);
    node.lie(['CLUSTER'], lie);
    const clustered = await openRespGateway({
      cluster: [node.address],
      limits: { requestTimeoutMs: DEADLINE_MS },
    });
    const asker = await clustered.connect();
    expect(await asker.send('SET', 'k', 'v')).toBe('OK');
    for (const kind of ['MOVED', 'ASK']) {
      node.lie(names, saying(`-${kind} 1 ${place}\r\n`));
      for (const [, words] of [...SHARED, ...LINKED]) {
        const reply = await asker.send(...words.map((word) => (word === 'k' ? 'fresh' : word)));
        expect(reply).toMatchObject({ message: expect.stringMatching(/^ERR The .* Nothing was done\.$/) });
      }
      expect(outsideConnections).toBe(0);
      node.lie(['CLUSTER'], lie);
      await eventually(async () => (await asker.send('SET', 'k', 'w')) === 'OK');
      expect(await asker.pipeline(['GET', 'k'], ['WATCH', 'k'], ['UNWATCH'])).toEqual(['w', 'OK', 'OK']);
    }
    await clustered.close();
  });
});

it('one of several shards that answers something else spoils the sum, and only that', async () => {
  const sane = await startRedis();
  const split = await openRespGateway({
    shards: [
      { name: 'main', master: node.address, replicas: [] },
      { name: 'sane', master: sane.address, replicas: [] },
    ],
  });
  await redis.client.flushall();
  const asker = await split.connect();
  const names = Array.from({ length: 20 }, (_, n) => `s${n}`);
  await asker.send('MSET', ...names.flatMap((name) => [name, 'v']));
  for (const bytes of ['+OK\r\n', '$1\r\nx\r\n', '*0\r\n']) {
    node.lie(['EXISTS', 'DBSIZE'], saying(bytes));
    for (const words of [['EXISTS', ...names], ['DBSIZE']])
      expect(await asker.send(...words)).toEqual(new ReplyError(NONSENSE));
  }
  node.beSane();
  expect(await asker.pipeline(['EXISTS', ...names], ['DBSIZE'])).toEqual([20, 20]);
  await split.close();
  await sane.stop();
});
