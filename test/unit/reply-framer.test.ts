import fc from 'fast-check';
import { isErrorReply } from '../../src/lib/whole-reply';
import { elementsOf, errorTextOf, ReplyFramer, TOO_LARGE } from '../../src/redis/reply-framer';

const MANY = 64 * 1024 * 1024;

/** A reply of each type, of each null, and what stands in one another. */
const REPLIES: readonly (readonly [string, string])[] = [
  ['status', '+OK\r\n'],
  ['empty status', '+\r\n'],
  ['error', '-ERR no such key\r\n'],
  ['integer', ':-12\r\n'],
  ['string', '$5\r\nhello\r\n'],
  ['string with what looks like an end', '$6\r\n\r\n$1\r\n\r\n'],
  ['empty string', '$0\r\n\r\n'],
  ['null string', '$-1\r\n'],
  ['array', '*2\r\n$1\r\na\r\n:1\r\n'],
  ['empty array', '*0\r\n'],
  ['null array', '*-1\r\n'],
  ['nested arrays', '*2\r\n*2\r\n*0\r\n*1\r\n$-1\r\n*-1\r\n'],
  ['null', '_\r\n'],
  ['boolean', '#t\r\n'],
  ['double', ',-inf\r\n'],
  ['big number', '(3492890328409238509324850943850943825024385\r\n'],
  ['long error', '!9\r\nERR\r\nmore\r\n'],
  ['verbatim text', '=7\r\ntxt:abc\r\n'],
  ['map', '%2\r\n+a\r\n:1\r\n+b\r\n*1\r\n#f\r\n'],
  ['empty map', '%0\r\n'],
  ['set', '~2\r\n:1\r\n:2\r\n'],
  ['push', '>3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nv\r\n'],
  ['reply behind attributes', '|1\r\n+ttl\r\n%1\r\n+a\r\n:1\r\n$1\r\nv\r\n'],
  ['array with attributes in it', '*2\r\n|1\r\n+a\r\n:1\r\n:5\r\n:6\r\n'],
];

type Outcome = string | typeof TOO_LARGE;

function frame(chunks: readonly Buffer[], bytesMax = MANY): Outcome[] {
  const framer = new ReplyFramer(bytesMax);
  const outcomes: Outcome[] = [];
  for (const chunk of chunks) {
    framer.push(chunk);
    for (let reply = framer.next(); reply !== undefined; reply = framer.next()) {
      outcomes.push(reply === TOO_LARGE ? reply : reply.toString('latin1'));
    }
  }
  return outcomes;
}

function byteByByte(text: string): Buffer[] {
  return Array.from(Buffer.from(text, 'latin1'), (byte) => Buffer.from([byte]));
}

function cutAt(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const ends = [...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  return ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end));
}

it.each(REPLIES)('a %s ends where it ends, in one piece and byte by byte', (_name, reply) => {
  const stream = `${reply}+next\r\n${reply}`;
  expect(frame([Buffer.from(stream)])).toEqual([reply, '+next\r\n', reply]);
  expect(frame(byteByByte(stream))).toEqual([reply, '+next\r\n', reply]);
});

it('replies are the same wherever the stream is cut', () => {
  const anyReply = fc.constantFrom(...REPLIES.map(([, reply]) => reply));
  const cuts = fc.array(fc.nat(), { maxLength: 20 });
  const property = fc.property(fc.array(anyReply, { maxLength: 20 }), cuts, (replies, places) => {
    expect(frame(cutAt(Buffer.from(replies.join('')), places))).toEqual(replies);
  });
  fc.assert(property, { seed: 5, numRuns: 2000 });
});

it('a reply that lies in one chunk is not copied', () => {
  const chunk = Buffer.from('+OK\r\n$5\r\nhello\r\n');
  const framer = new ReplyFramer(MANY);
  framer.push(chunk);
  const replies = [framer.next(), framer.next()] as Buffer[];
  expect(replies.map(({ buffer }) => buffer === chunk.buffer)).toEqual([true, true]);
  expect(replies[1]?.byteOffset).toBe(chunk.byteOffset + 5);
});

