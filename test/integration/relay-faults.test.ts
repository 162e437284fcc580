/** Relaying on a ring while nodes refuse, die and come back: order is kept, and nothing is lost unsaid. */
import type { CacheError } from '../../src/core/errors';
import type { Engine, EngineRelay } from '../../src/core/ports';
import { Relay, type CacheRelay } from '../../src/core/relay';
import { systemClock as clock } from '../../src/lib/clock';
import { eventually } from '../support/eventually';
import { startShard, type ShardProcesses } from '../support/redis';
import { ask, askEngine, askOn, transact, transactOn, type Told } from '../support/relay';
import { openTestRing } from '../support/ring';

let shard: ShardProcesses;
let engine: Engine;
let relay: EngineRelay;
let core: CacheRelay;

beforeEach(async () => {
  shard = await startShard({ name: 'a', replicas: 1 });
  engine = await openTestRing(shard.config);
  relay = engine.relay!;
  const none = { cipher: undefined, encryptByDefault: false, defaultTtlMs: 0 };
  core = new Relay(relay, { ...none, forget: () => undefined, forgetAll: () => undefined });
});
afterEach(async () => {
  await engine.close();
  await shard.stop();
});

const send = (text: string, told?: Told) => askEngine(relay, text, told);
const redis = () => shard.master.client;
const failureOf = (work: Promise<unknown>): Promise<CacheError> =>
  work.then(
    (reply) => {
      throw new Error(`it was answered: ${String(reply)}`);
    },
    (thrown: unknown) => thrown as CacheError,
  );

it('a master that is demoted for a moment refuses, and all is carried out in its order when it is back', async () => {
  await send('SET k 0');
  await redis().call('REPLICAOF', '127.0.0.1', '1');
  const replies = Array.from({ length: 100 }, (_, n) => send(`APPEND log ${n},`));
  const read = send('GET log', { from: 'master' });
  await new Promise((resolve) => setTimeout(resolve, 50));
  const later = send('APPEND log end');
  await redis().call('REPLICAOF', 'NO', 'ONE');
  await Promise.all([...replies, later]);
  const expected = Array.from({ length: 100 }, (_, n) => `${n},`).join('');
  expect(await redis().get('log')).toBe(`${expected}end`);
  expect(await read).toBe(`$${expected.length}\r\n${expected}\r\n`);
});

it('what a script says itself is its reply, and it is carried out once', async () => {
  const run = (said: string) =>
    send('EVAL', { keys: [], isUnbounded: true, at: 0, words: ['EVAL', scriptOf(said), '0'] });
  const scriptOf = (said: string) => `redis.call('INCR','n') return redis.error_reply('${said}')`;
  const sayings = [
    'MOVED 1 127.0.0.1:1',
    'ASK 1 127.0.0.1:1',
    'READONLY mine',
    'TRYAGAIN later',
    'NOREPLICAS none',
  ];
  for (const said of sayings) expect(await run(said)).toBe(`-${said}\r\n`);
  expect(await redis().get('n')).toBe(String(sayings.length));

  // And what only a node can say, it may have said.
  const failure = await failureOf(run("READONLY You can\\'t write against a read only replica."));
  expect(failure).toMatchObject({ code: 'unavailable', message: expect.stringContaining('may have been') });
  expect(await redis().get('n')).toBe(String(sayings.length + 1));
});

it('a script that a demoted master refuses fails, and those behind it wait for a master', async () => {
  const told = { keys: [], isUnbounded: true, at: 0, words: ['EVAL', "return redis.call('INCR','n')", '0'] };
  expect(await send('EVAL', told)).toBe(':1\r\n');
  await redis().call('REPLICAOF', '127.0.0.1', '1');
  const refused = failureOf(send('EVAL', told));
  expect(await refused).toMatchObject({ code: 'unavailable' });
  const behind = send('EVAL', told);
  await redis().call('REPLICAOF', 'NO', 'ONE');
  expect(await behind).toBe(':2\r\n');
});

