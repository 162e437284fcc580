/**
 * The short way of GET and the general one, held against each other: the same bytes to two gateways, one of which has no
 * short way, each over a Redis of its own. Replies, counts and what is told of the connection must be the same, however
 * the bytes are cut.
 */
import { connect } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Observer } from '../../src/core/ports';
import { ShortWay } from '../../src/doors/resp/short-way';
import { openRespGateway, type RespGateway, type RespGatewayOptions } from '../support/resp-gateway';
import { startShards, type ShardProcesses } from '../support/redis';
import { requestBytes, type Word } from '../support/resp-wire';
import { silentObserver } from '../support/observer';

jest.setTimeout(60_000);

const SEED = 0x5eed;
/** The last one of three digits is beyond it. */
const KEY_BYTES_MAX = 998;
const SECRET = 'all-rights';
/** Said at the end of what must be answered before the end of the connection is seen. */
const LAST = 'the last';

/** Commands as programs send them, and bytes as they stand. */
const pipeline = (...commands: readonly (string | Buffer | readonly Word[])[]): Buffer =>
  Buffer.concat(
    commands.map((command) =>
      typeof command === 'string' || Buffer.isBuffer(command) ? Buffer.from(command) : requestBytes(command),
    ),
  );

const auth = ['AUTH', SECRET];
const fillings = [
  ['SET', 'ascii', 'a value'],
  ['SET', 'empty', ''],
  ['SET', 'text', 'grün € 😀'],
  ['SET', 'latin', 'ü'],
  ['SET', 'bytes', Buffer.from([0xff, 0x00, 0x0d, 0x0a, 0xfe])],
  ['SET', 'long', 'x'.repeat(5000)],
  ['SET', 'larger', 'y'.repeat(40_000)],
  ['SET', 'k'.repeat(KEY_BYTES_MAX), 'of a long key'],
  ['SET', Buffer.from([0xfc, 0x80]), 'of bytes'],
  ['SET', 'mine:1', 'mine'],
  ['DEL', 'list', 'absent', 'new'],
  ['RPUSH', 'list', 'a'],
];
const KEYS = [
  ...['ascii', 'empty', 'text', 'latin', 'bytes', 'long', 'larger', 'absent', 'list', 'mine:1', ''],
  ...['k'.repeat(KEY_BYTES_MAX), 'k'.repeat(KEY_BYTES_MAX + 1), 'k'.repeat(1000), Buffer.from([0xfc, 0x80])],
];
const gets = KEYS.map((key) => ['GET', key]);
const many = Array.from({ length: 300 }, (_, index) => ['GET', KEYS[index % 6] ?? '']);