it('a large reply in many chunks costs no more than it has bytes', () => {
  const value = Buffer.alloc(32 * 1024 * 1024, 'v');
  const whole = Buffer.concat([Buffer.from(`$${value.length}\r\n`), value, Buffer.from('\r\n')]);
  const framer = new ReplyFramer(MANY);
  const startedMs = performance.now();
  let reply: ReturnType<typeof framer.next>;
  for (let at = 0; at < whole.length; at += 1000) {
    framer.push(whole.subarray(at, at + 1000));
    reply = framer.next();
  }
  // Copied anew with each chunk it would be 500 GB.
  expect(performance.now() - startedMs).toBeLessThan(4000);
  expect((reply as Buffer).equals(whole)).toBe(true);
});

it('100,000 elements, beside and within one another, need no recursion', () => {
  const wide = `*100000\r\n${':1\r\n'.repeat(100_000)}`;
  const deep = `${'*1\r\n'.repeat(100_000)}:1\r\n`;
  expect(frame([Buffer.from(wide + deep)])).toEqual([wide, deep]);
  expect(elementsOf(Buffer.from(wide))).toHaveLength(100_000);
  expect(elementsOf(Buffer.from(deep))?.[0]).toHaveLength(deep.length - 4);
});

describe('a reply that is longer than allowed', () => {
  it.each([
    ['a string', `$100\r\n${'x'.repeat(100)}\r\n`],
    ['a text', `+${'x'.repeat(100)}\r\n`],
    ['an array', `*30\r\n${':1\r\n'.repeat(30)}`],
  ])('is dropped, and those around it are not: %s', (_name, long) => {
    const expected = ['+a\r\n', TOO_LARGE, '+b\r\n', TOO_LARGE];
    const stream = `+a\r\n${long}+b\r\n${long}`;
    expect(frame([Buffer.from(stream)], 64)).toEqual(expected);
    expect(frame(byteByByte(stream), 64)).toEqual(expected);
  });

  it('may have just as many bytes as are allowed', () => {
    const reply = `$57\r\n${'x'.repeat(57)}\r\n`;
    expect(frame([Buffer.from(reply)], 64)).toEqual([reply]);
    expect(frame(byteByByte(reply), 64)).toEqual([reply]);
    expect(frame(byteByByte(reply), 63)).toEqual([TOO_LARGE]);
  });

  it('takes no memory, however long it is', () => {
    const framer = new ReplyFramer(1024);
    const chunk = Buffer.alloc(65_536, 'x');
    const before = process.memoryUsage();
    framer.push(Buffer.from(`$${900 * 1024 * 1024}\r\n`));
    for (let sent = 0; sent < 900 * 1024 * 1024; sent += chunk.length) {
      expect(framer.next()).toBeUndefined();
      framer.push(chunk);
    }
    const after = process.memoryUsage();
    expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(8 * 1024 * 1024);
  });

  it.each([
    ['a string', '$900000000000000\r\n', Buffer.alloc(1024 * 1024, 'x')],
    ['an array', '*900000000000000\r\n', Buffer.from(`$1048576\r\n${'x'.repeat(1024 * 1024)}\r\n`)],
  ])('must have an end: %s', (_name, start, chunk) => {
    const framer = new ReplyFramer(1024);
    framer.push(Buffer.from(start));
    expect(() => {
      for (let chunks = 0; chunks < 1025; chunks++) {
        framer.next();
        framer.push(chunk);
      }
      framer.next();
    }).toThrow('without an end');
  });
});

