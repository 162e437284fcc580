/**
 * What Redis 7.0.15 makes of these bytes was tried on one. Each case arrives whole, byte by byte and cut at seeded
 * places, and must come to the same.
 */
import { ProtocolError, RequestParser, type RequestLimits } from '../../src/doors/resp/request-parser';
import { Random } from '../torture/random';

const LIMITS: RequestLimits = {
  inlineBytesMax: 65_536,
  wordsMax: 16_384,
  bulkBytesMax: 8_388_608,
  requestBytesMax: 67_108_864,
  isAuthenticated: true,
};
const STRANGER: RequestLimits = { ...LIMITS, isAuthenticated: false };

interface Outcome {
  /** Words as byte strings. */
  readonly requests: readonly (readonly string[])[];
  readonly error?: string;
}

type Case = readonly [name: string, bytes: string, expected: Outcome, limits?: RequestLimits];

const nothing: Outcome = { requests: [] };
const failed = (text: string, ...requests: string[][]): Outcome => ({
  requests,
  error: `Protocol error: ${text}`,
});
const invalidCount = failed('invalid multibulk length');
const invalidBulk = failed('invalid bulk length');
const PING = '*1\r\n$4\r\nPING\r\n';
const one = (...words: string[]): Outcome => ({ requests: [words] });

const ARRAYS: readonly Case[] = [
  ['a request', '*2\r\n$3\r\nGET\r\n$1\r\nk\r\n', one('GET', 'k')],
  ['several', PING + PING, { requests: [['PING'], ['PING']] }],
  ['an empty word', '*2\r\n$0\r\n\r\n$1\r\n\0\r\n', one('', '\0')],
  ['any bytes', '*1\r\n$6\r\n\r\n\0\xff$*\r\n', one('\r\n\0\xff$*')],
  ['two other bytes behind a bulk', '*2\r\n$3\r\nGET12$1\r\nk\0\0', one('GET', 'k')],
  ['any byte behind the CR of a number', '*1\rX$4\r\0PING\r\n', one('PING')],
  ['no words at all', `*0\r\n${PING}`, one('PING')],
  ['fewer than none', `*-1\r\n*-9223372036854775808\r\n${PING}`, one('PING')],
  ['fewer than 64 bits can say', '*-9223372036854775809\r\n', invalidCount],
  ['nothing for a number', '*\r\n', invalidCount],
  ['a minus alone', '*-\r\n', invalidCount],
  ['minus zero', '*-0\r\n', invalidCount],
  ['a plus', '*+1\r\n', invalidCount],
  ['a blank in front', '* 1\r\n', invalidCount],
  ['a blank behind', '*1 \r\n', invalidCount],
  ['a zero in front', '*01\r\n', invalidCount],
  ['twice zero', '*00\r\n', invalidCount],
  ['a line that ends with LF alone', '*1\n$4\r\nPING\r\n', invalidCount],
  ['a fraction', '*1.5\r\n', invalidCount],
  ['one more than an int', '*2147483648\r\n', invalidCount],
  ['more than 64 bits', '*9223372036854775808\r\n', invalidCount],
  ['twenty digits', '*10000000000000000000\r\n', invalidCount],
  ['thirty digits', `*-${'1'.repeat(30)}\r\n`, invalidCount],
  ['one word too many', '*16385\r\n', invalidCount],
  [
    'a requests that stands before an error',
    `${PING}*x\r\n${PING}`,
    failed('invalid multibulk length', ['PING']),
  ],
  ['a bulk of less than nothing', '*1\r\n$-1\r\n', invalidBulk],
  ['a bulk without a length', '*1\r\n$\r\n', invalidBulk],
  ['a bulk with a zero in front', '*1\r\n$04\r\nPING\r\n', invalidBulk],
  ['one byte too many', '*1\r\n$8388609\r\n', invalidBulk],
  ['more than Redis takes', '*1\r\n$536870913\r\n', invalidBulk],
  ['a bulk of 2⁶³', '*1\r\n$9223372036854775808\r\n', invalidBulk],
  ['a number instead of a bulk', '*1\r\n:1\r\n', failed("expected '$', got ':'")],
  ['an array within', '*1\r\n*1\r\n', failed("expected '$', got '*'")],
  ['an empty line instead of a bulk', '*1\r\n\r\n', failed("expected '$', got '\r'")],
  ['a CR and a digit instead of a bulk', '*1\r\n\r5', failed("expected '$', got '\r'")],
  ['a byte that is no ASCII', '*1\r\n\xff\r\n', failed("expected '$', got '\xff'")],
  ['a NUL in front of the CR: the line has no end', '*1\0\r\n$4\r\nPING\r\n', nothing],
  ['a NUL instead of a bulk', '*1\r\n\x005\r\n', nothing],
  ['a NUL within a length', '*1\r\n$4\0\r\nPING\r\n', nothing],
  ['a count line without an end', `*${'1'.repeat(65_536)}`, failed('too big mbulk count string')],
  ['the longest that is waited for', `*${'1'.repeat(65_535)}`, nothing],
  ['a longer one with its end', `*${'1'.repeat(65_536)}\r\n`, failed('too big mbulk count string')],
  ['the longest with its end', `*${'1'.repeat(65_535)}\r\n`, invalidCount],
  ['a length without an end', `*1\r\n$${'1'.repeat(65_536)}`, failed('too big bulk count string')],
  ['a length that a NUL hides', `*1\r\n$\0${'\r'.repeat(65_536)}`, failed('too big bulk count string')],
  ['what is not all there', '*2\r\n$3\r\nGET\r\n$1\r\nk\r', nothing],
  ['a count that is not all there', '*2\r', nothing],
];