const SCRIPTS: Readonly<Record<string, Buffer>> = {
  'keys and values of all kinds': pipeline(auth, ...gets, ...gets),
  'a long pipeline': pipeline(auth, ...many, ['ECHO', 'between'], ...many),
  'in RESP3': pipeline(['HELLO', '3', 'AUTH', 'default', SECRET], ...gets, ['HELLO', '2'], ...gets),
  'names in all cases': pipeline(auth, ['get', 'ascii'], ['gEt', 'text'], ['Get', 'absent'], ['GE\x14', 'k']),
  'other forms': pipeline(
    auth,
    'GET ascii\r\n',
    'get  "text" \n',
    '*0\r\n',
    ['GET'],
    ['GET', 'a', 'b'],
    ['GETX', 'a'],
    ['TTL', 'ascii'],
    '*2\r\n$3\r\nGET\r\n$5\r\nasciiXX',
    '*2\r\xff$3\r\xffGET\r\n$5\r\xffascii\r\n',
    '*02\r\n$3\r\nGET\r\n$5\r\nascii\r\n',
  ),
  'a length of another form': pipeline(auth, ['GET', 'ascii'], '*2\r\n$3\r\nGET\r\n$05\r\nascii\r\n'),
  'a length that is none': pipeline(auth, ['GET', 'ascii'], '*2\r\n$3\r\nGET\r\n$5x\r\nascii\r\n'),
  'a request that never ends': pipeline(auth, ['GET', 'ascii'], '*2\r\n$3\r\nGET\r\n$5\r\nasc'),
  'before and after AUTH': pipeline(...gets, ['AUTH', 'wrong'], ...gets, auth, ...gets, ['RESET'], ...gets),
  'near hits before and after RESET': pipeline(
    auth,
    ...[['GET', 'ascii'], ['GET', 'text'], ['RESET'], ['GET', 'ascii'], auth, ['GET', 'ascii']],
  ),
  'behind writes': pipeline(
    auth,
    ...many.slice(0, 9),
    ['SET', 'new', '1'],
    ['GET', 'new'],
    ['GET', 'ascii'],
    ['INCR', 'new'],
    ['GET', 'new'],
    ['EVAL', "return redis.call('set', 'new', '9')", '1', 'new'],
    ...[
      ['GET', 'new'],
      ['GET', 'ascii'],
      ['DEL', 'new'],
      ['GET', 'new'],
    ],
  ),
  'in a transaction': pipeline(
    auth,
    ...[
      ['WATCH', 'ascii'],
      ['GET', 'ascii'],
      ['MULTI'],
      ['GET', 'ascii'],
      ['GET'],
      ['GET', 'text'],
      ['EXEC'],
    ],
    ...[['MULTI'], ['GET', 'ascii'], ['GET', 'list'], ['EXEC'], ['GET', 'ascii'], ['MULTI'], ['DISCARD']],
    ...gets,
  ),
  'while subscribed': pipeline(
    auth,
    ...[['SUBSCRIBE', 'news'], ['GET', 'ascii'], ['PING'], ['UNSUBSCRIBE'], ['GET', 'ascii']],
    ...[
      ['HELLO', '3'],
      ['SUBSCRIBE', 'news'],
      ['GET', 'ascii'],
      ['UNSUBSCRIBE'],
      ['GET', 'absent'],
      ['ECHO', LAST],
    ],
  ),
  'behind its own end': pipeline(auth, ['GET', 'ascii'], ['QUIT'], ['GET', 'ascii']),
};

interface Counted {
  readonly observer: Observer;
  /** How often each command came to each outcome since it was asked last. */
  take(): Readonly<Record<string, number>>;
}

function openCounts(): Counted {
  let counts: Record<string, number> = {};
  return {
    observer: {
      ...silentObserver,
      commands: (command, outcome, count) => {
        const name = `${command} ${outcome}`;
        counts[name] = (counts[name] ?? 0) + count;
      },
    },
    take: () => {
      const taken = counts;
      counts = {};
      return taken;
    },
  };
}

/** Everything that is said until the door ends the connection; the pieces arrive one after the other. */
async function said(port: number, pieces: readonly Buffer[]): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
  const chunks: Buffer[] = [];
  let isAnswered: () => void = () => undefined;
  const answered = new Promise<void>((resolve) => (isAnswered = resolve));
  socket.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    if (Buffer.concat(chunks.slice(-2)).includes(LAST)) isAnswered();
  });
  const ended = new Promise<void>((resolve) => {
    socket.on('end', resolve);
    socket.on('error', () => resolve());
  });
  for (const piece of pieces) {
    socket.write(piece);
    await nextTurn();
  }
  if (Buffer.concat(pieces).includes(LAST)) await Promise.race([answered, ended]);
  socket.end();
  await ended;
  socket.destroy();
  // Who is who, and since when, is of no interest here.
  return Buffer.concat(chunks)
    .toString('latin1')
    .replace(/\b(id|addr|laddr|age|idle|fd|argv-mem|tot-mem|multi-mem)=[^ ]*/g, '$1=')
    .replace(/\$\d+\r\nid=/, '$…\r\nid=')
    .replace(/\$2\r\nid\r\n:\d+/g, '$2\r\nid\r\n:');
}

/** Pieces of random lengths, the same for the same seed. */
function cut(bytes: Buffer, seed: number): Buffer[] {
  const pieces: Buffer[] = [];
  let state = seed;
  for (let at = 0; at < bytes.length;) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    const end = at + 1 + ((state >>> 16) % 90);
    pieces.push(bytes.subarray(at, end));
    at = end;
  }
  return pieces;
}

