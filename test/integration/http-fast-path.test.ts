/**
 * The fast path of `POST /cache` against the general way: whatever a connection says, the bytes that come back and the
 * fate of the connection are the same on both, in whatever packets it comes.
 */
import { Random } from '../torture/random';
import { createHold, cutAtRandom, expectSame, openTwoWays, type TwoWays, turn } from '../support/two-ways';

const VALUE_BYTES_MAX = 4096;
const TOKEN = 'token-0';

let ways: TwoWays;

beforeAll(async () => {
  ways = await openTwoWays({ limits: { valueBytesMax: VALUE_BYTES_MAX, batchMax: 5 } });
});
afterAll(() => ways.close());

type Lines = readonly string[];

const HOST = 'Host: localhost';
const AUTHORIZATION = `Authorization: Bearer ${TOKEN}`;
const JSON_TYPE = 'Content-Type: application/json';

/** Any request, whose head is these lines, with the length of the body. */
function requestOf(lines: Lines, body: string | Buffer = '', line = 'POST /cache HTTP/1.1'): Buffer {
  const bytes = Buffer.from(body);
  const head = [line, ...lines, `Content-Length: ${bytes.length}`].join('\r\n');
  return Buffer.concat([Buffer.from(`${head}\r\n\r\n`, 'latin1'), bytes]);
}

/** A command as most clients send it, with further lines. */
function post(body: string | Buffer | object, more: Lines = []): Buffer {
  const text = typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
  return requestOf([HOST, AUTHORIZATION, JSON_TYPE, ...more], text);
}

/** Bytes as they are. */
const raw = (text: string): Buffer => Buffer.from(text, 'latin1');
const get = (path: string, more: Lines = []): Buffer =>
  raw([`GET ${path} HTTP/1.1`, HOST, AUTHORIZATION, ...more, '', ''].join('\r\n'));

const read = (key: string, more = {}): object => ({ command: 'READ', key, ...more });
const write = (key: string, value: unknown, more = {}): object => ({ command: 'WRITE', key, value, ...more });
const remove = (key: string, more = {}): object => ({ command: 'DELETE', key, ...more });

/** How many requests of `packets` took the fast path, after the check that it makes no difference. */
async function takenOf(packets: readonly Buffer[], pause = true): Promise<number> {
  const before = ways.fast.door.taken();
  const seen = await expectSame(ways, packets, { pause });
  expect(seen.text.length + (seen.end?.length ?? 0)).toBeGreaterThan(0);
  expect(ways.general.door.taken()).toBe(0);
  return ways.fast.door.taken() - before;
}

