/**
 * What clients of earlier caches send, word by word, and what they get: over a shard of real Redis, which such clients
 * write to behind our back as well.
 */
import type { Response } from 'supertest';
import { type HttpDoor, openHttpDoor, request } from '../support/http-door';
import { eventually } from '../support/eventually';
import { type ShardProcesses, startShard } from '../support/redis';
import { openTestRing } from '../support/ring';

const START_MS = 30_000;

let shard: ShardProcesses;
let door: HttpDoor;

beforeAll(async () => {
  shard = await startShard({ name: 'main', replicas: 1 });
  door = await openHttpDoor({ openEngine: (log) => openTestRing(shard.config, { log }) });
  // Over Redis it takes a moment before a node's announcements count, and the near cache is filled.
  await eventually(async () =>
    /(Setting|Overwriting) key in local/.test((await send('POST', '/set', { warm: 'up' })).text),
  );
}, START_MS);
afterAll(async () => {
  await door.close();
  await shard.stop();
});

type Method = 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE';

/** Objects are sent as JSON, bytes as they are. */
async function send(
  method: Method,
  target: string,
  body?: object | Buffer,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  const name = method.toLowerCase() as Lowercase<Method>;
  const sent = request(door)
    [name](target)
    .set({ Authorization: `Bearer ${door.token}`, ...headers });
  if (body === undefined) return sent;
  return Buffer.isBuffer(body)
    ? sent.set('Content-Type', 'application/octet-stream').send(body)
    : sent.set('Content-Type', 'application/json').send(JSON.stringify(body));
}

describe('GET /?key=K and POST /set', () => {
  it('say where the key was found, and when a value is overwritten', async () => {
    const absent = await send('GET', '/?key=doom');
    expect([absent.status, absent.body]).toEqual([
      404,
      {
        Key: 'doom',
        message: 'Key not found in local cache. Key not found in redis cache.',
        status: 'not found',
      },
    ]);
    const set = await send('POST', '/set', { doom: 'Dr Vaughn' });
    expect([set.status, set.body]).toEqual([
      200,
      {
        Key: 'doom',
        Value: 'Dr Vaughn',
        message:
          'Key not found in local cache. Setting key in local cache. ' +
          'Key not found in redis cache. Setting key in redis cache.',
        status: 'successful',
      },
    ]);
    expect((await send('GET', '/?key=doom')).body).toEqual({
      Key: 'doom',
      Value: 'Dr Vaughn',
      message: 'Key found in local cache.',
      status: 'successful',
    });
    expect((await send('POST', '/set', { doom: 'Victor' })).body).toEqual({
      Key: 'doom',
      Value: 'Victor',
      message:
        'Key found in local cache. Overwriting key in local cache. ' +
        'Key found in redis cache. Overwriting key in redis cache.',
      status: 'successful',
    });
    expect((await send('GET', '/?key=doom')).body).toMatchObject({ Value: 'Victor' });
  });

  it('tell of a key that lies in Redis only', async () => {
    await shard.master.client.set('shazia', 'sana');
    await shard.inSync();
    expect((await send('GET', '/?key=shazia')).body).toEqual({
      Key: 'shazia',
      Value: 'sana',
      message: 'Key not found in local cache. Key found in redis cache.',
      status: 'successful',
    });
  });

  it('set each of several pairs, and tell of the first', async () => {
    const { body } = await send('POST', '/set', { 'pair b': '1', 'pair a': [2] });
    expect(body).toMatchObject({ Key: 'pair b', Value: '1' });
    expect((await send('GET', '/?key=pair+a')).body).toMatchObject({ Value: [2] });
  });
});

describe('GET /getval/K', () => {
  it('is filled from Redis with what somebody else wrote there, and then from the cache', async () => {
    const absent = await send('GET', '/getval/key22');
    expect([absent.status, absent.text]).toEqual([404, 'Not found: key22']);
    await shard.master.client.set('key22', 'value22');
    await shard.inSync();
    const found = await send('GET', '/getval/key22');
    expect([found.status, found.text]).toEqual([200, 'From Redis: key22 => value22']);
    expect(found.get('Content-Type')).toBe('text/plain; charset=utf-8');
    await eventually(
      async () => (await send('GET', '/getval/key22')).text === 'From cache: key22 => value22',
    );
  });
});

