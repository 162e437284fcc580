/** Commands and replies as bytes, against a real Redis and against servers that misbehave. */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import path from 'node:path';
import { promisify } from 'node:util';
import type { CacheError } from '../../src/core/errors';
import type { Words } from '../../src/core/ports';
import { systemClock } from '../../src/lib/clock';
import type { NodeAddress } from '../../src/redis/client';
import { NotDone } from '../../src/redis/redis-errors';
import { RelayConnection, type RelayConnectionOptions } from '../../src/redis/relay-connection';
import { makeCertificate } from '../support/certificate';
import { makeFolder } from '../support/child';
import { eventually } from '../support/eventually';
import { stopAfterTests } from '../support/leftovers';
import { type RedisProcess, startRedis } from '../support/redis';
import { startTcpProxy } from '../support/tcp-proxy';

const OPTIONS: RelayConnectionOptions = {
  protocol: 2,
  readOnly: false,
  replyBytesMax: 1024 * 1024,
  clock: systemClock,
};
const TYPESCRIPT = path.join(__dirname, '../../scripts/lib/typescript.cjs');
const SOURCES = path.join(__dirname, '../../src');

let redis: RedisProcess;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());
beforeEach(() => redis.client.flushall());

const inMs = (ms: number): number => systemClock.now() + ms;
const words = (...texts: (string | Buffer)[]): Words => texts.map((text) => Buffer.from(text));

async function openRelay(
  to: Partial<NodeAddress> & { readonly port: number },
  options: Partial<RelayConnectionOptions> = {},
): Promise<RelayConnection> {
  const address = { host: '127.0.0.1', tls: false, username: undefined, password: undefined, ...to };
  const relay = new RelayConnection(address, { ...OPTIONS, ...options });
  stopAfterTests(() => {
    relay.close();
    return Promise.resolve();
  });
  await relay.open(inMs(5000));
  return relay;
}

function ask(relay: RelayConnection, command: Words, deadlineMs = inMs(10_000)): Promise<string> {
  return new Promise((resolve, reject) => {
    relay.send(command, {
      deadlineMs,
      settle: (reply) => resolve(reply.toString('latin1')),
      fail: reject,
    });
  });
}

/** After two, what was sent has left. */
async function turnsOfTheLoop(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** How a command failed. */
async function failureOf(answer: Promise<unknown>): Promise<CacheError> {
  return answer.then(
    (reply) => {
      throw new Error(`it succeeded: ${String(reply)}`);
    },
    (error: unknown) => error as CacheError,
  );
}

/** A server of our own that says to each connection what `serve` says. */
async function startFake(serve: (socket: Socket) => void): Promise<NodeAddress> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    serve(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  stopAfterTests(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, 'close');
  });
  const { port } = server.address() as AddressInfo;
  return { host: '127.0.0.1', port, tls: false, username: undefined, password: undefined };
}

/** It accepts the handshake of RESP2, and says `reply` to whatever comes then. */
function startAnswering(reply: string | Buffer): Promise<NodeAddress> {
  return startFake((socket) => {
    socket.once('data', () => {
      socket.write('+OK\r\n');
      socket.on('data', () => socket.write(reply));
    });
  });
}

const LOST = {
  code: 'unavailable',
  message: 'The connection to the shard of this key was lost. A WRITE or DELETE may stand.',
};
const UNREACHABLE = {
  code: 'unavailable',
  message: 'The shard of this key cannot be reached. Nothing was done.',
};

