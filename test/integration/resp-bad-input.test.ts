/**
 * Bad input through the RESP door, class by class: what is wrong is refused in Redis's words, nothing but the request or
 * the connection ends with it, and the next one is served.
 */
import { createHmac } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { createSession } from '../../src/doors/resp/session';
import { eventually } from '../support/eventually';
import { API_KEY, JWT_SECRET } from '../support/http-door';
import { openTestRespListener, type TestRespListener } from '../support/resp-listener';
import { requestBytes, type Word, type WireConnection } from '../support/resp-wire';

type Json = Readonly<Record<string, unknown>>;

function base64(value: Json): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

function signed(header: Json, payload: Json, secret = JWT_SECRET, hash = 'sha256'): string {
  const input = `${base64(header)}.${base64(payload)}`;
  return `${input}.${createHmac(hash, secret).update(input).digest('base64url')}`;
}

/** What can be wrong with a token that is good otherwise. None of these counts as a guess at a key. */
const FAULTS: readonly [string, (header: Json, payload: Json) => string][] = [
  ['no algorithm', (header, payload) => `${base64({ ...header, alg: 'none' })}.${base64(payload)}.`],
  [
    'another algorithm',
    (header, payload) => signed({ ...header, alg: 'HS512' }, payload, JWT_SECRET, 'sha512'),
  ],
  ['another secret', (header, payload) => signed(header, payload, 'x'.repeat(32))],
  ['an unknown client', (header, payload) => signed(header, { ...payload, sub: 'nobody' })],
  ['another audience', (header, payload) => signed(header, { ...payload, aud: 'others' })],
  ['an end that is text', (header, payload) => signed(header, { ...payload, exp: String(payload['exp']) })],
  ['an end that was', (header, payload) => signed(header, { ...payload, exp: 1 })],
  ['a blank signature', (header, payload) => `${base64(header)}.${base64(payload)}.`],
  ['8 KiB', (header, payload) => signed(header, { ...payload, more: 'x'.repeat(8192) })],
  ['nothing in it', () => 'eyJ..'],
  ['a hostile kid', (header, payload) => signed({ ...header, kid: '../../etc/passwd' }, payload)],
];

const LIMITS = { keyBytesMax: 100, valueBytesMax: 100_000 };
const OK = '+OK\r\n';

let listener: TestRespListener;
let client: WireConnection;

beforeAll(async () => {
  listener = await openTestRespListener({ limits: LIMITS, listener: { createSession } });
});
afterAll(() => listener.close());

beforeEach(async () => {
  client = await listener.connect();
  expect(String(await client.ask('AUTH', API_KEY))).toBe(OK);
});

afterEach(async () => {
  client.close();
  const next = await listener.connect();
  expect(String(await next.ask('AUTH', API_KEY))).toBe(OK);
  expect(String(await next.ask('SET', 'next', 'one'))).toBe(OK);
  expect(String(await next.ask('GET', 'next'))).toBe('$3\r\none\r\n');
  next.close();
  expect(Object.keys(Object.prototype)).toEqual([]);
  expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
});

const ask = async (...words: Word[]) => String(await client.ask(...words));