describe('POST /cache with a key and a value, and GET /cache/K', () => {
  it('set and get', async () => {
    expect((await send('POST', '/cache', { key: 'foo', value: 'bar' })).status).toBe(200);
    const { status, body } = await send('GET', '/cache/foo');
    expect([status, body]).toEqual([200, { key: 'foo', value: 'bar' }]);
  });
});

describe('POST /v1/cache/set and GET /v1/cache/get/K', () => {
  it('set and get', async () => {
    const set = await send('POST', '/v1/cache/set', { key: 'call', value: 'answer', ttl: 60 });
    expect([set.status, set.body]).toEqual([200, { key: 'call', value: 'answer', status: 'SUCCESS' }]);
    const remainingMs = await shard.master.client.pttl('call');
    expect(remainingMs).toBeGreaterThan(50_000);
    expect((await send('GET', '/v1/cache/get/call')).body).toEqual({ key: 'call', value: 'answer' });
    const absent = await send('GET', '/v1/cache/get/silence');
    expect(absent.status).toBe(404);
    expect(absent.body).toMatchObject({ status: 'ERROR', code: 'not_found' });
  });
});

describe('GET, HEAD, PUT and DELETE /cache/K', () => {
  it('keep raw bytes and JSON with a life', async () => {
    const bytes = Buffer.of(0, 0xff, 0xfe);
    const created = await send('PUT', '/cache/raw?ttl=60', bytes);
    expect([created.status, (await send('PUT', '/cache/raw?ttl=60', bytes)).status]).toEqual([201, 200]);
    expect(await shard.master.client.getBuffer('raw')).toEqual(bytes);
    expect(await shard.master.client.pttl('raw')).toBeGreaterThan(50_000);
    const raw = await send('GET', '/cache/raw', undefined, { Accept: 'application/octet-stream' });
    expect(raw.body).toEqual(bytes);
    const head = await send('HEAD', '/cache/raw', undefined, { Accept: 'application/octet-stream' });
    expect([head.status, head.get('ETag'), head.get('Content-Length')]).toEqual([200, raw.get('ETag'), '3']);

    await send('PUT', '/cache/json', { value: { a: [1] } });
    expect((await send('GET', '/cache/json')).body).toEqual({ key: 'json', value: { a: [1] } });
  });

  it('are 304 for who has the value, and 412 for who has not seen the last change', async () => {
    await send('PUT', '/cache/shared', { value: 'first' }, { 'If-None-Match': '*' });
    const again = await send('PUT', '/cache/shared', { value: 'other' }, { 'If-None-Match': '*' });
    expect([again.status, again.body.code]).toEqual([412, 'precondition_failed']);

    const etag = (await send('GET', '/cache/shared')).get('ETag')!;
    expect(etag).toMatch(/^"[\w-]+"$/);
    expect((await send('GET', '/cache/shared', undefined, { 'If-None-Match': etag })).status).toBe(304);
    const change = (): Promise<Response> =>
      send('PUT', '/cache/shared', { value: 'second' }, { 'If-Match': etag });
    expect([(await change()).status, (await change()).status]).toEqual([200, 412]);
    expect((await send('GET', '/cache/shared')).body).toMatchObject({ value: 'second' });
    expect((await send('DELETE', '/cache/shared', undefined, { 'If-Match': etag })).status).toBe(412);
    const deleted = await send('DELETE', '/cache/shared');
    expect([deleted.status, deleted.body]).toEqual([200, { key: 'shared', deleted: true }]);
    for (const method of ['GET', 'HEAD', 'DELETE'] as const) {
      expect((await send(method, '/cache/shared')).status).toBe(404);
    }
  });
});
