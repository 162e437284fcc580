/** The settings of `ENGINE=replicated`, of Kafka, and what they do not go with. */
import { ConfigFaults, parseEnv, type Environment } from '../../src/config/env';

const SECRET = { JWT_SECRET: 's'.repeat(32) };
const REDIS = { ...SECRET, ENGINE: 'replicated', REPLICATION_URL: 'redis://h' };
const KAFKA = { ...SECRET, ENGINE: 'replicated', REPLICATION_BUS: 'kafka', KAFKA_BROKERS: 'h1' };
const RING = { ...SECRET, REDIS_NODES: 'a=redis://h' };
const COHERENT = { ...RING, COHERENCE: 'kafka', KAFKA_BROKERS: 'h1:9093,h2' };

function faultsOf(environment: Environment): readonly string[] {
  try {
    parseEnv({ ...SECRET, ...environment });
  } catch (error) {
    if (error instanceof ConfigFaults) return error.faults;
    throw error;
  }
  return [];
}

it('REPLICATION_BUS is redis unless told otherwise, with user and password of its URL alone', () => {
  const environment = { ...REDIS, REPLICATION_URL: 'rediss://u:p%40@h:7000', REDIS_PASSWORD: 'of nodes' };
  expect(parseEnv(environment).engine).toEqual({
    kind: 'replicated',
    bus: {
      kind: 'redis',
      address: { host: 'h', port: 7000, tls: true, username: 'u', password: 'p@' },
    },
  });
  expect(parseEnv(REDIS).engine).toMatchObject({ bus: { address: { password: undefined } } });
});

it('REPLICATION_BUS=kafka has brokers and a topic', () => {
  const kafka = { brokers: ['h1:9092'], tls: false, sasl: undefined };
  expect(parseEnv(KAFKA).engine).toEqual({
    kind: 'replicated',
    bus: { kind: 'kafka', kafka, topic: 'ringcache' },
  });
  expect(parseEnv({ ...KAFKA, KAFKA_TOPIC: 'flags.v-2_b' }).engine).toMatchObject({
    bus: { topic: 'flags.v-2_b' },
  });
});

it('COHERENCE=kafka has brokers and a topic, on the ring and with Sentinels', () => {
  const kafka = { brokers: ['h1:9093', 'h2:9092'], tls: false, sasl: undefined };
  expect(parseEnv(COHERENT).coherence).toEqual({ kind: 'kafka', kafka, topic: 'ringcache' });
  const sentinel = { ENGINE: 'sentinel', REDIS_NODES: '', REDIS_SENTINELS: 'h', REDIS_MASTERS: 'm' };
  expect(parseEnv({ ...COHERENT, ...sentinel }).coherence).toMatchObject({ kind: 'kafka' });
});

it('values of 8 MiB are the largest of ENGINE=replicated', () => {
  expect(faultsOf({ ...REDIS, VALUE_BYTES_MAX: '8388608' })).toEqual([]);
});

it.each<[Environment, RegExp]>([
  [{ ENGINE: 'replicated' }, /^REPLICATION_URL: must be set where ENGINE is replicated/],
  [{ ...REDIS, VALUE_BYTES_MAX: '8388609' }, /^VALUE_BYTES_MAX: may be 8388608 at most/],
  [{ ...KAFKA, VALUE_BYTES_MAX: '8388609' }, /^VALUE_BYTES_MAX: may be 8388608 at most/],
  [{ ...REDIS, REDIS_NODES: 'a=redis://h' }, /^ENGINE: replicated contradicts REDIS_NODES/],
  [{ ...REDIS, REDIS_CLUSTER: 'redis://h' }, /^ENGINE: replicated contradicts REDIS_CLUSTER/],
  [{ ...REDIS, KAFKA_BROKERS: 'h' }, /^KAFKA_BROKERS: needs COHERENCE=kafka or REPLICATION_BUS=kafka/],
  [{ ...KAFKA, KAFKA_BROKERS: '' }, /^KAFKA_BROKERS: must be set where REPLICATION_BUS is kafka/],
  [{ ...KAFKA, REPLICATION_URL: 'redis://h' }, /^REPLICATION_URL: needs REPLICATION_BUS=redis/],
  [{ REPLICATION_URL: 'redis://h' }, /^REPLICATION_URL: needs ENGINE=replicated/],
  [{ ...RING, REPLICATION_URL: 'redis://h' }, /^REPLICATION_URL: needs ENGINE=replicated/],
  [
    { ...RING, REPLICATION_BUS: 'kafka', KAFKA_BROKERS: 'h' },
    /^REPLICATION_BUS: kafka needs ENGINE=replicated/,
  ],
  [{ ...COHERENT, KAFKA_BROKERS: '' }, /^KAFKA_BROKERS: must be set where COHERENCE is kafka/],
  [{ COHERENCE: 'kafka', KAFKA_BROKERS: 'h' }, /^COHERENCE: kafka is for ENGINE=ring/],
  [{ ...REDIS, COHERENCE: 'kafka', KAFKA_BROKERS: 'h' }, /^COHERENCE: kafka is for ENGINE=ring/],
  [
    { ENGINE: 'cluster', REDIS_CLUSTER: 'redis://h', COHERENCE: 'kafka', KAFKA_BROKERS: 'h' },
    /^COHERENCE: kafka is for ENGINE=ring/,
  ],
  [{ ...RING, KAFKA_BROKERS: 'h' }, /^KAFKA_BROKERS: needs/],
])('%j is a fault', (environment, fault) => {
  expect(faultsOf(environment)).toEqual([expect.stringMatching(fault)]);
});