/** A request as small as the limit, so that it can be sent as a whole. */
const SHORT: RequestLimits = { ...LIMITS, requestBytesMax: 10 };
const TOGETHER: readonly Case[] = [
  [
    'bulks of as much together',
    '*3\r\n$4\r\nECHO\r\n$6\r\n123456\r\n$0\r\n\r\n',
    one('ECHO', '123456', ''),
    SHORT,
  ],
  ['a byte more', '*3\r\n$4\r\nECHO\r\n$6\r\n123456\r\n$1\r\n', invalidBulk, SHORT],
  ['each request by itself', PING.repeat(4), { requests: Array<string[]>(4).fill(['PING']) }, SHORT],
];

const STRANGERS: readonly Case[] = [
  ['ten words', `*10\r\n${'$1\r\na\r\n'.repeat(10)}`, one(...Array<string>(10).fill('a')), STRANGER],
  ['eleven words', '*11\r\n', failed('unauthenticated multibulk length'), STRANGER],
  [
    'more words than anybody may have',
    '*2147483647\r\n',
    failed('unauthenticated multibulk length'),
    STRANGER,
  ],
  ['more than an int', '*2147483648\r\n', invalidCount, STRANGER],
  ['16 KiB', `*1\r\n$16384\r\n${'a'.repeat(16_384)}\r\n`, one('a'.repeat(16_384)), STRANGER],
  ['16 KiB and a byte', '*1\r\n$16385\r\n', failed('unauthenticated bulk length'), STRANGER],
  ['more than Redis takes', '*1\r\n$536870913\r\n', invalidBulk, STRANGER],
];