describe.each<{ what: string; options: Partial<RespGatewayOptions> }>([
  { what: 'plain', options: {} },
  { what: 'encrypted', options: { encrypts: true } },
  { what: 'no place for requests at work', options: { maxInFlight: 0 } },
])('$what', ({ options }) => {
  let shards: ShardProcesses[];
  let gateways: RespGateway[];
  const counts = [openCounts(), openCounts()];

  beforeAll(async () => {
    shards = await startShards(2, 0);
    gateways = await Promise.all(
      shards.map(({ config }, index) =>
        openRespGateway({
          ...options,
          shards: [config],
          limits: { keyBytesMax: KEY_BYTES_MAX },
          observer: counts[index]!.observer,
          hasShortWay: index === 0,
        }),
      ),
    );
    for (const { port } of gateways) await said(port, [pipeline(auth, ...fillings)]);
  });
  afterAll(async () => {
    await Promise.all(gateways.map((gateway) => gateway.close()));
    await Promise.all(shards.map((shard) => shard.stop()));
  });

  /** What each gateway says and counts, one after the other. */
  async function both(pieces: readonly Buffer[]) {
    const heard = [];
    for (const [index, { port }] of gateways.entries()) {
      counts[index]!.take();
      heard.push({ said: await said(port, pieces), counted: counts[index]!.take() });
    }
    return heard;
  }

  it.each(Object.entries(SCRIPTS))('%s: the same, whole and at any cuts', async (_name, script) => {
    const bytewise = Array.from(script.subarray(0, 1500), (_, at) => script.subarray(at, at + 1));
    const cuts = [[script], ...[1, 2, 3].map((run) => cut(script, SEED + run))];
    if (script.length <= 1500) cuts.push(bytewise);
    for (const pieces of cuts) {
      const [short, general] = await both(pieces);
      expect(short).toEqual(general);
      expect(short!.said.length).toBeGreaterThan(0);
    }
  });

  it('one of the two has it, and the other has not', async () => {
    const taken = jest.spyOn(ShortWay.prototype, 'get');
    try {
      const howMany: number[] = [];
      for (const { port } of gateways) {
        taken.mockClear();
        await said(port, [SCRIPTS['keys and values of all kinds']!]);
        howMany.push(taken.mock.results.filter(({ value }) => value === true).length);
      }
      expect(howMany).toEqual([expect.any(Number), 0]);
      expect(howMany[0]).toBeGreaterThan(gets.length);
    } finally {
      taken.mockRestore();
    }
  });

  it('others are told alike what a connection did last', async () => {
    for (const gateway of gateways) {
      const [client, other] = [await gateway.connect(), await gateway.connect()];
      await client.pipeline(['CLIENT', 'SETNAME', 'reader'], ['GET', 'ascii']);
      expect(await other.send('CLIENT', 'LIST')).toMatch(/name=reader .*cmd=get /);
    }
  });

  it('rights, and their end, are seen alike', async () => {
    const secrets = gateways.map((gateway) => gateway.secretFor(['read'], ['mine:']));
    expect(secrets[0]).toBe(secrets[1]);
    const script = pipeline(['AUTH', secrets[0]!], ['GET', 'mine:1'], ['GET', 'ascii'], ['GET', 'mine:1']);
    const [short, general] = await both([script]);
    expect(short).toEqual(general);
    gateways.forEach((gateway, index) => gateway.regrant(secrets[index]!, ['write'], ['mine:']));
    const [shortLater, generalLater] = await both([script]);
    expect(shortLater).toEqual(generalLater);
    expect(shortLater!.said === short!.said).toBe(options.maxInFlight === 0);
  });

  it('who is put out while it is connected hears of it at its next GET', async () => {
    const heard = await Promise.all(
      gateways.map(async (gateway) => {
        const secret = gateway.secretFor(['read']);
        const client = await gateway.connect(secret);
        const before = await client.pipeline(['GET', 'ascii'], ['GET', 'ascii']);
        gateway.revoke(secret);
        return [before, await client.pipeline(['GET', 'ascii'], ['GET', 'absent'])].map(String);
      }),
    );
    expect(heard[0]).toEqual(heard[1]);
    expect(heard[0]![1]).toContain('not valid');
  });
});