it('a bus that is named by its default says nothing', () => {
  expect(faultsOf({ ...RING, REPLICATION_BUS: 'redis' })).toEqual([]);
});

describe('KAFKA_BROKERS', () => {
  const brokersOf = (text: string): unknown => {
    const { coherence } = parseEnv({ ...COHERENT, KAFKA_BROKERS: text });
    return coherence.kind === 'kafka' && coherence.kafka;
  };

  it('are hosts with ports, 9092 where none is given', () => {
    expect(brokersOf(' a.example , [::1]:1,10.0.0.1:65535 ')).toEqual({
      brokers: ['a.example:9092', '[::1]:1', '10.0.0.1:65535'],
      tls: false,
      sasl: undefined,
    });
  });

  it('may be kafka:// or, with TLS, kafkas://, which may have a user and a password', () => {
    expect(brokersOf('kafka://h')).toEqual({ brokers: ['h:9092'], tls: false, sasl: undefined });
    expect(brokersOf('kafkas://h1,h2')).toEqual({
      brokers: ['h1:9092', 'h2:9092'],
      tls: true,
      sasl: undefined,
    });
    expect(brokersOf('kafkas://user:p%40s%2Cs@h1:1,h2')).toEqual({
      brokers: ['h1:1', 'h2:9092'],
      tls: true,
      sasl: { username: 'user', password: 'p@s,s' },
    });
  });

  it.each([
    ['no host', ':9092', /broker 1 must be written host:port/],
    ['nothing between the dividers', 'h1,,h2', /broker 2 must/],
    ['port 0', 'h:0', /broker 1 must/],
    ['a port beyond the last', 'h1,h2:65536', /broker 2 must/],
    ['bare IPv6', '::1', /broker 1 must/],
    ['another scheme', 'http://h', /broker 1 must/],
    ['a scheme at each', 'kafkas://h1,kafkas://h2', /broker 2 must/],
    ['a path', 'kafka://h/x', /broker 1 must/],
    ['a password that anybody could read', 'kafka://u:hidden@h', /write kafkas:\/\//],
    ['broken percent-encoding', 'kafkas://u:hidden%zz@h', /percent-encoding is broken/],
    ['a user without a password', 'kafkas://hidden@h', /broker 1 must/],
  ])('with %s are a fault that does not repeat them', (_name, text, fault) => {
    const faults = faultsOf({ ...COHERENT, KAFKA_BROKERS: text });
    expect(faults).toEqual([expect.stringMatching(fault)]);
    expect(faults[0]).toMatch(/^KAFKA_BROKERS: /);
    expect(faults.join()).not.toContain('hidden');
  });
});

it.each(['a b', 'a/b', '.', '..', 'é', 't'.repeat(250)])('the topic %j is a fault', (topic) => {
  expect(faultsOf({ ...COHERENT, KAFKA_TOPIC: topic })).toEqual([expect.stringMatching(/^KAFKA_TOPIC: /)]);
});

it.each(['h:6379', 'http://h', 'redis://', 'redis://h/1', 'redis://h,redis://i', 'redis://:hidden@'])(
  'the bus %j is a fault that does not repeat it',
  (url) => {
    const faults = faultsOf({ ...REDIS, REPLICATION_URL: url });
    expect(faults).toEqual([expect.stringMatching(/^REPLICATION_URL: /)]);
    expect(faults.join()).not.toContain('hidden');
  },
);