it('what a master refuses for want of replicas waits for them, and is refused at once when that takes too long', async () => {
  await redis().config('SET', 'min-replicas-to-write', '1');
  await shard.replicas[0]!.kill();
  await eventually(
    async () => (await redis().info('replication')).includes('min_slaves_good_slaves:0'),
    15_000,
  );
  const startedMs = clock.now();
  const first = send('SET k v');
  const transaction = transact(core, ['SET k w', 'GET k']);
  expect(await failureOf(first)).toMatchObject({
    code: 'unavailable',
    message: expect.stringContaining('Nothing'),
  });
  expect(await failureOf(transaction)).toMatchObject({ code: 'unavailable' });
  expect(clock.now() - startedMs).toBeLessThan(1000);
  const secondMs = clock.now();
  await failureOf(send('SET k v'));
  expect(clock.now() - secondMs).toBeLessThan(200);
  expect(await send('GET k', { from: 'master' })).toBe('$-1\r\n');

  await redis().config('SET', 'min-replicas-to-write', '0');
  expect(await send('SET k v')).toBe('+OK\r\n');
});

it('callers of both versions of the protocol do not hold each other up', async () => {
  const both = () => [send('GET k', { protocol: 2 }), send('GET k', { protocol: 3 })];
  await Promise.all(both());
  const reads = async () =>
    Number(/^total_reads_processed:(\d+)/m.exec(await redis().info('stats'))?.[1] ?? NaN);
  const before = await reads();
  const told = await Promise.all(Array.from({ length: 1000 }, both).flat());
  expect(new Set(told)).toEqual(new Set(['$-1\r\n', '_\r\n']));
  // All of them in a few packets, not one after the other.
  expect((await reads()) - before).toBeLessThan(300);
});

it('with the master dead all fail within their deadlines, and all is well when it is back', async () => {
  await send('SET k v');
  await shard.master.kill();
  const startedMs = clock.now();
  const failures = await Promise.all(Array.from({ length: 20 }, (_, n) => failureOf(send(`SET k ${n}`))));
  expect(clock.now() - startedMs).toBeLessThan(1500);
  for (const { code } of failures) expect(code).toBe('unavailable');
  await shard.master.restart();
  await eventually(async () => (await send('SET k back')) === '+OK\r\n');
  expect(await send('GET k', { from: 'master' })).toBe('$4\r\nback\r\n');
});

it('with the master frozen a change is told within its deadline that it may have been made', async () => {
  await send('SET k v');
  shard.master.freeze();
  try {
    const startedMs = clock.now();
    const failure = await failureOf(send('SET k w', { withinMs: 300 }));
    expect(failure.code).toMatch(/timeout|unavailable/);
    expect(clock.now() - startedMs).toBeLessThan(1000);
  } finally {
    shard.master.thaw();
  }
  await eventually(async () => (await send('SET k x')) === '+OK\r\n');
});

it('what the store says is a reply, errors included', async () => {
  await send('RPUSH list a');
  expect(await send('GET list', { from: 'master' })).toMatch(/^-WRONGTYPE /);
  expect(await send('GET', { keys: ['list'], from: 'any' })).toMatch(/^-ERR wrong number/);
  expect(await transact(core, ['SET k 1', 'LPOP k', 'GET k'])).toMatch(
    /^\*3\r\n\+OK\r\n-WRONGTYPE .*\r\n\$1\r\n1\r\n$/,
  );
  expect(await transact(core, ['SET k 1', 'NOSUCH k'])).toMatch(/^-EXECABORT /);
});

