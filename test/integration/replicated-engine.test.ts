/** What several gateways of the replicated engine make of each other's writes, over a real Redis. */
import type { Session } from '../../src/core/session';
import { Session as Sessions } from '../../src/core/session';
import type { EngineContent } from '../../src/core/ports';
import { codeOf as contractCodeOf } from '../contract/engine-contract';
import { eventually } from '../support/eventually';
import { startRedis, type RedisProcess } from '../support/redis';
import { startTcpProxy } from '../support/tcp-proxy';
import {
  openReplicatedGateway,
  openUnreadyGateway,
  type ReplicatedGateway,
  type ReplicatedGatewayOptions,
} from '../support/replicated';

const MINUTE_MS = 60_000;

let redis: RedisProcess;
let opened: ReplicatedGateway[] = [];

beforeAll(async () => {
  redis = await startRedis();
});
afterEach(async () => {
  await Promise.all(opened.map((gateway) => gateway.close()));
  opened = [];
});
afterAll(() => redis.stop());

const bus = () => ({ kind: 'redis', address: redis.address }) as const;

async function open(options?: ReplicatedGatewayOptions): Promise<ReplicatedGateway> {
  const gateway = await openReplicatedGateway(bus(), options);
  opened.push(gateway);
  return gateway;
}

/** Gateways that know of each other. */
async function openGroup(...options: ReplicatedGatewayOptions[]): Promise<ReplicatedGateway[]> {
  const group = await Promise.all(options.map((each) => open(each)));
  await eventually(() => group.every((gateway) => peersHeard(gateway) === group.length - 1));
  return group;
}

async function openPair(): Promise<[ReplicatedGateway, ReplicatedGateway]> {
  const [a, b] = await openGroup({}, {});
  return [a!, b!];
}

function peersHeard({ engine }: ReplicatedGateway): number {
  return engine.status()[0]!.nodes.filter(({ role, linkUp }) => role === 'replica' && linkUp === true).length;
}

/** Resolves when all have the same, and gives it. */
async function converged(group: readonly ReplicatedGateway[]): Promise<Map<string, string | undefined>> {
  return eventually(async () => {
    const [first, ...others] = await Promise.all(group.map((gateway) => gateway.all()));
    for (const other of others) expect(other).toEqual(first);
    return new Map(first);
  }, 10_000);
}

/** `done`, or the code of what it was refused with. */
async function codeOf(work: Promise<unknown>): Promise<string | undefined> {
  const [outcome] = await Promise.allSettled([work]);
  return outcome.status === 'fulfilled' ? 'done' : contractCodeOf(outcome);
}

describe('writes on several gateways', () => {
  it('a write and a deletion are seen on the others within a second', async () => {
    const group = await openGroup({}, {}, {});
    await group[0]!.put('key', 'value');
    for (const gateway of group) await eventually(async () => (await gateway.text('key')) === 'value', 1000);
    await group[1]!.drop('key');
    for (const gateway of group)
      await eventually(async () => (await gateway.text('key')) === undefined, 1000);
  });

  it('of writes and deletions at the same time one stays for each key, the same everywhere', async () => {
    const group = await openGroup({}, {}, {});
    const all: Promise<unknown>[] = [];
    for (let n = 0; n < 1500; n += 1) {
      const gateway = group[n % 3]!;
      const key = `key ${(n * 7) % 11}`;
      all.push(n % 5 === 4 ? gateway.drop(key) : gateway.put(key, `value ${n}`));
      if (n % 50 === 0) await all.at(-1);
    }
    await Promise.all(all);
    const held = await converged(group);
    for (const [key, value] of held) {
      const n = Number(value?.slice('value '.length));
      expect(key).toBe(`key ${(n * 7) % 11}`);
    }
  });

  it('NX on two gateways at the same time may be done on both, and one of the values stays on both', async () => {
    const [a, b] = await openPair();
    const done = await Promise.all([
      a.put('key', 'of a', { condition: 'NX' }),
      b.put('key', 'of b', { condition: 'NX' }),
    ]);
    expect(done.some((change) => change.done)).toBe(true);
    const held = await converged([a, b]);
    expect(['of a', 'of b']).toContain(held.get('key'));
    expect((await a.put('key', 'third', { condition: 'NX' })).done).toBe(false);
  });

  it('a write that was told of another one wins over it, however the clocks of the machines differ', async () => {
    const [ahead, behind] = await openGroup({ aheadMs: 10 * MINUTE_MS }, { aheadMs: -10 * MINUTE_MS });
    for (let n = 0; n < 20; n += 1) {
      await ahead!.put('key', `ahead ${n}`);
      await eventually(async () => (await behind!.text('key')) === `ahead ${n}`);
      await behind!.put('key', `behind ${n}`);
      await eventually(async () => (await ahead!.text('key')) === `behind ${n}`);
    }
  });

  it('of two writes 50 ms apart the later one stays, however the clocks of the machines differ', async () => {
    const [ahead, behind] = await openGroup({ aheadMs: 10 * MINUTE_MS }, { aheadMs: -10 * MINUTE_MS });
    const link = await startTcpProxy(redis);
    const cut = await openReplicatedGateway({
      kind: 'redis',
      address: { ...redis.address, host: link.host, port: link.port },
    });
    opened.push(cut);
    link.cut();
    // It hears nothing of the first write, so only time can tell that its own is later.
    await ahead!.put('key', 'first');
    await new Promise((resolve) => setTimeout(resolve, 50));
    await cut.put('key', 'second');
    link.heal();
    await eventually(async () => (await behind!.text('key')) === 'second', 10_000);
    expect((await converged([ahead!, behind!, cut])).get('key')).toBe('second');
    await link.close();
  });

  it('encrypting a value anew never wins over a write that another gateway has made before', async () => {
    const [a, b] = await openPair();
    for (let n = 0; n < 20; n += 1) {
      await a.put('key', 'r1');
      await eventually(async () => (await b.text('key')) === 'r1');
      const written = b.put('key', `r2 ${n}`);
      const startedMs = performance.now();
      while (performance.now() < startedMs + 2);
      const replaced = a.put('key', 'r1 anew', {
        ttlMs: 'keep',
        condition: { expected: Buffer.from('r1') },
      });
      expect((await replaced).done).toBe(true);
      await written;
      expect((await converged([a, b])).get('key')).toBe(`r2 ${n}`);
    }
  });
});