describe('replies come as the server sent them', () => {
  it.each([
    [['SET', 'k', 'v'], '+OK\r\n', '+OK\r\n'],
    [['GET', 'none'], '$-1\r\n', '_\r\n'],
    [['HGETALL', 'h'], '*2\r\n$1\r\nf\r\n$1\r\n1\r\n', '%1\r\n$1\r\nf\r\n$1\r\n1\r\n'],
    [['SMEMBERS', 's'], '*1\r\n$1\r\nm\r\n', '~1\r\n$1\r\nm\r\n'],
    [['ZSCORE', 'z', 'm'], '$3\r\n1.5\r\n', ',1.5\r\n'],
    [['BLPOP', 'none', '0.01'], '*-1\r\n', '_\r\n'],
    [
      ['EVAL', "redis.setresp(3) return {true, 'x'}", '0'],
      '*2\r\n:1\r\n$1\r\nx\r\n',
      '*2\r\n#t\r\n$1\r\nx\r\n',
    ],
    [['NOPE'], /^-ERR unknown command 'NOPE'/, /^-ERR unknown command 'NOPE'/],
    [
      ['DEBUG', 'PROTOCOL', 'attrib'],
      /^\$39\r\nSome real reply/,
      /^\|1\r\n\$14\r\nkey-popularity\r\n.*reply/s,
    ],
  ] as const)('%j', async (command, inResp2, inResp3) => {
    await redis.client.multi().hset('h', 'f', 1).sadd('s', 'm').zadd('z', 1.5, 'm').exec();
    for (const [protocol, expected] of [
      [2, inResp2],
      [3, inResp3],
    ] as const) {
      const relay = await openRelay(redis, { protocol });
      const reply = await ask(relay, words(...command));
      if (typeof expected === 'string') expect(reply).toBe(expected);
      else expect(reply).toMatch(expected);
      relay.close();
    }
  });

  it('words are bytes: nothing in them ends a command, and long ones arrive whole', async () => {
    const relay = await openRelay(redis);
    const value = Buffer.concat([
      Buffer.from('\r\n*1\r\n$8\r\nFLUSHALL\r\n\0\xff', 'latin1'),
      Buffer.alloc(500_000, 'v'),
    ]);
    const settled = await Promise.all([
      ask(relay, words('SET', 'short', '\r\n*1\r\n')),
      ask(relay, words('SET', value.subarray(0, 30_000), value)),
      ask(relay, words('STRLEN', value.subarray(0, 30_000))),
      ask(relay, words('SET', '', '')),
    ]);
    expect(settled).toEqual(['+OK\r\n', '+OK\r\n', `:${value.length}\r\n`, '+OK\r\n']);
    expect((await redis.client.getBuffer(value.subarray(0, 30_000)))?.equals(value)).toBe(true);
    expect(await redis.client.mget('short', '')).toEqual(['\r\n*1\r\n', '']);
  });

  it('10,000 commands in a pipeline are answered in their order', async () => {
    const relay = await openRelay(redis);
    const replies = await Promise.all(
      Array.from({ length: 10_000 }, (_, index) =>
        ask(relay, index % 2 === 0 ? words('INCR', 'n') : words('ECHO', String(index))),
      ),
    );
    const expected = replies.map((_, index) => {
      const text = String(index);
      return index % 2 === 0 ? `:${index / 2 + 1}\r\n` : `$${text.length}\r\n${text}\r\n`;
    });
    expect(replies).toEqual(expected);
  });

  it('the commands of one turn leave in one packet, with what is sent before they leave behind them', async () => {
    const packets: string[] = [];
    const address = await startFake((socket) => {
      socket.on('data', (bytes: Buffer) => {
        packets.push(bytes.toString());
        socket.write('+OK\r\n'.repeat(bytes.toString().match(/\*/g)?.length ?? 0));
      });
    });
    const roles: Promise<string>[] = [];
    const relay: RelayConnection = await openRelay(address, {
      onFlush: () => roles.push(ask(relay, words('ROLE'))),
    });
    await Promise.all([ask(relay, words('SET', 'a', '1')), ask(relay, words('DEL', 'b')), ...roles]);
    await ask(relay, words('PING'));
    await Promise.all(roles);
    expect(packets.slice(1)).toEqual([
      '*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n*2\r\n$3\r\nDEL\r\n$1\r\nb\r\n*1\r\n$4\r\nROLE\r\n',
      '*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nROLE\r\n',
    ]);
  });
});

