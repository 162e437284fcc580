/** The forms of earlier systems, over the real core and the memory engine. */
import type { CacheService } from '../../src/core/cache';
import type { Command, Key, Reply } from '../../src/core/command';
import { CacheError } from '../../src/core/errors';
import { aroundCache } from '../support/around-cache';
import { openHttpDoor, type HttpDoor, request } from '../support/http-door';

let door: HttpDoor;
beforeAll(async () => {
  door = await openHttpDoor({ limits: { batchMax: 3, keyBytesMax: 20, valueBytesMax: 1000 } });
});
afterAll(() => door.close());

const NOT_TEXT = Buffer.of(0xff, 0xfe, 0);

const get = (path: string, token = door.token, to = door) =>
  request(to).get(path).set('Authorization', `Bearer ${token}`);
const post = (path: string, body: unknown, token = door.token, to = door) =>
  request(to)
    .post(path)
    .set('Authorization', `Bearer ${token}`)
    .set('Content-Type', 'application/json')
    .send(typeof body === 'string' ? body : JSON.stringify(body));
const store = (key: string, bytes: Buffer | string) =>
  door.engine.write(key as Key, Buffer.from(bytes), {
    ttlMs: 0,
    condition: undefined,
    ack: 0,
    deadlineMs: Infinity,
  });
const write = (key: string, fields: object) => post('/cache', { command: 'WRITE', key, ...fields });
const stored = async (key: string) => {
  const options = { consistency: 'strong', withLife: true, deadlineMs: Infinity } as const;
  return door.engine.read(key as Key, options);
};

/** A door that keeps what reaches its core, and may answer in the core's place. */
async function openWatchedDoor(instead: (command: Command) => Reply | undefined = () => undefined) {
  const seen: Command[] = [];
  const watched = await openHttpDoor({
    around: (cache): CacheService => {
      const execute: CacheService['execute'] = (principal, command, deadlineMs) => {
        seen.push(command);
        return instead(command) ?? cache.execute(principal, command, deadlineMs);
      };
      return aroundCache(cache, {
        execute,
        executeBatch: (principal, commands, deadlineMs) =>
          Promise.all(commands.map(async (command) => execute(principal, command, deadlineMs))),
      });
    },
  });
  return { watched, seen };
}

describe('GET /?key=', () => {
  it('tells at which level the key was found', async () => {
    await store('lookup', 'v');
    const first = await get('/?key=lookup');
    expect(first.status).toBe(200);
    expect(first.text).toBe(
      '{"Key":"lookup","Value":"v","message":"Key not found in local cache. Key found in redis cache.","status":"successful"}',
    );
    expect(first.get('Cache-Status')).toBe('ringcache; hit; detail=master');
    const second = await get('/?key=lookup');
    expect(second.text).toBe(
      '{"Key":"lookup","Value":"v","message":"Key found in local cache.","status":"successful"}',
    );
    expect(second.get('Cache-Status')).toBe('ringcache; hit; detail=near');
  });

  it('is 404 for a key that is nowhere', async () => {
    const reply = await get('/?key=lookup%20none');
    expect(reply.status).toBe(404);
    expect(reply.text).toBe(
      '{"Key":"lookup none","message":"Key not found in local cache. Key not found in redis cache.","status":"not found"}',
    );
    expect(reply.get('Cache-Status')).toBe('ringcache; fwd=miss');
  });

  it.each(['text "é"', null, [1, { a: 'b' }], '\ud800'])(
    'gives the value %j as it was written',
    async (value) => {
      await write('lookup any', { value });
      expect((await get('/?key=lookup+any')).body).toMatchObject({ Key: 'lookup any', Value: value });
    },
  );

  it('gives bytes that are no text as base64', async () => {
    await store('lookup bytes', NOT_TEXT);
    const { body } = await get('/?key=lookup%20bytes');
    expect(body).toMatchObject({ Key: 'lookup bytes', Value_base64: NOT_TEXT.toString('base64') });
    expect(body).not.toHaveProperty('Value');
  });

  it('asks the master where the read is to be strong', async () => {
    await write('lookup strong', { value: 'v' });
    await get('/?key=lookup+strong');
    const reply = await get('/?key=lookup+strong&consistency=strong');
    expect(reply.get('Cache-Status')).toBe('ringcache; hit; detail=master');
  });

  it.each([
    ['/?key=', 400],
    ['/?key=a&key=b', 400],
    ['/?key=%ff', 400],
    ['/?key=a&consistency=weak', 400],
    ['/?key=a&other=1', 400],
    [`/?key=${'k'.repeat(21)}`, 413],
  ])('%s is refused with %d', async (path, status) => {
    const reply = await get(path);
    expect([reply.status, reply.body]).toMatchObject([status, { status: 'ERROR' }]);
  });
});

