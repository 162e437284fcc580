/** REST on `/cache/{key}`, over the real core and the memory engine. */
import type { Test } from 'supertest';
import { etagOf } from '../../src/core/etag';
import { Json, type Key } from '../../src/core/command';
import { aroundCache } from '../support/around-cache';
import { eventually } from '../support/eventually';
import { type HttpDoor, openHttpDoor, request } from '../support/http-door';
import { openRaw } from '../support/raw-http';

const VALUE_BYTES_MAX = 64 * 1024;

let door: HttpDoor;
beforeAll(async () => {
  door = await openHttpDoor();
});
afterAll(() => door.close());

type Method = 'get' | 'head' | 'put' | 'delete';
type Headers = Readonly<Record<string, string>>;

let lastKey = 0;
/** A key that nothing was stored under. */
const newKey = (): string => `key-${(lastKey += 1)}`;

function send(method: Method, key: string, headers: Headers = {}, to = door, token = to.token): Test {
  const path = key.startsWith('/') ? key : `/cache/${key}`;
  return request(to)
    [method](path)
    .set({ Authorization: `Bearer ${token}`, ...headers });
}
const get = (key: string, headers?: Headers) => send('get', key, headers);
const getRaw = (key: string) => get(key, { Accept: 'application/octet-stream' });
const remove = (key: string, headers?: Headers) => send('delete', key, headers);
const put = (key: string, body: string | Buffer, headers: Headers = {}, to = door) =>
  send('put', key, { 'Content-Type': 'text/plain', ...headers }, to).send(body);
const putJson = (key: string, body: unknown, headers: Headers = {}) =>
  put(key, typeof body === 'string' ? body : JSON.stringify(body), {
    'Content-Type': 'application/json',
    ...headers,
  });
const post = (body: object) =>
  request(door).post('/cache').set('Authorization', `Bearer ${door.token}`).send(body);
const remainingMs = async (key: string) => (await door.engine.locate(key as Key, Infinity)).remainingMs;
const store = (key: string, bytes: Buffer) =>
  door.engine.write(key as Key, bytes, { ttlMs: 0, condition: undefined, ack: 0, deadlineMs: Infinity });
const tagOf = (value: string) => `"${etagOf(value)}"`;
const failure = (code: string) => ({
  status: 'ERROR',
  code,
  message: expect.any(String) as unknown,
  request_id: expect.any(String) as unknown,
});

