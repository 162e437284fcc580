/**
 * One node's announcements and the lease they earn, on a real Redis and with time that the test moves: what begins a
 * lease, what extends it and up to when, and what ends it.
 */
import type { Redis } from 'ioredis';
import { LEASE_MS, SubscriberFeed, type Dialect } from '../../src/coherence/feed';
import { pubsubDialect } from '../../src/coherence/pubsub';
import { ANNOUNCEMENTS_CHANNEL } from '../../src/core/announcements-channel';
import { trackingDialect } from '../../src/coherence/tracking';
import { createClient } from '../../src/redis/client';
import { clientsOf, startNodeLinks, type NodeLinks } from '../support/coherence';
import { eventually } from '../support/eventually';
import { createFakeClock } from '../support/fake-clock';
import { createRecordingLog } from '../support/log';
import { startRedis, type RedisProcess } from '../support/redis';
import { startTcpProxy } from '../support/tcp-proxy';

let redis: RedisProcess;
let links: NodeLinks;
const cleanUp: (() => void)[] = [];

beforeAll(async () => {
  redis = await startRedis();
  links = await startNodeLinks(redis);
});
afterEach(async () => {
  for (const clean of cleanUp.splice(0)) clean();
  links.all.resume();
  await redis.client.flushall();
  await eventually(async () => (await clientsOf(redis)).length === 0);
});
afterAll(async () => {
  await links.all.close();
  await redis.stop();
});

/** A feed and the data connection that its node would have. */
async function openFeed(dialect: Dialect = trackingDialect, address = links.address) {
  const clock = createFakeClock();
  const log = createRecordingLog();
  const announced: string[] = [];
  const feed = new SubscriberFeed(address, dialect, {
    clock,
    log,
    readOnly: false,
    onAnnounced: (key) => announced.push(key),
  });
  const data: Redis = createClient(address);
  data.on('error', () => undefined);
  data.on('ready', () => feed.connected(data));
  data.on('close', () => feed.lost());
  cleanUp.push(
    () => feed.close(),
    () => data.disconnect(),
  );
  feed.open();
  await data.connect();
  const leased = () => eventually(() => feed.lease);
  await leased();
  return { feed, clock, log, announced, data, leased };
}