const unbalanced = failed('unbalanced quotes in request');
const LINES: readonly Case[] = [
  ['a line', 'GET k\r\n', one('GET', 'k')],
  ['a line that ends with LF', 'GET k\nPING\n', { requests: [['GET', 'k'], ['PING']] }],
  ['empty lines', '\r\n\n \t\r\r\nPING\r\n', one('PING')],
  ['blanks of all kinds', ' \tSET  k\tv\r \r\n', one('SET', 'k', 'v')],
  ['vertical tab and form feed divide words', 'a \v\fb\n', one('a', 'b')],
  ['… and do not end one', 'a\vb\f c\n', one('a\vb\f', 'c')],
  ['a CR within a line', 'a\rb\n', one('a', 'b')],
  ['quotes', `"a b" 'c d' "" ''\n`, one('a b', 'c d', '', '')],
  ['escapes', String.raw`"\n\r\t\b\a\x41\xfF\q\\\"\xZ1\x4"` + '\n', one('\n\r\t\b\x07A\xffq\\"xZ1x4')],
  ['a NUL by its code', String.raw`"a\x00b"` + '\n', one('a\0b')],
  ['no escapes but one in single quotes', String.raw`'\n\'\\a' x` + '\n', one("\\n'\\\\a", 'x')],
  ['no escapes without quotes', '\\n\\x41\\\n', one('\\n\\x41\\')],
  ['a quote within a word', `ab"c d" x'y' z\n`, one('abc d', 'xy', 'z')],
  ['a word behind a quote', '"a"b\n', unbalanced],
  ['a quote behind a quote', `"a"'b'\n`, unbalanced],
  ['a vertical tab behind a quote', '"a"\vb\n', one('a', 'b')],
  ['a quote that is not closed', 'PING\n"a\n', failed('unbalanced quotes in request', ['PING'])],
  ['a single one', "'a\n", unbalanced],
  ['one whose end is escaped', String.raw`"a\"` + '\n', unbalanced],
  ['a single one whose end is escaped', String.raw`'a\'` + '\n', unbalanced],
  ['a backslash at the end', '"a\\\n', unbalanced],
  ['what looks like a bulk', '$4\r\nPING\r\n', { requests: [['$4'], ['PING']] }],
  ['a NUL: the line has no end', 'PI\0NG\r\nPING\r\n', nothing],
  ['no end', 'PING', nothing],
  ['the longest that is waited for', 'a'.repeat(65_536), nothing],
  ['a longer one', 'a'.repeat(65_537), failed('too big inline request')],
  ['the longest line', `${'a'.repeat(65_536)}\n`, one('a'.repeat(65_536))],
  ['a longer one with its end', `${'a'.repeat(65_537)}\n`, failed('too big inline request')],
  ['a long one that a NUL hides', `\0${'\n'.repeat(65_536)}`, failed('too big inline request')],
  ['too many words', `${'a '.repeat(16_385)}\n`, failed('too big inline request')],
];

/** Cuts nothing, everywhere, and at seeded places. */
function cutsOf(name: string, bytes: Buffer): readonly Buffer[][] {
  const random = new Random(name);
  const seeded = Array.from({ length: 8 }, () => {
    const places = Array.from({ length: 1 + Math.floor(random.between(0, 5)) }, () =>
      Math.floor(random.between(0, bytes.length + 1)),
    ).sort((a, b) => a - b);
    return [...places, bytes.length].map((to, index) => bytes.subarray(places[index - 1] ?? 0, to));
  });
  return [[bytes], Array.from(bytes, (_, at) => bytes.subarray(at, at + 1)), ...seeded];
}

function parse(chunks: readonly Buffer[], limits: RequestLimits): Outcome & { readonly held: number } {
  const parser = new RequestParser(limits);
  const requests: string[][] = [];
  try {
    for (const chunk of chunks) {
      parser.push(Buffer.from(chunk));
      for (let words = parser.next(); words !== undefined; words = parser.next()) {
        requests.push(words.map((word) => word.toString('latin1')));
      }
    }
  } catch (thrown) {
    if (!(thrown instanceof ProtocolError)) throw thrown;
    parser.push(Buffer.from(PING));
    expect(parser.next()).toBeUndefined();
    return { requests, error: thrown.message, held: parser.heldBytes };
  }
  return { requests, held: parser.heldBytes };
}

