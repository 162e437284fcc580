/** The fields of `POST /cache`: what is accepted, and how a fault is told. */
import { Json } from '../../src/core/command';
import { CacheError } from '../../src/core/errors';
import { DEPTH_MAX, type Limits, TTL_MS_MAX } from '../../src/core/limits';
import { CommandParser } from '../../src/doors/http/commands/parse-commands';

const limits: Limits = {
  keyBytesMax: 16,
  valueBytesMax: 100,
  batchMax: 3,
  depthMax: DEPTH_MAX,
  requestTimeoutMs: 1,
};
const parser = new CommandParser(limits, false);

const parse = (body: unknown) => parser.parse(typeof body === 'string' ? body : JSON.stringify(body));
const commandOf = (body: unknown) => parse(body).commands[0].command;
const write = (fields: object) => ({ command: 'WRITE', key: 'k', ...fields });
const written = (fields: object) => commandOf(write({ value: 'v', ...fields }));

function faultOf(body: unknown): { code: string; message: string } {
  try {
    parse(body);
  } catch (thrown) {
    if (thrown instanceof CacheError) return { code: thrown.code, message: thrown.message };
    throw thrown;
  }
  throw new Error('was accepted');
}

const nested = (depth: number): unknown => (depth === 0 ? 1 : [nested(depth - 1)]);

describe('accepted', () => {
  it('a READ, with its defaults', () => {
    expect(commandOf({ command: 'READ', key: 'k' })).toEqual({
      command: 'READ',
      key: 'k',
      consistency: 'eventual',
    });
  });

  it('a WRITE, with its defaults', () => {
    expect(written({})).toEqual({
      command: 'WRITE',
      key: 'k',
      value: 'v',
      ttlMs: undefined,
      condition: undefined,
      encrypt: undefined,
      ack: 0,
    });
  });

  it('a DELETE, with its defaults', () => {
    expect(commandOf({ command: 'DELETE', key: 'k' })).toEqual({ command: 'DELETE', key: 'k', ack: 0 });
  });

  it('key and value alone are a WRITE', () => {
    expect(commandOf({ key: 'k', value: '' })).toMatchObject({ command: 'WRITE', value: '' });
    expect(commandOf({ key: 'k', value_base64: '' })).toMatchObject({ command: 'WRITE', value: '' });
  });

  it.each(['eventual', 'session', 'strong'])('consistency %s', (consistency) => {
    expect(commandOf({ command: 'READ', key: 'k', consistency })).toMatchObject({ consistency });
  });

  it.each([0, 1, 2])('ack %s', (ack) => {
    expect(written({ ack })).toMatchObject({ ack });
    expect(commandOf({ command: 'DELETE', key: 'k', ack })).toMatchObject({ ack });
  });

  it.each([
    [0, 0],
    [-0, 0],
    [5, 5000],
    [0.5, 500],
    [16.1, 16_100],
    [1.001, 1001],
    [0.0004, 1],
    [1e-9, 1],
    [TTL_MS_MAX / 1000, TTL_MS_MAX],
  ])('a ttl of %s s is %s ms', (ttl, ttlMs) => {
    expect(written({ ttl })).toMatchObject({ ttlMs });
    expect(written({ expire: ttl })).toMatchObject({ ttlMs });
    expect(written({ ttl, condition: 'NX' })).toMatchObject({ ttlMs, condition: 'NX' });
  });

  it.each([...['__proto__', 'constructor', 'a b', '{}', '{tag}x', '\0', '\r\n', 'a'.repeat(16)]])(
    'the key %j is an ordinary key',
    (key) => {
      expect(commandOf({ command: 'READ', key })).toMatchObject({ key });
    },
  );

  it('a key is the bytes of its UTF-8', () => {
    expect(commandOf({ command: 'READ', key: '😀é' })).toMatchObject({ key: '\xf0\x9f\x98\x80\xc3\xa9' });
  });

  it.each([null, true, false, 0, -1.5, [], {}, [1, 'a', null], { a: { b: [] } }])(
    'the value %j as JSON',
    (value) => {
      expect(written({ value })).toMatchObject({ value: new Json(JSON.stringify(value)) });
    },
  );

  it('a value as deep as the limit', () => {
    expect(written({ value: nested(DEPTH_MAX) })).toMatchObject({
      value: new Json(JSON.stringify(nested(DEPTH_MAX))),
    });
  });

  it('a value with a field named __proto__ keeps it, and nothing else gets it', () => {
    const value = '{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}';
    expect(commandOf(`{"key":"k","value":${value}}`)).toMatchObject({ value: new Json(value) });
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });

  it('of a field that is given twice, the last counts', () => {
    expect(commandOf('{"command":"READ","key":"a","key":"b"}')).toMatchObject({ key: 'b' });
  });

  it('base64 that spells text is that text, other base64 its bytes', () => {
    expect(commandOf(write({ value_base64: 'w6k=' }))).toMatchObject({ value: 'é' });
    expect(commandOf(write({ value_base64: '/wA=' }))).toMatchObject({ value: Buffer.of(0xff, 0) });
  });

  it('the form of the value is remembered for the reply', () => {
    expect(parse(write({ value_base64: 'YQ==' })).commands[0].base64).toBe(true);
    expect(parse(write({ value: 'a' })).commands[0].base64).toBe(false);
    expect(parse({ command: 'READ', key: 'k', encoding: 'base64' }).commands[0].base64).toBe(true);
  });

  it('a batch of one is a batch', () => {
    expect(parse([{ command: 'READ', key: 'k' }])).toMatchObject({ isBatch: true });
    expect(parse({ command: 'READ', key: 'k' })).toMatchObject({ isBatch: false });
  });

  it('values and keys at their limit', () => {
    expect(written({ value: 'x'.repeat(100) })).toMatchObject({ value: 'x'.repeat(100) });
    expect(written({ value: 'é'.repeat(50) })).toMatchObject({ value: 'é'.repeat(50) });
    expect(commandOf(write({ value_base64: Buffer.alloc(100).toString('base64') }))).toMatchObject({
      value: '\0'.repeat(100),
    });
    expect(parse([1, 2, 3].map(() => ({ command: 'READ', key: 'k' }))).commands).toHaveLength(3);
  });
});