describe('the handshake', () => {
  it.each([2, 3] as const)(
    'logs in, with and without a name, and says who it is: RESP%i',
    async (protocol) => {
      const guarded = await startRedis({ password: 'pass word' });
      await guarded.client.call('ACL', 'SETUSER', 'ann', 'on', '>sesame', '~*', '+@all');
      const asDefault = { port: guarded.port, password: 'pass word' };
      for (const [address, name] of [
        [asDefault, 'default'],
        [{ ...asDefault, username: 'ann', password: 'sesame' }, 'ann'],
      ] as const) {
        const relay = await openRelay(address, { protocol });
        const line = await ask(relay, words('CLIENT', 'INFO'));
        expect(line).toContain(' name=ringcache-relay ');
        expect(line).toContain(` user=${name} `);
        expect(line).toContain(` resp=${protocol}`);
      }
      await guarded.stop();
    },
  );

  it.each([2, 3] as const)('a wrong password is no secret in the error: RESP%i', async (protocol) => {
    const guarded = await startRedis({ password: 'right' });
    const causes: Error[] = [];
    const opened = openRelay(
      { port: guarded.port, password: 'wr0ng' },
      { protocol, onEnd: (cause) => causes.push(cause) },
    );
    const error = await failureOf(opened);
    expect(error).toMatchObject(UNREACHABLE);
    expect(error).toBeInstanceOf(NotDone);
    expect(causes.map(({ message }) => message)).toEqual([expect.stringContaining('WRONGPASS')]);
    expect(JSON.stringify([error, error.cause, causes, error.stack])).not.toContain('wr0ng');
    await guarded.stop();
  });

  it.each([2, 3] as const)(
    'a password that the server does not ask for is no obstacle: RESP%i',
    async (protocol) => {
      const relay = await openRelay({ port: redis.port, password: 'needless' }, { protocol });
      expect(await ask(relay, words('PING'))).toBe('+PONG\r\n');
    },
  );

  it('a server that quotes what it was told does not give the password away', async () => {
    const address = await startFake((socket) =>
      socket.once('data', () =>
        socket.write('-ERR unknown command `HELLO`, with args beginning with: `s3cret`\r\n'),
      ),
    );
    const causes: string[] = [];
    const onEnd = ({ message }: Error): void => void causes.push(message);
    const error = await failureOf(openRelay({ ...address, password: 's3cret' }, { protocol: 3, onEnd }));
    expect(error.cause).toMatchObject({ message: 'ERR unknown command ' });
    expect(causes).toEqual(['ERR unknown command ']);
  });

  it('a replica of a cluster is told that reads are wanted; other servers need not know READONLY', async () => {
    const cluster = await startRedis({ cluster: true });
    for (const node of [cluster, redis]) {
      const relay = await openRelay(node, { readOnly: true });
      const flags = / flags=(\w+)/.exec(await ask(relay, words('CLIENT', 'INFO')))?.[1];
      expect(flags).toBe(node === cluster ? 'r' : 'N');
    }
    await cluster.stop();
  });

  it('TLS trusts only whom it is told to trust, by name and by address', async () => {
    const folder = await makeFolder();
    const certificate = await makeCertificate(folder);
    const secure = await startRedis({ tls: certificate, password: 'sesame' });
    const stranger = await failureOf(openRelay({ ...secure.address, host: 'localhost' }));
    expect(stranger).toMatchObject({
      ...UNREACHABLE,
      cause: { message: expect.stringMatching(/self-signed/) },
    });
    const code = `
      const { RelayConnection } = require(${JSON.stringify(`${SOURCES}/redis/relay-connection.ts`)});
      const clock = { now: () => performance.now(), wallMs: () => Date.now() };
      const options = { protocol: 3, readOnly: false, replyBytesMax: 1024, clock };
      for (const host of ['localhost', '127.0.0.1']) {
        const relay = new RelayConnection({ ...${JSON.stringify(secure.address)}, username: undefined, host }, options);
        relay.open(performance.now() + 5000).then(() => relay.send([Buffer.from('PING')], {
          deadlineMs: Infinity,
          settle: (reply) => { console.log(host + ' ' + reply); relay.close(); },
          fail: (error) => { throw error; },
        }));
      }`;
    const { stdout } = await promisify(execFile)(process.execPath, ['-r', TYPESCRIPT, '-e', code], {
      env: { PATH: process.env['PATH'], NODE_EXTRA_CA_CERTS: certificate.certFile },
    });
    expect(stdout.trim().split(/\s+/).sort()).toEqual(['+PONG', '+PONG', '127.0.0.1', 'localhost']);
    await secure.stop();
  });

  it('a server that accepts and says nothing is given up in a second, or at the deadline before that', async () => {
    const silent = await startFake(() => undefined);
    for (const [waitMs, atLeastMs, atMostMs] of [
      [60_000, 900, 5000],
      [50, 40, 900],
    ] as const) {
      const startedMs = systemClock.now();
      const causes: Error[] = [];
      const relay = new RelayConnection(silent, { ...OPTIONS, onEnd: (cause) => causes.push(cause) });
      expect(await failureOf(relay.open(inMs(waitMs)))).toMatchObject(UNREACHABLE);
      const tookMs = systemClock.now() - startedMs;
      expect(tookMs).toBeGreaterThan(atLeastMs);
      expect(tookMs).toBeLessThan(atMostMs);
      expect(causes).toMatchObject([{ message: 'connecting took too long' }]);
    }
  });

  it('nobody listens there: it ends at once, and commands are refused as not done', async () => {
    const gone = await startRedis();
    await gone.stop();
    const ends: Error[] = [];
    const relay = new RelayConnection(gone.address, { ...OPTIONS, onEnd: (cause) => ends.push(cause) });
    expect(await failureOf(relay.open(inMs(5000)))).toMatchObject(UNREACHABLE);
    expect(ends).toHaveLength(1);
    expect(relay.isReady).toBe(false);
    const refusal = await failureOf(ask(relay, words('PING')));
    expect(refusal).toMatchObject(UNREACHABLE);
    expect(refusal).toBeInstanceOf(NotDone);
  });
});