it('what is written right after a value was encrypted anew stands', async () => {
  const a = await open();
  for (let n = 0; n < 500; n += 1) {
    await a.put('key', 'r1');
    // All in one turn, and mostly in one millisecond.
    const condition = { expected: Buffer.from('r1') };
    void a.put('key', 'r1 anew', { ttlMs: 'keep', condition });
    const written = a.put('key', String(n));
    expect(await a.text('key')).toBe(String(n));
    await written;
  }
});

describe('what a read sees', () => {
  it('a strong read sees at once what was acked on another gateway', async () => {
    const [a, b] = await openPair();
    for (let n = 0; n < 200; n += 1) {
      await a.put('key', String(n));
      expect(await b.text('key', { consistency: 'strong' })).toBe(String(n));
    }
  });

  it('a session sees on another gateway what it wrote', async () => {
    const [a, b] = await openPair();
    let session: Session | undefined = Sessions.empty;
    for (let n = 0; n < 200; n += 1) {
      const [here, there] = n % 2 === 0 ? [a, b] : [b, a];
      ({ session } = await here.put('key', String(n), { session }));
      expect(session?.isEmpty).toBe(false);
      expect(await there.text('key', { consistency: 'session', session })).toBe(String(n));
    }
    // What each of the two has written last says it all.
    expect(session?.positions.length).toBeLessThanOrEqual(2);
  });

  it('a session read without a session sees at once what was acked on another gateway', async () => {
    const [a, b] = await openPair();
    for (let n = 0; n < 50; n += 1) {
      await a.put('key', String(n));
      expect(await b.text('key', { consistency: 'session' })).toBe(String(n));
    }
  });

  it('the near cache forgets a key in the turn in which a foreign change of it takes effect', async () => {
    const [a, b] = await openPair();
    for (let n = 0; n < 50; n += 1) {
      await a.write('key', `value ${n}`);
      await eventually(async () => (await b.value('key')) === `value ${n}`, 1000);
      expect(b.holds('key')).toBe(true);
      await a.remove('key');
      await eventually(async () => {
        const held = await b.text('key');
        if (held === undefined) expect(b.holds('key')).toBe(false);
        return held === undefined;
      }, 1000);
      expect(await b.value('key')).toBeUndefined();
    }
  });
});