describe('a command takes the fast path, to the same answer', () => {
  const bytes = (text: string) => Buffer.from(text).toString('base64');

  it.each<[string, (string | Buffer | object)[]]>([
    ['a miss and a hit', [read('a'), write('a', 'v'), read('a'), read('a')]],
    ['a near hit behind an earlier one', [write('near', 'v'), read('near'), read('near')]],
    [
      'values of all JSON types',
      [[], {}, 0, 1.5, true, null, 'é😀"\\\n\u2028', { a: [1] }].map((v) => write('t', v)),
    ],
    [
      'values read again',
      [write('t', { 'é"': [1, null, '\u0000'] }), read('t'), read('t', { encoding: 'base64' })],
    ],
    ['quotes', [write('"k"', '"v"\r\n\t\\'), read('"k"'), remove('"k"'), remove('"k"')]],
    ['UTF-8', [write('ключ', 'значение 😀'), read('ключ'), remove('ключ')]],
    [
      'ttl and expire',
      [write('e', 'v', { ttl: 5 }), write('e', 'v', { expire: 0.5 }), write('e', 'v', { ttl: 0 })],
    ],
    [
      'conditions',
      [
        write('nx', 1, { condition: 'XX' }),
        write('nx', 1, { condition: 'NX' }),
        write('nx', 2, { condition: 'NX' }),
      ],
    ],
    ['ack', [write('k', 'v', { ack: 0 }), write('k', 'v', { ack: 1 }), remove('k', { ack: 2 })]],
    ['encrypt', [write('k', 'v', { encrypt: false }), write('k', 'v', { encrypt: true })]],
    ['no command', [{ key: 'k', value: 'v' }, { key: 'k', value_base64: bytes('v') }, { key: 'k' }]],
    [
      'base64',
      [
        { command: 'WRITE', key: 'b', value_base64: bytes('\xff\0') },
        read('b'),
        read('b', { encoding: 'base64' }),
      ],
    ],
    [
      'consistency',
      ['eventual', 'session', 'strong', 'weak'].map((consistency) => read('k', { consistency })),
    ],
    [
      'batches',
      [[read('a'), write('a', 'é'), read('a'), remove('a')], [read('a')], [], [read('a'), { key: 'a' }]],
    ],
    ['a batch too many', [Array(6).fill(read('a')) as object[]]],
    [
      'bodies that are wrong',
      ['null', '7', '[[]]', '"READ"', '{', '{}', ' ', 'x', '\ufeff{}', Buffer.of(0xff, 0xfe)],
    ],
    [
      'fields that are wrong',
      [read(''), read('k', { x: 1 }), write('k', 'v', { ttl: -1 }), write('k', 'v', { ack: 3 })],
    ],
    [
      'a key named twice',
      ['{"command":"READ","key":"a","key":"b"}', '{"command":"READ","key":"k","__proto__":{}}'],
    ],
    [
      'limits',
      [
        read('k'.repeat(1025)),
        write('k', 'v'.repeat(VALUE_BYTES_MAX + 1)),
        write('k', 'v'.repeat(VALUE_BYTES_MAX)),
      ],
    ],
    [
      'numbers',
      ['{"key":"n","value":9007199254740993}', '{"key":"n","value":1e400}', '{"key":"n","value":1e2}'],
    ],
  ])('%s', async (_what, bodies) => {
    expect(await takenOf(bodies.map((body) => post(body)))).toBe(bodies.length);
  });

  it.each<[string, Lines, (string | undefined)?]>([
    ['minimal', [HOST, AUTHORIZATION, JSON_TYPE, 'Prefer: return=minimal']],
    ['minimal among others', [HOST, AUTHORIZATION, JSON_TYPE, 'Prefer: wait=1; x, return="minimal"']],
    ['minimal twice', [HOST, AUTHORIZATION, JSON_TYPE, 'Prefer: respond-async', 'pREFER: return = minimal']],
    ['odd case', ['hOST: localhost', `AUTHORIZATION: bearer ${TOKEN}`, 'content-TYPE: Application/JSON']],
    [
      'blanks',
      ['Host:localhost', `Authorization: \t Bearer ${TOKEN} \t`, 'Content-Type:\tapplication/json\t '],
    ],
    ['the charset', [HOST, AUTHORIZATION, 'Content-Type: application/json; charset=utf-8']],
    ['another charset', [HOST, AUTHORIZATION, 'Content-Type: application/json; charset=latin1']],
    ['another type', [HOST, AUTHORIZATION, 'Content-Type: text/plain']],
    ['an empty field', [HOST, AUTHORIZATION, JSON_TYPE, 'X-Empty:', 'X-Blank:  ']],
    ['keep-alive', [HOST, AUTHORIZATION, JSON_TYPE, 'Connection: Keep-Alive']],
    ['many fields', [HOST, AUTHORIZATION, JSON_TYPE, ...Array.from({ length: 25 }, (_, at) => `X-${at}: y`)]],
    ['all marks of a name', [HOST, AUTHORIZATION, JSON_TYPE, "!#$%&'*+-.^_`|~09Az: y"]],
    ['a bad token', [HOST, 'Authorization: Bearer x', JSON_TYPE]],
    ['no bearer', [HOST, 'Authorization: Basic eDp5', JSON_TYPE]],
    ['an empty token', [HOST, 'Authorization:', JSON_TYPE]],
    ['two tokens', [HOST, AUTHORIZATION, AUTHORIZATION, JSON_TYPE]],
    ['no token', [HOST, JSON_TYPE]],
    ['two types', [HOST, AUTHORIZATION, JSON_TYPE, JSON_TYPE]],
    ['no type', [HOST, AUTHORIZATION]],
    ['an encoded body', [HOST, AUTHORIZATION, JSON_TYPE, 'Content-Encoding: gzip']],
    ['identity', [HOST, AUTHORIZATION, JSON_TYPE, 'Content-Encoding: identity']],
    ['a token in quotes', [HOST, `Authorization: Bearer "${TOKEN}"`, JSON_TYPE]],
    ['no host at all in the field', ['Host:', AUTHORIZATION, JSON_TYPE]],
    [
      'accept-encoding and cookies',
      [HOST, AUTHORIZATION, JSON_TYPE, 'Accept-Encoding: gzip', 'Cookie: a=b', 'Cookie: c'],
    ],
  ])('a head with %s', async (_what, lines) => {
    const packets = [write('h', 'é'), read('h')].map((body) => requestOf(lines, JSON.stringify(body)));
    expect(await takenOf(packets)).toBe(2);
  });

  it.each<[string, Buffer]>([
    ['an empty body', requestOf([HOST, AUTHORIZATION, JSON_TYPE])],
    ['no body', raw(['POST /cache HTTP/1.1', HOST, AUTHORIZATION, JSON_TYPE, '', ''].join('\r\n'))],
  ])('%s', async (_what, packet) => {
    expect(await takenOf([packet, packet])).toBe(2);
  });

  it('a length with leading zeros', async () => {
    const packet = raw(post(read('z')).toString('latin1').replace('Content-Length: ', 'Content-Length: 000'));
    expect(await takenOf([packet])).toBe(1);
  });
});

