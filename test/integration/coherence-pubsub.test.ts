/**
 * `COHERENCE=pubsub`: a change and its announcement are one step, so that whatever fails on the way, nobody changes a
 * key unsaid. (Links, replicas and failovers: the other files of this name.)
 */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { ANNOUNCEMENTS_CHANNEL } from '../../src/core/announcements-channel';
import type { Reply } from '../../src/core/command';
import { openGateway, startNodeLinks, type NodeLinks, type TestGateway } from '../support/coherence';
import { eventually } from '../support/eventually';
import { stopAfterTests } from '../support/leftovers';
import { startShard, type ShardProcesses } from '../support/redis';

let shard: ShardProcesses;
let a: TestGateway;
let b: TestGateway;

beforeAll(async () => {
  shard = await startShard({ name: 'a', replicas: 1 });
});
afterAll(() => shard.stop());
beforeEach(async () => {
  await shard.master.client.flushall();
  await shard.inSync();
  a = await openGateway(shard.config, { kind: 'pubsub' });
  b = await openGateway(shard.config, { kind: 'pubsub' });
});
afterEach(() => Promise.all([a.close(), b.close()]));

const redis = () => shard.master.client;
/** `expected` is what the other gateway answers soon, and what it then keeps. */
async function seenByOther(expected: string | undefined): Promise<void> {
  await eventually(async () => {
    const reply = await b.read('k');
    expect('value' in reply ? reply.value : undefined).toBe(expected);
    return true;
  });
  if (expected !== undefined) await eventually(async () => (await b.warm('k')) === expected);
}
const codeOf = (reply: Reply): string => (reply.status === 'ERROR' ? reply.error.code : reply.status);

it.each([0, 1] as const)('a WRITE and a DELETE with ack %d are seen by the other gateway', async (ack) => {
  expect(await a.write('k', 'v1', { ack })).toMatchObject({ status: 'SUCCESS' });
  await seenByOther('v1');
  expect(await a.write('k', 'v2', { ack })).toMatchObject({ status: 'SUCCESS' });
  await seenByOther('v2');
  expect(await a.remove('k')).toMatchObject({ status: 'SUCCESS' });
  await seenByOther(undefined);
  expect(await a.remove('k')).toMatchObject({ status: 'NOT_FOUND' });
});

it('conditions mean what they mean without a transaction', async () => {
  expect(await a.write('k', 'v0', { condition: 'XX' })).toMatchObject({ status: 'NOT_STORED' });
  expect(await a.write('k', 'v1', { condition: 'NX' })).toMatchObject({ status: 'SUCCESS' });
  await seenByOther('v1');
  expect(await a.write('k', 'v2', { condition: 'NX' })).toMatchObject({ status: 'NOT_STORED' });
  expect(await a.write('k', 'v3', { condition: 'XX' })).toMatchObject({ status: 'SUCCESS' });
  await seenByOther('v3');
});

it('concurrent changes of many keys each get their own reply', async () => {
  await a.write('k7', 'there');
  const replies = Array.from({ length: 50 }, (_, n) => a.write(`k${n}`, `v${n}`, { condition: 'NX' }));
  const statuses = (await Promise.all(replies)).map(({ status }) => status);
  expect(statuses).toEqual(Array.from({ length: 50 }, (_, n) => (n === 7 ? 'NOT_STORED' : 'SUCCESS')));
});

it('what Redis refuses is told as Redis said it, and nothing is changed or announced', async () => {
  await redis().set('k', 'v1');
  await redis().config('SET', 'maxmemory-policy', 'noeviction');
  await redis().config('SET', 'maxmemory', '1');
  try {
    for (const ack of [0, 1] as const)
      expect(codeOf(await a.write('k', 'v2', { ack }))).toBe('out_of_memory');
  } finally {
    await redis().config('SET', 'maxmemory', '0');
  }
  expect(await redis().get('k')).toBe('v1');
  expect(b.announced).toEqual([]);
});

it('a change that may not be announced is not made', async () => {
  await redis().acl('SETUSER', 'default', '-publish');
  try {
    expect(codeOf(await a.write('k', 'v'))).toBe('unavailable');
  } finally {
    await redis().acl('SETUSER', 'default', '+publish');
  }
  expect(await redis().exists('k')).toBe(0);
});

it('a change that was made although no transaction was allowed is told as one that may stand', async () => {
  await redis().acl('SETUSER', 'default', '-multi');
  try {
    expect(await a.write('k', 'v')).toMatchObject({
      status: 'ERROR',
      error: { code: 'unavailable', message: expect.stringContaining('may stand') as string },
    });
  } finally {
    await redis().acl('SETUSER', 'default', '+multi');
  }
  expect(await redis().get('k')).toBe('v');
});

it('a key of any bytes is announced as itself, and values that are no text arrive unharmed', async () => {
  const key = Buffer.from([0, 0xff, 0xfe, 0x0d, 0x0a]).toString('latin1');
  await a.write(key, 'v1');
  await b.warm(key);
  await a.write(key, 'v2');
  await eventually(async () => (await b.warm(key)) === 'v2');
});

it("one's own announcement, come late, costs one more question and no more", async () => {
  await a.write('k', 'v1');
  await eventually(() => a.announced.includes('k'));
  expect(await a.warm('k')).toBe('v1');
});