describe('POST /set', () => {
  const messageOf = async (body: unknown, token?: string) => {
    const reply = await post('/set', body, token);
    expect(reply.status).toBe(200);
    return (reply.body as { message: string }).message;
  };

  it('tells what became of the key at each level', async () => {
    const first = await post('/set', { doom: 'Dr Vaughn' });
    expect(first.status).toBe(200);
    expect(first.text).toBe(
      '{"Key":"doom","Value":"Dr Vaughn","message":"Key not found in local cache. Setting key in local cache. Key not found in redis cache. Setting key in redis cache.","status":"successful"}',
    );
    expect((await get('/?key=doom')).body).toMatchObject({ message: 'Key found in local cache.' });
    expect(await messageOf({ doom: 'other' })).toBe(
      'Key found in local cache. Overwriting key in local cache. Key found in redis cache. Overwriting key in redis cache.',
    );
    expect((await get('/?key=doom')).body).toMatchObject({ Value: 'other' });
    await store('behind', 'v');
    expect(await messageOf({ behind: 1 })).toBe(
      'Key not found in local cache. Setting key in local cache. Key found in redis cache. Overwriting key in redis cache.',
    );
  });

  it('says nothing of the local cache to who may not read, whatever it holds, and reads nothing for them', async () => {
    const writer = door.tokenWith(['write']);
    expect(await messageOf({ hidden: 'v' }, writer)).toBe(
      'Key not found in redis cache. Setting key in redis cache.',
    );
    expect((await get('/?key=hidden')).get('Cache-Status')).toBe('ringcache; hit; detail=master');
    expect((await get('/?key=hidden')).get('Cache-Status')).toBe('ringcache; hit; detail=near');
    expect(await messageOf({ hidden: 'w' }, writer)).toBe(
      'Key found in redis cache. Overwriting key in redis cache.',
    );
  });

  it('stands by the write when the READ behind it fails', async () => {
    const { watched } = await openWatchedDoor(({ command }) =>
      command === 'READ'
        ? { command, status: 'ERROR', error: new CacheError('timeout', 'Late.') }
        : undefined,
    );
    const reply = await post('/set', { k: 'v' }, watched.token, watched);
    await watched.close();
    expect([reply.status, reply.body]).toMatchObject([
      200,
      { message: expect.stringContaining('Key is not kept in local cache.') as unknown },
    ]);
  });

  it('writes all pairs and answers the first one of the text', async () => {
    const reply = await post('/set', ' {"b\\u0062":"first", "7":[7], "a":null}');
    expect(reply.body).toMatchObject({ Key: 'bb', Value: 'first', status: 'successful' });
    expect((await get('/?key=7')).body).toMatchObject({ Value: [7] });
    expect((await get('/?key=a')).body).toMatchObject({ Value: null });
    expect((await get('/?key=bb')).body).toMatchObject({ Value: 'first' });
  });

  it('takes the last of two pairs with one key', async () => {
    expect((await post('/set', '{"twice":1,"x":2,"twice":3}')).body).toMatchObject({
      Key: 'twice',
      Value: 3,
    });
    expect((await get('/?key=twice')).body).toMatchObject({ Value: 3 });
  });

  it.each(['__proto__', 'constructor', 'é😀', '"quoted"'])('has %j for an ordinary key', async (key) => {
    const reply = await post('/set', `{${JSON.stringify(key)}:{"__proto__":1}}`);
    expect(reply.text).toContain(`{"Key":${JSON.stringify(key)},"Value":{"__proto__":1},`);
    expect(reply.status).toBe(200);
    expect((await get(`/?key=${encodeURIComponent(key)}`)).status).toBe(200);
  });

  it('carries ack and the session to each write, and asks only of the first whether it existed', async () => {
    // The memory engine has no replicas to wait for.
    const { watched, seen } = await openWatchedDoor(({ command }) =>
      command === 'WRITE' ? { command, status: 'SUCCESS', existed: false, session: undefined } : undefined,
    );
    const reply = await post('/set?ack=2', { a: 1, b: 2 }, watched.token, watched).set(
      'Ringcache-Session',
      '',
    );
    await watched.close();
    expect(reply.get('Ringcache-Session')).toBeTruthy();
    expect(seen).toMatchObject([
      { command: 'WRITE', key: 'a', ack: 2, tellsExisted: true, session: expect.anything() as unknown },
      { command: 'WRITE', key: 'b', ack: 2, tellsExisted: false, session: expect.anything() as unknown },
      { command: 'READ', key: 'a', consistency: 'eventual' },
    ]);
  });

  it('fails where one pair does, and says that others may stand', async () => {
    const { watched } = await openWatchedDoor(({ command, key }) =>
      key === 'bad'
        ? {
            command,
            status: 'ERROR',
            error: new CacheError('unavailable', 'Down.', { retryAfterSeconds: 7 }),
          }
        : undefined,
    );
    const several = await post('/set', { good: 1, bad: 2 }, watched.token, watched);
    expect([several.status, several.get('Retry-After'), several.body]).toMatchObject([
      503,
      '7',
      { status: 'ERROR', code: 'unavailable', message: 'Down. Other pairs may have been written.' },
    ]);
    expect((await get('/?key=good', watched.token, watched)).status).toBe(200);
    const single = await post('/set', { bad: 2 }, watched.token, watched);
    expect(single.body).toMatchObject({ message: 'Down.' });
    await watched.close();
  });

  it.each([
    ['{}', 400],
    ['[]', 400],
    ['"text"', 400],
    ['{"a":1', 400],
    ['', 400],
    ['{"":1}', 400],
    ['{"\\ud800":1}', 400],
    ['{"a":9007199254740993}', 400],
    ['{"a":"x","b":[1e999]}', 400],
    [`{"a":${'['.repeat(33)}${']'.repeat(33)}}`, 400],
    ['{"a":1,"b":2,"c":3,"d":4}', 413],
    [`{"${'k'.repeat(21)}":1}`, 413],
    [`{"a":"${'v'.repeat(1001)}"}`, 413],
  ])('%s is refused with %d, and nothing is written', async (body, status) => {
    const before = await stored('a');
    const reply = await post('/set', body);
    expect([reply.status, reply.body]).toMatchObject([status, { status: 'ERROR' }]);
    expect((await stored('a'))?.bytes).toEqual(before?.bytes);
  });

  it('refuses parameters and bodies of other kinds', async () => {
    expect((await post('/set?ack=3', { a: 1 })).status).toBe(400);
    expect((await post('/set?ttl=3', { a: 1 })).status).toBe(400);
    expect((await post('/set', 'a=1').set('Content-Type', 'text/plain')).status).toBe(415);
  });
});

