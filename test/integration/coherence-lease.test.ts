/**
 * C3: whichever link or process on the way of an announcement dies or freezes, what is kept near is served for one
 * second more at most; then the near cache is closed, not stale, and it opens again by itself.
 */
import { LEASE_MS } from '../../src/coherence/feed';
import { ANNOUNCEMENTS_CHANNEL } from '../../src/core/announcements-channel';
import { systemClock as clock } from '../../src/lib/clock';
import {
  clientsOf,
  lastServedNear,
  openClosedGateway,
  openGateway,
  startNodeLinks,
  type NodeLinks,
  type TestGateway,
} from '../support/coherence';
import { eventually } from '../support/eventually';
import { startShard, type ShardProcesses } from '../support/redis';

const KINDS = ['tracking', 'pubsub'] as const;

let shard: ShardProcesses;
/** The gateway's ways to the master and to the replica. */
let toMaster: NodeLinks;
let toReplica: NodeLinks;

beforeAll(async () => {
  shard = await startShard({ name: 'a', replicas: 1, replicationThroughProxy: true });
  toMaster = await startNodeLinks(shard.master);
  toReplica = await startNodeLinks(shard.replicas[0]!);
});
afterAll(async () => {
  await toMaster.all.close();
  await toReplica.all.close();
  await shard.stop();
});

/** A change as another gateway makes it, so that both kinds of coherence announce it. */
const change = (key: string, value: string) =>
  shard.master.client.multi().set(key, value).publish(ANNOUNCEMENTS_CHANNEL, key).exec();