describe('GET', () => {
  it('gives key and value as JSON, with a strong tag, and says where it was found', async () => {
    const key = newKey();
    await put(key, 'my_value');
    const first = await get(key);
    expect([first.status, first.text]).toEqual([200, `{"key":"${key}","value":"my_value"}`]);
    expect(first.headers).toMatchObject({
      'content-type': 'application/json; charset=utf-8',
      etag: tagOf('my_value'),
      vary: 'Accept',
      'cache-status': 'ringcache; hit; detail=master',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    });
    expect((await get(key)).get('Cache-Status')).toBe('ringcache; hit; detail=near');
  });

  it('gives the bytes themselves to who accepts only those, under a tag of their own', async () => {
    const key = newKey();
    await put(key, 'é');
    const { status, headers, body } = await getRaw(key);
    expect([status, (body as Buffer).toString()]).toEqual([200, 'é']);
    expect(headers).toMatchObject({
      'content-type': 'application/octet-stream',
      'content-length': '2',
      etag: `"${etagOf('é')}.raw"`,
      vary: 'Accept',
    });
  });

  it.each([
    ['application/octet-stream', 'raw'],
    ['application/octet-stream, */*;q=0.1', 'raw'],
    ['Application/Octet-Stream', 'raw'],
    ['application/json;q=0.5, application/octet-stream', 'raw'],
    ['application/*;q=0.1, application/octet-stream;q=0.9', 'raw'],
    ['application/json;q=0, */*', 'raw'],
    ['application/json', 'json'],
    ['*/*', 'json'],
    ['application/*', 'json'],
    ['text/html, */*;q=0.8', 'json'],
    ['application/octet-stream;q=0.5, application/json', 'json'],
    ['text/html', 'json'],
    ['application/octet-stream;q=0', 'json'],
    ['', 'json'],
    [';;,,"', 'json'],
    ['/', 'json'],
  ])('Accept: %s gives %s', async (accept, form) => {
    await put('accepted', 'v');
    const type = (await get('accepted', { Accept: accept })).get('Content-Type');
    expect(type).toBe(form === 'raw' ? 'application/octet-stream' : 'application/json; charset=utf-8');
  });

  it.each<[string, unknown]>([
    ['nothing', ''],
    ['text', 'é😀"\\\u2028\0'],
    ['half a pair', '\ud800'],
    ...[null, false, 0, -1.5, [], {}, [1, { a: [null] }]].map((value): [string, unknown] => [
      JSON.stringify(value),
      value,
    ]),
  ])(
    'gives %s as it was written through POST, and as JSON text in bytes where it is no string',
    async (_name, value) => {
      const key = newKey();
      await post({ key, value });
      expect((await get(key)).body).toEqual({ key, value });
      const text = typeof value === 'string' && value.isWellFormed() ? value : JSON.stringify(value);
      expect(((await getRaw(key)).body as Buffer).toString()).toBe(text);
    },
  );

  it('gives bytes that are no text as base64 in JSON, and as they are', async () => {
    const [key, bytes] = [newKey(), Buffer.of(0xff, 0, 0xfe, 0x0d, 0x0a)];
    await put(key, bytes);
    expect((await get(key)).body).toEqual({ key, value_base64: bytes.toString('base64') });
    expect((await getRaw(key)).body).toEqual(bytes);
  });

  it('of an absent key is 404 in the shape of errors, and for the log a miss', async () => {
    const linesBefore = door.log.lines.length;
    const reply = await get('no%20such');
    expect(reply.status).toBe(404);
    expect(reply.body).toEqual({ ...failure('not_found'), message: 'no such Key not found' });
    expect(reply.get('Cache-Status')).toBe('ringcache; fwd=miss');
    expect(reply.get('ETag')).toBeUndefined();
    expect(door.log.lines.slice(linesBefore).map(({ fields }) => fields)).toMatchObject([
      { route: 'GET /cache/{key}', command: 'READ', outcome: 'NOT_FOUND', status: 404 },
    ]);
  });

  it('answers a near hit in the turn in which it came', async () => {
    /** For each command, how many answers were given when the turn in which it was carried out had ended. */
    const answered: number[] = [];
    const watched = await openHttpDoor({
      around: (cache) =>
        aroundCache(cache, {
          execute: (...given) => {
            const linesBefore = watched.log.lines.length;
            // Runs before whatever waits for a promise from now on.
            queueMicrotask(() => answered.push(watched.log.lines.length - linesBefore));
            return cache.execute(...given);
          },
        }),
    });
    await put('near', 'v', {}, watched);
    for (let n = 0; n < 2; n += 1) await send('get', 'near', {}, watched);
    expect(answered).toEqual([0, 0, 1]);
    await watched.close();
  });

  it('that is strong asks the master though the near cache has it', async () => {
    const key = newKey();
    await put(key, 'v');
    await get(key);
    expect((await get(`${key}?consistency=eventual`)).get('Cache-Status')).toMatch(/near/);
    expect((await get(`${key}?consistency=strong`)).get('Cache-Status')).toMatch(/master/);
    expect((await get(`${key}?consistency=session`)).get('Cache-Status')).toMatch(/master/);
  });

  it('of something that cannot be read is corrupt_value, never a miss', async () => {
    const key = newKey();
    await store(key, Buffer.of(0xfe, 0x72, 0x63));
    const reply = await get(key);
    expect([reply.status, reply.body]).toEqual([500, failure('corrupt_value')]);
    expect((await put(key, 'v', { 'If-Match': '"x"' })).body).toMatchObject({ code: 'corrupt_value' });
    expect((await put(key, 'v')).status).toBe(200);
  });
});

