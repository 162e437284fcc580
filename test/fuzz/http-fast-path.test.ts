/**
 * The fast path against Node's parser, with what nobody would think of: whatever head `parsePlainHead` takes, Node's
 * parser and `framing.ts` take with the same meaning; and whatever bytes come, in whatever packets, both ways answer
 * them alike. What to send comes from a fixed seed.
 */
import fc from 'fast-check';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { Duplex } from 'node:stream';
import { KnownHead } from '../../src/doors/http/fast/known-head';
import { LENGTH, parsePlainHead } from '../../src/doors/http/fast/plain-head';
import { parseTarget } from '../../src/doors/http/framing';
import { headOf } from '../../src/doors/http/messages';
import { cutAtRandom, expectSame, openTwoWays, type TwoWays } from '../support/two-ways';
import { Random } from '../torture/random';

const PIECES = [
  ...'GET HEAD POST PUT DELETE CONNECT TRACE PATCH HTTP/1.1 HTTP/1.0 HTTP/1.2 HTTP/2.0 http/1.1'.split(' '),
  ...'/ /cache * ? # // % " <> \\^`{|}~ \x7f \xe9 https://localhost/cache : , ; = + - 0 a Z 9'.split(' '),
  ...[' ', '\t', '\r\n', '\n', '\r', '\0', ': ', ' :', '\r\n X', '0\r\n\r\n', '\r\n\r\n', '1c\r\n'],
  ...['Host: localhost', 'Host:', 'Content-Length: 3', 'Content-Length: 28', 'content-length:003', 'X: y'],
  ...['Transfer-Encoding: chunked', 'Connection: close', 'Connection: keep-alive', 'Connection:'],
  ...['Upgrade: x', 'Expect: 100-continue', 'TE: trailers', 'Trailer: X', 'Keep-Alive: 1', 'Prefer: x'],
  ...['Proxy-Connection: close', 'Authorization: Bearer token-0', 'Content-Type: application/json'],
  ...['Content-Encoding: gzip', 'Ringcache-Session: ', '{"command":"READ","key":"k"}'],
];
const NAMES = ['Host', 'content-length', 'X-A', 'Connection', 'Prefer', 'Accept', 'Authorization', 'Upgrade'];

/** Heads as they are, or nearly so. */
const headText = fc
  .record({
    method: fc.constantFrom('GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'get', 'CONNECT'),
    target: fc.oneof(
      fc.constantFrom('/cache', '/', '*'),
      fc.string({ maxLength: 8 }).map((text) => `/${text}`),
    ),
    version: fc.constantFrom('HTTP/1.1', 'HTTP/1.1', 'HTTP/1.1', 'HTTP/1.0'),
    fields: fc.array(
      fc.tuple(
        fc.oneof(fc.constantFrom(...NAMES), fc.string({ maxLength: 5 })),
        fc.constantFrom(': ', ':', ':\t ', ' : '),
        fc.oneof(
          fc.constantFrom('3', '003', '0', '+3', 'keep-alive', 'localhost', '', ' \t', 'close'),
          fc.string({ unit: 'binary-ascii', maxLength: 12 }),
          fc.string({ unit: 'grapheme', maxLength: 3 }),
        ),
        fc.constantFrom('', ' ', '\t'),
      ),
      { maxLength: 5 },
    ),
    mutation: fc.option(fc.tuple(fc.nat(200), fc.nat(3), fc.constantFrom(...PIECES)), { freq: 3 }),
  })
  .map(({ method, target, version, fields, mutation }) => {
    const lines = [
      `${method} ${target} ${version}`,
      'Host: localhost',
      ...fields.map((parts) => parts.join('')),
    ];
    const text = `${lines.join('\r\n')}\r\n\r\n`;
    if (mutation === null) return text;
    const [at, removed, piece] = mutation;
    return text.slice(0, at) + piece + text.slice(at + removed);
  });

interface Parsed {
  readonly method: string | undefined;
  readonly head: unknown;
  readonly target: string;
  readonly body: string;
  readonly keepsOpen: boolean;
}

/** What Node's server makes of bytes, one request at most. */
function parseByNode(bytes: Buffer): Promise<Parsed | undefined> {
  return new Promise((resolve) => {
    const server = createServer({ requireHostHeader: false, maxHeaderSize: 8192 });
    const socket = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() });
    const ended = (result: Parsed | undefined): void => {
      resolve(result);
      socket.destroy();
    };
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString('latin1')));
      request.on('end', () => {
        const { method } = request;
        const keepsOpen = response.shouldKeepAlive;
        ended({
          method,
          head: headOf(request),
          target: parseTarget(request),
          body,
          keepsOpen,
        });
      });
    });
    for (const event of ['clientError', 'connect', 'checkContinue', 'checkExpectation', 'upgrade']) {
      server.on(event, () => ended(undefined));
    }
    server.emit('connection', socket);
    socket.push(bytes);
    setTimeout(() => ended(undefined), 1000).unref();
  });
}

it('what is a plain head is one to Node`s parser and to framing.ts, and means the same', async () => {
  let plainHeads = 0;
  await fc.assert(
    fc.asyncProperty(headText, async (text) => {
      const plain = parsePlainHead(Buffer.from(text, 'latin1'));
      if (plain === undefined) return;
      const head = text.slice(0, plain.bytes);
      const [method = '', target = ''] = head.split(' ');
      // Read alike by both, and refused by framing.ts, to which it goes.
      if (plain.bodyBytes > 0 && !['POST', 'PUT'].includes(method)) return;
      expect(head.endsWith('\r\n\r\n')).toBe(true);
      const body = 'x'.repeat(Math.min(plain.bodyBytes, 10_000));
      if (plain.bodyBytes !== body.length) return;
      const parsed = await parseByNode(Buffer.from(head + body, 'latin1'));
      plainHeads++;
      expect(parsed).toMatchObject({ method, target, body, head: plain.head, keepsOpen: true });
    }),
    { seed: 7, numRuns: 10_000 },
  );
  expect(plainHeads).toBeGreaterThan(500);
});