describe('what is not plain takes the general way', () => {
  const good = JSON.stringify(read('k'));
  const fields = (count: number): string[] => Array.from({ length: count }, (_, at) => `X-${at}: y`);
  const withLine = (...lines: string[]): Buffer => post(good, lines);
  const plain = post(good).toString('latin1');
  /** The plain request with one part put in the place of another. */
  const changed = (from: string | RegExp, to: string): Buffer => raw(plain.replace(from, to));

  it.each<[string, Buffer]>([
    ['a session', withLine('Ringcache-Session: ')],
    ['a bad session', withLine('Ringcache-Session: x')],
    ['two sessions', withLine('Ringcache-Session: ', 'Ringcache-Session: ')],
    ['close', withLine('Connection: close')],
    ['close among others', withLine('Connection: keep-alive, close')],
    ['a field that belongs to the connection', withLine('Connection: keep-alive, X-Other')],
    ['Keep-Alive', withLine('Keep-Alive: timeout=1')],
    ['Proxy-Connection', withLine('Proxy-Connection: close')],
    ['expect', withLine('Expect: 100-continue')],
    ['another expectation', withLine('Expect: the-moon')],
    ['TE', withLine('TE: trailers')],
    ['trailers', withLine('Trailer: X')],
    ['upgrade', withLine('Connection: Upgrade', 'Upgrade: h2c')],
    ['upgrade alone', withLine('Upgrade: websocket')],
    ['HTTP2-Settings', withLine('HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA')],
    ['two lengths, the same', withLine(`Content-Length: ${good.length}`)],
    ['two lengths', withLine('Content-Length: 1')],
    ['a list of lengths', changed(/Content-Length: \d+/, `Content-Length: ${good.length}, ${good.length}`)],
    ['a length with plus', changed('Content-Length: ', 'Content-Length: +')],
    ['a length below zero', changed('Content-Length: ', 'Content-Length: -')],
    ['a length in hex', changed(/Content-Length: \d+/, 'Content-Length: 0x1b')],
    ['a length with a blank in it', changed(/Content-Length: \d+/, 'Content-Length: 2 7')],
    ['a length beyond all', changed(/Content-Length: \d+/, 'Content-Length: 99999999999999999999')],
    ['a length with a tab behind it', changed(/Content-Length: (\d+)/, 'Content-Length: $1\t')],
    ['an empty length', changed(/Content-Length: \d+/, 'Content-Length:')],
    ['a length and chunks', withLine('Transfer-Encoding: chunked')],
    [
      'chunks',
      changed(
        /Content-Length: \d+\r\n\r\n.*/,
        `Transfer-Encoding: chunked\r\n\r\n1b\r\n${good}\r\n0\r\n\r\n`,
      ),
    ],
    [
      'chunks with trailers',
      changed(
        /Content-Length: \d+\r\n\r\n.*/,
        `Transfer-Encoding: chunked\r\n\r\n1b;x=y\r\n${good}\r\n0\r\nX: y\r\n\r\n`,
      ),
    ],
    ['another transfer encoding', changed(/Content-Length: \d+/, 'Transfer-Encoding: gzip, chunked')],
    ['two hosts', withLine(HOST)],
    ['no host', requestOf([AUTHORIZATION, JSON_TYPE], good)],
    ['the absolute form', changed('/cache', 'https://localhost/cache')],
    ['the absolute form of another host', changed('/cache', 'https://elsewhere/cache')],
    ['a query', changed('/cache', '/cache?x=y')],
    ['an empty query', changed('/cache', '/cache?')],
    ['a fragment', changed('/cache', '/cache#a#b')],
    ['a slash behind', changed('/cache', '/cache/')],
    ['two slashes', changed('/cache', '//cache')],
    ['an encoded path', changed('/cache', '/c%61che')],
    ['upper case', changed('/cache', '/CACHE')],
    ['no path', changed('/cache', '*')],
    ['odd marks in the path', changed('/cache', '/<>"\\^`{|}~')],
    ['HTTP/1.0', changed('HTTP/1.1', 'HTTP/1.0')],
    [
      'HTTP/1.0 that stays',
      raw(withLine('Connection: keep-alive').toString('latin1').replace('HTTP/1.1', 'HTTP/1.0')),
    ],
    ['HTTP/1.2', changed('HTTP/1.1', 'HTTP/1.2')],
    ['HTTP/2', changed('HTTP/1.1', 'HTTP/2.0')],
    ['lower-case http', changed('HTTP/1.1', 'http/1.1')],
    ['two blanks in the line', changed('POST ', 'POST  ')],
    ['a tab in the line', changed('POST ', 'POST\t')],
    ['a blank behind the line', changed('HTTP/1.1\r', 'HTTP/1.1 \r')],
    ['a line in front', raw(`\r\n${plain}`)],
    ['another method', changed('POST', 'PUT')],
    ['GET with a body', changed('POST', 'GET')],
    ['HEAD with a body', changed('POST', 'HEAD')],
    ['a method in lower case', changed('POST', 'post')],
    ['an unknown method', changed('POST', 'BREW')],
    ['PATCH', changed('POST', 'PATCH')],
    ['TRACE', changed('POST', 'TRACE')],
    ['CONNECT', raw('CONNECT localhost:443 HTTP/1.1\r\nHost: localhost\r\n\r\n')],
    ['OPTIONS', raw('OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n')],
    ['PRI', raw('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')],
    ['bytes beyond ASCII', withLine('X: \xe9')],
    ['bytes beyond ASCII in the token', changed(TOKEN, 'x\xff')],
    ['bytes beyond ASCII in a name', withLine('X\xe9: y')],
    ['bytes beyond ASCII in the path', changed('/cache', '/\xe9')],
    ['a NUL in a value', withLine('X: \0')],
    ['a NUL in a name', withLine('X\0: y')],
    ['a DEL in a value', withLine('X: \x7f')],
    ['a folded field', withLine('X: a\r\n b')],
    ['a folded length', changed(/Content-Length: /, 'Content-Length:\r\n ')],
    ['a blank before the colon', changed('Content-Length:', 'Content-Length :')],
    ['a blank before the name', changed('Content-Length:', ' Content-Length:')],
    ['no name', withLine(': x')],
    ['no colon', withLine('X')],
    ['bare LF', raw(plain.replaceAll('\r\n', '\n'))],
    ['one bare LF', changed('localhost\r\n', 'localhost\n')],
    ['one bare LF that hides a field', withLine('X: y\nContent-Length: 1')],
    ['a bare CR', withLine('X: a\rb')],
    ['bare LF at the end of the head', changed('\r\n\r\n', '\r\n\n')],
    ['CR CR LF', changed('localhost\r\n', 'localhost\r\r\n')],
    ['40 fields', withLine(...fields(36))],
    ['64 fields', withLine(...fields(60))],
    ['65 fields', withLine(...fields(61))],
    ['5 KiB of head', withLine(`X: ${'x'.repeat(5 * 1024)}`)],
    ['8 KiB of head', withLine(`X: ${'x'.repeat(8 * 1024)}`)],
    ['junk behind it', raw(`${plain}\r\n`)],
    ['junk', raw('junk\r\n\r\n')],
    ['only an end', raw('\r\n\r\n')],
    ['a TLS hello', Buffer.from('16030100050100000100', 'hex')],
    ['a body that is longer', changed(/Content-Length: \d+/, `Content-Length: ${good.length - 1}`)],
    ['a body that does not end', changed(/Content-Length: \d+/, `Content-Length: ${good.length + 10}`)],
    ['a body beyond the limit', changed(/Content-Length: \d+/, `Content-Length: ${2 ** 29}`)],
    ['a GET', get('/livez')],
    ['a GET that says how long its body is', get('/livez', ['Content-Length: 0'])],
    ['HEAD', raw(get('/livez').toString('latin1').replace('GET', 'HEAD'))],
    ['a route that is not there', get('/none')],
    ['a value by its path', get('/cache/k')],
  ])('%s', async (_what, packet) => {
    expect(await takenOf([packet])).toBe(0);
  });
});

