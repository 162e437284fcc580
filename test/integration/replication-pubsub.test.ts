import { Redis } from 'ioredis';
import type { Key } from '../../src/core/command';
import { systemClock } from '../../src/lib/clock';
import { TOMBSTONE_MS } from '../../src/replication/held-entry';
import { encodeMessage, parseMessage } from '../../src/replication/messages';
import { msOf, timeOf } from '../../src/replication/version';
import { eventually } from '../support/eventually';
import { openPubsubGateway, type PubsubGateway } from '../support/pubsub-gateway';
import { startRedis, type RedisProcess } from '../support/redis';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy';

const CHANNEL = 'ringcache:replication';

describe('replication over Redis Pub/Sub', () => {
  let redis: RedisProcess;
  let gateways: PubsubGateway[];
  let proxies: TcpProxy[];

  function open(
    options?: Parameters<typeof openPubsubGateway>[1],
    at: { host: string; port: number } = redis,
  ) {
    const gateway = openPubsubGateway(at, options);
    gateways.push(gateway);
    return gateway;
  }
  /** So many gateways that know of one another. */
  async function openTogether(count: number): Promise<PubsubGateway[]> {
    const opened = Array.from({ length: count }, () => open());
    await acquainted(opened);
    return opened;
  }
  async function acquainted(all: readonly PubsubGateway[]): Promise<void> {
    await eventually(() =>
      all.every(
        ({ bus }) =>
          bus.isCaughtUp &&
          bus.isConnected &&
          bus.peers().filter((peer) => peer.isHeard).length >= all.length - 1,
      ),
    );
  }
  async function openBehindProxy(): Promise<{ gateway: PubsubGateway; proxy: TcpProxy }> {
    const proxy = await startTcpProxy(redis);
    proxies.push(proxy);
    return { gateway: open({}, proxy), proxy };
  }
  async function alike(all: readonly PubsubGateway[], withinMs = 5000): Promise<void> {
    await eventually(() => new Set(all.map(({ store }) => store.rootDigest())).size === 1, withinMs);
  }
  /** What is published for everybody, as messages. */
  async function listen(): Promise<{ messages: ReturnType<typeof parseMessage>[]; client: Redis }> {
    const client = new Redis(redis.port, redis.host, { protocol: 2 });
    const messages: ReturnType<typeof parseMessage>[] = [];
    client.on('messageBuffer', (_channel: Buffer, bytes: Buffer) => {
      messages.push(parseMessage(bytes));
    });
    await client.subscribe(CHANNEL);
    return { messages, client };
  }

  beforeEach(async () => {
    redis = await startRedis();
    gateways = [];
    proxies = [];
  });
  afterEach(async () => {
    await Promise.all(gateways.map((gateway) => gateway.close()));
    await Promise.all(proxies.map((proxy) => proxy.close()));
    await redis.stop();
  });

  test('a gateway that is alone is caught up well under a second', async () => {
    const startedMs = performance.now();
    await open().caughtUp();
    expect(performance.now() - startedMs).toBeLessThan(900);
  });

  test('what is announced is applied by the others, deletions too', async () => {
    const [a, b] = (await openTogether(2)) as [PubsubGateway, PubsubGateway];
    await a.write('k', 'v');
    await eventually(() => b.read('k') === 'v');
    await b.write('k', undefined);
    await eventually(() => a.read('k') === undefined);
  });

  test('a gateway that joins has everything when it is caught up', async () => {
    const a = open();
    await a.caughtUp();
    await Promise.all(Array.from({ length: 5000 }, (_, at) => a.write(`k${at}`, `v${at}`)));
    const b = open();
    await b.caughtUp();
    expect(b.store.size).toBe(5000);
    expect(b.store.rootDigest()).toBe(a.store.rootDigest());
  });

  test('three that start together, each with something of its own, do not wait for one another for ever', async () => {
    const three = [1, 2, 3].map((number) =>
      open({
        prepare: (store, versions, id) => {
          const key = `k${number}` as Key;
          store.apply({
            key,
            bytes: Buffer.from('v'),
            time: versions.tick(),
            origin: id,
            expiresAtMs: Infinity,
          });
        },
      }),
    );
    await Promise.all(three.map((gateway) => gateway.caughtUp(3000)));
    await alike(three);
    expect(three[0]?.store.size).toBe(3);
  });

  test('what is announced in one turn travels in one message, up to its limit', async () => {
    const a = open();
    await a.caughtUp();
    const { messages, client } = await listen();
    await Promise.all(Array.from({ length: 500 }, (_, at) => a.write(`k${at}`, 'v')));
    await Promise.all(Array.from({ length: 10 }, (_, at) => a.write(`large${at}`, Buffer.alloc(30_000))));
    const sizes = await eventually(() => {
      const entries = messages.flatMap((each) => (each.type === 'entries' ? [each.entries.length] : []));
      return entries.reduce((sum, size) => sum + size, 0) === 510 && entries;
    });
    expect(sizes).toEqual([500, 4, 4, 2]);
    client.disconnect();
  });

  test('a value of 8 MiB arrives, announced and pulled', async () => {
    const [a, b] = (await openTogether(2)) as [PubsubGateway, PubsubGateway];
    const value = Buffer.alloc(8 * 1024 * 1024, 'x');
    await a.write('k', value);
    await eventually(() => b.read('k')?.length === value.length);
    const c = open();
    await c.caughtUp();
    expect(c.read('k')?.length).toBe(value.length);
  });

  test('a gateway that was cut off serves on, and both sides get what the other one wrote', async () => {
    const [a] = (await openTogether(1)) as [PubsubGateway];
    const { gateway: b, proxy } = await openBehindProxy();
    await acquainted([a, b]);
    await a.write('deleted', 'v');
    await eventually(() => b.read('deleted') === 'v');
    proxy.cut();
    await eventually(() => !b.bus.isConnected);
    await a.write('of a', 'v');
    await a.write('deleted', undefined);
    await b.write('of b', 'v');
    expect(b.bus.isCaughtUp).toBe(true);
    expect(b.read('deleted')).toBe('v');
    proxy.heal();
    await eventually(() => b.read('of a') === 'v' && a.read('of b') === 'v');
    expect([a.read('deleted'), b.read('deleted')]).toEqual([undefined, undefined]);
    await alike([a, b]);
    expect(b.bus.isCaughtUp).toBe(true);
  });

  test('what a killed subscription missed is here within a second', async () => {
    const [a] = (await openTogether(1)) as [PubsubGateway];
    const { gateway: b, proxy } = await openBehindProxy();
    await acquainted([a, b]);
    // Nothing reaches b, and its publisher notices as little as its subscription.
    proxy.swallow('down');
    await Promise.all(Array.from({ length: 100 }, (_, at) => a.write(`k${at}`, 'v')));
    proxy.resume();
    expect(b.read('k1')).toBeUndefined();
    await redis.client.client('KILL', 'TYPE', 'PUBSUB');
    await eventually(() => b.read('k1') === 'v', 1000);
    await alike([a, b]);
  });

  test('a gap in the numbers of one gateway is repaired at once', async () => {
    const [a, b] = (await openTogether(2)) as [PubsubGateway, PubsubGateway];
    await a.write('first', 'v');
    await eventually(() => b.read('first') === 'v');
    // Applied there, and announced to nobody: as if the bus had lost it. A later message shows the gap.
    const time = a.versions.tick();
    a.store.apply({
      key: 'lost' as Key,
      bytes: Buffer.from('v'),
      time,
      origin: a.id,
      expiresAtMs: Infinity,
    });
    const gap = encodeMessage(a.id, { type: 'entries', seq: 3, wantsAck: false, entries: [] });
    await redis.client.publish(CHANNEL, gap);
    await eventually(() => b.read('lost') === 'v', 1000);
  });

  test('what an ended gateway told only one other one reaches the rest', async () => {
    const [a, b] = (await openTogether(2)) as [PubsubGateway, PubsubGateway];
    const { gateway: c, proxy } = await openBehindProxy();
    await acquainted([a, b, c]);
    proxy.cut();
    await a.write('k', 'v');
    await eventually(() => b.read('k') === 'v');
    await a.close();
    proxy.heal();
    await eventually(() => c.read('k') === 'v');
  });

  test('while the bus is down writes go on, and all converge when it is back', async () => {
    const three = (await openTogether(3)) as [PubsubGateway, PubsubGateway, PubsubGateway];
    const [a, b, c] = three;
    await redis.kill();
    let startedMs = performance.now();
    await a.write('k', 'first');
    expect(performance.now() - startedMs).toBeLessThan(1500);
    await eventually(() => three.every(({ bus }) => !bus.isConnected));
    startedMs = performance.now();
    await a.write('of a', 'v');
    expect(performance.now() - startedMs).toBeLessThan(100);
    await b.write('of b', 'v');
    await c.write('k', 'last');
    await expect(b.bus.barrier(performance.now() + 2000)).rejects.toMatchObject({ code: 'unavailable' });
    await redis.restart();
    await alike(three);
    expect(three.map((gateway) => ['k', 'of a', 'of b'].map((key) => gateway.read(key)))).toEqual(
      three.map(() => ['last', 'v', 'v']),
    );
  });

  test('a bus that is frozen for 3 s holds up no write for longer than about a second, and loses nothing', async () => {
    const [a, b] = (await openTogether(2)) as [PubsubGateway, PubsubGateway];
    redis.freeze();
    const frozenMs = performance.now();
    let slowestMs = 0;
    for (let at = 0; performance.now() - frozenMs < 3000; at += 1) {
      const startedMs = performance.now();
      await (at % 2 === 0 ? a : b).write(`k${at % 100}`, `v${at}`);
      slowestMs = Math.max(slowestMs, performance.now() - startedMs);
      await new Promise((resolve) => setImmediate(resolve));
    }
    redis.thaw();
    expect(slowestMs).toBeLessThan(1800);
    await alike([a, b], 8000);
  });

  test('a gateway that was away for longer than deletions are remembered revives nothing, and keeps what it wrote last', async () => {
    const a = open();
    await a.caughtUp();
    await a.write('kept', 'v');
    const nowMs = Date.now();
    // All deletions of an hour ago and before are forgotten here.
    a.store.horizon = timeOf(nowMs - 3600_000);
    const b = open({
      prepare: (store, _versions, id) => {
        const put = (key: string, agoMs: number): void => {
          store.apply({
            key: key as Key,
            bytes: Buffer.from('v'),
            time: timeOf(nowMs - agoMs),
            origin: id,
            expiresAtMs: Infinity,
          });
        };
        put('deleted meanwhile', 3 * 3600_000);
        put('written last', 600_000);
        store.contact = nowMs - 2 * 3600_000;
        store.horizon = timeOf(nowMs - 4 * 3600_000);
      },
    });
    await b.caughtUp();
    expect(b.read('deleted meanwhile')).toBeUndefined();
    expect(b.read('written last')).toBe('v');
    await eventually(() => a.read('written last') === 'v');
    expect(a.read('deleted meanwhile')).toBeUndefined();
    await alike([a, b]);
    expect(b.store.horizon).toBe(a.store.horizon);
    expect(msOf(timeOf(b.store.contact))).toBeGreaterThan(nowMs - 60_000);
  });

  test('a running gateway that finds itself too old is not caught up until it has what the others have', async () => {
    const [a] = (await openTogether(1)) as [PubsubGateway];
    const { gateway: b, proxy } = await openBehindProxy();
    await acquainted([a, b]);
    await a.write('old', 'v');
    await a.write('deleted', 'v');
    await eventually(() => b.read('deleted') === 'v');
    proxy.cut();
    await eventually(() => !b.bus.isConnected);
    // As if hours went by: a has the deletion and has forgotten it.
    a.store.horizon = a.versions.tick();
    const kept = a.store.peek('old' as Key);
    Array.from(a.store.dropUpTo(a.store.horizon));
    if (kept !== undefined) a.store.apply(kept);
    a.store.horizon = a.versions.tick();
    b.store.contact = msOf(a.store.horizon) - 7200_000;
    proxy.heal();
    await eventually(() =>
      b.log.lines.some(({ level, message }) => level === 'warn' && /away for longer/.test(message)),
    );
    await b.caughtUp();
    expect([b.read('old'), b.read('deleted')]).toEqual(['v', undefined]);
    expect(a.read('deleted')).toBeUndefined();
    await alike([a, b]);
  });

  test('deletions are not forgotten by a clock that has just jumped ahead of the last contact', async () => {
    const jump = { ms: 0 };
    const clock = { now: () => systemClock.now() + jump.ms, wallMs: () => systemClock.wallMs() };
    const a = open({ clock });
    await a.caughtUp();
    expect(a.bus.mayForget).toBe(false);
    jump.ms = 61_000;
    await eventually(() => a.bus.mayForget);
    a.groupClock.observe(a.groupClock.nowMs() + 2 * TOMBSTONE_MS, clock.now(), clock.now());
    expect(a.bus.mayForget).toBe(false);
    await eventually(() => a.bus.mayForget);
  });

  test('ack waits for so many other gateways, and says so when they are too few', async () => {
    const [a] = (await openTogether(1)) as [PubsubGateway];
    expect(() => a.bus.checkAck(1)).toThrow(expect.objectContaining({ code: 'unavailable' }));
    const b = open();
    await acquainted([a, b]);
    a.bus.checkAck(1);
    const startedMs = performance.now();
    for (let at = 0; at < 30; at += 1) {
      await a.write('k', `v${at}`, { ack: 1 });
      expect(b.read('k')).toBe(`v${at}`);
    }
    // Heartbeats would tell as well, four times a second.
    expect(performance.now() - startedMs).toBeLessThan(2500);
    await expect(a.write('k', 'w', { ack: 2, deadlineMs: performance.now() + 300 })).rejects.toMatchObject({
      code: 'unavailable',
    });
    const c = open();
    await acquainted([a, b, c]);
    await a.write('k', 'x', { ack: 2 });
    expect([b.read('k'), c.read('k')]).toEqual(['x', 'x']);
  });

  test('behind a barrier everything is here that anybody was told SUCCESS of before', async () => {
    const [a, b] = (await openTogether(2)) as [PubsubGateway, PubsubGateway];
    for (let at = 0; at < 200; at += 1) {
      if (at % 50 === 25) await redis.client.client('KILL', 'TYPE', 'PUBSUB');
      await a.write('k', String(at));
      await b.bus.barrier(performance.now() + 5000);
      expect(b.read('k')).toBe(String(at));
    }
  });

  test('a session is waited for, and told when what it wrote is lost', async () => {
    const [a] = (await openTogether(1)) as [PubsubGateway];
    const { gateway: b, proxy } = await openBehindProxy();
    await acquainted([a, b]);
    const seen = await a.write('k', 'v');
    await b.bus.reach([seen], performance.now() + 2000);
    expect(b.read('k')).toBe('v');
    proxy.cut();
    await eventually(() => !b.bus.isConnected);
    const unseen = await a.write('k', 'w');
    await expect(b.bus.reach([unseen], performance.now() + 100)).rejects.toMatchObject({
      code: 'unavailable',
    });
    const waiting = b.bus.reach([unseen], performance.now() + 5000);
    proxy.heal();
    await waiting;
    expect(b.read('k')).toBe('w');

    const lost = { shard: a.bus.shard, lineage: 'ff'.repeat(8), offset: 7 };
    const code = async (): Promise<unknown> =>
      b.bus.reach([lost], performance.now() + 100).then(
        () => 'reached',
        (failure: unknown) => (failure as { code?: unknown }).code,
      );
    expect(await code()).toBe('unavailable');
    await eventually(async () => (await code()) === 'conflict', 10_000);
  });

  test('a gateway that starts is not held up by one that is not ready and cannot be asked', async () => {
    const client = new Redis(redis.port, redis.host, { protocol: 2 });
    let number = 0;
    const heartbeat = (): Buffer =>
      encodeMessage('cd'.repeat(8), {
        ...{
          type: 'heartbeat',
          number: ++number,
          isCaughtUp: false,
          wantsAnswer: false,
          horizon: 0,
          epoch: 0,
        },
        ...{ rootDigest: '0000000000000000', vector: [] },
      });
    const beating = setInterval(() => void client.publish(CHANNEL, heartbeat()), 2);
    try {
      await eventually(() => number > 20);
      await open().caughtUp(10_000);
    } finally {
      clearInterval(beating);
      client.disconnect();
    }
  });

  test('a horizon that lies days ahead is not believed', async () => {
    const a = open();
    await a.caughtUp();
    const client = new Redis(redis.port, redis.host, { protocol: 2 });
    const horizon = timeOf(systemClock.wallMs() + 48 * 60 * 60 * 1000);
    const heartbeat = encodeMessage('cd'.repeat(8), {
      ...{ type: 'heartbeat', number: 1, isCaughtUp: true, wantsAnswer: false, horizon, epoch: 0 },
      ...{ rootDigest: '0000000000000000', vector: [] },
    });
    await client.publish(CHANNEL, heartbeat);
    client.disconnect();
    await eventually(() => a.log.lines.some(({ message }) => /was ignored/.test(message)));
    expect(a.bus.isCaughtUp).toBe(true);
  });

  test('what strangers publish is ignored, and told once for each kind', async () => {
    const [a, b] = (await openTogether(2)) as [PubsubGateway, PubsubGateway];
    const good = encodeMessage(a.id, { type: 'ack', seq: 1 });
    const other = Buffer.from(good);
    other[4] = 2;
    for (const bytes of [Buffer.from('hello'), Buffer.alloc(100), other, good.subarray(0, -1)]) {
      for (let times = 0; times < 3; times += 1) await redis.client.publish(CHANNEL, bytes);
    }
    await a.write('k', 'v');
    await eventually(() => b.read('k') === 'v');
    const told = b.log.lines.filter(({ message }) => /was ignored/.test(message));
    expect(told).toHaveLength(4);
  });

  test('a gateway that has ended leaves no socket and no timer', async () => {
    const before = process.getActiveResourcesInfo().length;
    const a = open();
    await a.caughtUp();
    const barrier = a.bus.barrier(performance.now() + 5000);
    await a.close();
    await barrier.catch(() => undefined);
    await eventually(() => process.getActiveResourcesInfo().length <= before, 1000);
    await redis.client.ping();
    expect(await redis.client.pubsub('NUMSUB', CHANNEL)).toEqual([CHANNEL, 0]);
  });
});