describe.each(KINDS)('%s', (kind) => {
  let gateway: TestGateway;

  beforeEach(async () => {
    await change('k', 'old');
    await change('same', 'v');
    await change('aside', 'v');
    await shard.inSync();
    const config = { ...shard.config, master: toMaster.address, replicas: [toReplica.address] };
    gateway = await openGateway(config, { kind });
    for (const key of ['k', 'same']) {
      await eventually(async () => {
        const reply = await gateway.read(key);
        // Asked while the replica is not known to be fresh, the master's answer has to go.
        if ('source' in reply && reply.source !== 'replica') await change(key, key === 'k' ? 'old' : 'v');
        expect(reply).toMatchObject({ source: 'replica' });
        return true;
      });
      await gateway.warm(key);
    }
  }, 15_000);
  afterEach(async () => {
    shard.master.thaw();
    shard.resumeReplication();
    toMaster.all.resume();
    toReplica.all.resume();
    await gateway.close();
  });

  /** From now on what was kept is served for a second at most; then what is stored now is read, from wherever. */
  async function expectClosing(): Promise<void> {
    const brokenMs = clock.now();
    await change('k', 'new');
    expect((await lastServedNear(gateway, 'k')) - brokenMs).toBeLessThanOrEqual(LEASE_MS);
    expect((await lastServedNear(gateway, 'same')) - brokenMs).toBeLessThanOrEqual(LEASE_MS);
    await eventually(async () => {
      expect(await gateway.read('k')).toMatchObject({ value: 'new' });
      return true;
    }, 500);
  }
  async function expectOpening(): Promise<void> {
    await eventually(() => gateway.warm('k'), 8000);
    expect(await gateway.warm('k')).toBe('new');
    const heard = gateway.announced.length;
    await change('k', 'newer');
    await eventually(() => gateway.announced.length > heard);
    expect(await gateway.warm('k')).not.toBe('old');
    await eventually(async () => (await gateway.warm('k')) === 'newer');
  }

  it('R3: the subscriber link is half open', async () => {
    const subscriber = await toReplica.subscriber();
    subscriber.swallow();
    await expectClosing();
    await eventually(
      () => gateway.log.lines.some(({ message }) => message.includes('announcements lost')),
      8000,
    );
    subscriber.resume();
    await expectOpening();
  }, 20_000);

  it('the data link is half open', async () => {
    const data = await toReplica.data();
    data.swallow();
    await expectClosing();
    await expectOpening();
    data.resume();
  }, 20_000);

  it('the link to the master is half open: nobody can tell any more how late a replica is', async () => {
    const data = await toMaster.data();
    data.swallow();
    await expectClosing();
    await expectOpening();
    data.resume();
  }, 20_000);

  it('the subscriber link stands still for a while: what did not change is served again', async () => {
    const subscriber = await toReplica.subscriber();
    subscriber.pause('down');
    await expectClosing();
    subscriber.resume();
    await eventually(() => gateway.holds('same'), 500);
    expect(gateway.holds('k')).toBe(false);
    await expectOpening();
  }, 20_000);

  it('replication stands still: reads go to the master, and back', async () => {
    shard.pauseReplication();
    await expectClosing();
    expect(await gateway.read('aside')).toMatchObject({ source: 'master' });
    shard.resumeReplication();
    await eventually(() => gateway.holds('same'));
    await expectOpening();
  }, 20_000);

  it('replication stands still: no READ is staler than a second', async () => {
    const writtenMs: number[] = [];
    const load = { over: false };
    shard.pauseReplication();
    const writing = (async () => {
      while (!load.over) {
        await change('counted', String(writtenMs.length));
        writtenMs.push(clock.now());
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    })();
    await eventually(() => writtenMs.length > 0);
    let stalestMs = 0;
    for (const endMs = clock.now() + 2500; clock.now() < endMs;) {
      const askedAtMs = clock.now();
      const acked = writtenMs.length;
      const reply = await gateway.read('counted');
      const seen = 'value' in reply ? Number(reply.value) : -1;
      // The first write that it does not show was acked that long ago.
      if (seen + 1 < acked) stalestMs = Math.max(stalestMs, askedAtMs - writtenMs[seen + 1]!);
      await new Promise(setImmediate);
    }
    load.over = true;
    await writing;
    expect(stalestMs).toBeLessThanOrEqual(LEASE_MS);
    // It was late at all, so this could have failed.
    expect(stalestMs).toBeGreaterThan(100);
    await shard.master.client.del('counted');
  }, 15_000);

  it('the master is frozen: near hits end, replicas answer, and nothing is lost', async () => {
    shard.master.freeze();
    const frozenMs = clock.now();
    expect((await lastServedNear(gateway, 'k')) - frozenMs).toBeLessThanOrEqual(LEASE_MS);
    expect(await gateway.read('k')).toMatchObject({ value: 'old', source: 'replica' });
    shard.master.thaw();
    await eventually(() => gateway.holds('k') && gateway.holds('same'));
  }, 15_000);

  it('the replica is frozen: near hits end, and the master answers', async () => {
    shard.replicas[0]!.freeze();
    try {
      await expectClosing();
      expect(await gateway.read('aside')).toMatchObject({ source: 'master' });
    } finally {
      shard.replicas[0]!.thaw();
    }
    await expectOpening();
  }, 20_000);

  it('R3: Redis drops a subscriber that reads too slowly', async () => {
    const replica = shard.replicas[0]!.client;
    await replica.config('SET', 'client-output-buffer-limit', 'pubsub 1mb 1mb 1');
    const subscriber = await toReplica.subscriber();
    subscriber.pause('down');
    try {
      const channel = kind === 'pubsub' ? ANNOUNCEMENTS_CHANNEL : '__redis__:invalidate';
      const junk = 'x'.repeat(1024 * 1024);
      // What lies in sockets on the way is no output buffer of Redis.
      await eventually(async () => {
        for (let n = 0; n < 4; n += 1) await replica.publish(channel, junk);
        return !(await clientsOf(shard.replicas[0]!)).some(({ isSubscriber }) => isSubscriber);
      });
      await expectClosing();
    } finally {
      await replica.config('SET', 'client-output-buffer-limit', 'pubsub 32mb 8mb 60');
    }
    subscriber.resume();
    await expectOpening();
  }, 20_000);

  it('F8: subscriber connections killed again and again: nothing is staler than a second, and clean after', async () => {
    const writtenMs: number[] = [];
    let stalestMs = 0;
    for (const endMs = clock.now() + 2000; clock.now() < endMs;) {
      for (const node of [shard.master, ...shard.replicas])
        await node.client.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
      for (let n = 0; n < 20; n += 1) {
        await change('counted', String(writtenMs.length));
        writtenMs.push(clock.now());
        const askedAtMs = clock.now();
        const reply = await gateway.read('counted');
        const seen = 'value' in reply ? Number(reply.value) : -1;
        if (seen + 1 < writtenMs.length) stalestMs = Math.max(stalestMs, askedAtMs - writtenMs[seen + 1]!);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    }
    expect(stalestMs).toBeLessThanOrEqual(LEASE_MS);
    await change('k', 'new');
    await shard.inSync();
    await gateway.opened();
    await eventually(async () => Number(await gateway.warm('counted')) === writtenMs.length - 1);
    await expectOpening();
    await shard.master.client.del('counted');
  }, 20_000);
});

it('where Redis does not allow CLIENT TRACKING the service works without keeping anything', async () => {
  const nodes = [shard.master, ...shard.replicas];
  for (const node of nodes) await node.client.acl('SETUSER', 'default', '-client|tracking');
  try {
    const gateway = await openClosedGateway(shard.config);
    await gateway.write('k', 'v');
    const complaints = () =>
      gateway.log.lines.filter(({ message }) => message.startsWith('no announcements'));
    await eventually(() => complaints().length === nodes.length);
    // Long enough for several attempts.
    const startedMs = clock.now();
    await eventually(async () => {
      expect(await gateway.read('k')).toMatchObject({
        value: 'v',
        source: expect.not.stringMatching('near') as string,
      });
      return clock.now() - startedMs > 1000;
    });
    expect(complaints()).toHaveLength(nodes.length);
    expect(gateway.holds('k')).toBe(false);
    for (const node of nodes) await node.client.acl('SETUSER', 'default', '+client|tracking');
    // It opens by itself once it may.
    await gateway.opened();
    expect(await gateway.warm('k')).toBe('v');
    await gateway.close();
  } finally {
    for (const node of nodes) await node.client.acl('SETUSER', 'default', '+@all');
  }
}, 15_000);