describe('one connection', () => {
  const conversation = (written: string, alsoWritten: string, asked: string) => [
    post(write(written, 'é "1"')),
    get('/livez'),
    post(read(asked)),
    get(`/cache/${asked}`),
    post([write(alsoWritten, 2), read(asked)]),
    post(read(asked), ['Ringcache-Session: ']),
    post(read(asked)),
    post('{'),
    requestOf([HOST, JSON_TYPE], '{}'),
    post(remove(asked)),
    get('/none'),
    post(read(asked)),
  ];
  const sequence = conversation('s', 's', 's');
  /** Whose answers do not hang on which is done first: the general way works on all that came at once side by side. */
  const independent = conversation('written', 'also written', 'absent');
  const together = Buffer.concat(independent);

  it('goes from one way to the other and back', async () => {
    expect(await takenOf(sequence)).toBe(8);
    expect(await takenOf([...sequence, ...sequence])).toBe(16);
  });

  it('may say all in packets that come at once', async () => {
    expect(await takenOf(independent, false)).toBeGreaterThanOrEqual(1);
  });

  it('may say all in one packet, which is the general way`s for good', async () => {
    expect(await takenOf([together])).toBe(0);
    expect(await takenOf([together, ...independent])).toBe(0);
  });

  it('is the general way`s for good behind 65 requests in a row that are no commands', async () => {
    const others = (count: number): Buffer[] => Array.from({ length: count }, () => get('/livez'));
    const command = post(read('s'));
    // One more has opened the connection.
    expect(await takenOf([...others(63), command, ...others(64), command, command])).toBe(3);
    expect(await takenOf([...others(64), command])).toBe(0);
    expect(await takenOf([command, ...others(65), command, command])).toBe(1);
  });

  it('may send heads and bodies apart', async () => {
    const apart = sequence.flatMap((packet) => {
      const at = packet.indexOf('\r\n\r\n') + 4;
      return [packet.subarray(0, at), packet.subarray(at)].filter(({ length }) => length > 0);
    });
    expect(await takenOf(apart)).toBe(0);
    // They have not cost it its way.
    expect(await takenOf([...apart, ...sequence])).toBe(8);
  });

  it('may send byte after byte', async () => {
    const bytes = Array.from(post(read('s')), (byte) => Buffer.of(byte));
    expect(await takenOf([post(write('s', 'v')), ...bytes, post(read('s'))])).toBe(1);
  });

  it('may send two commands at once: the second waits for the first', async () => {
    expect(await takenOf([post(write('two', 1)), post(read('absent')), post(remove('absent'))], false)).toBe(
      3,
    );
  });

  it('may be cut anywhere', async () => {
    const random = new Random('cuts of the fast path');
    for (let round = 0; round < 60; round++) {
      const packets = cutAtRandom(together, random, 1 + Math.floor(random.between(0, 6)));
      await takenOf(packets, random.chance(0.5));
    }
  });

  it('may send what is longer than a record', async () => {
    const long = post(' '.repeat(40_000) + JSON.stringify(read('s')));
    expect(
      await takenOf([long, post(read('s')), post({ key: 's', value: 'v'.repeat(20_000) }), post(read('s'))]),
    ).toBe(2);
  });
});