describe('deadlines', () => {
  it('a late reply is nobody’s, and those behind it go to whom they belong', async () => {
    const relay = await openRelay(redis);
    const asleep = ask(relay, words('DEBUG', 'SLEEP', '0.3'), inMs(50));
    const behind = ask(relay, words('ECHO', 'behind'));
    const startedMs = systemClock.now();
    const error = await failureOf(asleep);
    expect(error).toMatchObject({
      code: 'timeout',
      message: 'The shard of this key did not answer in time. A WRITE or DELETE may stand.',
    });
    expect(error).not.toBeInstanceOf(NotDone);
    expect(systemClock.now() - startedMs).toBeLessThan(280);
    expect(await behind).toBe('$6\r\nbehind\r\n');
    expect(await ask(relay, words('ECHO', 'after'))).toBe('$5\r\nafter\r\n');
  });

  it('each waiter has its own, whatever their order', async () => {
    const relay = await openRelay(redis);
    redis.freeze();
    const order: string[] = [];
    const late = [120, 40, 80].map((ms) =>
      failureOf(ask(relay, words('SET', `k${ms}`, 'v'), inMs(ms))).then(() => order.push(`late ${ms}`)),
    );
    const patient = ask(relay, words('GET', 'k40'));
    await Promise.all(late);
    redis.thaw();
    // What failed may stand: these three do.
    expect(await patient).toBe('$1\r\nv\r\n');
    expect(order).toEqual(['late 40', 'late 80', 'late 120']);
  });

  it('a reply that lay in the socket while this process stood still counts', async () => {
    const relay = await openRelay(redis);
    const answer = ask(relay, words('DEBUG', 'SLEEP', '0.05'), inMs(100));
    await turnsOfTheLoop(2);
    const untilMs = inMs(300);
    while (systemClock.now() < untilMs);
    expect(await answer).toBe('+OK\r\n');
  });

  it('what is too late to leave does not', async () => {
    const relay = await openRelay(redis);
    const error = await failureOf(ask(relay, words('SET', 'k', 'v'), inMs(-1)));
    expect(error).toMatchObject({ code: 'timeout' });
    expect(error).toBeInstanceOf(NotDone);
    expect(await ask(relay, words('GET', 'k'))).toBe('$-1\r\n');
  });
});