describe('HEAD', () => {
  it.each<[string, string, Headers]>([
    ['a hit', 'there', {}],
    ['a hit in bytes', 'there', { Accept: 'application/octet-stream' }],
    ['a miss', 'absent', {}],
    ['a value that is known', 'there', { 'If-None-Match': '*' }],
    ['a condition that is not met', 'there', { 'If-Match': '"x"' }],
    ['a malformed condition', 'there', { 'If-Match': 'x' }],
  ])('of %s has the status and the headers of GET, and no body', async (_name, key, headers) => {
    await put('there', 'value');
    await get('there');
    const seen = await Promise.all(
      (['get', 'head'] as const).map(async (method) => {
        const reply = await send(method, key, headers);
        return {
          status: reply.status,
          headers: comparable(reply.headers),
          text: reply.text,
        };
      }),
    );
    expect(seen[1]?.status).toBe(seen[0]?.status);
    expect(seen[1]?.headers).toEqual(seen[0]?.headers);
    expect(seen[1]?.text ?? '').toBe('');
  });

  it('tells the length that GET would have', async () => {
    await put('there', 'value');
    expect((await send('head', 'there')).get('Content-Length')).toBe(
      String(Buffer.byteLength('{"key":"there","value":"value"}')),
    );
  });
});

/**
 * Without those that change from one answer to the next. Request ids grow by a character now and then, and with them
 * the length of a failure.
 */
function comparable(headers: Record<string, string>): object {
  const names = Object.keys(headers).filter((name) => name !== 'date' && name !== 'connection');
  return Object.fromEntries(names.map((name) => [name, name === 'content-length' ? 'some' : headers[name]]));
}

describe('conditions on GET', () => {
  const KEY = 'conditional';
  const [JSON_TAG, RAW_TAG] = [tagOf('value'), `"${etagOf('value')}.raw"`];
  beforeAll(async () => {
    await put(KEY, 'value');
    await get(KEY);
  });

  it.each([['*'], [JSON_TAG], [`W/${JSON_TAG}`], [`"other", ${JSON_TAG}`], [`"a,b",W/${JSON_TAG},`]])(
    'If-None-Match: %s is 304, without a body and with tag, Vary and Cache-Status',
    async (tags) => {
      const reply = await get(KEY, { 'If-None-Match': tags });
      expect([reply.status, reply.text]).toEqual([304, '']);
      expect(reply.headers).toMatchObject({
        etag: JSON_TAG,
        vary: 'Accept',
        'cache-status': 'ringcache; hit; detail=near',
        'cache-control': 'no-store',
      });
      expect(reply.headers).not.toHaveProperty('content-type');
      expect(reply.headers).not.toHaveProperty('content-length');
      expect(door.log.lines.at(-1)?.fields).toMatchObject({ outcome: 'NOT_MODIFIED', status: 304 });
    },
  );

  it('each form knows its own tag only', async () => {
    const raw = { Accept: 'application/octet-stream' };
    expect((await get(KEY, { 'If-None-Match': RAW_TAG })).status).toBe(200);
    expect((await get(KEY, { ...raw, 'If-None-Match': JSON_TAG })).status).toBe(200);
    expect((await get(KEY, { ...raw, 'If-None-Match': RAW_TAG })).status).toBe(304);
  });

  it.each(['*', JSON_TAG, `"other",${JSON_TAG}`])('If-Match: %s is met', async (tags) => {
    expect((await get(KEY, { 'If-Match': tags })).status).toBe(200);
  });

  it.each(['"other"', `W/${JSON_TAG}`])(
    'If-Match: %s is not met: 412, with the tag there is',
    async (tags) => {
      const reply = await get(KEY, { 'If-Match': tags });
      expect([reply.status, reply.body]).toEqual([412, failure('precondition_failed')]);
      expect(reply.get('ETag')).toBe(JSON_TAG);
    },
  );

  it('If-Match comes before If-None-Match', async () => {
    expect((await get(KEY, { 'If-Match': '"other"', 'If-None-Match': '*' })).status).toBe(412);
    expect((await get(KEY, { 'If-Match': '*', 'If-None-Match': JSON_TAG })).status).toBe(304);
  });

  it('of an absent key change nothing about the miss', async () => {
    for (const name of ['If-Match', 'If-None-Match']) {
      expect((await get(newKey(), { [name]: '*' })).status).toBe(404);
    }
  });

  it.each(['', 'x', '"x', 'w/"x"', '*, "x"'])('%j is refused on every method', async (tags) => {
    for (const name of ['If-Match', 'If-None-Match']) {
      for (const method of ['get', 'put', 'delete'] as const) {
        const reply = await send(method, KEY, { [name]: tags });
        expect([reply.status, reply.body]).toEqual([400, failure('bad_request')]);
        expect((reply.body as { message: string }).message).toContain(name);
      }
    }
    expect((await get(KEY)).status).toBe(200);
  });
});

