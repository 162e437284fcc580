/** Commands to one real Redis: in which order they leave, and what is told of those that a connection takes no more. */
import type { Redis } from 'ioredis';
import type { Key } from '../../src/core/command';
import type { CacheError } from '../../src/core/errors';
import { systemClock } from '../../src/lib/clock';
import type { NodeAddress } from '../../src/redis/client';
import {
  asking,
  deleteKey,
  getBytes,
  replicationState,
  masterOffset,
  sendAnnouncedChange,
  setValue,
  type NodeCommand,
} from '../../src/redis/commands';
import { NotDone, Overloaded } from '../../src/redis/redis-errors';
import { RedisNode } from '../../src/redis/redis-node';
import { eventually } from '../support/eventually';
import { stopAfterTests } from '../support/leftovers';
import { createRecordingLog } from '../support/log';
import { type RedisProcess, startRedis } from '../support/redis';
import { startTcpProxy } from '../support/tcp-proxy';

let redis: RedisProcess;
beforeEach(async () => {
  redis = await startRedis();
});
afterEach(() => redis.stop());

const inMs = (ms: number): number => systemClock.now() + ms;

/** A node that is connected, and its connection. `way`: the address to which it connects, if not Redis's own. */
async function openNode(way: Pick<NodeAddress, 'host' | 'port'> = redis.address) {
  const clients: Redis[] = [];
  const address = { ...redis.address, host: way.host, port: way.port };
  const node = new RedisNode(address, {
    clock: systemClock,
    log: createRecordingLog(),
    readOnly: false,
    onLearned: () => undefined,
    onConnected: (client) => clients.push(client),
    onLost: () => undefined,
  });
  stopAfterTests(() => {
    node.close();
    return Promise.resolve();
  });
  await node.open();
  await eventually(() => node.usable);
  return { node, client: clients[0] as Redis };
}

/** As `run`, of a change. */
function change(node: RedisNode, command: NodeCommand<boolean>): Promise<boolean> {
  return new Promise((settle, fail) => node.change(command, { settle, fail }, inMs(5000)));
}

const set = (key: string, bytes = 'v') =>
  setValue(key as Key, Buffer.from(bytes), { ttlMs: 0, condition: undefined });

function outcomeOf(work: Promise<unknown>): Promise<unknown> {
  return work.catch((error: unknown) => error);
}

describe('a connection that takes nothing more, and whose end is not told yet', () => {
  const COMMANDS: readonly (readonly [string, NodeCommand<boolean>])[] = [
    ['a single command', set('k')],
    ['a transaction', sendAnnouncedChange(set('k'), 'channel')],
    ['a command behind ASKING', asking(set('k'))],
  ];

  it.each(COMMANDS)('%s is refused as not done when Redis was killed', async (_, command) => {
    const { node, client } = await openNode();
    const met = new Promise((resolve) => {
      client.stream.once('end', () => {
        // The socket knows, ioredis does not.
        const asked = outcomeOf(change(node, command));
        setImmediate(() => {
          const { status } = client;
          void asked.then((outcome) => resolve([status, outcome]));
        });
      });
    });
    await redis.kill();
    const [status, outcome] = (await met) as [string, CacheError];
    expect(status).toBe('ready');
    expect(outcome).toBeInstanceOf(NotDone);
    expect(outcome).toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('Nothing was done'),
    });
  });

  it.each(COMMANDS)(
    '%s is refused as not done when the node is closed in the same turn',
    async (_, command) => {
      const { node } = await openNode();
      const asked = outcomeOf(change(node, command));
      node.close();
      expect(await asked).toBeInstanceOf(NotDone);
      expect(await redis.client.exists('k')).toBe(0);
    },
  );

  it('a read goes on to be asked elsewhere, and holds no place here', async () => {
    const { node } = await openNode();
    const asked = outcomeOf(node.run(getBytes('k' as Key, 100), inMs(5000)));
    node.close();
    expect(await asked).toMatchObject({ code: 'unavailable' });
    expect(node.inFlight).toBe(0);
  });
});

it.each([
  ['a single command', set('k')],
  ['a transaction', sendAnnouncedChange(set('k'), 'channel')],
] as const)('%s that has left when Redis is killed may stand', async (_, command) => {
  const { node } = await openNode();
  redis.freeze();
  const asked = outcomeOf(change(node, command));
  await eventually(() => node.inFlight === 1);
  await redis.kill();
  const outcome = (await asked) as CacheError;
  expect(outcome).not.toBeInstanceOf(NotDone);
  expect(outcome).toMatchObject({ code: 'unavailable', message: expect.stringContaining('may stand') });
});

it.each([
  ['a single command', (key: string) => set(key)],
  ['a transaction', (key: string) => sendAnnouncedChange(set(key), 'channel')],
  ['a command behind ASKING', (key: string) => asking(set(key))],
])('a key of any bytes comes to Redis as it is in %s, and in its announcement', async (form, commandFor) => {
  const { node } = await openNode();
  const announced: Buffer[] = [];
  const subscriber = redis.client.duplicate();
  stopAfterTests(() => {
    subscriber.disconnect();
    return Promise.resolve();
  });
  await subscriber.subscribe('channel');
  subscriber.on('messageBuffer', (_channel: Buffer, message: Buffer) => announced.push(message));
  const bytes = Buffer.from([0x6b, 0x00, 0x0d, 0x0a, 0x80, 0xc3, 0xff]);
  const command = commandFor(bytes.toString('latin1'));
  expect(await change(node, command)).toBe(true);
  expect(await redis.client.keysBuffer('*')).toEqual([bytes]);
  await redis.client.publish('channel', 'last');
  await eventually(() => announced.at(-1)?.toString() === 'last');
  expect(announced.slice(0, -1)).toEqual(form === 'a transaction' ? [bytes] : []);
});