it.each([
  ['HTTP', 'HTTP/1.1 400 Bad Request\r\n'],
  ['a bare LF', '+OK\n'],
  ['a bare CR', '+O\rK\r\n'],
  ['no count', '$\r\n'],
  ['a count that is none', '$5x\r\n'],
  ['a count with a plus', '$+5\r\n'],
  ['a count with a zero in front', '$05\r\n'],
  ['a count with a space', '* 1\r\n'],
  ['a negative count', '$-2\r\n'],
  ['a negative zero', '*-0\r\n'],
  ['two signs', '*--1\r\n'],
  ['a null map', '%-1\r\n'],
  ['a null push', '>-1\r\n'],
  ['a count that is no safe integer', '$9007199254740993\r\n'],
  ['counts that are no safe integer together', '*900000000000000\r\n'.repeat(12)],
  ['a string that goes on', '$1\r\nab\r\n'],
  ['a string that ends with LF only', '$1\r\na\n\n'],
  ['a string that ends with CR only', '$1\r\na\r\r'],
  ['a streamed string', '$?\r\n'],
  ['an empty line', '\r\n'],
  ['a null byte', '\0'],
])('what is no RESP is an error: %s', (_name, garbage) => {
  expect(() => frame([Buffer.from(garbage)])).toThrow('no RESP');
  expect(() => frame(byteByByte(`+OK\r\n${garbage}`))).toThrow('no RESP');
});

it('whatever comes is replies or an error, the same in one piece and byte by byte', () => {
  const outcomeOf = (chunks: readonly Buffer[]): unknown => {
    try {
      return frame(chunks);
    } catch {
      return 'error';
    }
  };
  const noise = fc.array(
    fc.constantFrom('\r\n', '\r', '\n', '0', '1', '2', '-', ...Array.from('+$*%|>~#_,(=!:a')),
    {
      maxLength: 40,
    },
  );
  const property = fc.property(noise, (parts) => {
    const text = parts.join('');
    expect(outcomeOf([Buffer.from(text)])).toEqual(outcomeOf(byteByByte(text)));
  });
  fc.assert(property, { seed: 5, numRuns: 5000 });
});

describe('a look into a reply', () => {
  it('tells errors from everything else', () => {
    const errors = REPLIES.filter(([, reply]) => isErrorReply(Buffer.from(reply))).map(([name]) => name);
    expect(errors).toEqual(['error', 'long error']);
    expect(errorTextOf(Buffer.from('-ERR no such key\r\n'))).toBe('ERR no such key');
    expect(errorTextOf(Buffer.from('!9\r\nERR\r\nmore\r\n'))).toBe('ERR\r\nmore');
    expect(errorTextOf(Buffer.from('+OK\r\n'))).toBeUndefined();
  });

  it('cuts what has elements into them, as they came', () => {
    const elements = REPLIES.map(([, reply]) => reply);
    for (const sign of '*~>') {
      const reply = Buffer.from(`${sign}${elements.length}\r\n${elements.join('')}`);
      expect(elementsOf(reply)?.map(String)).toEqual(elements);
    }
    expect(elementsOf(Buffer.from('%2\r\n+a\r\n:1\r\n+b\r\n*0\r\n'))?.map(String)).toEqual([
      ...['+a\r\n', ':1\r\n'],
      ...['+b\r\n', '*0\r\n'],
    ]);
    expect(elementsOf(Buffer.from('*0\r\n'))).toEqual([]);
  });

  it('leaves attributes of the whole out, and those of an element with it', () => {
    const element = '|1\r\n+a\r\n:1\r\n:5\r\n';
    const reply = Buffer.from(`|1\r\n+x\r\n*1\r\n+y\r\n*2\r\n${element}:6\r\n`);
    expect(elementsOf(reply)?.map(String)).toEqual([element, ':6\r\n']);
  });

  it.each(['+OK\r\n', '-EXECABORT no\r\n', '*-1\r\n', '$-1\r\n', '_\r\n'])('%j has no elements', (reply) => {
    expect(elementsOf(Buffer.from(reply))).toBeUndefined();
  });
});