describe.each([
  ['tracking', trackingDialect],
  ['pubsub', pubsubDialect],
])('%s', (_name, dialect) => {
  it('a lease begins without end in sight: nothing is served under it before it is confirmed', async () => {
    const { feed, clock } = await openFeed(dialect);
    expect(feed.lease!.endsMs).toBeLessThan(clock.now());
  });

  it('R3: a confirmation counts from the time it speaks of, not from when it came', async () => {
    const { feed, clock } = await openFeed(dialect);
    const asOfMs = clock.now();
    clock.advance(400);
    feed.confirm(asOfMs);
    await eventually(() => feed.lease!.endsMs === asOfMs + LEASE_MS);
  });

  it('R3: an older confirmation never shortens it', async () => {
    const { feed, clock } = await openFeed(dialect);
    const asOfMs = clock.now();
    feed.confirm(asOfMs);
    await eventually(() => feed.lease!.endsMs === asOfMs + LEASE_MS);
    feed.confirm(asOfMs - 500);
    feed.confirm(asOfMs + 1);
    await eventually(() => feed.lease!.endsMs === asOfMs + 1 + LEASE_MS);
  });

  it('R3: on a half-open connection it is not extended, and the connection is made anew', async () => {
    const { feed, clock, leased } = await openFeed(dialect);
    const lease = feed.lease!;
    const asOfMs = clock.now();
    feed.confirm(asOfMs);
    await eventually(() => lease.endsMs === asOfMs + LEASE_MS);
    const subscriber = await links.subscriber();
    subscriber.swallow();
    clock.advance(200);
    feed.confirm(clock.now());
    clock.advance(2000);
    feed.tick();
    expect(lease.endsMs).toBe(asOfMs + LEASE_MS);
    clock.advance(1);
    feed.tick();
    await eventually(() => lease.endsMs === -Infinity);
    await leased();
    expect(feed.lease).not.toBe(lease);
    subscriber.resume();
  });

  it('R3: it is extended only when all that was announced before has been processed', async () => {
    const { feed, clock, announced, data } = await openFeed(dialect);
    await redis.client.set('k', 'old');
    await data.get('k');
    const subscriber = await links.subscriber();
    subscriber.pause('down');
    await redis.client.multi().set('k', 'new').publish(ANNOUNCEMENTS_CHANNEL, 'k').exec();
    const asOfMs = clock.now();
    feed.confirm(asOfMs);
    // The PING is on its way or there; nothing can be told by its answer yet.
    await data.ping();
    expect(announced).toEqual([]);
    expect(feed.lease!.endsMs).toBeLessThan(asOfMs);
    let announcedBefore = false;
    const watching = eventually(() => {
      announcedBefore = announced.includes('k');
      return feed.lease!.endsMs === asOfMs + LEASE_MS;
    });
    subscriber.resume();
    await watching;
    expect(announcedBefore).toBe(true);
  });

  it('R4: after a reconnect of the subscriber connection what was kept before is void', async () => {
    const { feed, clock, leased } = await openFeed(dialect);
    const lease = feed.lease!;
    feed.confirm(clock.now());
    await eventually(() => lease.endsMs > clock.now());
    const [subscriber] = (await clientsOf(redis)).filter((client) => client.isSubscriber);
    await redis.client.client('KILL', 'ID', subscriber!.id);
    await eventually(() => lease.endsMs === -Infinity);
    expect(await leased()).not.toBe(lease);
  });

  it('R10: a gap voids what was kept and begins anew', async () => {
    const { feed, leased } = await openFeed(dialect);
    const lease = feed.lease!;
    feed.gap();
    expect(lease.endsMs).toBe(-Infinity);
    expect(await leased()).not.toBe(lease);
  });

  it('a PONG that was asked for under another lease extends nothing', async () => {
    const { feed, clock, data, announced, leased } = await openFeed(dialect);
    const subscriber = await links.subscriber();
    subscriber.pause('down');
    feed.confirm(clock.now());
    feed.gap();
    const lease = await leased();
    await data.get('k');
    await redis.client.multi().set('k', 'v').publish(ANNOUNCEMENTS_CHANNEL, 'k').exec();
    subscriber.resume();
    // This comes behind the PONG.
    await eventually(() => announced.includes('k'));
    expect(lease.endsMs).toBeLessThan(clock.now());
  });

  it('R5: after a reconnect of the data connection what was kept before is void, and a new lease begins by itself', async () => {
    const { feed, announced, leased } = await openFeed(dialect);
    const lease = feed.lease!;
    const [mine] = (await clientsOf(redis)).filter((client) => !client.isSubscriber);
    await redis.client.client('KILL', 'ID', mine!.id);
    await eventually(() => lease.endsMs === -Infinity);
    expect(await leased()).not.toBe(lease);
    await redis.client.publish(dialect.channel, 'k');
    if (dialect === pubsubDialect) await eventually(() => announced.includes('k'));
  });

  it('R5: where one address is two servers, a lease begins only when both connections are at the same one', async () => {
    const [first, second] = [await startRedis(), await startRedis()];
    const target = { host: first.host, port: first.port };
    const way = await startTcpProxy(target);
    const address = { ...first.address, host: way.host, port: way.port };
    const { feed, data, announced, leased } = await openFeed(dialect, address);
    // Or the second server would refuse to redirect to an id that nobody has there.
    const strangers = Array.from({ length: 20 }, () => second.client.duplicate());
    await Promise.all(strangers.map((stranger) => stranger.ping()));
    target.port = second.port;
    const back = new Promise((resolve) => data.once('ready', resolve));
    const [mine] = (await clientsOf(first)).filter((client) => !client.isSubscriber);
    await first.client.client('KILL', 'ID', mine!.id);
    await back;
    await leased();
    expect((await clientsOf(second)).filter((client) => client.isSubscriber)).toHaveLength(1);
    await data.get('k');
    await second.client.multi().set('k', 'v').publish(ANNOUNCEMENTS_CHANNEL, 'k').exec();
    await eventually(() => announced.includes('k'));
    for (const stranger of strangers) stranger.disconnect();
    feed.close();
    data.disconnect();
    await Promise.all([way.close(), first.stop(), second.stop()]);
  });

  it('closed, it has no lease and ends the one it had', async () => {
    const { feed, data } = await openFeed(dialect);
    const lease = feed.lease!;
    feed.close();
    expect(lease.endsMs).toBe(-Infinity);
    expect(feed.lease).toBeUndefined();
    feed.tick();
    feed.connected(data);
    await data.ping();
    expect(feed.lease).toBeUndefined();
  });
});