it('an entry ends with its key, of which nobody announces the end', async () => {
  await a.write('k', 'v', { ttlMs: 400 });
  const writtenMs = performance.now();
  await shard.inSync();
  await Promise.all([a.warm('k'), b.warm('k')]);
  await eventually(() => !a.holds('k') && !b.holds('k'));
  expect(performance.now() - writtenMs).toBeLessThan(500);
  // Each of the two nodes said that it was written, and neither that it has ended.
  expect(b.announced).toEqual(['k', 'k']);
});

describe('a connection that is cut', () => {
  let toMaster: NodeLinks;
  afterEach(() => toMaster.all.close());

  it('after the change was made: its caller is told nothing for certain, and the other gateway hears of it', async () => {
    toMaster = await startNodeLinks(shard.master);
    const cut = await openGateway({ ...shard.config, master: toMaster.address }, { kind: 'pubsub' });
    await a.write('k', 'v1');
    await seenByOther('v1');
    const data = await toMaster.data();
    data.swallow('down');
    const reply = cut.write('k', 'v2', { withinMs: 300 });
    await seenByOther('v2');
    toMaster.all.killConnections();
    expect(['timeout', 'unavailable']).toContain(codeOf(await reply));
    await cut.close();
  });
});

/**
 * A way to the master that ends right before a client sends this word, on the connection that sends it; the bytes
 * before it have arrived. Once: later connections are left alone. `onCut`: the way goes on when that has resolved.
 */
async function startCutBefore(
  word: string,
  onCut?: () => Promise<unknown>,
): Promise<{ host: string; port: number; hasCut: () => boolean }> {
  let hasCut = false;
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect({ host: shard.master.host, port: shard.master.port });
    for (const end of [client, upstream]) {
      sockets.add(end);
      end.on('error', () => undefined);
    }
    client.on('data', (bytes) => {
      const at = hasCut ? -1 : bytes.toString('latin1').toUpperCase().indexOf(`\r\n${word}\r\n`);
      if (at === -1) {
        upstream.write(bytes);
        return;
      }
      hasCut = true;
      if (onCut === undefined) {
        upstream.end(bytes.subarray(0, at));
        return;
      }
      upstream.write(bytes.subarray(0, at));
      void onCut().then(() => upstream.write(bytes.subarray(at)));
    });
    upstream.on('data', (bytes) => client.write(bytes));
    client.on('close', () => upstream.destroy());
    upstream.on('close', () => client.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  stopAfterTests(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, 'close');
  });
  return { host: '127.0.0.1', port: (server.address() as AddressInfo).port, hasCut: () => hasCut };
}

/** Each node tells b by itself, so what one of them says comes several times, and later from the others. */
async function allFeedsHave(word: string): Promise<void> {
  const before = b.announced.filter((key) => key === word).length;
  await redis().publish(ANNOUNCEMENTS_CHANNEL, word);
  const feeds = 1 + shard.replicas.length;
  await eventually(() => b.announced.filter((key) => key === word).length === before + feeds);
}

it.each(['SET', 'K', 'V2', 'PUBLISH', 'EXEC', 'ROLE'])(
  'a connection that ends before it has brought %s leaves no change unsaid',
  async (word) => {
    const way = await startCutBefore(word);
    const { master } = shard.config;
    const cut = await openGateway(
      { ...shard.config, master: { ...master, host: way.host, port: way.port } },
      { kind: 'pubsub' },
    );
    await a.write('k', 'v1');
    await seenByOther('v1');
    await allFeedsHave('begin');
    const heard = b.announced.length;
    const reply = await cut.write('k', 'v2');
    expect(way.hasCut()).toBe(true);
    // Only in the last case was the whole transaction brought, and perhaps answered.
    expect(word === 'ROLE' ? ['SUCCESS', 'unavailable'] : ['unavailable']).toContain(codeOf(reply));
    await allFeedsHave('end');
    const isChanged = (await redis().get('k')) === 'v2';
    expect(isChanged).toBe(word === 'ROLE');
    expect(b.announced.slice(heard).includes('k')).toBe(isChanged);
    await seenByOther(isChanged ? 'v2' : 'v1');
    await cut.close();
  },
);

it.each([
  [
    'runs out of memory',
    ['CONFIG', 'SET', 'maxmemory', '1'],
    ['CONFIG', 'SET', 'maxmemory', '0'],
    'out_of_memory',
  ],
  ['is demoted', ['REPLICAOF', '127.0.0.1', '1'], ['REPLICAOF', 'NO', 'ONE'], 'unavailable'],
] as const)(
  'a master that %s in the midst of a transaction is told as such',
  async (_name, fault, cure, code) => {
    const call = ([name, ...args]: readonly [string, ...string[]]) => redis().call(name, ...args);
    // The transaction lies in Redis by the time that this is answered, since it came before.
    const way = await startCutBefore('EXEC', async () => {
      await eventually(async () => / name=ringcache .* multi=2 /.test(String(await redis().client('LIST'))));
      await call(fault);
    });
    const { master } = shard.config;
    const gateway = await openGateway(
      { ...shard.config, master: { ...master, host: way.host, port: way.port } },
      { kind: 'pubsub' },
    );
    try {
      expect(codeOf(await gateway.write('k', 'v'))).toBe(code);
      expect(await redis().exists('k')).toBe(0);
    } finally {
      await call(cure);
      await gateway.close();
      await shard.inSync();
    }
  },
);
