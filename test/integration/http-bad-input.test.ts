/**
 * The bad-input matrix through the HTTP door: the rows body, fields, auth and stored, byte by byte
 * through a real TLS socket. (The row of framing and slowness is in the tests of the listener.) Whatever comes in,
 * the answer is the one that stands here, the connection's next request is served, and no prototype has changed.
 * All of it twice, since the first request of a connection goes another way than many later ones (`fast-path.ts`).
 */
import { createTestCoherence } from '../support/ring';
import { createHmac } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { openRing } from '../../src/engines/ring';
import { systemClock } from '../../src/lib/clock';
import { eventually } from '../support/eventually';
import { API_KEY, type HttpDoor, openHttpDoor } from '../support/http-door';
import { openRaw, type RawAnswer } from '../support/raw-http';
import { type RedisProcess, startRedis } from '../support/redis';

const VALUE_BYTES_MAX = 4096;
const BODY_BYTES_MAX = 2 * VALUE_BYTES_MAX + 1024 * 1024;

let redis: RedisProcess;
let door: HttpDoor;

beforeAll(async () => {
  redis = await startRedis();
  door = await openHttpDoor({
    hasFastPath: true,
    limits: { valueBytesMax: VALUE_BYTES_MAX },
    openEngine: (log) =>
      openRing({
        shards: [{ name: 'one', master: redis.address, replicas: [] }],
        hash: 'ketama',
        readFrom: 'master',
        storedBytesMax: 64 * 1024,
        coherence: createTestCoherence('none'),
        clock: systemClock,
        log,
      }),
  });
});
afterAll(async () => {
  await door.close();
  await redis.stop();
});

interface Parts {
  readonly path?: string;
  /** Whole header lines; the default is a good token. */
  readonly authorization?: readonly string[];
  /** Whole header lines; the default is application/json. */
  readonly type?: readonly string[];
  /** The Content-Length that is announced; by default the body's. */
  readonly announced?: number;
}