describe('a connection that ends', () => {
  it.each(['killed', 'reset'])('every waiter is told, then its owner: %s', async (how) => {
    const server = await startRedis();
    const proxy = await startTcpProxy(server);
    const told: string[] = [];
    const relay = await openRelay(proxy, { onEnd: () => told.push('owner') });
    server.freeze();
    const errors: CacheError[] = [];
    for (const command of [words('SET', 'a', '1'), words('GET', 'a')]) {
      relay.send(command, {
        deadlineMs: inMs(10_000),
        settle: () => told.push('settled'),
        fail: (error) => {
          told.push('waiter');
          errors.push(error);
        },
      });
    }
    await turnsOfTheLoop(2);
    if (how === 'killed') await server.kill();
    else proxy.killConnections();
    await eventually(() => told.length === 3);
    expect(told).toEqual(['waiter', 'waiter', 'owner']);
    for (const error of errors) {
      expect(error).toMatchObject(LOST);
      expect(error).not.toBeInstanceOf(NotDone);
    }
    expect(relay.isReady).toBe(false);
    await server.stop();
    await proxy.close();
  });

  it('what has not left this process was not done', async () => {
    const relay = await openRelay(redis);
    const left = failureOf(ask(relay, words('BLPOP', 'none', '0'), Infinity));
    await eventually(async () => /cmd=blpop/.test(String(await redis.client.client('LIST'))));
    const notLeft = failureOf(ask(relay, words('SET', 'k', 'v')));
    relay.close();
    expect(await left).toMatchObject(LOST);
    expect(await notLeft).toMatchObject(UNREACHABLE);
    expect(await notLeft).toBeInstanceOf(NotDone);
    expect(await redis.client.exists('k')).toBe(0);
  });

  it('closing tells the waiters, not the owner, and ends the connection', async () => {
    const ends: Error[] = [];
    const relay = await openRelay(redis, { onEnd: (cause) => ends.push(cause) });
    const waiting = failureOf(ask(relay, words('BLPOP', 'none', '0'), Infinity));
    relay.close();
    relay.close();
    expect((await waiting).code).toBe('unavailable');
    await eventually(
      async () => !/name=ringcache-relay.*cmd=blpop/.test(String(await redis.client.client('LIST'))),
    );
    expect(ends).toEqual([]);
  });

  it('closing from within a reply hands on no more of them', async () => {
    const relay = await openRelay(redis);
    const outcomes: string[] = [];
    await new Promise<void>((resolve) => {
      const waiter = (name: string) => ({
        deadlineMs: Infinity,
        settle: () => {
          outcomes.push(`${name} settled`);
          relay.close();
        },
        fail: (error: CacheError) => {
          outcomes.push(`${name} ${error.code}`);
          resolve();
        },
      });
      relay.send(words('PING'), waiter('first'));
      relay.send(words('PING'), waiter('second'));
    });
    expect(outcomes).toEqual(['first settled', 'second unavailable']);
  });

  it('one that is half open is given up, one that blocks is not', async () => {
    const proxy = await startTcpProxy(redis);
    const causes: string[] = [];
    const relay = await openRelay(proxy, { onEnd: ({ message }) => causes.push(message) });
    const link = await openRelay(proxy, { onEnd: ({ message }) => causes.push(message) });
    const popped = ask(link, words('BLPOP', 'list', '0'), Infinity);
    await eventually(async () => /cmd=blpop/.test(String(await redis.client.client('LIST'))));
    proxy.pause('down');
    const startedMs = systemClock.now();
    const late = failureOf(ask(relay, words('SET', 'k', 'v'), inMs(100)));
    const unanswered = failureOf(ask(relay, words('GET', 'k'), inMs(60_000)));
    expect(await late).toMatchObject({ code: 'timeout' });
    expect(await unanswered).toMatchObject(LOST);
    expect(systemClock.now() - startedMs).toBeGreaterThan(2900);
    // The other one has been silent for longer than that.
    await eventually(() => systemClock.now() - startedMs > 3300);
    expect(causes).toEqual(['the node is silent']);
    proxy.resume();
    await redis.client.lpush('list', 'v');
    expect(await popped).toBe('*2\r\n$4\r\nlist\r\n$1\r\nv\r\n');
    await proxy.close();
  });

  it('a large value that takes its time is no silence', async () => {
    const proxy = await startTcpProxy(redis);
    const relay = await openRelay(proxy);
    proxy.trickle(4 * 1024 * 1024, 'up');
    const value = Buffer.alloc(20 * 1024 * 1024, 'v');
    const startedMs = systemClock.now();
    expect(await ask(relay, words('SET', 'large', value), inMs(20_000))).toBe('+OK\r\n');
    expect(systemClock.now() - startedMs).toBeGreaterThan(4000);
    await proxy.close();
  });
});

describe('what a server should not say', () => {
  it.each([
    ['garbage', 'HTTP/1.1 400 Bad Request\r\n\r\n', 'the node sent something that is no RESP'],
    ['more than was asked for', '+OK\r\n+OK\r\n', 'the node sent a reply that nobody asked for'],
  ])('%s ends the connection', async (_name, reply, reason) => {
    const causes: string[] = [];
    const relay = await openRelay(await startAnswering(reply), {
      onEnd: ({ message }) => causes.push(message),
    });
    await ask(relay, words('PING')).catch(() => undefined);
    await eventually(() => causes.length > 0);
    expect(causes).toEqual([reason]);
    expect(relay.isReady).toBe(false);
  });

  it('a push that nobody asked for is no reply', async () => {
    const relay = await openRelay(await startAnswering('>2\r\n+invalidate\r\n*0\r\n+PONG\r\n'));
    expect(await ask(relay, words('PING'))).toBe('+PONG\r\n');
  });

  it('a reply that is too long is dropped, and those behind it are not', async () => {
    await redis.client.set('large', Buffer.alloc(8 * 1024 * 1024));
    await redis.client.set('small', 'v');
    const relay = await openRelay(redis);
    const large = failureOf(ask(relay, words('GET', 'large')));
    const small = ask(relay, words('GET', 'small'));
    expect(await large).toMatchObject({ code: 'too_large' });
    expect(await small).toBe('$1\r\nv\r\n');
  });
});