describe('GET /getval/{key}', () => {
  it('is one line of text that says where the value came from', async () => {
    await store('val', 'v');
    const first = await get('/getval/val');
    expect([first.status, first.get('Content-Type')]).toEqual([200, 'text/plain; charset=utf-8']);
    expect(first.text).toBe('From Redis: val => v');
    expect(first.get('Cache-Status')).toBe('ringcache; hit; detail=master');
    const second = await get('/getval/val');
    expect(second.text).toBe('From cache: val => v');
    expect(second.get('Cache-Status')).toBe('ringcache; hit; detail=near');
  });

  it('is 404 for a key that is nowhere', async () => {
    const reply = await get('/getval/n%2Fo%20%C3%A9');
    expect([reply.status, reply.get('Content-Type')]).toEqual([404, 'text/plain; charset=utf-8']);
    expect(reply.text).toBe('Not found: n/o é');
    expect(reply.get('Cache-Status')).toBe('ringcache; fwd=miss');
  });

  it.each([
    [[1, { a: null }], '[1,{"a":null}]'],
    ['', ''],
    ['é', 'é'],
    ['\ud800', '"\\ud800"'],
  ])('the value %j is the text %s', async (value, text) => {
    await write('val any', { value });
    expect((await get('/getval/val%20any')).text).toBe(`From Redis: val any => ${text}`);
  });

  it('sends bytes that are no text as they are', async () => {
    await store('val bytes', NOT_TEXT);
    const reply = await get('/getval/val%20bytes').responseType('blob');
    expect(reply.body).toEqual(Buffer.concat([Buffer.from('From Redis: val bytes => '), NOT_TEXT]));
  });

  it('answers HEAD without a body, with the length of that of GET', async () => {
    await store('val head', 'v');
    const reply = await request(door).head('/getval/val%20head').set('Authorization', `Bearer ${door.token}`);
    expect([reply.status, reply.get('Content-Length')]).toEqual([200, '25']);
  });
});