function requestOf(body: string | Buffer, parts: Parts = {}): Buffer {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  const head = [
    `POST ${parts.path ?? '/cache'} HTTP/1.1`,
    'Host: localhost',
    ...(parts.authorization ?? [`Authorization: Bearer ${door.token}`]),
    ...(parts.type ?? ['Content-Type: application/json']),
    `Content-Length: ${parts.announced ?? bytes.length}`,
  ];
  return Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`, 'latin1'), bytes]);
}

/** Whether each request of the matrix comes on a connection that has asked before. */
let comesLater = false;

/** The answer to these bytes, after checking that nothing was harmed by them. */
async function answerTo(bytes: Buffer): Promise<RawAnswer & { readonly json: Record<string, unknown> }> {
  const before = Object.getOwnPropertyNames(Object.prototype);
  const client = await openRaw(door.port);
  try {
    if (comesLater) {
      client.send(requestOf(read('earlier')));
      expect((await client.answer()).status).toBe(200);
    }
    client.send(bytes);
    const answer = await client.answer();
    if (answer.headers.get('connection') === 'close') {
      await client.ended();
    } else {
      client.send(requestOf('{"command":"READ","key":"harmless"}'));
      expect((await client.answer()).status).toBe(200);
    }
    expect(Object.getOwnPropertyNames(Object.prototype)).toEqual(before);
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
    return { ...answer, json: JSON.parse(answer.body.toString()) as Record<string, unknown> };
  } finally {
    client.destroy();
  }
}

async function expectRefused(bytes: Buffer, status: number, code: string): Promise<RawAnswer> {
  const answer = await answerTo(bytes);
  expect([answer.status, answer.json['code']]).toEqual([status, code]);
  expect(answer.json).toMatchObject({
    status: 'ERROR',
    message: expect.any(String) as unknown,
    request_id: expect.any(String) as unknown,
  });
  return answer;
}

const read = (key: string) => `{"command":"READ","key":${JSON.stringify(key)}}`;

describe.each([
  ['the first of its connection', false],
  ['a later one of its connection', true],
])('as %s', (_which, isLater) => {
  let before: number;
  beforeAll(() => {
    comesLater = isLater;
    before = door.taken();
  });
  afterAll(() => {
    // Later ones take the fast path, all that are good enough; of the first ones only what is asked behind them does.
    if (isLater) expect(door.taken() - before).toBeGreaterThan(200);
  });

  describe('body', () => {
    const good = read('k');
    it.each<[string, string | Buffer]>([
      ['empty', ''],
      ['blank', ' \r\n'],
      ['null', 'null'],
      ['[]', '[]'],
      ['[[]]', '[[]]'],
      ['[null]', '[null]'],
      ['a string', '"READ"'],
      ['a number', '7'],
      ['truncated', good.slice(0, -1)],
      ['truncated in a character', Buffer.from(read('é')).subarray(0, -3)],
      ['trailing junk', `${good}}`],
      ['two objects', `${good}\n${good}`],
      ['a BOM', `\ufeff${good}`],
      ['UTF-16', Buffer.from(good, 'utf16le')],
      ['UTF-16 with a BOM', Buffer.from(`\ufeff${good}`, 'utf16le')],
      ['Latin-1', Buffer.from(read('é'), 'latin1')],
      [
        'an overlong encoding',
        Buffer.concat([Buffer.from('{"key":"'), Buffer.of(0xc0, 0x80), Buffer.from('"}')]),
      ],
      ['gzip without saying so', gzipSync(good)],
      ['a NUL', '\0'],
      ['a form', 'command=READ&key=k'],
      ['deep', '['.repeat(100_000)],
      ['deep and closed', `${'['.repeat(100_000)}${']'.repeat(100_000)}`],
      ['single quotes', good.replaceAll('"', "'")],
      ['NaN', '{"key":"k","value":NaN}'],
    ])('%s: 400', async (_what, body) => {
      await expectRefused(requestOf(body), 400, 'bad_request');
    });

    it('a message never quotes the body', async () => {
      const { body } = await expectRefused(requestOf('{"key":"canary","value":"canary"'), 400, 'bad_request');
      expect(body.toString()).not.toContain('canary');
    });

    it.each<[string, string[]]>([
      ['gzip', ['Content-Type: application/json', 'Content-Encoding: gzip']],
      [
        'two encodings',
        ['Content-Type: application/json', 'Content-Encoding: identity', 'Content-Encoding: br'],
      ],
      ['no type', []],
      ['text/plain', ['Content-Type: text/plain']],
      ['a form', ['Content-Type: application/x-www-form-urlencoded']],
      ['a +json type', ['Content-Type: application/problem+json']],
      ['another charset', ['Content-Type: application/json; charset=utf-16']],
      ['another parameter', ['Content-Type: application/json; profile=x']],
      ['two types', ['Content-Type: application/json', 'Content-Type: application/json']],
      ['a list of types', ['Content-Type: application/json, text/plain']],
    ])('%s: 415', async (_what, type) => {
      await expectRefused(requestOf(gzipSync(good), { type }), 415, 'unsupported_media_type');
    });

    it.each(['application/json; charset=utf-8', 'Application/JSON;charset="UTF-8"', 'application/json '])(
      'the type "%s" is good',
      async (type) => {
        expect((await answerTo(requestOf(good, { type: [`Content-Type: ${type}`] }))).status).toBe(200);
      },
    );

    it('at the limit: served; one byte more: 413', async () => {
      const padded = (length: number) => good + ' '.repeat(length - good.length);
      expect((await answerTo(requestOf(padded(BODY_BYTES_MAX)))).status).toBe(200);
      await expectRefused(requestOf(padded(BODY_BYTES_MAX + 1)), 413, 'too_large');
    });

    it('one byte over the limit in chunks: 413', async () => {
      const head = requestOf('')
        .toString('latin1')
        .replace('Content-Length: 0', 'Transfer-Encoding: chunked');
      const chunk = Buffer.alloc(BODY_BYTES_MAX + 1, ' ');
      const bytes = [head, `${chunk.length.toString(16)}\r\n`, chunk, '\r\n0\r\n\r\n'];
      const whole = Buffer.concat(bytes.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)));
      await expectRefused(whole, 413, 'too_large');
    });

    it('1 GiB announced: 413 at once, before any of it came, and the connection closes', async () => {
      const { headers } = await expectRefused(requestOf('', { announced: 2 ** 30 }), 413, 'too_large');
      expect(headers.get('connection')).toBe('close');
    });

    it('a client that leaves in the middle of a body has changed nothing, and is logged', async () => {
      const client = await openRaw(door.port);
      const linesBefore = door.log.lines.length;
      client.send(requestOf('{"key":"left","value":"half', { announced: 1000 }));
      const control = await answerTo(requestOf(good));
      client.destroy();
      expect(control.status).toBe(200);
      await eventually(() =>
        door.log.lines
          .slice(linesBefore)
          .some(({ fields }) => 'outcome' in fields && fields.outcome === 'INCOMPLETE'),
      );
      expect((await answerTo(requestOf(read('left')))).json).toMatchObject({ status: 'NOT_FOUND' });
    });
  });

  describe('fields', () => {
    const write = (fields: string) => `{"command":"WRITE","key":"k",${fields}}`;

    it.each<[string, string]>([
      ['command missing', '{"key":"k"}'],
      ['command unknown', '{"command":"DROP","key":"k"}'],
      ['command in lower case', '{"command":"read","key":"k"}'],
      ['command a list', '{"command":["READ"],"key":"k"}'],
      ['key missing', '{"command":"READ"}'],
      ['key null', '{"command":"READ","key":null}'],
      ['key a number', '{"command":"READ","key":7}'],
      ['key a list', '{"command":"READ","key":["k"]}'],
      ['key an object', '{"command":"READ","key":{"toString":"k"}}'],
      ['key empty', read('')],
      ['key with a lone surrogate', '{"command":"READ","key":"\\ud83d"}'],
      ['key with a pair the wrong way round', '{"command":"READ","key":"\\ude00\\ud83d"}'],
      ['unknown field', '{"command":"READ","key":"k","unknown":1}'],
      ['a field of another command', '{"command":"READ","key":"k","ttl":1}'],
      ['a field named __proto__', '{"command":"READ","key":"k","__proto__":{"polluted":1}}'],
      ['a key hidden in __proto__', '{"command":"READ","__proto__":{"key":"k"}}'],
      [
        'a field named constructor',
        '{"command":"READ","key":"k","constructor":{"prototype":{"polluted":1}}}',
      ],
      ['value missing', '{"command":"WRITE","key":"k"}'],
      ['value twice over', write('"value":"v","value_base64":"dg=="')],
      ['value_base64 no string', write('"value_base64":7')],
      ['value_base64 without padding', write('"value_base64":"dg"')],
      ['value_base64 with loose bits', write('"value_base64":"dh=="')],
      ['value_base64 in another alphabet', write('"value_base64":"-_8="')],
      ['value_base64 with a blank', write('"value_base64":"dg= ="')],
      ['value too deep', write(`"value":${'['.repeat(33)}${']'.repeat(33)}`)],
      ['value far too deep', write(`"value":${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}`)],
      ['value beyond 2^53', write('"value":9007199254740993')],
      ['value beyond 2^53, deep within', write('"value":{"a":[1,{"b":-9007199254740993}]}')],
      ['value with too many digits', write('"value":0.1000000000000000055')],
      ['value beyond all doubles', write('"value":1e400')],
      ['ttl -1', write('"value":"v","ttl":-1')],
      ['ttl 1e309', write('"value":"v","ttl":1e309')],
      ['ttl "5"', write('"value":"v","ttl":"5"')],
      ['ttl null', write('"value":"v","ttl":null')],
      ['ttl true', write('"value":"v","ttl":true')],
      ['ttl beyond a hundred years', write('"value":"v","ttl":1e10')],
      ['ttl and expire', write('"value":"v","ttl":1,"expire":1')],
      ['condition unknown', write('"value":"v","condition":"IF"')],
      ['encrypt no boolean', write('"value":"v","encrypt":1')],
      ['encrypt without keys', write('"value":"v","encrypt":true')],
      ['encoding unknown', '{"command":"READ","key":"k","encoding":"hex"}'],
      ['consistency unknown', '{"command":"READ","key":"k","consistency":"weak"}'],
      ['ack 3', write('"value":"v","ack":3')],
      ['ack 1.5', write('"value":"v","ack":1.5')],
      ['the second of a batch', `[${read('k')},{"command":"READ"}]`],
    ])('%s: 400', async (_what, body) => {
      await expectRefused(requestOf(body), 400, 'bad_request');
    });

    it.each<[string, string]>([
      ['a key of the longest + 1', read('a'.repeat(1025))],
      ['a key of the longest + 1 in bytes', read('é'.repeat(513))],
      ['a value of the longest + 1', write(`"value":"${'v'.repeat(VALUE_BYTES_MAX + 1)}"`)],
      ['a batch of the longest + 1', `[${Array(1001).fill(read('k')).join(',')}]`],
    ])('%s: 413', async (_what, body) => {
      await expectRefused(requestOf(body), 413, 'too_large');
    });

    it.each([
      ...['a'.repeat(1024), 'é'.repeat(512), '\0', '\r\n', 'a\r\nSET b c\r\n', '{}', '{tag}', '😀', ' '],
      ...['__proto__', 'constructor', 'toString', '*', '"', '\\', '\u2028', '\ufeff'],
    ])('the key %j is written, read and deleted like any other', async (key) => {
      const body = (command: string, fields = {}) => JSON.stringify({ command, key, ...fields });
      expect((await answerTo(requestOf(body('WRITE', { value: key })))).json).toMatchObject({ value: key });
      expect((await answerTo(requestOf(body('READ')))).json).toMatchObject({ value: key });
      expect(await redis.client.get(Buffer.from(key))).toBe(key);
      expect((await answerTo(requestOf(body('DELETE')))).json).toMatchObject({
        message: `${key} Key deleted`,
      });
      expect((await answerTo(requestOf(body('READ')))).json).toMatchObject({
        message: `${key} Key not found`,
      });
    });

    it.each(['/ring/\xc3\xa9', '/ring/%', '/ring/%zz', '/ring/%ff', '/ring/%ed%a0%80', '/ring/a%'])(
      'the path %j is no percent-encoded UTF-8: 400',
      async (path) => {
        const bytes = `GET ${path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${door.token}\r\n\r\n`;
        await expectRefused(Buffer.from(bytes, 'latin1'), 400, 'bad_request');
      },
    );

    it('of a field given twice the last counts', async () => {
      const body = '{"command":"WRITE","key":"first","key":"second","value":1,"value":"last"}';
      expect((await answerTo(requestOf(body))).json).toMatchObject({ value: 'last' });
      expect(await redis.client.exists('first')).toBe(0);
      expect(await redis.client.get('second')).toBe('last');
    });

    it('a ttl of 0 is none, and a tiny one is short, not none', async () => {
      await answerTo(requestOf('{"key":"lasting","value":"v","ttl":0}'));
      expect(await redis.client.pttl('lasting')).toBe(-1);
      expect((await answerTo(requestOf('{"key":"fleeting","value":"v","ttl":1e-7}'))).status).toBe(200);
      await eventually(async () => (await redis.client.exists('fleeting')) === 0);
    });

    it('the longest value is served', async () => {
      const value = 'v'.repeat(VALUE_BYTES_MAX);
      expect((await answerTo(requestOf(JSON.stringify({ key: 'long', value })))).json).toMatchObject({
        value,
      });
    });
  });

  describe('auth', () => {
    const bearer = () => `Authorization: Bearer ${door.token}`;
    /** A token with this header and the good one's claims, signed with a secret of the attacker. */
    const forged = (header: object, secret = 'secret') => {
      const input = `${Buffer.from(JSON.stringify(header)).toString('base64url')}.${door.token.split('.')[1] ?? ''}`;
      return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`;
    };

    it.each<[string, () => string[]]>([
      ['none', () => []],
      ['empty', () => ['Authorization:']],
      ['two, both good', () => [bearer(), bearer()]],
      ['two, the second bad', () => [bearer(), 'Authorization: Bearer x']],
      ['Basic', () => [`Authorization: Basic ${Buffer.from('admin:admin').toString('base64')}`]],
      ['Basic with a good token', () => [`Authorization: Basic ${door.token}`]],
      ['the token alone', () => [`Authorization: ${door.token}`]],
      ['no token', () => ['Authorization: Bearer ']],
      ['two tokens', () => [`${bearer()} ${door.token}`]],
      ['two tokens with a comma', () => [`${bearer()}, Bearer ${door.token}`]],
      ['a token in quotes', () => [`Authorization: Bearer "${door.token}"`]],
      ['7 KiB', () => [`Authorization: Bearer ${'x'.repeat(7 * 1024)}`]],
      ['a token and 6 KiB behind it', () => [`${bearer()}${'A'.repeat(6 * 1024)}`]],
      ['the API key', () => [`Authorization: Bearer ${API_KEY}`]],
      ['alg none', () => [`Authorization: Bearer ${forged({ alg: 'none', typ: 'JWT' })}`]],
      [
        'alg none without signature',
        () => [`Authorization: Bearer ${forged({ alg: 'None' }).replace(/[^.]*$/, '')}`],
      ],
      ['another secret', () => [`Authorization: Bearer ${forged({ alg: 'HS256', typ: 'JWT' })}`]],
      ['an empty secret', () => [`Authorization: Bearer ${forged({ alg: 'HS256', typ: 'JWT' }, '')}`]],
      ['a signature cut short', () => [bearer().slice(0, -1)]],
      ['two segments', () => [bearer().replace(/\.[^.]*$/, '')]],
      ['four segments', () => [`${bearer()}.x`]],
      ['bytes that are no ASCII', () => ['Authorization: Bearer \xff\xfe']],
      [
        'a kid that is a path',
        () => [`Authorization: Bearer ${forged({ alg: 'HS256', kid: '../../dev/null' }, '')}`],
      ],
      ['a kid of a prototype', () => [`Authorization: Bearer ${forged({ alg: 'HS256', kid: '__proto__' })}`]],
    ])('%s: 401', async (_what, lines) => {
      const { headers } = await expectRefused(
        requestOf(read('k'), { authorization: lines() }),
        401,
        'unauthenticated',
      );
      expect(headers.get('www-authenticate')).toBe('Bearer');
    });

    it('lower-case bearer is the same scheme (RFC 9110 11.1)', async () => {
      const authorization = [`authorization: bearer ${door.token}`];
      expect((await answerTo(requestOf(read('k'), { authorization }))).status).toBe(200);
    });

    it('8 KiB of header never reach the application', async () => {
      const authorization = [`Authorization: Bearer ${'x'.repeat(8 * 1024)}`];
      const { status } = await answerTo(requestOf(read('k'), { authorization }));
      expect([400, 401, 413]).toContain(status);
    });

    it('who is unknown is told so before the body is looked at, and a long one is not read', async () => {
      const parts = { authorization: [], type: ['Content-Type: text/plain'] };
      await expectRefused(requestOf('junk', parts), 401, 'unauthenticated');
      const { headers } = await expectRefused(
        requestOf('', { ...parts, announced: 2 ** 30 }),
        401,
        'unauthenticated',
      );
      expect(headers.get('connection')).toBe('close');
    });

    it.each(['', '{', 'null', '[]', '{"api_key":7}', '{"api_key":""}', '{"__proto__":{"api_key":"x"}}'])(
      'login with %j: 400',
      async (body) => {
        await expectRefused(requestOf(body, { path: '/login', authorization: [] }), 400, 'bad_request');
      },
    );
  });

  describe('stored by somebody else', () => {
    it('a Redis hash under the key is corrupt_value, and can be overwritten and deleted', async () => {
      await redis.client.hset('a hash', 'field', 'x');
      await expectRefused(requestOf(read('a hash')), 500, 'corrupt_value');
      expect((await answerTo(requestOf('{"key":"a hash","value":"v"}'))).json).toMatchObject({
        status: 'SUCCESS',
      });
      await redis.client.del('a hash');
      await redis.client.hset('a hash', 'field', 'x');
      expect((await answerTo(requestOf('{"command":"DELETE","key":"a hash"}'))).json).toMatchObject({
        status: 'SUCCESS',
      });
    });

    it.each<[string, number[]]>([
      ['a truncated envelope', [0xfe, 0x72, 0x63, 1]],
      ['an envelope of an unknown version', [0xfe, 0x72, 0x63, 9, 0, 1]],
      ['a value of an unknown kid', [0xfe, 0x72, 0x63, 1, 0x80, ...Buffer.alloc(100, 7)]],
      ['JSON that does not parse', [0xfe, 0x72, 0x63, 1, 1, ...Buffer.from('{"canary')]],
    ])('%s is corrupt_value, and its bytes are not shown', async (_what, bytes) => {
      await redis.client.set('corrupt', Buffer.from(bytes));
      const { body } = await expectRefused(requestOf(read('corrupt')), 500, 'corrupt_value');
      expect(body.toString()).not.toContain('canary');
    });

    it('a value far beyond the limit is too_large, and is not fetched', async () => {
      await redis.client.setrange('huge', 64 * 1024 * 1024, 'x');
      // To make so many zeros takes a busy machine longer than a node may be silent.
      await eventually(async () => (await answerTo(requestOf(read('absent')))).status === 200);
      await expectRefused(requestOf(read('huge')), 413, 'too_large');
    });

    it('bytes that are no UTF-8 are base64', async () => {
      await redis.client.set('bytes', Buffer.of(0xff, 0));
      expect((await answerTo(requestOf(read('bytes')))).json).toMatchObject({ value_base64: '/wA=' });
    });
  });
});
