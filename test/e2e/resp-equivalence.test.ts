/**
 * What a client is told through the RESP door is what Redis itself would tell it, byte for byte: one sequence of
 * commands (`test/support/resp-sequence.ts`) goes to a Redis of its own and to the door of a shard with a replica and a
 * near cache, in both versions of the protocol, one by one and all in one packet.
 */
import { findFreePort } from '../support/free-port';
import { type Gateway, startGateway } from '../support/gateway';
import { type RedisProcess, type ShardProcesses, startRedis, startShard } from '../support/redis';
import { type Comparison, type Section, SEQUENCE, type Step } from '../support/resp-sequence';
import { elementsOf, errorOf, WireConnection } from '../support/resp-wire';

const START_MS = 60_000;
const RUN_MS = 60_000;
/** How far apart two servers may read the same clock. */
const APART_MS = 5_000;

const REFUSED_FIRST = 'It would change a part of a sealed value, which is refused whatever lies there.';

/** What is answered otherwise where values are encrypted, and why that is as it should be. */
const OTHERWISE_SEALED: Readonly<Record<string, string>> = {
  'APPEND w:list x': REFUSED_FIRST,
  'SETBIT w:list 1 1': REFUSED_FIRST,
  'STRLEN w:list': REFUSED_FIRST,
  'BITOP BOGUS a b': REFUSED_FIRST,
};

let redis: RedisProcess;
let shard: ShardProcesses;
const doors = { plain: 0, sealing: 0 };
let gateway: Gateway;

beforeAll(async () => {
  [redis, shard] = await Promise.all([startRedis(), startShard({ name: 'main', replicas: 1 })]);
  for (const name of ['plain', 'sealing'] as const) {
    doors[name] = await findFreePort();
    gateway = await startGateway({
      env: {
        REDIS_NODES: shard.setting,
        RESP_PORT: String(doors[name]),
        ...(name === 'sealing' ? { ENCRYPTION_KEYS: `k1:${Buffer.alloc(32, 1).toString('base64')}` } : {}),
      },
    });
  }
}, START_MS);

describe.each([2, 3])('in RESP%d', (protocol) => {
  describe.each([
    ['one by one', askOneByOne],
    ['as one pipeline', (steps: readonly Step[], to: WireConnection) => to.askTogether(wordsOf(steps))],
  ])('%s', (_how, ask) => {
    it.each([
      ['with plain values', 'plain', SEQUENCE],
      ['with encrypted values', 'sealing', SEQUENCE.filter(({ needsPlain }) => !needsPlain)],
    ] as const)(
      'the door and Redis give the same replies, %s',
      async (_name, door, sections) => {
        const steps = sections.flatMap((section: Section) => section.steps);
        const isOtherwise = ({ line }: Step): boolean =>
          door === 'sealing' && OTHERWISE_SEALED[line] !== undefined;
        const there = await open(redis.port, protocol);
        const here = await open(doors[door], protocol, gateway.apiKey);
        const [expected, replies] = await Promise.all([ask(steps, there), ask(steps, here)]);
        const compared = steps.map((step, at) =>
          isOtherwise(step) ? ALIKE : compare(step, expected[at]!, replies[at]!),
        );
        expect(compared.map(({ here: shown }) => shown)).toEqual(compared.map(({ there: shown }) => shown));
        there.close();
        here.close();
      },
      RUN_MS,
    );
  });
});

it('the sequence is as long as it is said to be', () => {
  expect(SEQUENCE.flatMap(({ steps }) => steps).length).toBeGreaterThan(400);
});

/** An empty store, spoken to in that version. */
async function open(port: number, protocol: number, apiKey?: string): Promise<WireConnection> {
  const connection = await WireConnection.open({ port });
  const auth = apiKey === undefined ? [] : ['AUTH', 'default', apiKey];
  for (const words of [['HELLO', String(protocol), ...auth], ['FLUSHALL'], ['SCRIPT', 'FLUSH']]) {
    const failure = errorOf(await connection.ask(...words));
    if (failure !== undefined) throw new Error(failure);
  }
  return connection;
}

async function askOneByOne(steps: readonly Step[], to: WireConnection): Promise<Buffer[]> {
  const replies: Buffer[] = [];
  for (const { words } of steps) replies.push(await to.ask(...words));
  return replies;
}

function wordsOf(steps: readonly Step[]): Step['words'][] {
  return steps.map(({ words }) => words);
}

const ALIKE = { there: '', here: '' };

/** Both replies as a person reads them, alike if they may differ as they do. */
function compare(step: Step, there: Buffer, here: Buffer): typeof ALIKE {
  const shown = (reply: Buffer): string =>
    `${step.line} → ${inOrder(reply, step.comparison).toString('latin1')}`;
  if (step.comparison !== 'about') return { there: shown(there), here: shown(here) };
  const isSeconds = !/^≈ P/.test(step.line);
  const apart = Math.abs(numberIn(there) - numberIn(here));
  return apart * (isSeconds ? 1000 : 1) <= APART_MS ? ALIKE : { there: shown(there), here: shown(here) };
}

function numberIn(reply: Buffer): number {
  return reply[0] === ':'.charCodeAt(0) ? Number(reply.toString('latin1', 1)) : NaN;
}

/** Elements sorted where their order says nothing; those of an array within an array (SCAN) alike. */
function inOrder(reply: Buffer, comparison: Comparison): Buffer {
  if (comparison === 'exact' || comparison === 'about' || !'*%~'.includes(String.fromCharCode(reply[0]!))) {
    return reply;
  }
  const { head, elements } = elementsOf(reply);
  const isScan = elements.length === 2 && elements[1]?.[0] === '*'.charCodeAt(0);
  if (isScan) return Buffer.concat([head, elements[0]!, inOrder(elements[1]!, comparison)]);
  const size = comparison === 'unordered pairs' ? 2 : 1;
  const groups: Buffer[] = [];
  for (let at = 0; at < elements.length; at += size)
    groups.push(Buffer.concat(elements.slice(at, at + size)));
  return Buffer.concat([head, ...groups.sort((a, b) => Buffer.compare(a, b))]);
}