describe('tracking', () => {
  it('R4: after a reconnect of the subscriber connection what is read on the data connection is announced again', async () => {
    const { announced, data, feed, leased } = await openFeed();
    const before = feed.lease;
    const [subscriber] = (await clientsOf(redis)).filter((client) => client.isSubscriber);
    await redis.client.client('KILL', 'ID', subscriber!.id);
    await eventually(() => feed.lease !== before);
    await leased();
    await data.get('k');
    await redis.client.set('k', 'v');
    await eventually(() => announced.includes('k'));
  });

  it('R5: after a reconnect of the data connection what was kept before is void, and changes are announced again', async () => {
    const { announced, data, feed, leased } = await openFeed();
    const lease = feed.lease!;
    const [mine] = (await clientsOf(redis)).filter((client) => !client.isSubscriber);
    await redis.client.client('KILL', 'ID', mine!.id);
    await eventually(() => lease.endsMs === -Infinity);
    await leased();
    await data.get('k');
    await redis.client.set('k', 'v');
    await eventually(() => announced.includes('k'));
  });

  it('R6: a change by the same connection is announced, and so is the next one by another', async () => {
    const { announced, data } = await openFeed();
    await data.get('k');
    await data.set('k', 'mine');
    await eventually(() => announced.length === 1);
    await data.get('k');
    await redis.client.set('k', 'theirs');
    await eventually(() => announced.length === 2);
  });

  it.each(['FLUSHALL', 'FLUSHDB'])(
    'R9: %s voids what was kept, and what is read next may be kept',
    async (command) => {
      const { feed, clock, announced, data } = await openFeed();
      const lease = feed.lease!;
      const asOfMs = clock.now();
      feed.confirm(asOfMs);
      await eventually(() => lease.endsMs > clock.now());
      await redis.client.call(command);
      await eventually(() => lease.endsMs === -Infinity);
      expect(feed.lease!.endsMs).toBe(asOfMs + LEASE_MS);
      await data.get('k');
      await redis.client.set('k', 'v');
      await eventually(() => announced.includes('k'));
    },
  );

  it('a replica that was loaded anew said so itself', async () => {
    const { feed } = await openFeed();
    const { lease } = feed;
    feed.reloaded();
    expect(feed.lease).toBe(lease);
  });

  it('a key of any bytes is announced as itself', async () => {
    const { announced, data } = await openFeed();
    const key = Buffer.from([0, 0xff, 0xfe, 0x0d, 0x0a]);
    await data.get(key);
    await redis.client.set(key, 'v');
    await eventually(() => announced.includes(key.toString('latin1')));
  });

  it('a key that expires is announced, and one that is evicted', async () => {
    const { announced, data } = await openFeed();
    await redis.client.set('expires', 'v', 'PX', 30);
    await redis.client.set('evicted', 'v');
    await data.mget('expires', 'evicted');
    await eventually(() => announced.includes('expires'));
    await redis.client.config('SET', 'maxmemory-policy', 'allkeys-lru');
    await redis.client.config('SET', 'maxmemory', '1');
    try {
      await redis.client.set('more', 'v').catch(() => undefined);
      await eventually(() => announced.includes('evicted'));
    } finally {
      await redis.client.config('SET', 'maxmemory', '0');
    }
  });
});

describe('pubsub', () => {
  it('R9: a replica that was loaded anew may have missed what was said', async () => {
    const { feed, leased } = await openFeed(pubsubDialect);
    const lease = feed.lease!;
    feed.reloaded();
    expect(lease.endsMs).toBe(-Infinity);
    expect(await leased()).not.toBe(lease);
  });
});

it('a request to be subscribed that a half-open link swallows ends, and is made again', async () => {
  const clock = createFakeClock();
  const log = createRecordingLog();
  const feed = new SubscriberFeed(links.address, pubsubDialect, {
    clock,
    log,
    readOnly: false,
    onAnnounced: () => undefined,
  });
  cleanUp.push(() => feed.close());
  // Refused once, so that it asks again on a connection whose handshake is long over.
  await redis.client.acl('SETUSER', 'default', '-client|id');
  try {
    feed.open();
    await eventually(() => log.lines.length > 0);
  } finally {
    await redis.client.acl('SETUSER', 'default', '+@all');
  }
  const subscriber = await links.data();
  const [before] = await clientsOf(redis);
  subscriber.swallow();
  feed.tick();
  clock.advance(2000);
  feed.tick();
  expect(await clientsOf(redis)).toEqual([before]);
  clock.advance(1);
  feed.tick();
  await eventually(async () => (await clientsOf(redis)).some((client) => client.isSubscriber));
  subscriber.resume();
});

describe('where Redis refuses', () => {
  it.each([
    ['CLIENT TRACKING', '-client|tracking'],
    ['SUBSCRIBE', '-subscribe'],
    ['CLIENT ID', '-client|id'],
  ])('%s, there is no lease and one line in the log', async (_name, rule) => {
    await redis.client.acl('SETUSER', 'default', rule);
    try {
      const log = createRecordingLog();
      const feed = new SubscriberFeed(links.address, trackingDialect, {
        clock: createFakeClock(),
        log,
        readOnly: false,
        onAnnounced: () => undefined,
      });
      const data = createClient(links.address);
      cleanUp.push(
        () => feed.close(),
        () => data.disconnect(),
      );
      data.on('ready', () => feed.connected(data));
      feed.open();
      await data.connect();
      await eventually(() => log.lines.length > 0);
      for (let n = 0; n < 5; n += 1) {
        feed.tick();
        await data.ping();
      }
      expect(feed.lease).toBeUndefined();
      expect(log.lines).toEqual([
        {
          level: 'warn',
          message: 'no announcements: its values are not kept near',
          fields: {
            node: `${links.all.host}:${links.all.port}`,
            cause: expect.stringContaining('NOPERM') as string,
          },
        },
      ]);
      await redis.client.acl('SETUSER', 'default', '+@all');
      // Whoever allows it need not start anything anew.
      await eventually(() => {
        feed.tick();
        return feed.lease;
      });
    } finally {
      await redis.client.acl('SETUSER', 'default', '+@all');
    }
  });
});