describe('PUT', () => {
  it('creates with 201, replaces with 200, and names what it wrote', async () => {
    const key = newKey();
    const created = await put(key, 'one');
    expect([created.status, created.text]).toEqual([201, `{"key":"${key}","created":true}`]);
    expect(created.get('ETag')).toBe((await getRaw(key)).get('ETag'));
    const replaced = await putJson(key, { value: 'two' });
    expect([replaced.status, replaced.text]).toEqual([200, `{"key":"${key}","created":false}`]);
    expect(replaced.get('ETag')).toBe((await get(key)).get('ETag'));
  });

  it.each<[string, string | Buffer]>([
    ['nothing', ''],
    ['text', 'é😀\r\n\0'],
    ['a byte order mark', '\ufeffv'],
    ['bytes', Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))],
    ['bytes with the magic of an envelope', Buffer.of(0xfe, 0x72, 0x63, 1, 0x80, 7)],
    ['JSON text under another type', '{"value":1}'],
    ['the longest value', Buffer.alloc(VALUE_BYTES_MAX, 'v')],
  ])('of %s stores those bytes', async (_name, body) => {
    const key = newKey();
    const { status, headers } = await put(key, body);
    expect(status).toBe(201);
    const raw = await getRaw(key);
    expect(raw.body).toEqual(Buffer.from(body));
    expect(headers['etag']).toBe(raw.get('ETag'));
  });

  it.each([
    'application/octet-stream',
    'application/x-www-form-urlencoded',
    'application/json-seq',
    'x/y; z=1',
  ])('takes the type %s for bytes', async (type) => {
    const key = newKey();
    await put(key, '{"value":1}', { 'Content-Type': type });
    expect((await get(key)).body).toEqual({ key, value: '{"value":1}' });
  });

  it('without a body and without a type stores an empty value', async () => {
    const key = newKey();
    expect((await send('put', key)).status).toBe(201);
    expect((await get(key)).body).toEqual({ key, value: '' });
  });

  it.each<[string, unknown, unknown]>([
    ['text', { value: 'é' }, { value: 'é' }],
    ['null', { value: null }, { value: null }],
    ['nested JSON', { value: { a: [1, 'b'] } }, { value: { a: [1, 'b'] } }],
    ['half a pair', { value: '\ud800' }, { value: '\ud800' }],
    ['bytes', { value_base64: '//4A' }, { value_base64: '//4A' }],
    ['bytes that spell text', { value_base64: 'w6k=' }, { value: 'é' }],
    ['no bytes', { value_base64: '' }, { value: '' }],
    [
      'a field named __proto__',
      '{"value":{"__proto__":{"a":1}}}',
      JSON.parse('{"value":{"__proto__":{"a":1}}}'),
    ],
  ])('of JSON stores its value: %s', async (_name, body, expected) => {
    const key = newKey();
    const { status, headers } = await putJson(key, body);
    expect(status).toBe(201);
    const reply = await get(key);
    expect(reply.body).toEqual({ key, ...(expected as object) });
    expect(headers['etag']).toBe(reply.get('ETag'));
    expect(({} as { a?: unknown }).a).toBeUndefined();
  });

  it('text and JSON of the same bytes are two values with two tags', async () => {
    const [text, json] = [newKey(), newKey()];
    const tags = [
      (await putJson(text, { value: '1' })).get('ETag'),
      (await putJson(json, { value: 1 })).get('ETag'),
    ];
    expect(tags).toEqual([tagOf('1'), `"${etagOf(new Json('1'))}"`]);
    expect((await getRaw(text)).body).toEqual((await getRaw(json)).body);
  });

  const deep = (levels: number) => `{"value":${'['.repeat(levels)}${']'.repeat(levels)}}`;
  it.each<[string, string, RegExp]>([
    ['empty', '', /empty/],
    ['no JSON', '{"value":"canary"', /not valid JSON/],
    ['no UTF-8', '\\xff', /not valid JSON/],
    ['an array', '[{"value":1}]', /object/],
    ['a string', '"value"', /object/],
    ['null', 'null', /object/],
    ['no value', '{}', /"value"/],
    ['two values', '{"value":1,"value_base64":""}', /only one/],
    ['an unknown field', '{"value":1,"ttl":5}', /"ttl"/],
    ['a field __proto__', '{"__proto__":{"value":1}}', /"__proto__"/],
    ['a base64 that is none', '{"value_base64":"=="}', /"value_base64"/],
    ['a base64 that is no string', '{"value_base64":1}', /"value_base64"/],
    ['a number that no double holds', '{"value":9007199254740993}', /number/],
    ['such a number deep inside', '{"value":{"a":[1e999]}}', /number/],
    ['33 levels', deep(33), /deep/],
    ['100,000 levels', deep(100_000), /deep/],
  ])('of JSON that is %s is refused, and nothing is stored', async (_name, body, message) => {
    const key = newKey();
    const reply = await putJson(key, body);
    expect([reply.status, reply.body]).toEqual([400, failure('bad_request')]);
    expect((reply.body as { message: string }).message).toMatch(message);
    expect(reply.text).not.toContain('canary');
    expect((await get(key)).status).toBe(404);
  });

  it('of JSON 32 levels deep, or with a number in a string, is stored', async () => {
    expect((await putJson(newKey(), deep(32))).status).toBe(201);
    expect((await putJson(newKey(), '{"value":"9007199254740993"}')).status).toBe(201);
  });

  it.each([
    ['application/json; charset=latin1'],
    ['application/json; profile=x'],
    ['application/json, text/plain'],
    ['Application/JSON;'],
  ])('of the type %s is refused and not taken for bytes', async (type) => {
    const reply = await put(newKey(), '{"value":1}', { 'Content-Type': type });
    expect([reply.status, reply.body]).toEqual([415, failure('unsupported_media_type')]);
  });

  it('that is encoded is refused', async () => {
    expect((await put(newKey(), 'v', { 'Content-Encoding': 'gzip' })).status).toBe(415);
  });

  it('of a part of a value is refused', async () => {
    expect((await put(newKey(), 'v', { 'Content-Range': 'bytes 0-0/9' })).status).toBe(400);
  });

  it('one byte over the limit is too large, in each form', async () => {
    const long = 'v'.repeat(VALUE_BYTES_MAX + 1);
    const key = newKey();
    expect((await put(key, long)).body).toEqual(failure('too_large'));
    expect((await putJson(key, { value: long })).body).toEqual(failure('too_large'));
    expect((await putJson(key, { value_base64: Buffer.from(long).toString('base64') })).status).toBe(413);
    expect((await putJson(key, { value: long.slice(1) })).status).toBe(201);
    expect((await get(key)).status).toBe(200);
  });
});