describe('a head known from the one before', () => {
  const line = fc.constantFrom(
    ...['Host: localhost', 'Accept: */*', 'User-Agent: x', 'Connection: keep-alive', 'X-Odd:\t a  b '],
    ...['Content-Type: application/json', 'Authorization: Bearer a.b-c', 'Content-Length: 12'],
  );
  const command = fc
    .shuffledSubarray(['Host: localhost', 'Content-Type: application/json', 'Accept: */*', 'A:b'], {
      minLength: 3,
    })
    .chain((some) => {
      const lines = [...some, 'authorization:Bearer a.b-c', 'Content-Length:  12'];
      return fc.shuffledSubarray(lines, { minLength: lines.length });
    })
    .map((lines) => `POST /cache HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`);
  const value = fc.oneof(
    fc.constantFrom(
      'Bearer other',
      '0',
      '7',
      '007',
      '1234567890',
      '',
      ' ',
      'Bearer x\t',
      'é',
      'a\rb',
      '\r\n',
    ),
    fc.string({ maxLength: 5 }),
    line.map((whole) => `1\r\n${whole}`),
    fc.constant('x'.repeat(4100)),
  );
  const chunk = fc.tuple(command, value, value, fc.nat(), fc.nat(3), fc.nat(5), fc.string({ maxLength: 3 }));

  it('is read as if none had been', () => {
    const seen = { known: 0, other: 0 };
    fc.assert(
      fc.property(chunk, ([text, token, length, at, deleted, how, inserted]) => {
        const before = Buffer.from(text, 'latin1');
        const plain = parsePlainHead(before);
        const known = plain && KnownHead.of(before, plain);
        if (known === undefined) return;
        let next = `${text}{"key":"k"}\r\n\r\n`;
        if (how !== 0) next = next.replace('Bearer a.b-c', () => (how === 1 ? 'Bearer d' : token));
        if (how !== 1) next = next.replace('12', () => (how === 2 ? '345' : length));
        if (how > 3)
          next = next.slice(0, at % next.length) + inserted + next.slice((at % next.length) + deleted);
        const bytes = Buffer.from(next, 'latin1');
        const match = known.match(bytes);
        if (match === undefined) {
          seen.other++;
          // What is usual must not be read anew.
          expect(how === 1 || (how === 0 && LENGTH.test(length))).toBe(false);
          return;
        }
        seen.known++;
        const { bytes: headBytes, bodyBytes, head, isCommand } = parsePlainHead(bytes)!;
        expect(match).toMatchObject({ bytes: headBytes, bodyBytes, head, isCommand });
      }),
      { seed: 7, numRuns: 30_000 },
    );
    expect(seen.known).toBeGreaterThan(2000);
    expect(seen.other).toBeGreaterThan(2000);
  });
});

describe('mutated conversations', () => {
  let ways: TwoWays;
  beforeAll(async () => {
    ways = await openTwoWays({ limits: { valueBytesMax: 256 } });
  });
  afterAll(() => ways.close());

  /** Independent of each other: the general way works on pipelined ones side by side. */
  const bodies = [
    '{"command":"READ","key":"k"}',
    '{"command":"DELETE","key":"k"}',
    '{"command":"WRITE","key":"w","value":"é \\"x\\""}',
    '[{"command":"READ","key":"k"},{"key":"w","value":[1,{"a":null}]}]',
    '{"command":"READ","key":"',
  ];

  function requestOf(random: Random): string {
    const body = Buffer.from(random.pick(bodies)).toString('latin1');
    const lines = [
      random.chance(0.9) ? 'POST /cache HTTP/1.1' : 'GET /livez HTTP/1.1',
      'Host: localhost',
      'Authorization: Bearer token-0',
      'Content-Type: application/json',
      ...(random.chance(0.2) ? [random.pick(PIECES)] : []),
      `Content-Length: ${random.chance(0.95) ? body.length : Math.floor(random.between(0, 60))}`,
    ];
    return `${lines.join('\r\n')}\r\n\r\n${body}`;
  }

  function mutate(text: string, random: Random): string {
    const at = Math.floor(random.between(0, text.length));
    return (
      text.slice(0, at) + random.pick([...PIECES, '']) + text.slice(at + Math.floor(random.between(0, 4)))
    );
  }

  it('are answered alike, and end alike', async () => {
    const random = new Random('conversations');
    const conversations = Array.from({ length: 300 }, () => {
      const requests = Array.from({ length: 1 + Math.floor(random.between(0, 4)) }, () => requestOf(random));
      const texts = requests.map((text) => (random.chance(0.4) ? mutate(text, random) : text));
      const packets = texts.map((text) => Buffer.from(text, 'latin1'));
      if (random.chance(0.6)) return { packets, pause: random.chance(0.7) };
      return { packets: cutAtRandom(Buffer.concat(packets), random, 3), pause: random.chance(0.5) };
    });
    const before = ways.fast.door.taken();
    const AT_ONCE = 10;
    for (let from = 0; from < conversations.length; from += AT_ONCE) {
      await Promise.all(
        conversations.slice(from, from + AT_ONCE).map(async ({ packets, pause }) => {
          try {
            await expectSame(ways, packets, { pause });
          } catch (cause) {
            throw new Error(`not the same: ${JSON.stringify(packets.map(String))}, pause ${pause}`, {
              cause,
            });
          }
        }),
      );
    }
    expect(ways.fast.door.taken() - before).toBeGreaterThan(100);
  }, 60_000);
});