const FORMS = {
  arrays: ARRAYS,
  'bulks together': TOGETHER,
  'arrays of strangers': STRANGERS,
  'inline lines': LINES,
};

describe.each(Object.entries(FORMS))('%s', (_form, cases) => {
  for (const [name, text, expected, limits = LIMITS] of cases) {
    it(name, () => {
      const bytes = Buffer.from(text, 'latin1');
      for (const chunks of cutsOf(name, bytes)) {
        const { held, ...outcome } = parse(chunks, limits);
        expect(outcome).toEqual(expected);
        if (expected.error !== undefined) expect(held).toBe(0);
        else if (expected === nothing) expect(held).toBe(bytes.length);
      }
    });
  }
});

it('words are views of the chunk that they arrived in', () => {
  const chunk = Buffer.from('*2\r\n$3\r\nGET\r\n$1\r\nk\r\nGET k\r\n');
  const parser = new RequestParser(LIMITS);
  parser.push(chunk);
  for (const word of [...(parser.next() ?? []), ...(parser.next() ?? [])])
    expect(word.buffer).toBe(chunk.buffer);
});

it('a chunk is never written to, and a word stays what it was while more arrives', () => {
  const packet = Buffer.from('*2\r\n$3\r\nGET\r\n$5\r\nkeREST');
  const parser = new RequestParser(LIMITS);
  parser.push(packet.subarray(0, -4));
  expect(parser.next()).toBeUndefined();
  const words: Buffer[] = [];
  for (const byte of Buffer.from(`y00\r\n${PING.repeat(50)}`)) {
    parser.push(Buffer.of(byte));
    words.push(...(parser.next() ?? []));
  }
  expect(packet.toString()).toContain('REST');
  expect(words.map(String)).toEqual(['GET', 'key00', ...Array<string>(50).fill('PING')]);
});

it('limits hold from the next number that is read', () => {
  const parser = new RequestParser(STRANGER);
  parser.push(Buffer.from(`${PING}*11\r\n${'$1\r\na\r\n'.repeat(11)}`));
  expect(parser.next()).toHaveLength(1);
  parser.limits = LIMITS;
  expect(parser.next()).toHaveLength(11);
});

it('what is announced takes no memory', () => {
  const parsers = Array.from({ length: 1000 }, () => new RequestParser(LIMITS));
  const before = process.memoryUsage();
  for (const parser of parsers) {
    for (const part of ['*16384\r\n', '$8388608\r\n', 'a', 'b']) {
      parser.push(Buffer.from(part));
      parser.next();
    }
  }
  const after = process.memoryUsage();
  const grownBytes = after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers;
  expect(grownBytes / parsers.length).toBeLessThan(8192);
  expect(parsers[0]?.heldBytes).toBe('*16384\r\n$8388608\r\nab'.length);
});

it('a bulk of 4 MiB that arrives in small pieces is copied a few times, not once for each piece', () => {
  const bytes = Buffer.from(`*1\r\n$4194304\r\n${'a'.repeat(4_194_304)}\r\n`);
  const parser = new RequestParser(LIMITS);
  const copies = jest.spyOn(Buffer.prototype, 'copy');
  try {
    for (let at = 0; at < bytes.length; at += 1000) {
      expect(parser.next()).toBeUndefined();
      parser.push(bytes.subarray(at, at + 1000));
    }
    const copiedBytes = copies.mock.results.reduce((sum, { value }) => sum + Number(value), 0);
    expect(copiedBytes).toBeLessThan(3.5 * bytes.length);
  } finally {
    copies.mockRestore();
  }
  expect(parser.next()?.[0]).toHaveLength(4_194_304);
});

it('a pipeline of 10,000 requests in one chunk is read in order', () => {
  const parser = new RequestParser(LIMITS);
  const keys = Array.from({ length: 10_000 }, (_, n) => `key${String(n).padStart(7, '0')}`);
  parser.push(Buffer.from(keys.map((key) => `*2\r\n$3\r\nGET\r\n$10\r\n${key}\r\n`).join('')));
  for (const key of keys) expect(parser.next()?.[1]?.toString()).toBe(key);
  expect(parser.next()).toBeUndefined();
  expect(parser.heldBytes).toBe(0);
});