describe('the query of PUT', () => {
  it.each([
    ['60', 60_000],
    ['0.25', 250],
    ['0', Infinity],
    ['007.50', 7500],
  ])('ttl=%s is the life of the value', async (ttl, expectedMs) => {
    const key = newKey();
    await put(`${key}?ttl=${ttl}`, 'v');
    const lifeMs = (await remainingMs(key)) ?? 0;
    expect(lifeMs).toBeLessThanOrEqual(expectedMs);
    expect(lifeMs).toBeGreaterThan(expectedMs === Infinity ? 1e9 : expectedMs - 200);
  });

  it.each([
    ...[
      '',
      '-1',
      '+1',
      '1e3',
      '0x10',
      '%201',
      '1%20',
      '1+',
      '1,5',
      '.5',
      '5.',
      'NaN',
      'Infinity',
      '1_000',
      '%E2%85%A7',
    ],
    ...['3155760001', '9'.repeat(400), '\u0661'].map(encodeURIComponent),
  ])('ttl=%s is refused by name', async (ttl) => {
    const reply = await put(`${newKey()}?ttl=${ttl}`, 'v');
    expect([reply.status, reply.body]).toEqual([400, failure('bad_request')]);
    expect((reply.body as { message: string }).message).toMatch(/"ttl"/);
  });

  it.each<[Method, string, RegExp]>([
    ['put', 'ack=3', /"ack"/],
    ['put', 'ack=', /"ack"/],
    ['put', 'ack=01', /"ack"/],
    ['put', 'encrypt=1', /"encrypt"/],
    ['put', 'encrypt=TRUE', /"encrypt"/],
    ['put', 'encrypt=true', /encryption keys/],
    ['put', 'consistency=strong', /"consistency"/],
    ['put', 'ttl=1&ttl=2', /"ttl"/],
    ['put', 'TTL=1', /"TTL"/],
    ['put', '__proto__=1', /"__proto__"/],
    ['delete', 'ack=x', /"ack"/],
    ['delete', 'ttl=1', /"ttl"/],
    ['get', 'consistency=Strong', /"consistency"/],
    ['get', 'consistency=', /"consistency"/],
    ['get', 'ack=1', /"ack"/],
    ['get', 'key=other', /"key"/],
    ['get', '%ff=1', /percent-decode/],
  ])('%s with %s is refused by name', async (method, query, message) => {
    const reply = await send(method, `${newKey()}?${query}`);
    expect([reply.status, reply.body]).toEqual([400, failure('bad_request')]);
    expect((reply.body as { message: string }).message).toMatch(message);
  });

  it('ack is handed on: the memory engine has no replicas to give one', async () => {
    const key = newKey();
    await put(key, 'v');
    for (const method of ['put', 'delete'] as const) {
      expect((await send(method, `${key}?ack=1`)).status).toBe(503);
      expect((await send(method, `${key}?ack=0`)).status).toBe(200);
    }
  });

  it('encrypt says whether the value is encrypted, and the tag is the same', async () => {
    const keyed = await openHttpDoor({ encryptionConfigured: true });
    const tags = new Set<string | undefined>();
    for (const [query, isSealed] of [
      ['?encrypt=true', true],
      ['?encrypt=false', false],
      ['', true],
    ] as const) {
      tags.add((await put(`enc${query}`, 'plain', {}, keyed)).get('ETag'));
      const options = { consistency: 'strong', withLife: false, deadlineMs: Infinity } as const;
      const found = await keyed.engine.read('enc' as Key, options);
      expect(found?.bytes.includes('plain')).toBe(!isSealed);
      tags.add((await send('get', 'enc', { Accept: 'application/octet-stream' }, keyed)).get('ETag'));
    }
    expect([...tags]).toEqual([`"${etagOf('plain')}.raw"`]);
    await keyed.close();
  });
});

