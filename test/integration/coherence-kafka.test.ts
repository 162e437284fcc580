/**
 * `COHERENCE=kafka` over real Redis servers: what gateways change is announced when it was changed, by nobody but them.
 * Once over a topic in this process, whose records can be held back and lost; once over a Kafka broker, where there is one.
 */
import type { GatewayOptions, TestGateway } from '../support/coherence';
import { lastServedNear, openClosedGateway, openGateway, openShardGateway } from '../support/coherence';
import type { Key, Reply } from '../../src/core/command';
import type { RelayedCommand } from '../../src/core/relay';
import { Grants } from '../../src/core/grants';
import { systemClock as clock } from '../../src/lib/clock';
import { AnnouncementTopic, type TopicLink } from '../support/announcement-topic';
import { eventually } from '../support/eventually';
import { KAFKA_START_MS, describeWithKafka, startKafka, type KafkaProcess } from '../support/kafka';
import { startRedis, waitInSync, type RedisProcess } from '../support/redis';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy';

let master: RedisProcess;
let replica: RedisProcess;
/** The replica's way to the master. */
let way: TcpProxy;

const config = () => ({ name: 'a', master: master.address, replicas: [replica.address] });
const valueOf = (reply: Reply): unknown => ('value' in reply ? reply.value : reply.status);

beforeAll(async () => {
  master = await startRedis();
  way = await startTcpProxy(master);
  replica = await startRedis({ replicaOf: way });
});
afterAll(async () => {
  await way.close();
  await Promise.all([master.stop(), replica.stop()]);
});
beforeEach(async () => {
  way.resume();
  await master.client.flushall();
  await waitInSync(master, [replica]);
});

const anyone = { id: 'id', name: 'name', grants: new Grants(['read', 'write', 'delete', 'admin'], []) };

/** Sends a command in Redis's own words, and gives the reply, or the message of its failure. */
function relayed(
  gateway: TestGateway,
  text: string,
  keys: readonly string[],
  more: Partial<RelayedCommand> = {},
  withinMs = 2000,
) {
  return new Promise<string>((resolve) => {
    gateway.relay!.send(
      0,
      anyone,
      {
        words: text.split(' ').map((word) => Buffer.from(word)),
        keys: keys as Key[],
        isUnbounded: false,
        changesUnnamed: false,
        isRepeatable: true,
        isWrite: true,
        changesStrings: true,
        values: [],
        scopes: ['write'],
        ...more,
      },
      { protocol: 2, from: 'master', deadlineMs: clock.now() + withinMs },
      { settle: (reply) => resolve(reply.toString()), fail: ({ message }) => resolve(message) },
    );
  });
}