describe('a glance at GET', () => {
  const KEY = 'a key';
  const GET = `*2\r\n$3\r\nGET\r\n$5\r\n${KEY}\r\n`;

  it.each([
    ['in capitals', GET, KEY],
    ['in small letters', GET.replace('GET', 'gEt'), KEY],
    ['any bytes', '*2\r\n$3\r\nGET\r\n$4\r\n\r\0\n\xff\r\n', '\r\0\n\xff'],
    ['two other bytes behind the key', `${GET.slice(0, -2)}12`, KEY],
    ['three digits', `*2\r\n$3\r\nGET\r\n$120\r\n${'x'.repeat(120)}\r\n`, 'x'.repeat(120)],
  ])('finds its key, and takes nothing before it is told to (%s)', (_name, bytes, key) => {
    const parser = new RequestParser(LIMITS);
    for (let end = 1; end < bytes.length; end += 1) {
      const part = new RequestParser(LIMITS);
      part.push(Buffer.from(bytes.slice(0, end), 'latin1'));
      expect(part.peekGet()).toBeUndefined();
    }
    parser.push(Buffer.from(bytes + bytes + PING, 'latin1'));
    expect(parser.peekGet()).toBe(key);
    expect(parser.peekGet()).toBe(key);
    expect(parser.heldBytes).toBe(2 * bytes.length + PING.length);
    expect(parser.next()?.[1]?.toString('latin1')).toBe(key);
    expect(parser.peekGet()).toBe(key);
    parser.takeGet();
    expect(parser.heldBytes).toBe(PING.length);
    expect(parser.peekGet()).toBeUndefined();
    expect(parser.next()?.toString()).toBe('PING');
  });

  it.each([
    ['another command', GET.replace('GET', 'SET')],
    ['bytes that are letters but for one bit', GET.replace('GET', 'G\x05T')],
    ['a longer name', '*2\r\n$4\r\nGETX\r\n$1\r\nk\r\n'],
    ['more words', '*3\r\n$3\r\nGET\r\n$1\r\na\r\n$1\r\nb\r\n'],
    ['an empty key', '*2\r\n$3\r\nGET\r\n$0\r\n\r\n'],
    ['a zero in front', GET.replace('$5', '$05')],
    ['no number', GET.replace('$5', '$x')],
    ['four digits', `*2\r\n$3\r\nGET\r\n$1000\r\n${'x'.repeat(1000)}\r\n`],
    ['an inline line', 'GET some key of some length\r\n'],
  ])('leaves to others what is none, or is spelled as no program does (%s)', (_name, bytes) => {
    const parser = new RequestParser(LIMITS);
    parser.push(Buffer.from(bytes, 'latin1'));
    expect(parser.peekGet()).toBeUndefined();
  });

  it.each([{ wordsMax: 1 }, { bulkBytesMax: 4 }, { requestBytesMax: 7 }])(
    'leaves what is beyond %j',
    (limit) => {
      const parser = new RequestParser({ ...LIMITS, ...limit });
      parser.push(Buffer.from(GET));
      expect(parser.peekGet()).toBeUndefined();
      expect(() => parser.next()).toThrow(ProtocolError);
    },
  );

  it('looks at nothing within a request that is being read', () => {
    const parser = new RequestParser(LIMITS);
    parser.push(Buffer.from(`*2\r\n$4\r\nECHO\r\n$${GET.length}\r\n`));
    expect(parser.next()).toBeUndefined();
    parser.push(Buffer.from(`${GET}\r\n`));
    expect(parser.peekGet()).toBeUndefined();
    expect(parser.next()?.[1]?.toString()).toBe(GET);
  });
});
