import { createKeyring } from '../../src/cipher/keyring';
import { Json, type Value } from '../../src/core/command';
import { CacheError } from '../../src/core/errors';
import { keyFromText } from '../../src/core/key';
import { decodeValue, encodeValue, sealedKeyId, valueBytes } from '../../src/core/value';

const KEY = keyFromText('ключ:1');
const MAGIC = [0xfe, 0x72, 0x63];
const cipher = createKeyring([{ id: 'k1', bytes: Buffer.alloc(32, 1) }]);

function errorOf(action: () => unknown): CacheError {
  try {
    action();
  } catch (error) {
    if (error instanceof CacheError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

/** A value that keeps its own bytes, one that JSON must carry, one that must be enveloped, and borders of each. */
const VALUES: [string, Value][] = [
  ['text', 'my_value'],
  ['no text', ''],
  ['text that looks like JSON', '{"a":1}'],
  ['text that looks like a number', '12345678901234567890'],
  ['a byte order mark', '\ufeffx'],
  ['emoji', '\u{1f600}'],
  ['NUL and line ends', '\0\r\n'],
  ['text of the magic as Latin-1 characters', '\xferc'],
  ['__proto__', '__proto__'],
  ['a lone high surrogate', 'a\ud800b'],
  ['a lone low surrogate', '\udc00'],
  ['a pair the wrong way round', '\udc00\ud800'],
  ['bytes that are not UTF-8', Buffer.from([0xff, 0x00, 0x80])],
  ['bytes that begin with the magic', Buffer.from([...MAGIC, 1, 0, 42])],
  ['the magic alone', Buffer.from(MAGIC)],
  ['the magic without its end', Buffer.from(MAGIC.slice(0, 2))],
  ['null', new Json('null')],
  ['a number with its digits', new Json('1.50e+2')],
  ['an object', new Json('{"__proto__":{"polluted":true},"constructor":1}')],
  ['an empty array', new Json('[]')],
  ['JSON with an escaped lone surrogate', new Json('["\\ud800"]')],
  ['JSON 100,000 deep', new Json('['.repeat(100_000) + ']'.repeat(100_000))],
];

describe('a value', () => {
  it.each(VALUES)('comes back as it was stored: %s', (_what, value) => {
    expect(decodeValue(KEY, encodeValue(KEY, value, undefined), undefined)).toEqual(value);
  });

  it.each(VALUES)('comes back as it was stored, encrypted: %s', (_what, value) => {
    expect(decodeValue(KEY, encodeValue(KEY, value, cipher), cipher)).toEqual(value);
  });

  it.each(VALUES)('stored in plain is read where keys are configured: %s', (_what, value) => {
    expect(decodeValue(KEY, encodeValue(KEY, value, undefined), cipher)).toEqual(value);
  });

  it('leaves Object.prototype as it was', () => {
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });
});

describe('what is stored', () => {
  it('text is its UTF-8 bytes and nothing else', () => {
    expect(encodeValue(KEY, 'grün \u{1f600}', undefined)).toEqual(Buffer.from('grün \u{1f600}'));
  });

  it('bytes are themselves, without a copy', () => {
    const bytes = Buffer.from([0xff, 1, 2]);
    expect(encodeValue(KEY, bytes, undefined)).toBe(bytes);
    expect(decodeValue(KEY, bytes, undefined)).toBe(bytes);
  });

  it('bytes that are valid UTF-8 are the same value as the text they spell', () => {
    const bytes = Buffer.from('grün');
    expect(decodeValue(KEY, encodeValue(KEY, bytes, undefined), undefined)).toBe('grün');
    expect(decodeValue(KEY, encodeValue(KEY, bytes, cipher), cipher)).toBe('grün');
  });

  it('the envelope is magic, version, flags, payload', () => {
    const json = encodeValue(KEY, new Json('[1]'), undefined);
    expect(json).toEqual(Buffer.from([...MAGIC, 1, 0x01, ...Buffer.from('[1]')]));
    const raw = encodeValue(KEY, Buffer.from([...MAGIC, 9]), undefined);
    expect(raw).toEqual(Buffer.from([...MAGIC, 1, 0x00, ...MAGIC, 9]));
    expect(encodeValue(KEY, 'secret', cipher).subarray(0, 8)).toEqual(
      Buffer.from([...MAGIC, 1, 0x80, 2, ...Buffer.from('k1')]),
    );
    expect(encodeValue(KEY, new Json('[1]'), cipher)[4]).toBe(0x81);
  });

  it('an encrypted value shows none of its bytes', () => {
    expect(encodeValue(KEY, 'a secret that is long enough', cipher).includes('secret')).toBe(false);
  });

  it.each([
    ['', 0],
    ['grün', 5],
    [Buffer.from([...MAGIC, 1]), 4],
    [new Json('{"a":"ü"}'), 10],
  ] as [Value, number][])('the size of %p is %d, envelope not counted', (value, bytes) => {
    expect(valueBytes(value)).toBe(bytes);
  });
});

describe('corrupt_value is the answer to', () => {
  const json = (text: string | Buffer): Buffer =>
    Buffer.concat([Buffer.from([...MAGIC, 1, 1]), Buffer.from(text)]);
  const withByte = (stored: Buffer, at: number, byte: number): Buffer => {
    const altered = Buffer.from(stored);
    altered[at] = byte;
    return altered;
  };
  const sealed = encodeValue(KEY, 'secret', cipher);
  const sealedJson = encodeValue(KEY, new Json('"5"'), cipher);

  it.each([
    ['an envelope that ends after the magic', Buffer.from(MAGIC)],
    ['an envelope that ends after the version', Buffer.from([...MAGIC, 1])],
    ['an unknown version', Buffer.from([...MAGIC, 2, 0, ...MAGIC])],
    ['an unknown flag', Buffer.from([...MAGIC, 1, 0x02, ...MAGIC])],
    ['every flag', Buffer.from([...MAGIC, 1, 0xff, ...MAGIC])],
    ['an envelope around bytes that need none', Buffer.from([...MAGIC, 1, 0, 65])],
    ['no JSON at all', json('')],
    ['JSON that was cut off', json('{"a":1')],
    ['two JSON values', json('1,2')],
    ['JSON that is not UTF-8', json(Buffer.from([0x22, 0xff, 0x22]))],
    ['nothing sealed', Buffer.from([...MAGIC, 1, 0x80])],
    ['a sealed value of an unknown key id', withByte(sealed, 7, 0x32)],
    ['a sealed value whose version was changed', withByte(sealed, 3, 2)],
    ['sealed text declared to be JSON', withByte(sealed, 4, 0x81)],
    ['sealed JSON declared to be text', withByte(sealedJson, 4, 0x80)],
    ['a sealed value declared to be plain', withByte(sealed, 4, 0x00)],
  ])('%s', (_what, stored) => {
    expect(errorOf(() => decodeValue(KEY, stored, cipher)).code).toBe('corrupt_value');
  });

  it('a value moved under another key', () => {
    expect(errorOf(() => decodeValue(keyFromText('ключ:2'), sealed, cipher)).code).toBe('corrupt_value');
  });

  it('an encrypted value where no keys are configured', () => {
    expect(errorOf(() => decodeValue(KEY, sealed, undefined)).code).toBe('corrupt_value');
  });

  it('and neither the message nor any cause repeats the value', () => {
    const error = errorOf(() => decodeValue(KEY, json('canary-of-a-value'), undefined));
    expect(`${error.stack} ${String((error.cause as Error).stack)}`).not.toContain('canary');
    expect((error.cause as Error).cause).toBeUndefined();
  });
});

describe('the id of the sealing key', () => {
  it('is told for sealed values, of a known key or not', () => {
    expect(sealedKeyId(encodeValue(KEY, 'x', cipher), cipher)).toBe('k1');
    const other = createKeyring([{ id: 'other', bytes: Buffer.alloc(32, 9) }]);
    expect(sealedKeyId(encodeValue(KEY, new Json('[]'), other), cipher)).toBe('other');
  });

  it.each([
    ['text', Buffer.from('text')],
    ['JSON', encodeValue(KEY, new Json('[]'), undefined)],
    ['an envelope in an envelope', encodeValue(KEY, encodeValue(KEY, 'x', cipher), undefined)],
    ['an unknown version', Buffer.from([...MAGIC, 2, 0x80, 2, 0x6b, 0x31, ...Buffer.alloc(40)])],
    ['a sealed record that is cut off', encodeValue(KEY, 'x', cipher).subarray(0, 30)],
  ])('is undefined for %s', (_what, stored) => {
    expect(sealedKeyId(stored, cipher)).toBeUndefined();
  });
});
