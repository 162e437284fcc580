/**
 * What is relayed through one gateway makes the near caches of all forget, as WRITE and DELETE do: by Redis's tracking, and
 * by the announcements that stand around a change under `COHERENCE=pubsub`.
 */
import { openGateway, type TestGateway } from '../support/coherence';
import { eventually } from '../support/eventually';
import { startShard, type ShardProcesses } from '../support/redis';
import { ask, askOn, transact, transactOn, type Told } from '../support/relay';
import { systemClock as clock } from '../../src/lib/clock';

let shard: ShardProcesses;
let a: TestGateway;
let b: TestGateway;

beforeAll(async () => {
  shard = await startShard({ name: 'a', replicas: 1 });
});
afterAll(() => shard.stop());

async function openBoth(kind: 'tracking' | 'pubsub'): Promise<void> {
  await shard.master.client.config('RESETSTAT');
  await shard.master.client.flushall();
  await shard.inSync();
  a = await openGateway(shard.config, { kind });
  b = await openGateway(shard.config, { kind });
}
afterEach(() => Promise.all([a.close(), b.close()]));

const everything: Told = { keys: [], at: 0, isUnbounded: true };

/** What changes `k` from `old`, and to what; undefined: it is gone. */
const changes: readonly [string, () => Promise<string>, string | undefined][] = [
  ['SET', () => ask(a.relay!, 'SET k new'), 'new'],
  ['SET with a condition', () => ask(a.relay!, 'SET k new XX GET'), 'new'],
  ['APPEND', () => ask(a.relay!, 'APPEND k er'), 'older'],
  ['DEL', () => ask(a.relay!, 'DEL k'), undefined],
  ['GETDEL', () => ask(a.relay!, 'GETDEL k'), undefined],
  ['EXPIRE', () => ask(a.relay!, 'PEXPIRE k 1'), undefined],
  ['RENAME away', () => ask(a.relay!, 'RENAME k other', { keys: ['k', 'other'] }), undefined],
  ['RENAME onto it', () => ask(a.relay!, 'RENAME source k', { keys: ['source', 'k'] }), 'of source'],
  ['COPY onto it', () => ask(a.relay!, 'COPY source k REPLACE', { keys: ['source', 'k'] }), 'of source'],
  ['MSET', () => ask(a.relay!, 'MSET k new l new', { keys: ['k', 'l'] }), 'new'],
  ['a transaction', () => transact(a.relay!, ['SET k newer', 'APPEND k !']), 'newer!'],
  ['a script that names no keys', () => ask(a.relay!, SCRIPT, everything), 'new'],
  ['FLUSHALL', () => ask(a.relay!, 'FLUSHALL', everything), undefined],
];
const SCRIPT = "EVAL return(redis.call('SET','k','new')) 0";

describe.each(['tracking', 'pubsub'] as const)('under %s', (kind) => {
  beforeEach(async () => {
    await openBoth(kind);
    await ask(a.relay!, 'MSET k old source s', { keys: ['k', 'source'] });
    await shard.master.client.set('source', 'of source');
    await shard.inSync();
    for (const gateway of [a, b]) await eventually(async () => (await gateway.warm('k')) === 'old');
  });

  it.each(changes)('%s is seen at once here, and soon elsewhere', async (_name, change, expected) => {
    await change();
    expect(a.holds('k')).toBe(false);
    if (_name === 'EXPIRE') await eventually(async () => (await a.read('k')).status === 'NOT_FOUND');
    for (const gateway of [a, b]) {
      await eventually(async () => {
        const reply = await gateway.read('k');
        expect('value' in reply ? reply.value : undefined).toBe(expected);
        return true;
      });
    }
    // And what is kept from now on is the new value.
    if (expected !== undefined) expect(await b.warm('k')).toBe(expected);
    expect(await a.read('k')).toMatchObject(
      expected === undefined ? { status: 'NOT_FOUND' } : { value: expected },
    );
  });

  it('a transaction on a link is seen, and one whose watched key has changed changes nothing', async () => {
    const link = await a.relay!.open(0, {
      protocol: 2,
      deadlineMs: clock.now() + 2000,
      onEnd: () => undefined,
    });
    await askOn(link, 'WATCH k', { isWrite: false });
    expect(await transactOn(link, ['SET k new', 'GET k'])).toBe('*2\r\n+OK\r\n$3\r\nnew\r\n');
    await eventually(async () => (await b.warm('k')) === 'new');
    await askOn(link, 'WATCH k', { isWrite: false });
    await shard.master.client.set('k', 'foreign');
    expect(await transactOn(link, ['SET k mine'])).toBe('*-1\r\n');
    expect(await shard.master.client.get('k')).toBe('foreign');
    link.close();
  });

  it('replies are what Redis says without an announcement', async () => {
    const { master } = shard;
    await master.client.rpush('list', 'a');
    const replies = [
      ask(a.relay!, 'SET k v NX'),
      ask(a.relay!, 'SET k v GET'),
      ask(a.relay!, 'INCR k'),
      ask(a.relay!, 'INCR list'),
      ask(a.relay!, 'NOSUCHCOMMAND k'),
      ask(a.relay!, 'SET k'),
      ask(a.relay!, 'DEL k l m', { keys: ['k', 'l', 'm'] }),
      ask(a.relay!, 'HSET h f v'),
      ask(a.relay!, 'HGETALL h', { isWrite: true, protocol: 3 }),
      transact(a.relay!, ['HSET h g w', 'HGETALL h'], { protocol: 3 }),
      transact(a.relay!, ['SET k v', 'LPUSH k x']),
    ];
    expect(await Promise.all(replies)).toEqual([
      '$-1\r\n',
      '$3\r\nold\r\n',
      '-ERR value is not an integer or out of range\r\n',
      '-WRONGTYPE Operation against a key holding the wrong kind of value\r\n',
      expect.stringMatching(/^-ERR unknown command 'NOSUCHCOMMAND'/),
      "-ERR wrong number of arguments for 'set' command\r\n",
      ':1\r\n',
      ':1\r\n',
      '%1\r\n$1\r\nf\r\n$1\r\nv\r\n',
      '*2\r\n:1\r\n%2\r\n$1\r\nf\r\n$1\r\nv\r\n$1\r\ng\r\n$1\r\nw\r\n',
      '*2\r\n+OK\r\n-WRONGTYPE Operation against a key holding the wrong kind of value\r\n',
    ]);
  });
});

it('under pubsub no change is made that cannot be announced', async () => {
  await openBoth('pubsub');
  await shard.master.client.set('k', 'old');
  await shard.master.client.call('ACL', 'SETUSER', 'default', 'resetchannels', '-publish');
  try {
    const refused = ask(a.relay!, 'SET k new').then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(await refused).toMatchObject({ code: 'unavailable' });
    expect(await shard.master.client.get('k')).toBe('old');
  } finally {
    await shard.master.client.call('ACL', 'SETUSER', 'default', 'allchannels', '+@all');
  }
  expect(await ask(a.relay!, 'SET k new')).toBe('+OK\r\n');
});

it('out of memory is told as Redis tells it, with an announcement and without', async () => {
  for (const kind of ['tracking', 'pubsub'] as const) {
    await openBoth(kind);
    await shard.master.client.config('SET', 'maxmemory', '1');
    try {
      expect(await ask(a.relay!, 'SET k new')).toMatch(/^-OOM /);
    } finally {
      await shard.master.client.config('SET', 'maxmemory', '0');
    }
    await Promise.all([a.close(), b.close()]);
  }
});
