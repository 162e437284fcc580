/** `ack`: a change counts only when so many replicas have it, and one that was refused is never made later. */
import { Redis } from 'ioredis';
import type { Ack, Key } from '../../src/core/command';
import type { Engine } from '../../src/core/ports';
import type { ShardConfig } from '../../src/engines/shard';
import { systemClock as clock } from '../../src/lib/clock';
import { setValue } from '../../src/redis/commands';
import { ConfirmingConnection } from '../../src/redis/confirming-connection';
import { NotDone } from '../../src/redis/redis-errors';
import { clientsOf } from '../support/coherence';
import { eventually } from '../support/eventually';
import { createRecordingLog } from '../support/log';
import { startShard, type ShardProcesses } from '../support/redis';
import { openTestRing } from '../support/ring';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy';

let shard: ShardProcesses;
let proxy: TcpProxy;
let engine: Engine;
const log = createRecordingLog();

beforeAll(async () => {
  shard = await startShard({ name: 'a', replicas: 1 });
  proxy = await startTcpProxy(shard.master);
  // Only the gateway's way to the master leads through the proxy.
  const { master } = shard.config;
  const config: ShardConfig = { ...shard.config, master: { ...master, host: proxy.host, port: proxy.port } };
  engine = await openTestRing(config, { log });
});
afterAll(async () => {
  await engine.close();
  await proxy.close();
  await shard.stop();
});

const write = async (key: string, text: string, ack: Ack, withinMs = 2000): Promise<boolean> => {
  const options = { ttlMs: 0, condition: undefined, ack, deadlineMs: clock.now() + withinMs };
  return (await engine.write(key as Key, Buffer.from(text), options)).done;
};
const stored = (key: string): Promise<string | null> => shard.master.client.get(key);

it('enough replicas: the change is made and confirmed, one by one and together', async () => {
  expect(await write('one', 'v', 1)).toBe(true);
  expect(await shard.replicas[0]!.client.get('one')).toBe('v');
  const many = Array.from({ length: 50 }, (_, n) => write(`many-${n}`, 'v', 1));
  expect(await Promise.all(many)).toEqual(many.map(() => true));
  const removed = await engine.remove('one' as Key, { ack: 1, deadlineMs: clock.now() + 2000 });
  expect(removed.done).toBe(true);
  expect(await shard.replicas[0]!.client.get('one')).toBeNull();
});

it('too few replicas: refused within the deadline, with the word that it may stand', async () => {
  const startedMs = clock.now();
  await expect(write('few', 'v', 2, 500)).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringContaining('may stand') as string,
  });
  expect(clock.now() - startedMs).toBeLessThan(600);
  expect(await stored('few')).toBe('v');
});

it('a refused change is never made later, over what was written since', async () => {
  const refused = Array.from({ length: 12 }, (_, n) => write(`late-${n}`, 'old', 2, 700));
  const outcomes = await Promise.allSettled(refused);
  expect(new Set(outcomes.map(({ status }) => status))).toEqual(new Set(['rejected']));
  for (let n = 0; n < 12; n += 1) await write(`late-${n}`, 'new', 0);
  // When nobody waits in Redis any more, all that was sent has been carried out.
  await eventually(
    async () => !/cmd=(wait|set) .*flags=b|flags=b/.test(String(await shard.master.client.client('LIST'))),
  );
  for (let n = 0; n < 12; n += 1) expect(await stored(`late-${n}`)).toBe('new');
});

it('a change that can be confirmed does not wait behind those that cannot', async () => {
  const hopeless = write('two', 'v', 2);
  const startedMs = clock.now();
  expect(await write('beside', 'v', 1)).toBe(true);
  expect(clock.now() - startedMs).toBeLessThan(1500);
  await expect(hopeless).rejects.toMatchObject({ code: 'unavailable' });
});

it('what Redis itself refuses is told as such', async () => {
  await shard.master.client.config('SET', 'maxmemory', '1');
  try {
    await expect(write('full', 'v', 1)).rejects.toMatchObject({ code: 'out_of_memory' });
  } finally {
    await shard.master.client.config('SET', 'maxmemory', '0');
  }
});