function describeGateways(name: string, optionsOf: () => GatewayOptions): void {
  describe(name, () => {
    let a: TestGateway;
    let b: TestGateway;

    beforeEach(async () => {
      a = await openGateway(config(), optionsOf());
      b = await openGateway(config(), optionsOf());
    });
    afterEach(() => Promise.all([a.close(), b.close()]));

    it.each([0, 1] as const)('a change with ack %d is seen at once elsewhere, and then kept', async (ack) => {
      for (const value of ['v1', 'v2']) {
        expect(await a.write('k', value, { ack })).toMatchObject({ status: 'SUCCESS' });
        await eventually(async () => (await b.warm('k')) === value);
      }
      expect(await a.remove('k')).toMatchObject({ status: 'SUCCESS' });
      await eventually(async () => valueOf(await b.read('k')) === 'NOT_FOUND');
      expect(b.announced.length).toBeGreaterThanOrEqual(3);
    });

    it('a change in the words of Redis is announced before its reply', async () => {
      await a.write('k', 'v1');
      await eventually(async () => (await b.warm('k')) === 'v1');
      expect(await relayed(a, 'SET k v2', ['k'])).toBe('+OK\r\n');
      await eventually(() => !b.holds('k'), 1000);
      await eventually(async () => (await b.warm('k')) === 'v2');
    });

    it('what names no keys is announced as everything', async () => {
      await a.write('k', 'v1');
      await eventually(async () => (await b.warm('k')) === 'v1');
      const script = { changesUnnamed: true, isUnbounded: true, isRepeatable: false };
      expect(await relayed(a, 'FLUSHALL', [], script)).toBe('+OK\r\n');
      await eventually(() => !b.holds('k'), 1000);
      expect(valueOf(await b.read('k'))).toBe('NOT_FOUND');
    });

    it('a change that was not made is not announced', async () => {
      await a.write('k', 'v1');
      await eventually(() => b.announced.length > 0);
      const heard = b.announced.length;
      expect(await a.write('k', 'v2', { condition: 'NX' })).toMatchObject({ status: 'NOT_STORED' });
      expect(await a.remove('absent')).toMatchObject({ status: 'NOT_FOUND' });
      expect(await relayed(a, 'SET k v EX nonsense', ['k'])).toMatch(/^-ERR/);
      // Too late to leave.
      for (const ack of [0, 1] as const) {
        expect(await a.write('late', 'v', { ack, withinMs: -1 })).toMatchObject({ status: 'ERROR' });
      }
      await master.client.config('SET', 'maxmemory', '1');
      try {
        expect(await a.write('full', 'v')).toMatchObject({ error: { code: 'out_of_memory' } });
      } finally {
        await master.client.config('SET', 'maxmemory', '0');
      }
      await a.write('last', 'v');
      await eventually(() => b.announced.includes('last'));
      expect(b.announced.slice(heard)).toEqual(['last']);
    });

    it('R2, R15: what a lagging replica has is not kept when a change was announced', async () => {
      await a.write('k', 'old');
      await waitInSync(master, [replica]);
      await eventually(async () => (await b.warm('k')) === 'old');
      way.pause('down');
      expect(await a.write('k', 'new')).toMatchObject({ status: 'SUCCESS' });
      await eventually(() => !b.holds('k'), 1000);
      expect(await replica.client.get('k')).toBe('old');
      expect(valueOf(await b.read('k'))).toBe('new');
      way.resume();
      await waitInSync(master, [replica]);
      await eventually(async () => (await b.warm('k')) === 'new');
    });
  });
}

const topic = { current: new AnnouncementTopic() };

describeGateways('over a topic in this process', () => ({ link: topic.current.createLink() }));

describe('a topic that fails', () => {
  let links: readonly [TopicLink, TopicLink];
  let a: TestGateway;
  let b: TestGateway;

  beforeEach(async () => {
    topic.current = new AnnouncementTopic();
    links = [topic.current.createLink(), topic.current.createLink()];
    a = await openGateway(config(), { link: links[0] });
    b = await openGateway(config(), { link: links[1] });
    await a.write('k', 'old');
    await waitInSync(master, [replica]);
    await eventually(async () => (await b.warm('k')) === 'old');
  });
  afterEach(() => Promise.all([a.close(), b.close()]));

  it('F23: closes near caches within one second, refuses changes as not done, and all is well when it is back', async () => {
    topic.current.isAway = true;
    const awayMs = clock.now();
    const byRelay = relayed(a, 'SET k new', ['k']);
    expect(await a.write('k', 'new', { withinMs: 500 })).toMatchObject({
      status: 'ERROR',
      error: { code: 'unavailable', message: expect.stringMatching(/may stand/i) as string },
    });
    expect((await lastServedNear(b, 'k')) - awayMs).toBeLessThan(1010);
    await eventually(async () => {
      const reply = await a.write('k', 'new');
      expect(reply).toMatchObject({
        error: { message: expect.stringMatching(/nothing was done/i) as string },
      });
      return true;
    });
    expect(await relayed(a, 'SET k newer', ['k'])).toMatch(/nothing was done/i);
    expect(await byRelay).toMatch(/may stand/i);
    expect(await master.client.get('k')).toBe('new');
    expect(valueOf(await b.read('k'))).toBe('new');
    expect(b.engine.status()[0]?.nodes.map(({ announces }) => announces)).toEqual([false, false]);
    topic.current.isAway = false;
    await eventually(async () => (await b.warm('k')) === 'new');
    await eventually(async () => (await a.write('k', 'newest')).status === 'SUCCESS');
    await eventually(async () => (await b.warm('k')) === 'newest');
  });

  it('an announcement that was missed leaves nothing stale, though the replica lags', async () => {
    links[1].hold();
    way.pause('down');
    await a.write('k', 'new');
    links[1].miss();
    links[1].release();
    expect(b.holds('k')).toBe(false);
    // It may be read from the replica, for a while, but not be kept.
    await b.read('k');
    expect(b.holds('k')).toBe(false);
    way.resume();
    await waitInSync(master, [replica]);
    await eventually(async () => (await b.warm('k')) === 'new');
  });

  it.each(['a WRITE', 'a relayed command'])(
    '%s that is carried out after its caller was refused is announced in the end',
    async (what) => {
      // So that it leaves, and is not refused for want of a connection.
      expect(await relayed(a, 'SET other v', ['other'])).toBe('+OK\r\n');
      master.freeze();
      if (what === 'a WRITE') expect((await a.write('k', 'late', { withinMs: 300 })).status).toBe('ERROR');
      else expect(await relayed(a, 'SET k late', ['k'], {}, 300)).not.toBe('+OK\r\n');
      master.thaw();
      await eventually(async () => (await master.client.get('k')) === 'late');
      await eventually(async () => (await b.warm('k')) === 'late' && (await a.warm('k')) === 'late', 10_000);
    },
  );
});