it('what is too late to leave does not, and was not done', async () => {
  const { node } = await openNode();
  const outcomes = [
    outcomeOf(node.run(set('k'), inMs(-1))),
    outcomeOf(node.run(sendAnnouncedChange(set('k'), 'channel'), inMs(-1))),
  ];
  for (const outcome of await Promise.all(outcomes)) {
    expect(outcome).toBeInstanceOf(NotDone);
    expect(outcome).toMatchObject({ code: 'timeout', message: expect.stringContaining('Nothing was done') });
  }
  expect(await redis.client.exists('k')).toBe(0);
});

describe('a node that takes nothing in for a while', () => {
  const MIB = 1024 * 1024;
  const value = 'v'.repeat(MIB);
  /** As single commands and as functions. */
  const write = (n: number) => (n % 2 === 0 ? set(`k${n}`, value) : asking(set(`k${n}`, value)));

  it('is not fed beyond a limit with what nobody waits for any more', async () => {
    const proxy = await startTcpProxy(redis);
    const { node, client } = await openNode(proxy);
    proxy.pause('up');
    const left: number[] = [];
    let refused: CacheError | undefined;
    // Given up four by four, which makes room for the next ones. On a busy machine some are too late to leave.
    for (let n = 0; n < 400 && refused === undefined; n += 4) {
      const four = [n, n + 1, n + 2, n + 3];
      const outcomes = await Promise.all(four.map((each) => outcomeOf(node.run(write(each), inMs(50)))));
      left.push(...four.filter((_, at) => !(outcomes[at] instanceof NotDone)));
      refused = outcomes.find((outcome) => outcome instanceof Overloaded);
    }
    expect(client.stream.writableLength).toBeLessThan(70 * MIB);
    expect(refused).toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('too much to do. Nothing was done'),
    });
    proxy.resume();
    await eventually(() => client.stream.writableLength === 0);
    expect(await change(node, set('again'))).toBe(true);
    expect((await redis.client.keys('k*')).sort()).toEqual(left.map((n) => `k${n}`).sort());
  });

  it('gets all that is waited for, and what is small behind it, when it takes it', async () => {
    const proxy = await startTcpProxy(redis);
    const { node, client } = await openNode(proxy);
    proxy.pause('up');
    const outcomes: Promise<unknown>[] = [];
    for (let n = 0; n < 100; n++) {
      outcomes.push(change(node, write(n)));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(client.stream.writableLength).toBeGreaterThan(90 * MIB);
    const small = node.run(getBytes('k99' as Key, MIB), inMs(5000));
    await new Promise((resolve) => setImmediate(resolve));
    proxy.resume();
    expect(await Promise.all(outcomes)).toEqual(Array.from({ length: 100 }, () => true));
    expect((await small).length).toBe(MIB);
  });
});

it('single commands and functions of one turn come to Redis in the order in which they were asked, and each gets its own reply', async () => {
  const { node } = await openNode();
  const monitor = await redis.client.monitor();
  stopAfterTests(() => {
    monitor.disconnect();
    return Promise.resolve();
  });
  const seen: string[] = [];
  monitor.on('monitor', (_time: string, [name = '', key = '']: readonly string[]) => {
    seen.push(`${name.toUpperCase()} ${key}`.trim());
  });
  const announced = (key: string) => sendAnnouncedChange(set(key, key), 'channel');
  const run = (command: NodeCommand<unknown>) => node.run(command, inMs(5000));
  const replies = await Promise.all([
    change(node, set('a', 'a')),
    change(node, announced('b')),
    run(getBytes('b' as Key, 100)),
    run(replicationState),
    change(node, deleteKey('a' as Key)),
    change(node, announced('c')),
    change(node, announced('d')),
    run(getBytes('d' as Key, 100)),
    run(getBytes('a' as Key, 100)),
    run(masterOffset),
  ]);
  expect(replies).toEqual([
    ...[true, true, Buffer.from('b'), expect.objectContaining({ role: 'master' }), true],
    ...[true, true, Buffer.from('d'), Buffer.alloc(0), expect.any(Number)],
  ]);
  const asked = [
    ...['SET a', 'MULTI', 'SET b', 'PUBLISH channel', 'EXEC', 'GETRANGE b', 'INFO replication', 'DEL a'],
    ...['MULTI', 'SET c', 'PUBLISH channel', 'EXEC', 'MULTI', 'SET d', 'PUBLISH channel', 'EXEC'],
    // The offset behind the changes is asked for last of all.
    ...['GETRANGE d', 'GETRANGE a', 'ROLE', 'ROLE'],
  ];
  await eventually(() => seen.filter((line) => line === 'ROLE').length === 2);
  expect(seen).toEqual(asked);
});
