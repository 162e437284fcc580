/**
 * What scopes mean through the RESP door, whatever the command: who may only read changes nothing, and who may not read
 * is told nothing of what is stored.
 */
import type { Scope } from '../../src/core/grants';
import { startRedis, type RedisProcess } from '../support/redis';
import { openRespGateway, type RespGateway } from '../support/resp-gateway';
import { SAMPLES } from '../support/resp-samples';
import { elementsOf, errorOf, WireConnection, type Word } from '../support/resp-wire';

const RUN_MS = 120_000;

/** What no reply to who may not read may hold. */
const SECRET = 'hidden content';
const FILL: readonly (readonly Word[])[] = [
  ['SET', 'string', SECRET],
  ['RPUSH', 'list', SECRET, 'a', '2'],
  ['HSET', 'hash', 'f', SECRET, 'n', '1'],
  ['SADD', 'set', SECRET, 'a'],
  ['ZADD', 'zset', '1', SECRET, '2', 'a'],
  ['XADD', 'stream', '1-1', 'f', SECRET],
  ['XGROUP', 'CREATE', 'stream', 'g', '0'],
  ['PFADD', 'hll', SECRET],
  ['GEOADD', 'geo', '15', '37', SECRET, '15.1', '37.1', 'a'],
  // Both change how the same is kept, the first time.
  ['PFCOUNT', 'hll'],
  ['SORT', 'zset', 'ALPHA'],
  ['SORT', 'geo', 'ALPHA'],
];
const KEYS = ['string', 'list', 'hash', 'set', 'zset', 'stream', 'hll', 'geo'];

let redis: RedisProcess;
let direct: WireConnection;
let gateway: RespGateway;

beforeAll(async () => {
  redis = await startRedis();
  direct = await WireConnection.open(redis);
  gateway = await openRespGateway({
    shards: [{ name: 'one', master: redis.address, replicas: [] }],
    nearEntries: 0,
  });
}, RUN_MS);

afterAll(async () => {
  direct.close();
  await gateway.close();
  await redis.stop();
}, RUN_MS);

async function fill(): Promise<string> {
  await direct.askTogether([['FLUSHALL'], ...FILL]);
  return stored();
}

async function stored(): Promise<string> {
  const names = elementsOf(await direct.ask('KEYS', '*'))
    .elements.map((key) => key.toString('latin1', key.indexOf('\r\n') + 2, key.length - 2))
    .sort();
  const dumps = await direct.askTogether(
    names.flatMap((name) => [
      ['DUMP', name],
      ['PTTL', name],
    ]),
  );
  return [names.join(), ...dumps.map((dump) => dump.toString('latin1'))].join('\n');
}

/** They end what the test does, or change what its connection is for. */
const ELSEWHERE = new Set(['quit', 'reset', 'auth', 'multi', 'subscribe', 'psubscribe', 'ssubscribe']);

/** Every sample, with a key of each type in its first place. */
async function* replies(scopes: readonly Scope[]): AsyncGenerator<{ line: string; reply: Buffer }> {
  const connection = await WireConnection.open({ port: gateway.port });
  await connection.ask('AUTH', gateway.secretFor(scopes));
  for (const sample of SAMPLES.filter(({ command }) => !ELSEWHERE.has(command))) {
    for (const key of sample.places === 0 ? [''] : KEYS) {
      for (const other of sample.places > 1 ? [key, 'absent'] : [key]) {
        const reply = await connection.ask(...sample.words(key, other, key));
        yield { line: `${sample.line} on ${key}, ${other}`, reply };
      }
    }
  }
  connection.close();
}

it(
  'who may only read changes nothing',
  async () => {
    const before = await fill();
    let answered = 0;
    for await (const { line, reply } of replies(['read'])) {
      if (errorOf(reply) === undefined) answered += 1;
      if (errorOf(reply) === undefined || !errorOf(reply)!.startsWith('NOPERM'))
        expect({ line, after: await stored() }).toEqual({ line, after: before });
    }
    expect(answered).toBeGreaterThan(200);
    expect(await stored()).toBe(before);
  },
  RUN_MS,
);

it(
  'who may not read is told nothing of what is stored',
  async () => {
    await fill();
    let answered = 0;
    for await (const { line, reply } of replies(['write', 'delete'])) {
      expect({ line, told: reply.includes(SECRET) }).toEqual({ line, told: false });
      if (errorOf(reply) !== undefined) continue;
      answered += 1;
      await fill();
    }
    expect(answered).toBeGreaterThan(100);
  },
  RUN_MS,
);
