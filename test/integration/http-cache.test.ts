/** `POST /cache`, over the real core and the memory engine. */
import type { CacheService } from '../../src/core/cache';
import type { Key, Reply } from '../../src/core/command';
import { CacheError } from '../../src/core/errors';
import { aroundCache } from '../support/around-cache';
import { openHttpDoor, type HttpDoor, request } from '../support/http-door';
import { HAS_SHORT_WAY } from '../support/short-way';

let door: HttpDoor;
beforeAll(async () => {
  door = await openHttpDoor();
});
afterAll(async () => {
  await door.close();
  // Most of these requests are plain; with `FAST_PATH=false` the same suite holds the general way to the same answers.
  expect(door.taken() > 50).toBe(HAS_SHORT_WAY);
});

const post = (body: unknown, token = door.token, to = door) =>
  request(to)
    .post('/cache')
    .set('Authorization', `Bearer ${token}`)
    .set('Content-Type', 'application/json')
    .send(typeof body === 'string' ? body : JSON.stringify(body));
const write = (key: string, fields: object) => post({ command: 'WRITE', key, ...fields });
const read = (key: string, fields: object = {}) => post({ command: 'READ', key, ...fields });
/** The core with another answer to every command. */
function withReply(cache: CacheService, reply: CacheService['execute']): CacheService {
  return aroundCache(cache, {
    execute: reply,
    executeBatch: async (principal, commands, deadlineMs) => {
      const replies: Reply[] = [];
      for (const command of commands) replies.push(await reply(principal, command, deadlineMs));
      return replies;
    },
  });
}

const store = (key: string, bytes: Buffer) =>
  door.engine.write(key as Key, bytes, { ttlMs: 0, condition: undefined, ack: 0, deadlineMs: Infinity });

describe('replies', () => {
  it('are those of the contract, from WRITE to the second DELETE', async () => {
    const key = 'my_key';
    expect((await write(key, { value: 'my_value' })).text).toBe(
      '{"command":"WRITE","status":"SUCCESS","value":"my_value"}',
    );
    expect((await read(key)).text).toBe('{"command":"READ","status":"SUCCESS","value":"my_value"}');
    expect((await post({ command: 'DELETE', key })).text).toBe(
      '{"command":"DELETE","status":"SUCCESS","message":"my_key Key deleted"}',
    );
    expect((await read(key)).text).toBe(
      '{"command":"READ","status":"NOT_FOUND","message":"my_key Key not found"}',
    );
    const again = await post({ command: 'DELETE', key });
    expect(again.status).toBe(200);
    expect(again.text).toBe('{"command":"DELETE","status":"NOT_FOUND","message":"my_key Key not found"}');
  });

  it('say which condition was not met', async () => {
    const absent = await write('cond', { value: 'a', condition: 'XX' });
    expect(absent.status).toBe(200);
    expect(absent.body).toEqual({ command: 'WRITE', status: 'NOT_STORED', message: 'cond Key not found' });
    await write('cond', { value: 'a', condition: 'NX' });
    expect((await write('cond', { value: 'b', condition: 'NX' })).body).toEqual({
      command: 'WRITE',
      status: 'NOT_STORED',
      message: 'cond Key exists',
    });
    expect((await read('cond')).body).toMatchObject({ value: 'a' });
  });

  it.each([
    ...['', 'text', 'é😀', '"\\\u2028\u0000', '\ud800', '123', 'null'],
    ...[null, true, 0, -1.5, 1e21, 0.1, [], {}, [1, 'a', null], { a: { b: ['c'] } }],
  ])('the value %j is read as it was written', async (value) => {
    const written = await write('any', { value });
    expect(written.body).toEqual({ command: 'WRITE', status: 'SUCCESS', value });
    expect((await read('any')).body).toEqual({ command: 'READ', status: 'SUCCESS', value });
  });

  it('a value with a field named __proto__ comes back with it', async () => {
    const value = '{"__proto__":{"a":1},"constructor":null}';
    await post(`{"key":"proto","value":${value}}`);
    expect((await read('proto')).text).toBe(`{"command":"READ","status":"SUCCESS","value":${value}}`);
    expect(({} as { a?: unknown }).a).toBeUndefined();
  });

  it('Prefer: return=minimal leaves the echo out', async () => {
    const reply = await write('min', { value: 'v' }).set('Prefer', 'return=minimal');
    expect(reply.text).toBe('{"command":"WRITE","status":"SUCCESS"}');
  });

  it.each(['a key with spaces', 'é😀', '{}', '__proto__', '"quoted"\n', '\0'])(
    'a message calls the key %j as the caller does',
    async (key) => {
      expect((await read(`no ${key}`)).body).toMatchObject({ message: `no ${key} Key not found` });
    },
  );
});

