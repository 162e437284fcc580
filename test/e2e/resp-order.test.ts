/**
 * A pipeline behaves as at one Redis, whatever shards, replicas and near-cache entries its commands meet: random
 * pipelines over few keys, so that commands on one key crowd, go to the door of three shards and to one Redis.
 */
import { findFreePort } from '../support/free-port';
import { startGateway } from '../support/gateway';
import { startRedis, startShards } from '../support/redis';
import { WireConnection } from '../support/resp-wire';
import { Random } from '../torture/random';

const PIPELINES = 60;
const COMMANDS_MAX = 200;
const TEST_MS = 120_000;
/** Of a difference, what went before it. */
const SHOWN = 40;

const SEED = '42';

it.each([
  ['tracking', { COHERENCE: 'tracking' }],
  ['pubsub', { COHERENCE: 'pubsub' }],
  ['tracking, with encrypted values', { ENCRYPTION_KEYS: `k1:${Buffer.alloc(32, 1).toString('base64')}` }],
])(
  `random pipelines are answered as by one Redis, with coherence by %s`,
  async (_name, settings) => {
    const [redis, shards, port] = await Promise.all([startRedis(), startShards(3, 1), findFreePort()]);
    const nodes = shards.map(({ setting }) => setting).join(';');
    const gateway = await startGateway({
      env: { REDIS_NODES: nodes, RESP_PORT: String(port), ...settings },
    });
    const there = await WireConnection.open({ port: redis.port });
    const here = await WireConnection.open({ port });
    await here.ask('AUTH', gateway.apiKey);

    const stream = new Random(SEED);
    const random: Below = (below) => Math.floor(stream.next() * below);
    for (let round = 0; round < PIPELINES; round += 1) {
      const pipeline = makePipeline(random);
      const [expected, replies] = await Promise.all([
        there.askTogether(pipeline),
        here.askTogether(pipeline),
      ]);
      const differs = replies.findIndex((reply, at) => !reply.equals(expected[at]!));
      if (differs < 0) continue;
      const shown = (answers: readonly Buffer[]): string[] =>
        pipeline
          .map((words, at) => `${words.join(' ')} → ${answers[at]!.toString('latin1')}`)
          .slice(Math.max(0, differs - SHOWN), differs + 1);
      expect(shown(replies)).toEqual(shown(expected));
    }

    there.close();
    here.close();
    await gateway.stop();
    await Promise.all([redis, ...shards].map((server) => server.stop()));
  },
  TEST_MS,
);

/** A whole number below the one given. */
type Below = (below: number) => number;

function makePipeline(random: Below): string[][] {
  const pipeline: string[][] = [];
  const length = 1 + random(COMMANDS_MAX);
  while (pipeline.length < length) {
    if (random(22) === 0) pipeline.push(...makeTransaction(random));
    else pipeline.push(makeCommand(random));
  }
  return pipeline;
}

function makeCommand(random: Below): string[] {
  const key = (): string => `k${random(12)}`;
  const list = (): string => `l${random(4)}`;
  const value = (): string => `v${random(1000)}`;
  const makers: readonly (readonly [number, () => string[]])[] = [
    [3, () => ['SET', key(), value()]],
    [5, () => ['GET', key()]],
    [1, () => ['MGET', key(), key(), key(), key()]],
    [1, () => ['MSET', key(), value(), key(), value()]],
    [1, () => ['DEL', key(), key()]],
    [1, () => ['UNLINK', key(), taggedKey(random, random(3))]],
    [1, () => ['EXISTS', key(), key(), key()]],
    [1, () => ['GETSET', key(), value()]],
    [1, () => ['GETDEL', key()]],
    [1, () => ['SETNX', key(), value()]],
    [1, () => ['EXPIRE', key(), random(3) === 0 ? '-1' : '1000']],
    [1, () => ['RPUSH', list(), value()]],
    [1, () => ['LPOP', list()]],
    [1, () => ['LRANGE', list(), '0', '-1']],
    [1, () => ['GET', random(8) === 0 ? list() : taggedKey(random, random(3))]],
    [
      1,
      () => [['BLPOP', list(), '0.01'], ['DBSIZE'], ['FLUSHALL'], ['GET', key()], ['GET', key()]][random(5)]!,
    ],
  ];
  return pick(random, makers);
}

/** MULTI to EXEC or DISCARD on keys of one place; half of them are watched, and some of these are changed meanwhile. */
function makeTransaction(random: Below): string[][] {
  const tag = random(3);
  const key = (): string => taggedKey(random, tag);
  const value = (): string => `v${random(1000)}`;
  const makers: readonly (readonly [number, () => string[]])[] = [
    [1, () => ['SET', key(), value()]],
    [1, () => ['GET', key()]],
    [1, () => ['DEL', key(), key()]],
    [1, () => ['MGET', key(), key()]],
    [1, () => ['MSET', key(), value(), key(), value()]],
    [1, () => ['GETSET', key(), value()]],
  ];
  const watched = key();
  return [
    ...(random(2) === 0 ? [['WATCH', watched]] : []),
    ...(random(3) === 0 ? [['SET', watched, value()]] : []),
    ...(random(2) === 0 ? [['GET', watched]] : []),
    ['MULTI'],
    ...Array.from({ length: random(5) }, () => pick(random, makers)),
    [random(4) === 0 ? 'DISCARD' : 'EXEC'],
  ];
}

function taggedKey(random: Below, tag: number): string {
  return `{t${tag}}${random(3)}`;
}

function pick(random: Below, makers: readonly (readonly [number, () => string[]])[]): string[] {
  let left = random(makers.reduce((sum, [weight]) => sum + weight, 0));
  for (const [weight, make] of makers) {
    left -= weight;
    if (left < 0) return make();
  }
  throw new Error('no maker was picked');
}