describe('ack', () => {
  it('a change with ack is on so many other gateways when it succeeds', async () => {
    const [a, b, c] = await openGroup({}, {}, {});
    for (let n = 0; n < 50; n += 1) {
      expect((await a!.put('key', `two ${n}`, { ack: 2 })).done).toBe(true);
      expect([await b!.text('key'), await c!.text('key')]).toEqual([`two ${n}`, `two ${n}`]);
      expect((await b!.put('key', `one ${n}`, { ack: 1 })).done).toBe(true);
      expect([await a!.text('key'), await c!.text('key')]).toContain(`one ${n}`);
    }
    expect((await a!.drop('key', { ack: 2 })).done).toBe(true);
    expect([await b!.text('key'), await c!.text('key')]).toEqual([undefined, undefined]);
  });

  it('an ack that nobody is there to give is unavailable, and nothing is done', async () => {
    const alone = await open();
    expect(await codeOf(alone.put('key', 'value', { ack: 1 }))).toBe('unavailable');
    expect(await alone.text('key')).toBeUndefined();
    const [a, b] = [alone, await open()];
    await eventually(() => peersHeard(a) === 1);
    expect(await codeOf(a.put('key', 'value', { ack: 2, withinMs: 500 }))).toBe('unavailable');
    expect((await a.put('key', 'value', { ack: 1 })).done).toBe(true);
    expect(await b.text('key')).toBe('value');
  });
});

describe('lives', () => {
  it('a value ends at the same moment everywhere, however the clocks of the machines differ', async () => {
    const aheads = [10 * MINUTE_MS, 0, -10 * MINUTE_MS];
    const group = await openGroup(...aheads.map((aheadMs) => ({ aheadMs })));
    for (const [index, gateway] of group.entries())
      await gateway.put(`key ${index}`, 'value', { ttlMs: 2000 });
    await group[0]!.put('last', 'value');
    for (const gateway of group) await eventually(async () => (await gateway.text('last')) === 'value');
    for (const index of aheads.keys()) {
      const lives = await Promise.all(group.map((gateway) => gateway.life(`key ${index}`)));
      const known = lives.filter((life) => life !== undefined);
      expect(known).toHaveLength(3);
      expect(Math.max(...known) - Math.min(...known)).toBeLessThan(100);
      expect(Math.max(...known)).toBeLessThanOrEqual(2000);
    }
    await eventually(async () => (await group[1]!.text('key 2')) === undefined, 4000);
    for (const gateway of group) {
      await eventually(async () => (await gateway.all()).length === 1, 500);
      expect((await gateway.put('key 0', 'again', { condition: 'XX' })).done).toBe(false);
    }
  });
});

describe('a store that is full', () => {
  it('refuses writes with out_of_memory, and goes on reading, deleting and hearing', async () => {
    const small = await open({ bytesMax: 200_000 });
    const large = await open();
    await eventually(() => peersHeard(small) === 1);
    const value = 'v'.repeat(10_000);
    let refused = 0;
    for (let n = 0; n < 30; n += 1) {
      const code = await codeOf(small.put(`key ${n}`, value));
      if (code !== 'done') expect(code).toBe('out_of_memory');
      if (code !== 'done') refused += 1;
    }
    expect(refused).toBeGreaterThan(5);
    expect(refused).toBeLessThan(25);
    expect(await small.text('key 0')).toBe(value);
    expect(await small.text('key 29')).toBeUndefined();
    await large.put('of another', value);
    await eventually(async () => (await small.text('of another')) === value);
    for (let n = 0; n < 10; n += 1) await small.drop(`key ${n}`);
    expect(await codeOf(small.put('key', 'value'))).toBe('done');
    expect((await converged([small, large])).has('key')).toBe(true);
  });
});

describe('without the bus', () => {
  it('a gateway that has not heard everything is not ready, and all it answers is unavailable', async () => {
    const link = await startTcpProxy(redis);
    link.cut();
    const address = { ...redis.address, host: link.host, port: link.port };
    const gateway = await openUnreadyGateway({ kind: 'redis', address });
    opened.push(gateway);
    expect(gateway.engine.ready()).toBe(false);
    const asked = [
      gateway.text('key'),
      gateway.text('key', { consistency: 'strong' }),
      gateway.put('key', 'value'),
      gateway.put('key', 'value', { ack: 1 }),
      gateway.drop('key'),
      gateway.life('key'),
      gateway.all(),
    ];
    expect(new Set(await Promise.all(asked.map(codeOf)))).toEqual(new Set(['unavailable']));
    expect(gateway.engine.status()[0]!.nodes).toMatchObject([{ role: 'master', healthy: false }]);
    link.heal();
    await gateway.ready();
    expect(await gateway.text('key')).toBeUndefined();
    expect(gateway.engine.status()[0]!.nodes).toMatchObject([{ healthy: true, announces: true }]);
    await link.close();
  });

  it('reads and writes go on, strong reads are unavailable, and all converge when it is back', async () => {
    const [a, b] = await openPair();
    await a.put('old', 'value');
    await a.put('to delete', 'value');
    await converged([a, b]);
    await redis.kill();
    await eventually(() =>
      a.engine.status()[0]!.nodes.every(({ healthy, role }) => healthy === (role === 'master')),
    );
    await a.put('of a', 'value');
    await b.put('of b', 'value');
    await b.drop('to delete');
    await a.put('both', 'a');
    await b.put('both', 'b');
    expect(await a.text('old')).toBe('value');
    expect(await codeOf(a.text('old', { consistency: 'strong', withinMs: 1000 }))).toBe('unavailable');
    expect(a.engine.ready()).toBe(true);
    await redis.restart();
    const held = await converged([a, b]);
    expect([...held.keys()].sort()).toEqual(['both', 'of a', 'of b', 'old']);
    expect(await a.text('old', { consistency: 'strong' })).toBe('value');
  });
});

