/**
 * The races of near caches, one master and gateways of which each has its own connections: `tracking` announces what
 * anybody changes, in whatever order the news arrive.
 */
import { createKeyring } from '../../src/cipher/keyring';
import type { Key } from '../../src/core/command';
import {
  clientsOf,
  openGateway,
  startNodeLinks,
  type NodeLinks,
  type TestGateway,
} from '../support/coherence';
import { eventually } from '../support/eventually';
import { startShard, type ShardProcesses } from '../support/redis';

let shard: ShardProcesses;
let links: NodeLinks;
let a: TestGateway;
let b: TestGateway;

beforeAll(async () => {
  shard = await startShard({ name: 'a', replicas: 0 });
  links = await startNodeLinks(shard.master);
});
afterAll(async () => {
  await links.all.close();
  await shard.stop();
});
beforeEach(async () => {
  await shard.master.client.flushall();
  a = await openGateway(shard.config);
  b = await openGateway({ ...shard.config, master: links.address });
});
afterEach(async () => {
  links.all.resume();
  await Promise.all([a.close(), b.close()]);
});

/** What somebody changes past all gateways. */
const redis = () => shard.master.client;
const values = (key: string) =>
  Promise.all(
    [a, b].map(async (gateway) => {
      const reply = await gateway.read(key);
      return 'value' in reply ? reply.value : reply.status;
    }),
  );
/** What both gateways answer, soon. */
const seen = (expected: readonly string[]) =>
  eventually(async () => {
    expect(await values('k')).toEqual(expected);
    return true;
  });

it('a change through one gateway is seen by the other, and by itself', async () => {
  await a.write('k', 'v1');
  expect([await a.warm('k'), await b.warm('k')]).toEqual(['v1', 'v1']);
  await b.write('k', 'v2');
  await seen(['v2', 'v2']);
  await Promise.all([a.warm('k'), b.warm('k')]);
  await a.remove('k');
  await eventually(() => !b.holds('k'));
  expect(await values('k')).toEqual(['NOT_FOUND', 'NOT_FOUND']);
});

it('R1: a value that arrives after the announcement of its key is not kept', async () => {
  await redis().set('k', 'old');
  const data = await links.data();
  data.pause('down');
  const late = b.read('k');
  // Redis has looked it up when it counts the key as one whose changes are to be announced.
  await eventually(async () => /tracking_total_keys:[1-9]/.test(await redis().info('stats')));
  await redis().set('k', 'new');
  await eventually(() => b.announced.includes('k'));
  data.resume();
  expect(await late).toMatchObject({ value: 'old' });
  expect(b.holds('k')).toBe(false);
  expect(await b.warm('k')).toBe('new');
}, 15_000);

it('R4: after a reconnect of the subscriber connection what was kept before is void and changes are announced again', async () => {
  await redis().set('k', 'old');
  await Promise.all([a.warm('k'), b.warm('k')]);
  const kills = redis().multi();
  for (const { id, isSubscriber } of await clientsOf(shard.master)) {
    if (isSubscriber) kills.client('KILL', 'ID', id);
  }
  // As one step: nobody is told of this change.
  await kills.set('k', 'new').exec();
  await seen(['new', 'new']);
  expect(await Promise.all([a.warm('k'), b.warm('k')])).toEqual(['new', 'new']);
  await redis().set('k', 'newer');
  await seen(['newer', 'newer']);
});

it('R5: after a reconnect of the data connection what was kept before is void and changes are announced again', async () => {
  await redis().set('k', 'old');
  await Promise.all([a.warm('k'), b.warm('k')]);
  const kills = redis().multi();
  for (const { id, isSubscriber } of await clientsOf(shard.master)) {
    if (!isSubscriber) kills.client('KILL', 'ID', id);
  }
  await kills.set('k', 'new').exec();
  await eventually(() => !a.holds('k') && !b.holds('k'));
  expect(await eventually(() => a.warm('k'))).toBe('new');
  expect(await eventually(() => b.warm('k'))).toBe('new');
  await redis().set('k', 'newer');
  await seen(['newer', 'newer']);
});

it("R6: after one's own change a foreign one is announced as before, and so is one's own", async () => {
  await a.write('k', 'mine');
  await a.warm('k');
  await a.write('k', 'mine again');
  await a.warm('k');
  await redis().set('k', 'theirs');
  await seen(['theirs', 'theirs']);
  await a.warm('k');
  // By the gateway's own connection, and past its core, which forgets what it changes by itself.
  const replaced = a.engine.write('k' as Key, Buffer.from('ours'), {
    ttlMs: 'keep',
    condition: { expected: Buffer.from('theirs') },
    ack: 0,
    deadlineMs: performance.now() + 2000,
  });
  expect(await replaced).toMatchObject({ done: true });
  await eventually(() => !a.holds('k'));
  await seen(['ours', 'ours']);
});

