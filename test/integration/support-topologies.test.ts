/** Sentinels, clusters, proxies and files of the tests do what the tests behind them take for granted. */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { appliedCommands } from '../support/applied-commands';
import { startCluster, type ClusterProcesses } from '../support/cluster';
import { eventually } from '../support/eventually';
import { stopAfterTests } from '../support/leftovers';
import { startRedis, startShard } from '../support/redis';
import { startSentinelDeployment, type SentinelDeployment } from '../support/sentinel';
import { LOOPBACK } from '../support/server-process';
import { startTcpProxy } from '../support/tcp-proxy';

/** Of a master that is silent, with some room for a busy machine. */
const FAILOVER_MS_MAX = 5000;

describe('a Sentinel deployment of the tests', () => {
  let deployment: SentinelDeployment;

  beforeAll(async () => {
    deployment = await startSentinelDeployment({
      masters: ['main'],
      throughProxies: true,
      password: 'secret',
      appendOnly: true,
    });
  }, 20_000);
  afterAll(() => deployment.stop());

  it('names its nodes by their proxies', async () => {
    const master = await deployment.currentMaster('main');
    expect(master).toBe(deployment.nodes[0]);
    expect(master.announced.port).toBe(master.proxy!.port);
    expect(deployment.settings).toEqual({
      REDIS_SENTINELS: expect.stringMatching(/^127\.0\.0\.1:\d+,127\.0\.0\.1:\d+,127\.0\.0\.1:\d+$/),
      REDIS_MASTERS: 'main',
      REDIS_PASSWORD: 'secret',
    });
  });

  it('keeps a planned failover: the others follow the new master through its proxy', async () => {
    const before = await deployment.currentMaster('main');
    await before.client.set('planned', '1');
    await deployment.inSync();
    await deployment.failover('main');
    const after = await deployment.currentMaster('main');
    expect(after).not.toBe(before);
    expect(await after.client.get('planned')).toBe('1');
    const [, host, port] = (await before.client.role()) as [string, string, number];
    expect({ host, port }).toEqual(after.announced);
  }, 20_000);

  it('makes a replica that is cut off lag without ending its process, and catch up after', async () => {
    const master = await deployment.currentMaster('main');
    const replica = deployment.nodes.find((node) => node !== master)!;
    deployment.isolate(replica);
    await master.client.set('lag', '1');
    // The other replica has it, so it is not just late.
    expect(await master.client.wait(1, 5000)).toBe(1);
    expect(await replica.client.get('lag')).toBeNull();
    deployment.rejoin(replica);
    await deployment.inSync();
    expect(await replica.client.get('lag')).toBe('1');
  }, 20_000);

  it('replaces a master that is cut off, which refuses writes within 3 s', async () => {
    const before = await deployment.currentMaster('main');
    const startedMs = performance.now();
    deployment.isolate(before);
    await expect(
      eventually(async () => {
        await before.client.set('cut-off', '1').catch((error: unknown) => {
          if (String(error).includes('NOREPLICAS')) throw error;
        });
        return false;
      }, 3200),
    ).rejects.toThrow('NOREPLICAS');
    const after = await eventually(
      async () => {
        const master = await deployment.currentMaster('main');
        return master === before ? undefined : master;
      },
      FAILOVER_MS_MAX - (performance.now() - startedMs),
    );
    expect(await after.client.set('after', '1')).toBe('OK');
    deployment.rejoin(before);
    await deployment.inSync();
    expect(await before.client.get('cut-off')).toBeNull();
    expect(await before.client.get('after')).toBe('1');
  });

  it('replaces a master that is killed; it comes back on its port and follows', async () => {
    const before = await deployment.currentMaster('main');
    await before.kill();
    const after = await eventually(async () => {
      const master = await deployment.currentMaster('main');
      return master === before ? undefined : master;
    }, FAILOVER_MS_MAX);
    await eventually(() => after.client.set('k', 'new'));
    await before.restart();
    await eventually(async () => (await before.client.role())[0] === 'slave', 15_000);
    // The new master may not know of it yet, and be in sync with all that it knows of.
    await eventually(async () => (await before.client.get('k')) === 'new', 15_000);
    await deployment.inSync();
    // A node that copied everything lists its keys in any order first.
    const written = new Set((await appliedCommands(after)).map(({ name, key }) => `${name} ${key}`));
    expect([...written].sort()).toEqual(['SET after', 'SET k', 'SET lag', 'SET planned']);
  });
});