describe('a shard that is led to another master', () => {
  it('R10: what is announced of a history that is not followed yet leaves nothing stale', async () => {
    topic.current = new AnnouncementTopic();
    const second = await startRedis({ replicaOf: master });
    const third = await startRedis({ replicaOf: way });
    try {
      await waitInSync(master, [second, third]);
      const nodes = { name: 'a', master: master.address, replicas: [second.address, third.address] };
      const a = await openShardGateway(nodes, { link: topic.current.createLink() });
      const b = await openShardGateway(nodes, { link: topic.current.createLink() });
      await a.write('k', 'old');
      await waitInSync(master, [second, third]);
      await eventually(async () => (await b.warm('k')) === 'old');
      await second.client.replicaof('NO', 'ONE');
      await third.client.replicaof(second.host, second.port);
      const next = { master: second.address, replicas: [third.address] };
      await a.shard.follow(next);
      await eventually(async () => (await a.write('k', 'new')).status === 'SUCCESS');
      // It still reads from the old master, which has the old value.
      await eventually(() => b.announced.at(-1) === 'k');
      await b.read('k');
      await b.shard.follow(next);
      await eventually(async () => (await b.warm('k')) === 'new', 10_000);
      expect(valueOf(await b.read('k'))).toBe('new');
      await Promise.all([a.close(), b.close()]);
    } finally {
      await Promise.all([second.stop(), third.stop()]);
    }
  }, 60_000);
});

describeWithKafka('a broker', () => {
  let kafka: KafkaProcess;
  let topics = 0;
  const kind = () => ({ kind: 'kafka', kafka: kafka.address, topic: `ringcache-${topics}` }) as const;

  beforeAll(async () => {
    kafka = await startKafka();
  }, KAFKA_START_MS);
  afterAll(() => kafka.stop());

  describeGateways('over Kafka', () => ({ kind: kind() }));

  it('F23: that is frozen closes near caches within one second, and all is well when it goes on', async () => {
    topics += 1;
    const a = await openGateway(config(), { kind: kind() });
    const b = await openGateway(config(), { kind: kind() });
    await a.write('k', 'old');
    await eventually(async () => (await b.warm('k')) === 'old');
    const frozenMs = clock.now();
    kafka.freeze();
    const written = a.write('k', 'new', { withinMs: 1500 });
    expect((await lastServedNear(b, 'k')) - frozenMs).toBeLessThan(1050);
    expect(await written).toMatchObject({ error: { code: 'unavailable' } });
    kafka.thaw();
    await eventually(async () => (await b.warm('k')) === 'new', 20_000);
    await eventually(async () => (await a.write('k', 'newer')).status === 'SUCCESS', 20_000);
    await eventually(async () => (await b.warm('k')) === 'newer', 20_000);
    await Promise.all([a.close(), b.close()]);
  }, 90_000);

  it('that is away at the start keeps changes from being made, and nothing from being read', async () => {
    topics += 1;
    await kafka.kill();
    await master.client.set('k', 'v');
    const a = await openClosedGateway(config(), { kind: kind() });
    expect(valueOf(await a.read('k'))).toBe('v');
    expect(await a.write('k', 'v2')).toMatchObject({ error: { code: 'unavailable' } });
    expect(a.holds('k')).toBe(false);
    await kafka.restart();
    await eventually(async () => (await a.write('k', 'v2')).status === 'SUCCESS', 30_000);
    await eventually(async () => (await a.warm('k')) === 'v2', 10_000);
    await a.close();
  }, 120_000);
});