describe('bodies', () => {
  it.each([
    ['an empty line', '\r\n'],
    ['a blank line', '   \r\n'],
    ['no words', '*0\r\n'],
    ['fewer than none', '*-1\r\n'],
  ])('%s is no request, and not answered', async (_name, bytes) => {
    client.write(bytes);
    expect(await ask('PING')).toBe('+PONG\r\n');
  });

  it.each<[string, Word]>([
    ['an empty array of JSON', '[]\r\n'],
    ['JSON without quotes', '{a:1}\r\n'],
    ['null', 'null\r\n'],
    ['a string', '"a string"\r\n'],
    ['a byte-order mark in front', '\ufeffPING\r\n'],
    ['an empty name', '*1\r\n$0\r\n\r\n'],
    ['a name that is a part of every object', '*1\r\n$11\r\nconstructor\r\n'],
    ['another one', '*1\r\n$9\r\n__proto__\r\n'],
  ])('%s is an unknown command', async (_name, bytes) => {
    client.write(bytes);
    expect(String(await client.next())).toMatch(/^-ERR unknown command /);
    expect(await ask('PING')).toBe('+PONG\r\n');
  });

  it.each([
    ['JSON', '{"command":"READ","key":"k"}\r\n', 'unbalanced quotes in request'],
    ['quotes that do not end', 'SET "k\r\n', 'unbalanced quotes in request'],
    ['a count that is no number', '*x\r\n', 'invalid multibulk length'],
    ['a count beyond every limit', '*1073741825\r\n', 'invalid multibulk length'],
    ['a word without a length', '*1\r\nPING\r\n', "expected '$', got 'P'"],
    ['a length below none', '*1\r\n$-1\r\n', 'invalid bulk length'],
    ['a length that is no number', '*1\r\n$x\r\n', 'invalid bulk length'],
    [
      'a value of a byte too many',
      `*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$${LIMITS.valueBytesMax + 1}\r\n`,
      'invalid bulk length',
    ],
    ['1 GiB announced', '*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1073741824\r\n', 'invalid bulk length'],
    ['a line without an end', 'x'.repeat(65_537), 'too big inline request'],
  ])('%s ends the connection in Redis’s words', async (_name, bytes, words) => {
    client.write(bytes);
    expect(String(await client.next())).toBe(`-ERR Protocol error: ${words}\r\n`);
    await eventually(() => client.hasEnded);
  });

  it.each<[string, Buffer]>([
    ['UTF-16', Buffer.from('PING\r\n', 'utf16le')],
    ['gzip', gzipSync('PING\r\n')],
  ])(
    '%s is a line that a NUL hides the end of: like every half request it may not stay',
    async (_name, bytes) => {
      client.write(bytes);
      await expect(client.next()).rejects.toThrow('closed');
    },
  );

  it('junk behind a request ends the connection when the request was answered', async () => {
    client.write(Buffer.concat([requestBytes(['PING']), Buffer.from('*1\r\n!junk\r\n')]));
    expect(String(await client.next())).toBe('+PONG\r\n');
    expect(String(await client.next())).toMatch(/^-ERR Protocol error: /);
    await eventually(() => client.hasEnded);
  });

  it('half a request and the end is nothing', async () => {
    client.socket.end('*3\r\n$3\r\nSET\r\n$4\r\nhalf\r\n$10\r\nabc');
    await expect(client.next()).rejects.toThrow();
    client = await listener.connect();
    await ask('AUTH', API_KEY);
    expect(await ask('GET', 'half')).toBe('$-1\r\n');
  });

  it('a value at the limit is taken and given back', async () => {
    const value = 'v'.repeat(LIMITS.valueBytesMax);
    expect(await ask('SET', 'k', value)).toBe(OK);
    expect(await ask('GET', 'k')).toBe(`$${value.length}\r\n${value}\r\n`);
  });
});

describe('keys', () => {
  it.each<[string, Word]>([
    ['the longest', 'k'.repeat(LIMITS.keyBytesMax)],
    ['one with a NUL', 'a\0b'],
    ['one with ends of lines', 'a\r\nb\r\n+OK\r\n'],
    ['an empty tag', '{}'],
    ['an emoji', '😀'],
    ['a lone surrogate’s bytes', Buffer.of(0xed, 0xa0, 0x80)],
    ['bytes that are no text', Buffer.of(0xff, 0xfe, 0x00, 0x80)],
    ['__proto__', '__proto__'],
    ['constructor', 'constructor'],
  ])('%s is a key like any other', async (_name, key) => {
    expect(await ask('SET', key, 'v')).toBe(OK);
    expect(await ask('GET', key)).toBe('$1\r\nv\r\n');
    expect(await ask('EXISTS', key)).toBe(':1\r\n');
    expect(await ask('DEL', key)).toBe(':1\r\n');
    expect(await ask('GET', key)).toBe('$-1\r\n');
  });

  it('one that is a byte too long is refused, and the connection stays', async () => {
    const key = 'k'.repeat(LIMITS.keyBytesMax + 1);
    for (const words of [
      ['GET', key],
      ['SET', key, 'v'],
      ['DEL', key],
      ['MGET', 'k', key],
    ]) {
      expect(await ask(...words)).toMatch(/^-ERR /);
    }
    expect(await ask('PING')).toBe('+PONG\r\n');
  });
});