describe('conditions on PUT', () => {
  it('If-None-Match: * writes what is absent, and what is there is 412', async () => {
    const key = newKey();
    expect((await put(key, 'v1', { 'If-None-Match': '*' })).status).toBe(201);
    const reply = await put(key, 'v2', { 'If-None-Match': '*' });
    expect([reply.status, reply.body]).toEqual([412, failure('precondition_failed')]);
    expect((await get(key)).body).toMatchObject({ value: 'v1' });
  });

  it('If-Match: * writes over what is there, and what is absent is 412', async () => {
    const key = newKey();
    expect((await put(key, 'v1', { 'If-Match': '*' })).status).toBe(412);
    expect((await get(key)).status).toBe(404);
    await put(key, 'v1');
    expect((await put(key, 'v2', { 'If-Match': '*' })).status).toBe(200);
  });

  it('If-Match with the tag of either form writes over that value only', async () => {
    const key = newKey();
    await put(key, 'v1');
    const tags = { json: (await get(key)).get('ETag') ?? '', raw: (await getRaw(key)).get('ETag') ?? '' };
    expect((await put(key, 'x', { 'If-Match': `W/${tags.json}` })).status).toBe(412);
    expect((await put(key, 'x', { 'If-Match': '"v1"' })).status).toBe(412);
    const second = await put(key, 'v2', { 'If-Match': `"x", ${tags.raw}` });
    expect(second.status).toBe(200);
    expect((await put(key, 'x', { 'If-Match': tags.json })).status).toBe(412);
    expect((await putJson(key, { value: 'v3' }, { 'If-Match': second.get('ETag') ?? '' })).status).toBe(200);
    expect((await put(key, 'v4', { 'If-Match': tagOf('v3') })).status).toBe(200);
    expect((await get(key)).body).toMatchObject({ value: 'v4' });
    expect((await put(newKey(), 'x', { 'If-Match': tagOf('v4') })).status).toBe(412);
  });

  it('If-None-Match with tags writes unless one of those values is there', async () => {
    const key = newKey();
    expect((await put(key, 'v1', { 'If-None-Match': tagOf('v1') })).status).toBe(201);
    expect((await put(key, 'v2', { 'If-None-Match': `W/${tagOf('v1')}` })).status).toBe(412);
    expect((await put(key, 'v2', { 'If-None-Match': `"${etagOf('v1')}.raw"` })).status).toBe(412);
    expect((await put(key, 'v2', { 'If-None-Match': tagOf('v2') })).status).toBe(200);
  });

  it('both together are refused', async () => {
    const both = { 'If-Match': '*', 'If-None-Match': '"x"' };
    for (const method of ['put', 'delete'] as const) {
      expect((await send(method, newKey(), both)).body).toEqual(failure('bad_request'));
    }
  });

  it('a condition on a tag needs the scope read too, for it tells of the value', async () => {
    const writer = door.tokenWith(['write', 'delete']);
    const key = newKey();
    const as = (method: Method, headers: Headers) => send(method, key, headers, door, writer);
    expect((await as('put', { 'If-Match': tagOf('') })).status).toBe(403);
    expect((await as('put', { 'If-None-Match': '*' })).status).toBe(201);
    expect((await as('delete', { 'If-Match': tagOf('') })).status).toBe(403);
    expect((await as('delete', { 'If-Match': '*' })).status).toBe(200);
  });
});