describe('a cluster of the tests', () => {
  let cluster: ClusterProcesses;

  beforeAll(async () => {
    cluster = await startCluster({ password: 'secret' });
  }, 20_000);
  afterAll(() => cluster.stop());

  it('has its slots dealt to masters with a replica each', async () => {
    const nodes = await cluster.nodes();
    const masters = nodes.filter(({ role }) => role === 'master').sort((a, b) => a.shard - b.shard);
    expect(masters.map(({ slots }) => slots)).toEqual([[[0, 5460]], [[5461, 10921]], [[10922, 16383]]]);
    expect(
      nodes
        .filter(({ role }) => role === 'replica')
        .map(({ shard }) => shard)
        .sort(),
    ).toEqual([0, 1, 2]);
    expect(cluster.settings['REDIS_CLUSTER']!.split(',')).toHaveLength(6);
  });

  it('answers ASK and MOVED while and after a slot with its keys moves', async () => {
    const [from, to] = await Promise.all([cluster.masterOf(2), cluster.masterOf(0)]);
    const slot = (await from.client.call('CLUSTER', 'KEYSLOT', '{foo}')) as number;
    const keys = Array.from({ length: 5 }, (_, index) => `{foo}${index}`);
    for (const key of keys) await from.client.set(key, key);
    const move = await cluster.beginMoveSlot(slot, 0);
    expect(await move.moveKeys(3)).toBe(3);
    const answers = await Promise.all(
      keys.map((key) => from.client.get(key).catch((error: unknown) => (error as Error).message)),
    );
    expect(answers.filter((answer) => answer === `ASK ${slot} ${to.host}:${to.port}`)).toHaveLength(3);
    await expect(to.client.get('{foo}0')).rejects.toThrow(`MOVED ${slot} ${from.host}:${from.port}`);
    await move.finish();
    await expect(from.client.get('{foo}0')).rejects.toThrow(`MOVED ${slot} ${to.host}:${to.port}`);
    expect(await Promise.all(keys.map((key) => to.client.get(key)))).toEqual(keys);
  }, 20_000);

  it('fails over as planned, and by itself when a master is killed', async () => {
    const first = await cluster.masterOf(1);
    await cluster.failover(1);
    const second = await cluster.masterOf(1);
    expect(second).not.toBe(first);
    await second.kill();
    await eventually(async () => (await first.client.role())[0] === 'master', 8000);
    await second.restart();
    await cluster.healthy();
    expect(await cluster.masterOf(1)).toBe(first);
  });
});

it('the append-only file of a node tells what it applied, in order, even once it is killed', async () => {
  const shard = await startShard({ name: 's', replicas: 1, appendOnly: true });
  const { client } = shard.master;
  await client.set('b', Buffer.from([0, 13, 10, 255]), 'PX', 60_000);
  await client.mset('a', '1', 'c', '2');
  await client.eval(
    "redis.call('SET', KEYS[1], 'x') return redis.call('DEL', KEYS[2], KEYS[1])",
    2,
    'a',
    'c',
  );
  await client.incr('n');
  await shard.inSync();
  await shard.master.kill();
  const expected = [
    { name: 'SET', key: 'b', value: Buffer.from([0, 13, 10, 255]) },
    { name: 'SET', key: 'a', value: Buffer.from('1') },
    { name: 'SET', key: 'c', value: Buffer.from('2') },
    { name: 'SET', key: 'a', value: Buffer.from('x') },
    { name: 'DEL', key: 'c' },
    { name: 'DEL', key: 'a' },
    { name: 'INCR', key: 'n' },
  ];
  expect(await appliedCommands(shard.master)).toEqual(expected);
  expect(await appliedCommands(shard.replicas[0]!)).toEqual(expected);
  await shard.stop();
});

describe('a TCP proxy', () => {
  it('trickles: bytes come slowly and in order, the rest at once when it ends', async () => {
    const payload = Buffer.from(Array.from({ length: 20_000 }, (_, index) => index % 251));
    const server = createServer((socket) => socket.on('error', () => undefined).end(payload)).listen(
      0,
      LOOPBACK,
    );
    await once(server, 'listening');
    const stopServer = stopAfterTests(() => Promise.resolve(server.close()));
    const proxy = await startTcpProxy({ host: LOOPBACK, port: (server.address() as AddressInfo).port });
    proxy.trickle(10_000, 'down');
    const client = connect(proxy.port, proxy.host);
    const received: Buffer[] = [];
    client.on('data', (bytes: Buffer) => received.push(bytes));
    const startedMs = performance.now();
    const count = (): number => Buffer.concat(received).length;
    await eventually(() => count() >= 3000);
    // 3,000 bytes take 0.3 s, however late a timer is.
    expect(performance.now() - startedMs).toBeGreaterThanOrEqual(250);
    expect(count()).toBeLessThan(20_000);
    proxy.trickle(Infinity);
    await once(client, 'close');
    expect(Buffer.concat(received).equals(payload)).toBe(true);
    await proxy.close();
    await stopServer();
  });

  it('breaks the links it is told to, known by their address at the target, and no others', async () => {
    const redis = await startRedis();
    const proxy = await startTcpProxy(redis);
    const open = async () => {
      const client = redis.client.duplicate({
        port: proxy.port,
        retryStrategy: null,
        enableOfflineQueue: true,
      });
      client.on('error', () => undefined);
      const ended = new Promise((resolve) => client.once('end', resolve));
      stopAfterTests(async () => {
        client.disconnect();
        await ended;
      });
      const address = /\baddr=(\S+)/.exec(await client.client('INFO'))![1]!;
      return { client, ended, address };
    };
    const [one, other] = [await open(), await open()];
    const half = proxy.only(({ addressAtTarget }) => addressAtTarget === one.address);
    half.swallow('down');
    let answered = false;
    const silent = one.client.incr('n').then(
      () => (answered = true),
      () => undefined,
    );
    await eventually(async () => (await other.client.get('n')) === '1');
    expect(answered).toBe(false);
    expect(proxy.connections()).toBe(2);
    proxy.killConnections(({ addressAtTarget }) => addressAtTarget === one.address);
    await one.ended;
    await silent;
    await eventually(() => proxy.connections() === 1);
    expect(await other.client.ping()).toBe('PONG');
    other.client.disconnect();
    await proxy.close();
    await redis.stop();
  });
});