describe('a link', () => {
  const opened = async (onEnd: () => void = () => undefined) =>
    core.open(0, { protocol: 2, deadlineMs: clock.now() + 2000, onEnd });

  it('blocks nobody else, and a change that it makes is read behind it', async () => {
    const link = await opened();
    const popped = askOn(link, 'BLPOP queue 0', { keys: ['queue'], withinMs: Infinity });
    expect(await send('SET k v')).toBe('+OK\r\n');
    await send('RPUSH queue x');
    expect(await popped).toBe('*2\r\n$5\r\nqueue\r\n$1\r\nx\r\n');
    expect(await send('LRANGE queue 0 -1', { from: 'any' })).toBe('*0\r\n');
    link.close();
  });

  it('keeps what it watches through its own commands, and tells of a change with null', async () => {
    const link = await opened();
    const watch = () => askOn(link, 'WATCH k', { isWrite: false, scopes: ['read'] });
    await watch();
    await askOn(link, 'GET k');
    expect(await transactOn(link, ['SET k 1'])).toBe('*1\r\n+OK\r\n');
    await watch();
    await send('SET k 2');
    expect(await transactOn(link, ['SET k 3'])).toBe('*-1\r\n');
    expect(await redis().get('k')).toBe('2');
    link.close();
  });

  it('ends when its connection does: what waits fails, and its owner is told once', async () => {
    const onEnd = jest.fn();
    const link = await opened(onEnd);
    const popped = failureOf(askOn(link, 'BLPOP queue 0', { keys: ['queue'], withinMs: Infinity }));
    await shard.master.kill();
    expect(await popped).toMatchObject({ code: 'unavailable' });
    await eventually(() => onEnd.mock.calls.length > 0);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(onEnd).toHaveBeenCalledTimes(1);
  });

  it('that its owner closes fails what waits, and tells nobody of its end', async () => {
    const onEnd = jest.fn();
    const link = await opened(onEnd);
    const popped = failureOf(askOn(link, 'BLPOP queue 0', { keys: ['queue'], withinMs: Infinity }));
    await send('SET k v');
    link.close();
    expect(await popped).toMatchObject({ code: 'unavailable' });
    expect(onEnd).not.toHaveBeenCalled();
  });

  it('cannot be opened while the master is away', async () => {
    await shard.master.kill();
    expect(await failureOf(opened())).toMatchObject({ code: 'unavailable' });
  });
});

describe('a subscriber', () => {
  it('gets confirmations and messages, frame by frame, and hears of its end', async () => {
    const frames: string[] = [];
    const onEnd = jest.fn();
    const subscriber = await core.subscribe(0, {
      protocol: 3,
      deadlineMs: clock.now() + 2000,
      onMessage: (frame) => frames.push(frame.toString()),
      onEnd,
    });
    subscriber.tell([Buffer.from('SUBSCRIBE'), Buffer.from('news')]);
    await eventually(() => frames.length === 1);
    expect(frames[0]).toMatch(/^>3\r\n\$9\r\nsubscribe/);
    expect(await send('PUBLISH news hello', { keys: [], at: 0 })).toBe(':1\r\n');
    await eventually(() => frames[1]?.endsWith('$5\r\nhello\r\n') === true);
    await shard.master.kill();
    await eventually(() => onEnd.mock.calls.length === 1);
  });

  it('that is closed hears nothing more', async () => {
    const onEnd = jest.fn();
    const options = {
      protocol: 2,
      deadlineMs: clock.now() + 2000,
      onMessage: () => undefined,
      onEnd,
    } as const;
    const subscriber = await core.subscribe(0, options);
    subscriber.close();
    await engine.close();
    expect(onEnd).not.toHaveBeenCalled();
  });
});

it('a closed engine ends its links, and refuses what comes', async () => {
  const onEnd = jest.fn();
  const link = await core.open(0, { protocol: 2, deadlineMs: clock.now() + 2000, onEnd });
  const popped = failureOf(askOn(link, 'BLPOP queue 0', { keys: ['queue'], withinMs: Infinity }));
  await engine.close();
  await popped;
  expect(onEnd).toHaveBeenCalledTimes(1);
  expect(await failureOf(ask(core, 'SET k v'))).toMatchObject({ code: 'unavailable' });
});