describe('DELETE', () => {
  it('deletes what is there, and is 404 where nothing is', async () => {
    const key = newKey();
    await put(key, 'v');
    const reply = await remove(key);
    expect([reply.status, reply.text]).toEqual([200, `{"key":"${key}","deleted":true}`]);
    const again = await remove(key);
    expect(again.status).toBe(404);
    expect(again.body).toEqual({ ...failure('not_found'), message: `${key} Key not found` });
    expect(door.log.lines.at(-1)?.fields).toMatchObject({
      command: 'DELETE',
      outcome: 'NOT_FOUND',
      status: 404,
    });
  });

  it('on condition deletes only what meets it', async () => {
    const key = newKey();
    const tag = (await put(key, 'v')).get('ETag') ?? '';
    for (const tags of ['"x"', `W/${tag}`]) {
      const reply = await remove(key, { 'If-Match': tags });
      expect([reply.status, reply.body]).toEqual([412, failure('precondition_failed')]);
    }
    expect((await remove(key, { 'If-None-Match': tag })).status).toBe(412);
    expect((await get(key)).status).toBe(200);
    expect((await remove(key, { 'If-Match': `"x",${tag}` })).status).toBe(200);
    await put(key, 'v');
    expect((await remove(key, { 'If-None-Match': '"x"' })).status).toBe(200);
    await put(key, 'v');
    expect((await remove(key, { 'If-Match': '*' })).status).toBe(200);
  });

  it('of an absent key is 404, under a condition too', async () => {
    const key = newKey();
    for (const tags of ['*', '"x"', 'W/"x"']) {
      expect((await remove(key, { 'If-Match': tags })).status).toBe(404);
    }
    expect((await remove(key, { 'If-None-Match': '"x"' })).status).toBe(404);
    expect((await remove(key, { 'If-None-Match': '*' })).status).toBe(400);
  });
});

describe('keys', () => {
  it.each([
    ...[
      'a/b',
      'a%2Fb',
      ' ',
      'a b',
      'a+b',
      'é😀',
      '?',
      '#',
      '{}',
      '__proto__',
      'constructor',
      '%',
      '"',
      '\0\r\n',
    ],
    ...['k'.repeat(1024), 'a;b', 'a\\b', ':key', '*'],
  ])('%j is decoded once and is what it is through POST', async (key) => {
    const path = encodeURIComponent(key);
    expect((await put(path, 'v')).status).toBe(201);
    expect((await post({ command: 'READ', key })).body).toMatchObject({ value: 'v' });
    expect((await get(path)).body).toEqual({ key, value: 'v' });
    expect((await remove(path)).body).toEqual({ key, deleted: true });
    expect((await get(path)).body).toMatchObject({ message: `${key} Key not found` });
  });

  it.each<[string, number, string]>([
    ['/cache/', 404, 'not_found'],
    ['/cache/a/b', 404, 'not_found'],
    ['/cache/a/', 404, 'not_found'],
    ['/cache/%', 400, 'bad_request'],
    ['/cache/%ff', 400, 'bad_request'],
    ['/cache/%ed%a0%80', 400, 'bad_request'],
    [`/cache/${'k'.repeat(1025)}`, 413, 'too_large'],
    [`/cache/${encodeURIComponent('é'.repeat(513))}`, 413, 'too_large'],
  ])('%s is refused', async (path, status, code) => {
    for (const method of ['get', 'put', 'delete'] as const) {
      const reply = await send(method, path);
      expect([reply.status, reply.body]).toEqual([status, failure(code)]);
    }
  });
});