describe('bytes', () => {
  it('that are no UTF-8 are echoed and read as base64, asked for or not', async () => {
    const value_base64 = Buffer.of(0xff, 0xfe, 0).toString('base64');
    expect((await write('bytes', { value_base64 })).body).toEqual({
      command: 'WRITE',
      status: 'SUCCESS',
      value_base64,
    });
    expect((await read('bytes')).body).toEqual({ command: 'READ', status: 'SUCCESS', value_base64 });
    expect((await read('bytes', { encoding: 'base64' })).body).toMatchObject({ value_base64 });
  });

  it('that spell text are text, and base64 where it is asked for', async () => {
    await write('text', { value_base64: Buffer.from('é').toString('base64') });
    expect((await read('text')).body).toMatchObject({ value: 'é' });
    expect((await read('text', { encoding: 'base64' })).body).toEqual({
      command: 'READ',
      status: 'SUCCESS',
      value_base64: 'w6k=',
    });
  });

  it.each([[[1, 2]], ['\ud800']])('%j in base64 is its JSON text', async (value) => {
    await write('json', { value });
    const { body } = await read('json', { encoding: 'base64' });
    expect(Buffer.from((body as { value_base64: string }).value_base64, 'base64').toString()).toBe(
      JSON.stringify(value),
    );
  });
});

describe('Cache-Status', () => {
  it('tells where a single READ found the value', async () => {
    await store('status', Buffer.from('v'));
    expect((await read('status')).get('Cache-Status')).toBe('ringcache; hit; detail=master');
    expect((await read('status')).get('Cache-Status')).toBe('ringcache; hit; detail=near');
    expect((await read('status none')).get('Cache-Status')).toBe('ringcache; fwd=miss');
  });

  it('stands on nothing else', async () => {
    expect((await write('status', { value: 'v' })).get('Cache-Status')).toBeUndefined();
    expect((await post([{ command: 'READ', key: 'status' }])).get('Cache-Status')).toBeUndefined();
  });
});