describe('refused with bad_request, by the name of what is wrong', () => {
  it.each<[unknown, string]>([
    ['', 'not valid JSON'],
    ['{"command":"READ","key":"k"} x', 'not valid JSON'],
    ['{"command":"READ"', 'not valid JSON'],
    ['\ufeff{}', 'not valid JSON'],
    [null, 'JSON object'],
    ['"READ"', 'JSON object'],
    ['7', 'JSON object'],
    [[], 'at least one'],
    [[[]], 'JSON object'],
    [{}, '"command"'],
    [{ key: 'k' }, '"command"'],
    [{ value: 'v' }, '"command"'],
    [{ command: 'read', key: 'k' }, '"command"'],
    [{ command: null, key: 'k' }, '"command"'],
    [{ command: ['READ'], key: 'k' }, '"command"'],
    [{ command: 'READ' }, '"key"'],
    [{ command: 'READ', key: 7 }, '"key"'],
    [{ command: 'READ', key: null }, '"key"'],
    [{ command: 'READ', key: ['k'] }, '"key"'],
    [{ command: 'READ', key: '' }, '"key"'],
    ['{"command":"READ","key":"a\\ud800"}', '"key"'],
    ['{"command":"READ","key":"\\udc00\\ud800"}', '"key"'],
    [{ command: 'READ', key: 'k', foo: 1 }, '"foo"'],
    ['{"command":"READ","key":"k","__proto__":{}}', '"__proto__"'],
    ['{"command":"READ","__proto__":{"key":"k"}}', '"__proto__"'],
    ['{"command":"WRITE","key":"k","value":"v","__proto__":{"condition":"NX"}}', '"__proto__"'],
    [{ command: 'READ', key: 'k', ttl: 1 }, '"ttl"'],
    [{ command: 'READ', key: 'k', value: 'v' }, '"value"'],
    [{ command: 'READ', key: 'k', encoding: 'utf8' }, '"encoding"'],
    [{ command: 'READ', key: 'k', consistency: 'Strong' }, '"consistency"'],
    [{ command: 'DELETE', key: 'k', value: 'v' }, '"value"'],
    [{ command: 'DELETE', key: 'k', ack: 3 }, '"ack"'],
    [write({}), '"value"'],
    [write({ value: 'v', value_base64: 'dg==' }), 'value_base64'],
    [write({ value_base64: 7 }), '"value_base64"'],
    [write({ value_base64: 'dg' }), '"value_base64"'],
    [write({ value_base64: 'dh==' }), '"value_base64"'],
    [write({ value_base64: 'd g==' }), '"value_base64"'],
    [write({ value_base64: '-_8=' }), '"value_base64"'],
    [write({ value: 'v', ttl: '5' }), '"ttl"'],
    [write({ value: 'v', ttl: -1 }), '"ttl"'],
    [write({ value: 'v', ttl: null }), '"ttl"'],
    [write({ value: 'v', ttl: TTL_MS_MAX / 1000 + 1 }), '"ttl"'],
    ['{"key":"k","value":"v","ttl":1e309}', '"ttl"'],
    ['{"command":"WRITE","key":"k","value":"v","ttl":-1e309}', '"ttl"'],
    [write({ value: 'v', expire: '5' }), '"expire"'],
    [write({ value: 'v', ttl: 1, expire: 1 }), 'expire'],
    [write({ value: 'v', condition: 'nx' }), '"condition"'],
    [write({ value: 'v', encrypt: 'true' }), '"encrypt"'],
    [write({ value: 'v', encrypt: true }), '"encrypt"'],
    [write({ value: 'v', ack: '1' }), '"ack"'],
    [write({ value: 'v', encoding: 'base64' }), '"encoding"'],
    [write({ value: nested(DEPTH_MAX + 1) }), '"value"'],
    [`{"key":"k","value":${'['.repeat(30_000)}${']'.repeat(30_000)}}`, '"value"'],
    [`{"command":"READ","key":${'['.repeat(30_000)}${']'.repeat(30_000)}}`, '"key"'],
    [`{"key":"k","value":"v","condition":${'['.repeat(30_000)}${']'.repeat(30_000)}}`, '"condition"'],
    [`{"key":"k","value":${'['.repeat(200_000)}${']'.repeat(200_000)}}`, 'nested'],
    ['{"key":"k","value":9007199254740993}', 'as a string'],
    ['{"key":"k","value":{"a":[0.1000000000000000055]}}', 'as a string'],
    ['{"key":"k","value":1e400}', 'as a string'],
  ])('case %#', (body, name) => {
    const { code, message } = faultOf(body);
    expect(code).toBe('bad_request');
    expect(message).toContain(name);
  });

  it('a batch names the index of its first fault', () => {
    const read = { command: 'READ', key: 'k' };
    expect(faultOf([read, read, { command: 'READ', key: 'k', ttl: 1 }])).toEqual({
      code: 'bad_request',
      message: 'Command [2]: "ttl" is not allowed.',
    });
    expect(faultOf([read, 7]).message).toContain('Command [1]');
  });

  it('a message does not grow with the name of an unknown field', () => {
    expect(faultOf({ command: 'READ', key: 'k', ['x'.repeat(10_000)]: 1 }).message.length).toBeLessThan(300);
  });
});

describe('refused with too_large', () => {
  it.each<[string, unknown]>([
    ['a key', { command: 'READ', key: 'a'.repeat(17) }],
    ['a key in bytes', { command: 'READ', key: 'é'.repeat(9) }],
    ['a key of a command for joi', { command: 'READ', key: 'a'.repeat(17), consistency: 'strong' }],
    ['a value', write({ value: 'x'.repeat(101) })],
    ['a value in bytes', write({ value: 'é'.repeat(51) })],
    ['a value that is JSON', write({ value: ['x'.repeat(100)] })],
    ['a value in base64', write({ value_base64: Buffer.alloc(101).toString('base64') })],
    ['a batch', [1, 2, 3, 4].map(() => ({ command: 'READ', key: 'k' }))],
  ])('%s', (_what, body) => {
    expect(faultOf(body).code).toBe('too_large');
  });
});

it('encrypt: true is accepted where keys are configured', () => {
  const encrypting = new CommandParser(limits, true);
  expect(
    encrypting.parse(JSON.stringify(write({ value: 'v', encrypt: true }))).commands[0].command,
  ).toMatchObject({
    encrypt: true,
  });
});