describe('who may', () => {
  it.each<[Method]>([['get'], ['head'], ['put'], ['delete']])('%s needs a token', async (method) => {
    const reply = await request(door)[method]('/cache/k').set('If-Match', 'malformed');
    expect([reply.status, reply.get('WWW-Authenticate')]).toEqual([401, 'Bearer']);
  });

  it('do what: scopes and prefixes are those of the commands', async () => {
    await put('mine:k', 'v');
    const token = door.tokenWith(['read'], ['mine:']);
    const as = async (method: Method, key: string) => (await send(method, key, {}, door, token)).status;
    expect(await as('get', 'mine:k')).toBe(200);
    for (const [method, key] of [
      ['get', 'yours:k'],
      ['head', 'yours:k'],
      ['put', 'mine:k'],
      ['delete', 'mine:k'],
    ] as const) {
      expect(await as(method, key)).toBe(403);
    }
  });

  it.each(['post', 'patch', 'options'] as const)('%s is refused with what is allowed', async (method) => {
    const reply = await request(door)[method]('/cache/k').set('Authorization', `Bearer ${door.token}`);
    expect([reply.status, reply.get('Allow')]).toEqual([405, 'GET, HEAD, PUT, DELETE']);
  });
});

describe('a session', () => {
  const HEADER = 'Ringcache-Session';
  it('goes through each method, failures included', async () => {
    const key = newKey();
    for (const [method, status] of [
      ['get', 404],
      ['put', 201],
      ['get', 200],
      ['head', 200],
      ['delete', 200],
      ['delete', 404],
    ] as const) {
      const reply = await send(method, key, { [HEADER]: '' });
      expect([reply.status, typeof reply.get(HEADER)]).toEqual([status, 'string']);
    }
    expect((await get(key)).get(HEADER)).toBeUndefined();
    expect((await get(key, { [HEADER]: 'forged' })).status).toBe(400);
  });
});

describe('the body of a PUT over a socket', () => {
  const head = (key: string, ...fields: string[]) =>
    [
      `PUT /cache/${key} HTTP/1.1`,
      'Host: localhost',
      `Authorization: Bearer ${door.token}`,
      ...fields,
      '',
      '',
    ].join('\r\n');

  it('that breaks off has stored nothing, though what came of it would be a value', async () => {
    const key = newKey();
    const linesBefore = door.log.lines.length;
    const client = await openRaw(door.port);
    client.send(`${head(key, 'Content-Length: 10')}half`);
    expect((await get(key)).status).toBe(404);
    client.destroy();
    await eventually(() =>
      door.log.lines
        .slice(linesBefore)
        .some(({ fields }) => 'outcome' in fields && fields.outcome === 'INCOMPLETE'),
    );
    expect((await get(key)).status).toBe(404);
  });

  it('may come in chunks', async () => {
    const key = newKey();
    const client = await openRaw(door.port);
    client.send(`${head(key, 'Transfer-Encoding: chunked')}2\r\nab\r\n1\r\nc\r\n0\r\n\r\n`);
    expect((await client.answer()).status).toBe(201);
    client.destroy();
    expect((await get(key)).body).toEqual({ key, value: 'abc' });
  });

  it.each([
    ['too long', ['Content-Length: 1073741824'], 413],
    ['of two types', ['Content-Type: text/plain', 'Content-Type: text/plain', 'Content-Length: 100000'], 415],
    ['whose life is none', ['Content-Length: 100000'], 400],
  ])('announced and %s is refused before it comes', async (what, fields, status) => {
    const client = await openRaw(door.port);
    client.send(head(`${newKey()}${what === 'whose life is none' ? '?ttl=x' : ''}`, ...fields));
    const answer = await client.answer();
    expect([answer.status, answer.headers.get('connection')]).toEqual([status, 'close']);
    await client.ended();
    client.destroy();
  });

  it('is asked for where the client waits for that', async () => {
    const client = await openRaw(door.port);
    client.send(head(newKey(), 'Content-Length: 1', 'Expect: 100-continue'));
    expect((await client.answer()).status).toBe(100);
    client.send('v');
    expect((await client.answer()).status).toBe(201);
    client.destroy();
  });
});