describe('a batch', () => {
  it('is answered one reply each, in order, with those of one key in their order', async () => {
    const { status, body } = await post([
      { command: 'READ', key: 'b1' },
      { key: 'b1', value: [1] },
      { command: 'READ', key: 'b1' },
      { key: 'b2', value: 'two' },
      { command: 'DELETE', key: 'b1' },
      { command: 'READ', key: 'b1' },
    ]);
    expect(status).toBe(200);
    expect(body).toEqual([
      { command: 'READ', status: 'NOT_FOUND', message: 'b1 Key not found' },
      { command: 'WRITE', status: 'SUCCESS', value: [1] },
      { command: 'READ', status: 'SUCCESS', value: [1] },
      { command: 'WRITE', status: 'SUCCESS', value: 'two' },
      { command: 'DELETE', status: 'SUCCESS', message: 'b1 Key deleted' },
      { command: 'READ', status: 'NOT_FOUND', message: 'b1 Key not found' },
    ]);
  });

  it('of near hits only is answered too', async () => {
    await write('near', { value: 'v' });
    await read('near');
    const { body } = await post([1, 2].map(() => ({ command: 'READ', key: 'near' })));
    expect(body).toEqual([1, 2].map(() => ({ command: 'READ', status: 'SUCCESS', value: 'v' })));
  });

  it('with one malformed command does nothing at all', async () => {
    const reply = await post([
      { key: 'b3', value: 'v' },
      { command: 'READ', key: 'b3', ttl: 1 },
    ]);
    expect(reply.status).toBe(400);
    expect(reply.body).toMatchObject({
      code: 'bad_request',
      message: expect.stringMatching(/\[1\].*"ttl"/) as unknown,
    });
    expect((await read('b3')).body).toMatchObject({ status: 'NOT_FOUND' });
  });

  it('with a forbidden command does the others', async () => {
    const token = door.tokenWith(['write'], ['mine:']);
    const { status, body } = await post(
      [
        { key: 'mine:1', value: 'v' },
        { command: 'READ', key: 'mine:1' },
        { key: 'yours:1', value: 'v' },
      ],
      token,
    );
    expect(status).toBe(200);
    expect(body).toMatchObject([
      { status: 'SUCCESS' },
      { command: 'READ', status: 'ERROR', code: 'forbidden', request_id: expect.any(String) as unknown },
      { command: 'WRITE', status: 'ERROR', code: 'forbidden' },
    ]);
  });

  it('of 1000 commands is carried out, of 1001 refused', async () => {
    const commands = Array.from({ length: 1001 }, (_, index) => ({ key: `many:${index}`, value: 'v' }));
    expect((await post(commands)).status).toBe(413);
    expect((await read('many:0')).body).toMatchObject({ status: 'NOT_FOUND' });
    const { body } = await post(commands.slice(1));
    expect(body).toHaveLength(1000);
  });
});

describe('a failed command', () => {
  const failures: [string, CacheError, number, string | undefined][] = [
    ['forbidden', new CacheError('forbidden', 'No.'), 403, undefined],
    ['unavailable', new CacheError('unavailable', 'Down.', { retryAfterSeconds: 7 }), 503, '7'],
    ['unavailable', new CacheError('unavailable', 'Down.'), 503, '1'],
    ['timeout', new CacheError('timeout', 'Late.'), 504, undefined],
    ['corrupt_value', new CacheError('corrupt_value', 'Broken.'), 500, undefined],
    ['out_of_memory', new CacheError('out_of_memory', 'Full.'), 507, undefined],
    ['internal', new CacheError('internal', 'Oh.', { cause: new Error('canary') }), 500, undefined],
  ];

  it.each(failures)(
    '%s has its HTTP status and names the command',
    async (code, error, status, retryAfter) => {
      const failing = await openHttpDoor({
        around: (cache) => withReply(cache, () => ({ command: 'READ', status: 'ERROR', error })),
      });
      try {
        const reply = await post({ command: 'READ', key: 'k' }, failing.token, failing);
        expect(reply.status).toBe(status);
        expect(reply.get('Retry-After')).toBe(retryAfter);
        expect(reply.body).toEqual({
          command: 'READ',
          status: 'ERROR',
          code,
          message: error.message,
          request_id: expect.any(String) as unknown,
        });
        const batch = await post([{ command: 'READ', key: 'k' }], failing.token, failing);
        expect(batch.status).toBe(200);
        expect(batch.body).toMatchObject([{ status: 'ERROR', code }]);
      } finally {
        await failing.close();
      }
    },
  );

  it('a core that breaks its promise is an internal error, with the cause in the log only', async () => {
    for (const broken of [
      () => {
        throw new TypeError('canary of a bug');
      },
      () => Promise.reject(new TypeError('canary of a bug')),
    ]) {
      const failing = await openHttpDoor({ around: (cache) => withReply(cache, broken) });
      const reply = await post({ command: 'READ', key: 'k' }, failing.token, failing);
      await failing.close();
      expect(reply.status).toBe(500);
      expect(reply.text).not.toContain('canary');
      const errors = failing.log.lines.filter(({ level }) => level === 'error');
      expect(errors).toHaveLength(1);
      expect(JSON.stringify(errors)).toContain('canary of a bug');
    }
  });
});