describe('what is saved', () => {
  /** What would lie in a file. */
  const saved = ({ content }: ReplicatedGateway): ((into: EngineContent) => Promise<void>) => {
    const marks = content.marks();
    const pages = [...content.pages()];
    return (into) => {
      for (const page of pages) into.load(page, marks);
      return Promise.resolve();
    };
  };

  it('is there again, with the lives that it had, on a machine whose clock says another time', async () => {
    const a = await open();
    await a.put('key', 'value');
    await a.put('mortal', 'value', { ttlMs: 5 * MINUTE_MS });
    await a.put('short', 'value', { ttlMs: 100 });
    const load = saved(a);
    await eventually(async () => (await a.text('short')) === undefined);
    await a.close();
    for (const aheadMs of [10 * MINUTE_MS, 0, -10 * MINUTE_MS]) {
      const again = await open({ load, aheadMs });
      expect((await again.all()).map(([key]) => key)).toEqual(['key', 'mortal']);
      const life = await again.life('mortal');
      expect(life).toBeLessThanOrEqual(5 * MINUTE_MS);
      expect(life).toBeGreaterThan(4 * MINUTE_MS);
      await again.close();
    }
  });

  it('brings nothing back that was deleted or written since', async () => {
    const a = await open();
    await a.put('deleted', 'value');
    await a.put('written', 'old');
    const load = saved(a);
    await a.drop('deleted');
    await a.put('written', 'new');
    const again = await open({ load });
    expect(await again.all()).toEqual([['written', 'new']]);
    expect([...(await converged([a, again]))]).toEqual([['written', 'new']]);
  });

  it('of an engine that keeps no versions gives way to what the others have, and all else of it reaches them', async () => {
    const a = await open();
    await a.put('key', 'of the group');
    const page = ['key', 'other'].map((key) => ({
      key: key as never,
      bytes: Buffer.from('saved'),
      expiresAtMs: Infinity,
      time: 0,
      origin: '',
    }));
    const asOfMs = Date.now() - MINUTE_MS;
    const again = await open({
      load: (content) => {
        content.load(page, { asOfMs, horizon: 0 });
        return Promise.resolve();
      },
    });
    const held = await converged([a, again]);
    expect([...held]).toEqual([
      ['key', 'of the group'],
      ['other', 'saved'],
    ]);
  });
});

it('a gateway that comes later has everything before it is ready', async () => {
  const a = await open();
  for (let n = 0; n < 5000; n += 1) void a.put(`key ${n}`, 'value');
  await a.put('last', 'value');
  await a.drop('key 7');
  const b = await open();
  const [of, also] = await Promise.all([a.all(), b.all()]);
  expect(also).toHaveLength(5000);
  expect(also).toEqual(of);
});

it('a closed gateway is told of as one that is not heard, or not at all', async () => {
  const [a, b] = await openPair();
  const master = b.engine.status()[0]!.nodes[0]!.address;
  expect(a.engine.status()).toMatchObject([
    {
      name: 'replicated',
      nodes: [
        { role: 'master', healthy: true },
        { address: master, role: 'replica', healthy: true, linkUp: true },
      ],
    },
  ]);
  await b.close();
  await eventually(() => peersHeard(a) === 0, 3000);
});

it('a user of Redis with few rights is enough', async () => {
  const rights = ['resetchannels', '&ringcache:replication*', '-@all'];
  const commands = ['+publish', '+subscribe', '+pubsub|numsub', '+time', '+ping', '+info'];
  await redis.client.acl('SETUSER', 'gateway', 'on', '>secret', ...rights, ...commands);
  const address = { ...redis.address, username: 'gateway', password: 'secret' };
  const [a, b] = [await open(), await openReplicatedGateway({ kind: 'redis', address })];
  opened.push(b);
  await a.put('key', 'value');
  expect(await b.text('key', { consistency: 'strong' })).toBe('value');
  await b.put('key', 'next');
  expect(await a.text('key', { consistency: 'strong' })).toBe('next');
  expect(b.log.lines.filter(({ level }) => level === 'error')).toEqual([]);
});