describe('words', () => {
  it.each([
    [['GET'], /^-ERR wrong number of arguments for 'get' command/],
    [['SET', 'k'], /^-ERR wrong number of arguments for 'set' command/],
    [['GET', 'a', 'b'], /^-ERR wrong number of arguments for 'get' command/],
    [['SET', 'k', 'v', 'WHAT'], /^-ERR syntax error/],
    [['SET', 'k', 'v', 'EX'], /^-ERR syntax error/],
    [['SET', 'k', 'v', 'EX', '1', 'PX', '1'], /^-ERR syntax error/],
    [['SET', 'k', 'v', 'NX', 'XX'], /^-ERR syntax error/],
    [['SET', 'k', 'v', 'EX', '-1'], /^-ERR invalid expire time in 'set' command/],
    [['SET', 'k', 'v', 'EX', '0'], /^-ERR invalid expire time in 'set' command/],
    [['SET', 'k', 'v', 'EX', '1e309'], /^-ERR value is not an integer or out of range/],
    [['SET', 'k', 'v', 'EX', '1.5'], /^-ERR value is not an integer or out of range/],
    [['SET', 'k', 'v', 'EX', ''], /^-ERR value is not an integer or out of range/],
    [['SET', 'k', 'v', 'PX', '9223372036854775808'], /^-ERR value is not an integer or out of range/],
    [['SET', 'k', 'v', 'EX', '9223372036854775807'], /^-ERR /],
    [['CLIENT', 'WHAT'], /^-ERR unknown subcommand 'WHAT'\. Try CLIENT HELP\./],
    [['CLIENT', '__proto__'], /^-ERR unknown subcommand '__proto__'/],
    [['HELLO', '9007199254740993'], /^-NOPROTO /],
    [['SELECT', '1'], /^-ERR /],
    [['SHUTDOWN'], /^-ERR /],
    [['CONFIG', 'SET', 'dir', '/'], /^-ERR /],
    [['DEBUG', 'SEGFAULT'], /^-ERR /],
  ])('%j is refused, and the connection stays', async (words, expected) => {
    expect(await ask(...words)).toMatch(expected);
    expect(await ask('PING')).toBe('+PONG\r\n');
  });

  it('a life as text of a number is one, since all words are text', async () => {
    expect(await ask('SET', 'k', 'v', 'EX', '5')).toBe(OK);
  });

  it('an error never holds a line’s end that a caller sent', async () => {
    const reply = await ask('NO\r\n+OK\r\nSUCH', 'a\r\n-ERR b');
    expect(reply.indexOf('\r\n')).toBe(reply.length - 2);
    expect(reply).toMatch(/^-ERR unknown command/);
  });
});

describe('who it is', () => {
  let stranger: WireConnection;
  beforeEach(async () => {
    stranger = await listener.connect();
  });
  afterEach(() => stranger.close());
  const askAs = async (...words: Word[]) => String(await stranger.ask(...words));
  const WRONG = '-WRONGPASS invalid username-password pair or user is disabled.\r\n';

  it('a stranger is told that it has to say, whatever it asks, and learns nothing', async () => {
    for (const words of [
      ['GET', 'k'],
      ['SET', 'k', 'v'],
      ['KEYS', '*'],
      ['CLIENT', 'LIST'],
      ['INFO'],
      ['CONFIG', 'GET', '*'],
    ]) {
      expect(await askAs(...words)).toBe('-NOAUTH Authentication required.\r\n');
    }
    expect(await askAs('HELLO', '3')).toMatch(/^-NOAUTH HELLO must be called/);
    expect(await askAs('PING')).toMatch(/^\+PONG|^-NOAUTH/);
  });

  it.each(FAULTS)('a token with %s is refused as every other', async (_name, faulty) => {
    const [header = {}, payload = {}] = listener.door.token
      .split('.')
      .slice(0, 2)
      .map((part) => JSON.parse(Buffer.from(part, 'base64url').toString()) as Json);
    expect(String(await client.ask('AUTH', signed(header, payload)))).toBe(OK);
    expect(await askAs('AUTH', faulty(header, payload))).toBe(WRONG);
    expect(await askAs('GET', 'k')).toMatch(/^-NOAUTH /);
  });

  it('AUTH with too many words, or none, is no attempt', async () => {
    expect(await askAs('AUTH')).toMatch(/^-ERR wrong number of arguments for 'auth' command/);
    expect(await askAs('AUTH', 'a', 'b', 'c')).toBe('-ERR syntax error\r\n');
  });

  it('whoever fails is who it was', async () => {
    expect(await ask('AUTH', 'eyJ.x.y')).toBe(WRONG);
    expect(await ask('ACL', 'WHOAMI')).toBe('$7\r\napi-key\r\n');
  });
});