describe('stored by others', () => {
  it('a truncated envelope is corrupt_value, never plaintext and never a miss', async () => {
    await store('torn', Buffer.of(0xfe, 0x72, 0x63));
    const reply = await read('torn');
    expect(reply.status).toBe(500);
    expect(reply.body).toMatchObject({ command: 'READ', status: 'ERROR', code: 'corrupt_value' });
  });

  it('a value of an unknown encryption key is corrupt_value', async () => {
    await store('sealed', Buffer.of(0xfe, 0x72, 0x63, 1, 0x80, ...Buffer.alloc(80, 7)));
    expect((await read('sealed')).body).toMatchObject({ code: 'corrupt_value' });
  });
});

describe('encrypt', () => {
  it('true without keys is refused', async () => {
    expect((await write('enc', { value: 'v', encrypt: true })).body).toMatchObject({ code: 'bad_request' });
  });

  it('true, false and silence with keys are as they say', async () => {
    const keyed = await openHttpDoor({ encryptionConfigured: true });
    const storedOf = async (fields: object) => {
      await post({ key: 'enc', value: 'plain', ...fields }, keyed.token, keyed);
      const found = await keyed.engine.read('enc' as Key, {
        consistency: 'strong',
        withLife: false,
        deadlineMs: Infinity,
      });
      return found?.bytes.includes('plain');
    };
    expect(await storedOf({ encrypt: true })).toBe(false);
    expect(await storedOf({ encrypt: false })).toBe(true);
    expect(await storedOf({})).toBe(false);
    expect((await post({ command: 'READ', key: 'enc' }, keyed.token, keyed)).body).toMatchObject({
      value: 'plain',
    });
    await keyed.close();
  });
});

describe('every answer', () => {
  it('carries the security headers and says nothing of what is behind it', async () => {
    for (const reply of [await read('x'), await post('{'), await request(door).get('/nothing')]) {
      expect(reply.headers).toMatchObject({
        'cache-control': 'no-store',
        'x-content-type-options': 'nosniff',
        'strict-transport-security': expect.any(String) as unknown,
        'content-type': 'application/json; charset=utf-8',
      });
      expect(reply.headers).not.toHaveProperty('x-powered-by');
      expect(reply.headers).not.toHaveProperty('etag');
    }
  });

  it('is logged once, without key, value or token', async () => {
    const logged = await openHttpDoor();
    const reader = logged.tokenWith(['read']);
    await post({ key: 'canary-key', value: 'canary-value' }, logged.token, logged);
    await post({ command: 'READ', key: 'canary-key' }, logged.token, logged);
    await post([{ command: 'READ', key: 'canary-key' }], reader, logged);
    await post({ command: 'DELETE', key: 'canary-key' }, reader, logged);
    await post('{"key":"canary-key","value":"canary-value"', logged.token, logged);
    await post({}, 'canary-token', logged);
    await request(logged).post('/login').send({ api_key: 'canary-api-key-0123456789012345' });
    await request(logged).get('/ring/canary-key').set('Authorization', `Bearer ${logged.token}`);
    await request(logged).get('/canary-path?canary=query');
    await logged.close();

    const lines = logged.requestLines();
    expect(lines).toMatchObject([
      { route: 'POST /cache', client: 'api-key', command: 'WRITE', outcome: 'SUCCESS', status: 200 },
      { command: 'READ', outcome: 'SUCCESS', source: 'master' },
      { client: 'client-0', command: 'BATCH', commands: 1, outcome: 'SUCCESS' },
      { client: 'client-0', command: 'DELETE', outcome: 'forbidden', status: 403 },
      { outcome: 'bad_request', status: 400 },
      { outcome: 'unauthenticated', status: 401 },
      { route: 'POST /login', outcome: 'unauthenticated' },
      { route: 'GET /ring/{key}', outcome: 'SUCCESS' },
      { outcome: 'not_found', status: 404 },
    ]);
    for (const fields of lines) {
      expect(fields).toMatchObject({
        requestId: expect.any(String) as unknown,
        durationMs: expect.any(Number) as unknown,
      });
    }
    expect(JSON.stringify(logged.log.lines)).not.toContain('canary');
    expect(JSON.stringify(logged.log.lines)).not.toContain(logged.token);
  });
});