describe('behind a command that is held', () => {
  const hold = createHold();
  let held: TwoWays;

  beforeAll(async () => {
    held = await openTwoWays({ around: hold.around });
  });
  afterAll(() => held.close());

  const order: [string, Buffer[], number][] = [
    ['a command', [post(read('held')), post(write('w', 1))], 1],
    ['a general request', [post(read('held')), get('/livez')], 1],
    [
      'both',
      [post(read('held')), get('/livez'), post(write('w', 1)), get('/cache/absent'), post(read('absent'))],
      1,
    ],
    [
      'two in one packet',
      [post(read('held')), Buffer.concat([post(write('w', 2)), post(read('absent'))])],
      1,
    ],
    [
      'a request that ends the connection',
      [post(read('held')), post(read('absent'), ['Connection: close']), post(read('absent'))],
      1,
    ],
    ['what is no request', [post(read('held')), raw('junk\r\n\r\n')], 1],
    ['half a request', [post(read('held')), post(read('absent')).subarray(0, 50)], 1],
    ['a long body', [post(read('held')), post(`${' '.repeat(50_000)}{"command":"READ","key":"absent"}`)], 1],
  ];
  it.each(order)('%s waits, in order', async (_what, packets, taken) => {
    const before = held.fast.door.taken();
    const same = expectSame(held, packets);
    const timer = setInterval(() => {
      // Only when both wait, so that nothing comes before it is held.
      if (hold.held.length === 2) hold.release();
    }, 15);
    try {
      const { text } = await same;
      expect(text).toMatch(/^HTTP\/1\.1 200 OK/);
      expect(held.fast.door.taken() - before).toBeGreaterThanOrEqual(taken);
    } finally {
      clearInterval(timer);
      hold.release();
      await turn();
    }
  });
});
