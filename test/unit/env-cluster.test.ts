/** The settings of `ENGINE=cluster`. */
import { ConfigFaults, parseEnv, type Environment } from '../../src/config/env';
import type { Config } from '../../src/config/config';

const SECRET = { JWT_SECRET: 's'.repeat(32) };
const CLUSTER = { ...SECRET, ENGINE: 'cluster', REDIS_CLUSTER: 'redis://h1' };

function engineOf(environment: Environment): Config['engine'] {
  return parseEnv({ ...CLUSTER, ...environment }).engine;
}

function faultsOf(environment: Environment): readonly string[] {
  try {
    parseEnv({ ...SECRET, ...environment });
  } catch (error) {
    if (error instanceof ConfigFaults) return error.faults;
  }
  return [];
}

it('names its seeds, which have the password of all unless they carry their own', () => {
  const seeds = 'redis://h1, redis://[::1]:7001,redis://u:own@h3';
  const environment = { REDIS_CLUSTER: seeds, REDIS_PASSWORD: 'p', READ_FROM: 'master' };
  expect(engineOf(environment)).toEqual({
    kind: 'cluster',
    readFrom: 'master',
    seeds: [
      { host: 'h1', port: 6379, tls: false, username: undefined, password: 'p' },
      { host: '::1', port: 7001, tls: false, username: undefined, password: 'p' },
      { host: 'h3', port: 6379, tls: false, username: 'u', password: 'own' },
    ],
  });
});

it('works with tracking, its default, and with none', () => {
  expect(parseEnv(CLUSTER).coherence).toEqual({ kind: 'tracking' });
  expect(parseEnv({ ...CLUSTER, COHERENCE: 'none' }).coherence).toEqual({ kind: 'none' });
});

it.each<[Environment, RegExp]>([
  [{ ENGINE: 'cluster' }, /^REDIS_CLUSTER: must be set/],
  [{ REDIS_CLUSTER: 'redis://h' }, /^REDIS_CLUSTER: needs ENGINE=cluster/],
  [
    { ENGINE: 'ring', REDIS_NODES: 'a=redis://h', REDIS_CLUSTER: 'redis://h' },
    /^ENGINE: ring contradicts REDIS_CLUSTER/,
  ],
  [
    { ENGINE: 'cluster', REDIS_NODES: 'a=redis://h', REDIS_CLUSTER: 'redis://h' },
    /^ENGINE: cluster contradicts REDIS_NODES/,
  ],
  [{ ...CLUSTER, COHERENCE: 'pubsub' }, /^COHERENCE: pubsub does not work where ENGINE is cluster/],
  [{ ...CLUSTER, REDIS_CLUSTER: 'redis://h1,rediss://h2' }, /^REDIS_CLUSTER: all must be rediss/],
  [
    { ...CLUSTER, REDIS_CLUSTER: 'redis://h1,redis://h2,redis://u:p@H1:6379' },
    /^REDIS_CLUSTER: node 3 has the address of node 1$/,
  ],
  [{ ...CLUSTER, REDIS_CLUSTER: 'redis://h1,h2:6379' }, /^REDIS_CLUSTER: node 2 must be a redis/],
])('%j is a fault', (environment, fault) => {
  expect(faultsOf(environment)).toEqual([expect.stringMatching(fault)]);
});

it('a fault does not repeat a password', () => {
  expect(faultsOf({ ...CLUSTER, REDIS_CLUSTER: 'redis://:secret@' }).join()).not.toContain('secret');
});