describe('/v1/cache', () => {
  it('sets a string and gets it', async () => {
    const set = await post('/v1/cache/set', { key: 'foo', value: 'bar' });
    expect([set.status, set.text]).toEqual([200, '{"key":"foo","value":"bar","status":"SUCCESS"}']);
    const got = await get('/v1/cache/get/foo');
    expect([got.status, got.text]).toEqual([200, '{"key":"foo","value":"bar"}']);
    expect(got.get('Cache-Status')).toBe('ringcache; hit; detail=master');
    expect((await get('/v1/cache/get/foo')).get('Cache-Status')).toBe('ringcache; hit; detail=near');
  });

  it('carries bytes as base64, and answers in the form in which it was asked', async () => {
    const value_base64 = NOT_TEXT.toString('base64');
    expect((await post('/v1/cache/set', { key: 'raw', value_base64 })).body).toEqual({
      key: 'raw',
      value_base64,
      status: 'SUCCESS',
    });
    expect((await get('/v1/cache/get/raw')).body).toEqual({ key: 'raw', value_base64 });
    expect((await post('/v1/cache/set', { key: 'raw', value_base64: 'w6k=' })).body).toMatchObject({
      value_base64: 'w6k=',
    });
    expect((await get('/v1/cache/get/raw')).body).toEqual({ key: 'raw', value: 'é' });
  });

  it('gives JSON that is no string as a string, its text', async () => {
    await write('json', { value: [1, 'a'] });
    expect((await get('/v1/cache/get/json')).body).toEqual({ key: 'json', value: '[1,"a"]' });
  });

  it('is 404 in the shape of an error for a key that is nowhere, and no failure for the log', async () => {
    const reply = await get('/v1/cache/get/n%2Fo');
    expect(reply.status).toBe(404);
    expect(reply.body).toEqual({
      status: 'ERROR',
      code: 'not_found',
      message: 'n/o Key not found',
      request_id: expect.any(String) as unknown,
    });
    expect(door.log.lines.at(-1)?.fields).toMatchObject({ outcome: 'NOT_FOUND', status: 404 });
  });

  it('takes a ttl, and ack from the query', async () => {
    await post('/v1/cache/set', { key: 'mortal', value: 'v', ttl: 60 });
    const { remainingMs } = (await stored('mortal'))!;
    expect(remainingMs).toBeGreaterThan(50_000);
    expect(remainingMs).toBeLessThanOrEqual(60_000);
    const { watched, seen } = await openWatchedDoor();
    await post('/v1/cache/set?ack=1', { key: 'k', value: '' }, watched.token, watched);
    await watched.close();
    expect(seen).toMatchObject([{ command: 'WRITE', ack: 1, value: '', ttlMs: undefined }]);
  });

  it.each([
    ['{"key":"a"}', 400],
    ['{"value":"a"}', 400],
    ['{"key":"a","value":1}', 400],
    ['{"key":"a","value":["b"]}', 400],
    ['{"key":"a","value":null}', 400],
    ['{"key":"a","value":"b","value_base64":""}', 400],
    ['{"key":"a","value_base64":"?"}', 400],
    ['{"key":"a","value":"b","ttl":-1}', 400],
    ['{"key":"a","value":"b","ttl":"1"}', 400],
    ['{"key":"a","value":"b","ack":1}', 400],
    ['{"key":"a","value":"b","__proto__":{}}', 400],
    ['[{"key":"a","value":"b"}]', 400],
    ['{', 400],
    [`{"key":"a","value":"${'v'.repeat(1001)}"}`, 413],
  ])('refuses %s with %d', async (body, status) => {
    const reply = await post('/v1/cache/set', body);
    expect([reply.status, reply.body]).toMatchObject([status, { status: 'ERROR' }]);
  });
});

describe('each form', () => {
  const forms: [string, string, unknown][] = [
    ['GET', '/?key=mine', undefined],
    ['GET', '/getval/mine', undefined],
    ['GET', '/v1/cache/get/mine', undefined],
    ['POST', '/set', { mine: 'v' }],
    ['POST', '/v1/cache/set', { key: 'mine', value: 'v' }],
  ];
  const ask = ([method, path, body]: (typeof forms)[number], token: string, to = door) =>
    method === 'GET' ? get(path, token, to) : post(path, body, token, to);

  it.each(forms)('%s %s needs a token, and the right to the key', async (...form) => {
    expect((await ask(form, 'nobody')).status).toBe(401);
    const [scope, other] = form[0] === 'GET' ? (['read', 'write'] as const) : (['write', 'read'] as const);
    expect((await ask(form, door.tokenWith([other]))).status).toBe(403);
    expect((await ask(form, door.tokenWith([scope], ['your']))).status).toBe(403);
    expect((await ask(form, door.tokenWith([scope], ['mine']))).status).not.toBe(403);
  });

  it.each(forms)('%s %s gives the session back', async (...form) => {
    await store('mine', 'v');
    const reply = await ask(form, door.token).set('Ringcache-Session', '');
    expect([reply.status, reply.get('Ringcache-Session')]).toEqual([200, expect.stringMatching(/./)]);
    expect((await ask(form, door.token).set('Ringcache-Session', 'forged')).status).toBe(400);
  });

  it.each(forms)('%s %s is carried out in the session', async (...form) => {
    const { watched, seen } = await openWatchedDoor();
    await ask(form, watched.token, watched).set('Ringcache-Session', '');
    await watched.close();
    expect(seen[0]).toMatchObject({ key: 'mine', session: expect.anything() as unknown });
  });

  it.each(forms)('%s %s refuses other methods, and says which are right', async (method, path) => {
    const reply = await request(door).delete(path);
    expect([reply.status, reply.get('Allow')]).toEqual([405, method === 'GET' ? 'GET, HEAD' : 'POST']);
  });
});