it('a link whose answers were lost is replaced, and acks work again', async () => {
  proxy.swallow('down');
  await expect(write('lost', 'v', 1, 500)).rejects.toMatchObject({ code: 'unavailable' });
  // TCP loses no bytes of a link that goes on: until it has given up these links, they stay as they are.
  await eventually(() => log.lines.some(({ message }) => message.includes('connecting anew')), 8000);
  proxy.resume();
  await eventually(() => write('back', 'v', 1, 500), 8000);
  expect(await stored('back')).toBe('v');
}, 20_000);

describe('a connection that is closed, since the master is another one', () => {
  let connection: ConfirmingConnection;
  let others: readonly number[];
  beforeEach(async () => {
    others = (await clientsOf(shard.master)).map(({ id }) => id);
    // More than there are, so that WAIT takes its time.
    connection = new ConfirmingConnection(shard.master.address, 2, clock);
  });
  afterEach(() => connection.close());

  const run = (key: string): Promise<unknown> => {
    const change = setValue(key as Key, Buffer.from('v'), { ttlMs: 0, condition: undefined });
    return connection.run(change, clock.now() + 2000).catch((error: unknown) => error);
  };
  async function leavesNothing(): Promise<void> {
    const mine = async () => (await clientsOf(shard.master)).filter(({ id }) => !others.includes(id));
    await eventually(async () => (await mine()).length === 0);
    // Longer than the pause before a connection is made anew.
    const quietMs = clock.now() + 400;
    await eventually(async () => {
      expect(await mine()).toEqual([]);
      return clock.now() > quietMs;
    });
  }

  it('refuses what waits as not done, sends nothing more, and does not stay', async () => {
    const sent = run('closed-sent');
    await eventually(async () => (await stored('closed-sent')) === 'v');
    const waiting = run('closed-waiting');
    connection.close();
    expect(await waiting).toBeInstanceOf(NotDone);
    expect(await run('closed-after')).toBeInstanceOf(NotDone);
    const error = await sent;
    expect(error).not.toBeInstanceOf(NotDone);
    expect(error).toMatchObject({ code: 'unavailable' });
    await leavesNothing();
    expect(await stored('closed-waiting')).toBeNull();
    expect(await stored('closed-after')).toBeNull();
  });

  it('before its first use it never connects', async () => {
    const waiting = run('closed-first');
    connection.close();
    expect(await waiting).toBeInstanceOf(NotDone);
    await leavesNothing();
    expect(await stored('closed-first')).toBeNull();
  });
});

it('a change that finds a connection which takes nothing more, and whose end is not told yet, leaves on the next one', async () => {
  const connect = jest.spyOn(Redis.prototype, 'connect');
  const connection = new ConfirmingConnection(shard.master.address, 1, clock);
  const run = (key: string): Promise<unknown> => {
    const change = setValue(key as Key, Buffer.from('v'), { ttlMs: 0, condition: undefined });
    return connection.run(change, clock.now() + 2000).catch((error: unknown) => error);
  };
  try {
    expect(await run('ended-before')).toMatchObject({ reply: true });
    const client = connect.mock.contexts[0] as Redis;
    const met = new Promise((resolve) => {
      client.stream.once('end', () => {
        // The socket knows, ioredis does not.
        const asked = run('ended-after');
        setImmediate(() => {
          const { status } = client;
          void asked.then((outcome) => resolve([status, outcome]));
        });
      });
    });
    const { localPort = 0 } = client.stream;
    await shard.master.client.client('KILL', 'ADDR', `127.0.0.1:${localPort}`);
    expect(await met).toEqual(['ready', { reply: true, offset: expect.any(Number) as number }]);
    expect(await stored('ended-after')).toBe('v');
  } finally {
    connection.close();
    connect.mockRestore();
  }
});

it('where the master tells no offset (no right to ROLE), its writes are still read back', async () => {
  await shard.master.client.acl('SETUSER', 'default', '-role');
  try {
    for (let n = 0; n < 50; n += 1) {
      await write('unplaced', `v${n}`, 0);
      // A question that comes too late must not make anything of what was known before the write.
      const hasty = engine.read('x' as Key, {
        consistency: 'strong',
        withLife: false,
        deadlineMs: clock.now() + 1,
      });
      await hasty.catch(() => undefined);
      const options = { consistency: 'eventual', withLife: false, deadlineMs: clock.now() + 2000 } as const;
      expect((await engine.read('unplaced' as Key, options))?.bytes.toString()).toBe(`v${n}`);
    }
  } finally {
    await shard.master.client.acl('SETUSER', 'default', '+role');
  }
});