it('R7: an entry ends with its key on every gateway', async () => {
  await a.write('k', 'v', { ttlMs: 400 });
  const writtenMs = performance.now();
  await Promise.all([a.warm('k'), b.warm('k')]);
  await eventually(() => !a.holds('k') && !b.holds('k'));
  expect(performance.now() - writtenMs).toBeLessThan(500);
  expect(await values('k')).toEqual(['NOT_FOUND', 'NOT_FOUND']);
});

it('R7: an entry ends with its key where nobody announces that', async () => {
  const alone = await openGateway(shard.config, { kind: 'none' });
  await alone.write('k', 'v', { ttlMs: 300 });
  await alone.warm('k');
  await eventually(() => !alone.holds('k'), 400);
  await alone.close();
});

it.each([
  ['PEXPIRE', ['k', '50']],
  ['EXPIRE', ['k', '0']],
  ['PEXPIREAT', ['k', '1']],
  ['PERSIST', ['k']],
])('R7: %s by somebody else is announced', async (command, args) => {
  await a.write('k', 'v', { ttlMs: 60_000 });
  await Promise.all([a.warm('k'), b.warm('k')]);
  await redis().call(command, ...args);
  await eventually(() => a.announced.includes('k') && b.announced.includes('k'));
  const expected = command === 'PERSIST' ? 'v' : 'NOT_FOUND';
  await seen([expected, expected]);
});

it('R8: writers and readers of one key on both gateways agree with Redis in the end', async () => {
  const writer = async (gateway: TestGateway, name: string): Promise<void> => {
    for (let n = 0; n < 100; n += 1) await gateway.write('k', `${name}${n}`);
  };
  let over = false;
  const reader = async (gateway: TestGateway): Promise<void> => {
    while (!over) {
      await gateway.read('k');
      await new Promise(setImmediate);
    }
  };
  const readers = Promise.all([reader(a), reader(b)]);
  await Promise.all([writer(a, 'a'), writer(b, 'b')]);
  over = true;
  await readers;
  const last = await redis().get('k');
  await seen([String(last), String(last)]);
  expect(await Promise.all([a.warm('k'), b.warm('k')])).toEqual([last, last]);
});

it('R9: after FLUSHALL nothing that was kept is served', async () => {
  const keys = Array.from({ length: 50 }, (_, n) => `k${n}`);
  for (const key of keys) await a.write(key, 'v');
  for (const key of keys) await Promise.all([a.warm(key), b.warm(key)]);
  await redis().flushall();
  await eventually(() => keys.every((key) => !a.holds(key) && !b.holds(key)));
  for (const key of keys) expect(await values(key)).toEqual(['NOT_FOUND', 'NOT_FOUND']);
  await redis().set('k0', 'again');
  expect([await a.warm('k0'), await b.warm('k0')]).toEqual(['again', 'again']);
});

it('R10: a master that comes back empty takes with it what was kept', async () => {
  await redis().set('k', 'v');
  await Promise.all([a.warm('k'), b.warm('k')]);
  await shard.master.kill();
  await shard.master.restart();
  await Promise.all([a.opened(), b.opened()]);
  expect([a.holds('k'), b.holds('k')]).toEqual([false, false]);
  expect(await values('k')).toEqual(['NOT_FOUND', 'NOT_FOUND']);
}, 15_000);

it('R13: that a key is absent is not remembered', async () => {
  for (let n = 0; n < 5; n += 1) expect(await values('k')).toEqual(['NOT_FOUND', 'NOT_FOUND']);
  await redis().set('k', 'v');
  expect(await values('k')).toEqual(['v', 'v']);
});

it('R14: a value under an encryption key that is not known is corrupt, and is not kept', async () => {
  const keyring = (id: string, byte: number) => createKeyring([{ id, bytes: Buffer.alloc(32, byte) }]);
  const before = await openGateway(shard.config, { cipher: keyring('before', 1) });
  const after = await openGateway(shard.config, { cipher: keyring('after', 2) });
  await before.write('k', 'secret');
  expect(await before.warm('k')).toBe('secret');
  for (let n = 0; n < 3; n += 1) {
    expect(await after.read('k')).toMatchObject({ status: 'ERROR', error: { code: 'corrupt_value' } });
  }
  expect(after.holds('k')).toBe(false);
  // Written anew under the key that is known, it is a value like any other.
  await after.write('k', 'known');
  expect(await after.warm('k')).toBe('known');
  await eventually(async () => {
    expect(await before.read('k')).toMatchObject({ status: 'ERROR' });
    return true;
  });
  await Promise.all([before.close(), after.close()]);
});

it('none: what others write is served old for as long as the near TTL, and no longer', async () => {
  const alone = await openGateway(shard.config, { kind: 'none', nearTtlMs: 300 });
  await redis().set('k', 'old');
  await alone.warm('k');
  const keptMs = performance.now();
  await redis().set('k', 'new');
  expect(await alone.read('k')).toMatchObject({ value: 'old', source: 'near' });
  await eventually(async () => {
    expect(await alone.read('k')).toMatchObject({ value: 'new' });
    return true;
  });
  expect(performance.now() - keptMs).toBeLessThan(300 + 200);
  await alone.close();
});