it('a node that takes nothing in is not fed beyond a limit', async () => {
  const proxy = await startTcpProxy(redis);
  const relay = await openRelay(proxy);
  proxy.pause('up');
  const value = Buffer.alloc(1024 * 1024);
  const outcomes = Array.from({ length: 100 }, (_, index) =>
    ask(relay, words('SET', `k${index}`, value)).catch((error: unknown) => error),
  );
  expect(relay.isFull).toBe(true);
  proxy.resume();
  const transaction: unknown[] = [];
  const waiter = {
    deadlineMs: inMs(10_000),
    settle: (reply: unknown) => transaction.push(reply),
    fail: (error: unknown) => transaction.push(error),
  };
  relay.sendAll(['MULTI', 'EXEC'].map((name) => ({ words: words(name), waiter })));
  const settled = await Promise.all(outcomes);
  expect(transaction).toEqual([expect.any(NotDone), expect.any(NotDone)]);
  expect(settled.slice(0, 64)).toEqual(Array.from({ length: 64 }, () => '+OK\r\n'));
  expect(settled[99]).toBeInstanceOf(NotDone);
  expect(settled[99]).toMatchObject({ code: 'unavailable' });
  await eventually(() => !relay.isFull);
  expect(await ask(relay, words('EXISTS', 'k99'))).toBe(':0\r\n');
  await proxy.close();
});

describe('a subscriber', () => {
  it.each([
    [2, '*'],
    [3, '>'],
  ] as const)('hears every frame as it came, errors too: RESP%i', async (protocol, sign) => {
    const frames: string[] = [];
    const relay = await openRelay(redis, { protocol, onMessage: (frame) => frames.push(frame.toString()) });
    relay.tell(words('SUBSCRIBE', 'a', 'b'));
    await eventually(() => frames.length === 2);
    await redis.client.publish('b', 'hello');
    relay.tell(words('UNSUBSCRIBE'));
    relay.tell(words('NOPE'));
    await eventually(() => frames.length === 6);
    expect(frames.slice(0, 3)).toEqual([
      `${sign}3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n`,
      `${sign}3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n`,
      `${sign}3\r\n$7\r\nmessage\r\n$1\r\nb\r\n$5\r\nhello\r\n`,
    ]);
    expect(frames[5]).toMatch(/^-ERR unknown command/);
    relay.close();
  });

  it('hears nothing more once it is closed', async () => {
    const frames: string[] = [];
    const relay: RelayConnection = await openRelay(await startAnswering('+1\r\n+2\r\n'), {
      onMessage: (frame) => {
        frames.push(frame.toString());
        relay.close();
      },
    });
    relay.tell(words('PING'));
    await eventually(() => frames.length > 0);
    expect(frames).toEqual(['+1\r\n']);
  });

  it('a message that is too long ends it: none is lost unsaid', async () => {
    const causes: string[] = [];
    const relay = await openRelay(redis, {
      onMessage: () => undefined,
      onEnd: ({ message }) => causes.push(message),
    });
    relay.tell(words('SUBSCRIBE', 'c'));
    await eventually(async () => (await redis.client.publish('c', Buffer.alloc(2 * 1024 * 1024))) === 1);
    await eventually(() => causes.length > 0);
    expect(causes).toEqual(['the node sent a message that is too long']);
  });

  it('is given up when what it asked for is not confirmed', async () => {
    const proxy = await startTcpProxy(redis);
    const causes: string[] = [];
    const relay = await openRelay(proxy, {
      onMessage: () => undefined,
      onEnd: ({ message }) => causes.push(message),
    });
    proxy.pause('down');
    relay.tell(words('SUBSCRIBE', 'c'));
    await eventually(() => causes.length > 0, 10_000);
    expect(causes).toEqual(['the node is silent']);
    await proxy.close();
  });
});
