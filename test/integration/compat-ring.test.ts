/** The forms of earlier systems over a ring of real Redis servers: what others write there is seen, and stays true. */
import type { Cache, CacheService } from '../../src/core/cache';
import { eventually } from '../support/eventually';
import { openHttpDoor, type HttpDoor, request } from '../support/http-door';
import { type ShardProcesses, startShard } from '../support/redis';
import { openTestRing } from '../support/ring';

let shard: ShardProcesses;
let door: HttpDoor;

beforeAll(async () => {
  shard = await startShard({ name: 'main', replicas: 1 });
  // As `start.ts` has it: what is announced to the engine reaches the cache, which is made after it.
  const announced: { to: Pick<Cache, 'forget'> | undefined } = { to: undefined };
  door = await openHttpDoor({
    openEngine: (log) => openTestRing(shard.config, { log, onAnnounced: (key) => announced.to?.forget(key) }),
    around: (cache) => (announced.to = cache as CacheService & Pick<Cache, 'forget'>),
  });
  await eventually(() =>
    door.engine.status().every(({ nodes }) => nodes.every(({ announces }) => announces)),
  );
});
afterAll(async () => {
  await door.close();
  await shard.stop();
});

const getval = async (key: string) => {
  const reply = await request(door).get(`/getval/${key}`).set('Authorization', `Bearer ${door.token}`);
  return reply.text;
};
const set = async (pairs: object) => {
  const reply = await request(door).post('/set').set('Authorization', `Bearer ${door.token}`).send(pairs);
  return (reply.body as { message: string }).message;
};

/**
 * A near cache is closed for a moment where announcements are late: what matters is who answers in the end, and with
 * what.
 */
const comesFromCache = (key: string, value: string) =>
  eventually(async () => {
    const text = await getval(key);
    if (text.startsWith('From Redis')) return false;
    expect(text).toBe(`From cache: ${key} => ${value}`);
    return true;
  });

it('a key written straight to Redis comes from Redis, then from the cache, and after a change of others from Redis', async () => {
  await shard.master.client.set('key22', 'value22');
  await shard.inSync();
  expect(await getval('key22')).toBe('From Redis: key22 => value22');
  await comesFromCache('key22', 'value22');

  await shard.master.client.set('key22', 'changed');
  await shard.inSync();
  // The announcement is on its way: until it is here the old value may be served.
  const first = await eventually(async () => {
    const text = await getval('key22');
    return text !== 'From cache: key22 => value22' && text;
  });
  expect(first).toBe('From Redis: key22 => changed');
  await comesFromCache('key22', 'changed');

  await shard.master.client.del('key22');
  await eventually(async () => (await getval('key22')) === 'Not found: key22');
});

it('POST /set tells of Redis what is there, whoever put it there', async () => {
  expect(await set({ fresh: 'v', other: [1] })).toMatch(
    /^Key not found in local cache\. .*Key not found in redis cache\. Setting key in redis cache\.$/,
  );
  expect(await shard.master.client.mget('fresh', 'other')).toEqual(['v', expect.stringContaining('[1]')]);
  await shard.master.client.set('foreign', 'v');
  expect(await set({ foreign: 'w' })).toMatch(
    /^Key not found in local cache\. .*Key found in redis cache\. Overwriting key in redis cache\.$/,
  );
  expect(await shard.master.client.get('foreign')).toBe('w');
  await comesFromCache('foreign', 'w');
});
