/** The settings: what the environment may say, and that no fault is missed, ignored or leaks a secret. */
import fc from 'fast-check';
import { API_KEY_CHARS_MAX } from '../../src/auth/setting-client';
import type { Config } from '../../src/config/config';
import {
  ConfigFaults,
  mergeEnvFile,
  parseClientsFilePath,
  parseEnv,
  type Environment,
} from '../../src/config/env';
import { TTL_MS_MAX } from '../../src/core/limits';

const SECRET = 'canary-of-a-signing-secret-0123456789';
const LONGEST_API_KEY = 'k'.repeat(API_KEY_CHARS_MAX);
const KEY_A = Buffer.alloc(32, 1).toString('base64');
const KEY_B = Buffer.alloc(32, 2).toString('base64');

const SENTINELS = { ENGINE: 'sentinel', REDIS_SENTINELS: 'h', REDIS_MASTERS: 'm' };

function parsed(environment: Environment = {}): Config {
  return parseEnv({ JWT_SECRET: SECRET, ...environment });
}

function faultsOf(environment: Environment): readonly string[] {
  try {
    parseEnv({ JWT_SECRET: SECRET, ...environment });
  } catch (error) {
    if (error instanceof ConfigFaults) return error.faults;
    throw error;
  }
  return [];
}

function ring(environment: Environment): Extract<Config['engine'], { kind: 'ring' }> {
  const { engine } = parsed(environment);
  if (engine.kind !== 'ring') throw new Error('not a ring');
  return engine;
}

describe('defaults', () => {
  it('are those of the contract', () => {
    expect(parsed()).toEqual({
      workers: 1,
      http: {
        host: '127.0.0.1',
        port: 8000,
        certFile: 'certs/cert.pem',
        keyFile: 'certs/key.pem',
        clientCaFile: undefined,
        maxConnections: 10000,
        maxInFlight: 1024,
        corsOrigins: [],
      },
      tokens: { secret: SECRET, previousSecret: undefined, ttlSeconds: 900 },
      apiKey: undefined,
      clientsFile: 'clients.json',
      engine: { kind: 'memory' },
      fastPath: true,
      near: { entries: 100000, bytes: 67108864, ttlMs: 300_000 },
      coherence: { kind: 'tracking' },
      snapshot: undefined,
      encryption: { keys: [], byDefault: false },
      defaultTtlMs: 0,
      limits: { keyBytesMax: 1024, valueBytesMax: 8388608, batchMax: 1000, requestTimeoutMs: 2000 },
      logLevel: 'info',
    });
  });

  it('hold for empty variables too', () => {
    expect(
      parsed({ PORT: '', ENGINE: '', REDIS_NODES: '', API_KEY: '', RESP_PORT: '', GRPC_PORT: '' }),
    ).toEqual(parsed());
  });

  it('choose the ring where nodes are named', () => {
    expect(ring({ REDIS_NODES: 'a=redis://h' })).toEqual({
      kind: 'ring',
      shards: [
        {
          name: 'a',
          master: { host: 'h', port: 6379, tls: false, username: undefined, password: undefined },
          replicas: [],
        },
      ],
      hash: 'ketama',
      readFrom: 'replica',
    });
  });

  it('encrypt where keys are set', () => {
    const { encryption } = parsed({ ENCRYPTION_KEYS: `new:${KEY_A},old:${KEY_B}` });
    expect(encryption.byDefault).toBe(true);
    expect(encryption.keys.map(({ id }) => id)).toEqual(['new', 'old']);
    expect(encryption.keys.map(({ bytes }) => bytes.toString('base64'))).toEqual([KEY_A, KEY_B]);
    expect(parsed({ ENCRYPTION_KEYS: `new:${KEY_A}`, ENCRYPT_VALUES: 'false' }).encryption.byDefault).toBe(
      false,
    );
  });
});

describe('a value that is set', () => {
  it.each<[string, string, (config: Config) => unknown, unknown]>([
    ['HOST', '::', (config) => config.http.host, '::'],
    ['PORT', '0', (config) => config.http.port, 0],
    ['TLS_CERT_FILE', '/a/b.pem', (config) => config.http.certFile, '/a/b.pem'],
    ['TLS_KEY_FILE', 'k.pem', (config) => config.http.keyFile, 'k.pem'],
    ['TLS_CLIENT_CA_FILE', 'ca.pem', (config) => config.http.clientCaFile, 'ca.pem'],
    ['JWT_SECRET_PREVIOUS', 'p'.repeat(32), (config) => config.tokens.previousSecret, 'p'.repeat(32)],
    ['JWT_TTL_SECONDS', '60', (config) => config.tokens.ttlSeconds, 60],
    ['API_KEY', 'k'.repeat(24), (config) => config.apiKey, 'k'.repeat(24)],
    ['API_KEY', LONGEST_API_KEY, (config) => config.apiKey, LONGEST_API_KEY],
    ['CLIENTS_FILE', 'c.json', (config) => config.clientsFile, 'c.json'],
    ['ENGINE', 'memory', (config) => config.engine.kind, 'memory'],
    ['DEFAULT_TTL_SECONDS', '0.25', (config) => config.defaultTtlMs, 250],
    ['DEFAULT_TTL_SECONDS', '0.0001', (config) => config.defaultTtlMs, 1],
    ['DEFAULT_TTL_SECONDS', String(TTL_MS_MAX / 1000), (config) => config.defaultTtlMs, TTL_MS_MAX],
    ['NEAR_ENTRIES', '0', (config) => config.near.entries, 0],
    ['NEAR_BYTES', '1000', (config) => config.near.bytes, 1000],
    ['NEAR_TTL_SECONDS', '1.5', (config) => config.near.ttlMs, 1500],
    ['COHERENCE', 'none', (config) => config.coherence, { kind: 'none' }],
    ['SNAPSHOT_FILE', '/a/b', (config) => config.snapshot, { file: '/a/b', intervalMs: 300_000 }],
    ['SNAPSHOT_INTERVAL_SECONDS', '1', (config) => config.snapshot, undefined],
    ['KAFKA_TOPIC', 'other', (config) => config.coherence, { kind: 'tracking' }],
    ['MAX_CONNECTIONS', '7', (config) => config.http.maxConnections, 7],
    ['MAX_IN_FLIGHT', '8', (config) => config.http.maxInFlight, 8],
    ['RESP_PORT', '6380', (config) => config.resp, { port: 6380, tls: false }],
    ['RESP_TLS', 'true', (config) => config.resp, undefined],
    ['GRPC_PORT', '50051', (config) => config.grpc, { port: 50051 }],
    ['KEY_BYTES_MAX', '10', (config) => config.limits.keyBytesMax, 10],
    ['VALUE_BYTES_MAX', '536870912', (config) => config.limits.valueBytesMax, 536870912],
    ['BATCH_MAX', '1', (config) => config.limits.batchMax, 1],
    ['REQUEST_TIMEOUT_MS', '500', (config) => config.limits.requestTimeoutMs, 500],
    ['CORS_ORIGINS', 'https://a', (config) => config.http.corsOrigins, ['https://a']],
    ['FAST_PATH', 'false', (config) => config.fastPath, false],
    ['WORKERS', '1', (config) => config.workers, 1],
    ['LOG_LEVEL', 'debug', (config) => config.logLevel, 'debug'],
  ])('%s=%s is taken', (name, text, read, expected) => {
    expect(read(parsed({ [name]: text }))).toEqual(expected);
  });

  it('is taken by the ring', () => {
    const engine = ring({
      ENGINE: 'ring',
      REDIS_NODES: 'a=redis://h',
      RING_HASH: 'twemproxy',
      READ_FROM: 'master',
    });
    expect([engine.hash, engine.readFrom]).toEqual(['twemproxy', 'master']);
  });
});

it.each([
  ['2', 2],
  ['64', 64],
  ['auto', 'auto'],
])('WORKERS=%s is taken where the workers have a store in common', (text, workers) => {
  expect(parsed({ REDIS_NODES: 'a=redis://h', WORKERS: text }).workers).toBe(workers);
});

it('WORKERS has a limit', () => {
  const faults = faultsOf({ REDIS_NODES: 'a=redis://h', WORKERS: '65' });
  expect(faults).toEqual([expect.stringMatching(/^WORKERS: must be auto, or a whole number from 1 to 64/)]);
});

describe('a value that cannot be used', () => {
  it.each([
    ['HOST', '[::1]'],
    ['HOST', 'localhost 127.0.0.1'],
    ['PORT', '65536'],
    ['PORT', '-1'],
    ['PORT', '80a'],
    ['PORT', '8e3'],
    ['PORT', '0x50'],
    ['PORT', ' '],
    ['JWT_SECRET', 's'.repeat(31)],
    ['JWT_SECRET_PREVIOUS', 's'.repeat(31)],
    ['JWT_TTL_SECONDS', '0'],
    ['JWT_TTL_SECONDS', '1.5'],
    ['API_KEY', 'k'.repeat(23)],
    ['API_KEY', '😀'.repeat(12)],
    ['API_KEY', 'k'.repeat(API_KEY_CHARS_MAX + 1)],
    ['ENGINE', 'redis'],
    ['RING_HASH', 'Ketama'],
    ['READ_FROM', 'any'],
    ['DEFAULT_TTL_SECONDS', '-1'],
    ['DEFAULT_TTL_SECONDS', '.'],
    ['DEFAULT_TTL_SECONDS', '1e3'],
    ['DEFAULT_TTL_SECONDS', String(TTL_MS_MAX / 1000 + 1)],
    ['NEAR_ENTRIES', '1.5'],
    ['NEAR_BYTES', '0'],
    ['NEAR_TTL_SECONDS', '0'],
    ['ENCRYPT_VALUES', 'yes'],
    ['MAX_CONNECTIONS', '0'],
    ['WORKERS', '0'],
    ['WORKERS', 'many'],
    ['RESP_PORT', '65536'],
    ['RESP_TLS', 'yes'],
    ['GRPC_PORT', '-1'],
    ['MAX_IN_FLIGHT', '0'],
    ['KEY_BYTES_MAX', '0'],
    ['VALUE_BYTES_MAX', '536870913'],
    ['BATCH_MAX', '0'],
    ['REQUEST_TIMEOUT_MS', '0'],
    ['LOG_LEVEL', 'loud'],
    ['SNAPSHOT_INTERVAL_SECONDS', '0'],
    ['REPLICATION_BUS', 'nats'],
    ['COHERENCE', 'redis'],
  ])('%s=%s is a fault of that name', (name, text) => {
    const faults = faultsOf({ [name]: text });
    expect(faults).toHaveLength(1);
    expect(faults[0]).toMatch(new RegExp(`^${name}: .`));
  });

  it('and its neighbours are reported at once', () => {
    const names = faultsOf({
      JWT_SECRET: '',
      PORT: 'x',
      LOG_LEVEL: 'x',
      BATCH_MAX: 'x',
      RINGCACHE_X: '',
    }).map((fault) => fault.slice(0, fault.indexOf(':')));
    expect(names.sort()).toEqual(['BATCH_MAX', 'JWT_SECRET', 'LOG_LEVEL', 'PORT', 'RINGCACHE_X']);
  });

  it('is a fault when the signing secret is missing or empty', () => {
    expect(() => parseEnv({})).toThrow(/^JWT_SECRET: is required/);
    expect(() => parseEnv({ JWT_SECRET: '' })).toThrow(/^JWT_SECRET: is required/);
  });
});

describe('the clients file', () => {
  it.each<[Environment, string]>([
    [{ CLIENTS_FILE: 'c.json', PORT: 'x', RINGCACHE_X: '1' }, 'c.json'],
    [{ CLIENTS_FILE: '' }, 'clients.json'],
    [{}, 'clients.json'],
  ])('can be asked for alone: %j', (environment, file) => {
    expect(parseClientsFilePath(environment)).toBe(file);
  });
});

describe('settings that contradict each other', () => {
  it.each<[Environment, RegExp]>([
    [{ ENGINE: 'ring' }, /^REDIS_NODES: /],
    [{ ENGINE: 'memory', REDIS_NODES: 'a=redis://h' }, /^ENGINE: /],
    [{ WORKERS: '2' }, /^WORKERS: must be 1 where ENGINE is memory/],
    [{ ENGINE: 'memory', WORKERS: 'auto' }, /^WORKERS: must be 1 where ENGINE is memory/],
    [{ ENGINE: 'sentinel', REDIS_MASTERS: 'm' }, /^REDIS_SENTINELS: must be set/],
    [{ ENGINE: 'sentinel', REDIS_SENTINELS: 'h' }, /^REDIS_MASTERS: must be set/],
    [{ ...SENTINELS, REDIS_NODES: 'a=redis://h' }, /^ENGINE: sentinel contradicts REDIS_NODES/],
    [{ REDIS_SENTINELS: 'h' }, /^REDIS_SENTINELS: needs ENGINE=sentinel/],
    [{ REDIS_MASTERS: 'm', REDIS_NODES: 'a=redis://h' }, /^REDIS_MASTERS: needs ENGINE=sentinel/],
    [{ ENGINE: 'memory', REDIS_MASTERS: 'm' }, /^ENGINE: memory contradicts REDIS_MASTERS/],
    [{ ENCRYPT_VALUES: 'true' }, /^ENCRYPT_VALUES: /],
    [{ REDIS_NODES: 'a=redis://h', REDIS_USERNAME: 'u' }, /^REDIS_USERNAME: /],
  ])('%j is a fault', (environment, fault) => {
    expect(faultsOf(environment)).toEqual([expect.stringMatching(fault)]);
  });

  it('are told together', () => {
    const names = faultsOf({ ENGINE: 'sentinel', REDIS_NODES: 'a=redis://h' }).map(
      (fault) => fault.split(':')[0],
    );
    expect(names.sort()).toEqual(['ENGINE', 'REDIS_MASTERS', 'REDIS_SENTINELS']);
  });
});

describe('unknown variables', () => {
  it('with our prefix are faults', () => {
    expect(faultsOf({ RINGCACHE_PORT: '1' })).toEqual([expect.stringMatching(/^RINGCACHE_PORT: /)]);
  });

  it('of others, and the one of the start script, are none of our business', () => {
    expect(faultsOf({ PATH: '/bin', RINGCACHE_NO_INSTALL: '1', MY_RINGCACHE_X: '1' })).toEqual([]);
  });
});

describe('REDIS_NODES', () => {
  it('names shards, masters and replicas', () => {
    const { shards } = ring({
      REDIS_NODES:
        'eu-1=redis://10.0.0.1, rediss://user:p%40ss%2C@Cache.example:7000/0 ; eu_2.b=redis://:secret@[::1]:6380/',
    });
    expect(shards).toEqual([
      {
        name: 'eu-1',
        master: { host: '10.0.0.1', port: 6379, tls: false, username: undefined, password: undefined },
        replicas: [{ host: 'Cache.example', port: 7000, tls: true, username: 'user', password: 'p@ss,' }],
      },
      {
        name: 'eu_2.b',
        master: { host: '::1', port: 6380, tls: false, username: undefined, password: 'secret' },
        replicas: [],
      },
    ]);
  });

  it('takes user and password from their own settings where the URL has no password', () => {
    const [shard] = ring({
      REDIS_NODES: 'a=redis://h1,redis://:own@h2',
      REDIS_USERNAME: 'u',
      REDIS_PASSWORD: 'common',
    }).shards;
    expect(shard?.master).toMatchObject({ username: 'u', password: 'common' });
    expect(shard?.replicas).toMatchObject([{ username: undefined, password: 'own' }]);
  });

  it.each([
    ['nothing between the dividers', 'a=redis://h;'],
    ['no name', 'redis://h'],
    ['an empty name', '=redis://h'],
    ['a space in a name', 'a b=redis://h'],
    ['a name that is too long', `${'a'.repeat(65)}=redis://h`],
    ['no node', 'a='],
    ['an empty node', 'a=redis://h,'],
    ['another scheme', 'a=http://h'],
    ['no scheme', 'a=h:6379'],
    ['no host', 'a=redis://'],
    ['no host before the port', 'a=redis://:6379'],
    ['port 0', 'a=redis://h:0'],
    ['a port beyond the last', 'a=redis://h:65536'],
    ['bare IPv6', 'a=redis://::1'],
    ['a space in a host', 'a=redis://h h'],
    ['an encoded space in a host', 'a=redis://h%20h'],
    ['another database', 'a=redis://h/1'],
    ['a query', 'a=redis://h?db=0'],
    ['an empty query', 'a=redis://h?'],
    ['a fragment', 'a=redis://h#x'],
    ['a user without a password', 'a=redis://user@h'],
    ['broken percent-encoding', 'a=redis://:p%zz@h'],
    ['two shards of one name', 'a=redis://h1;a=redis://h2'],
    ['a node that is in two shards', 'a=redis://h;b=redis://H:6379'],
    ['a node that is in one shard twice', 'a=redis://h,redis://h'],
  ])('with %s is a fault', (_, text) => {
    expect(faultsOf({ REDIS_NODES: text })).toEqual([expect.stringMatching(/^REDIS_NODES: (shard|node) /)]);
  });

  it('tells every fault at once', () => {
    expect(faultsOf({ REDIS_NODES: 'a=http://x,redis://h/1;b;a=redis://:0' })).toHaveLength(5);
  });
});

describe('REDIS_SENTINELS and REDIS_MASTERS', () => {
  it('name Sentinels, at port 26379 where none is given, and one shard for each master', () => {
    expect(
      parsed({
        ENGINE: 'sentinel',
        REDIS_SENTINELS: '10.0.0.1, Sentinel.example:5000,[::1]:5001,redis://own:p%40ss@h',
        REDIS_MASTERS: 'main, eu_2.b',
        REDIS_USERNAME: 'u',
        REDIS_PASSWORD: 'of the nodes',
      }).engine,
    ).toEqual({
      kind: 'sentinel',
      sentinels: [
        { host: '10.0.0.1', port: 26379, tls: false, username: undefined, password: undefined },
        { host: 'Sentinel.example', port: 5000, tls: false, username: undefined, password: undefined },
        { host: '::1', port: 5001, tls: false, username: undefined, password: undefined },
        { host: 'h', port: 26379, tls: false, username: 'own', password: 'p@ss' },
      ],
      masters: ['main', 'eu_2.b'],
      nodes: { tls: false, username: 'u', password: 'of the nodes' },
      hash: 'ketama',
      readFrom: 'replica',
    });
  });

  it('have the nodes speak TLS where the Sentinels do', () => {
    const { engine } = parsed({ ...SENTINELS, REDIS_SENTINELS: 'rediss://a,rediss://b:5000' });
    expect(engine).toMatchObject({ sentinels: [{ tls: true }, { tls: true }], nodes: { tls: true } });
  });

  it.each([
    ['nothing between the dividers', 'a,'],
    ['another scheme', 'http://a'],
    ['port 0', 'a:0'],
    ['a port beyond the last', 'a:65536'],
    ['bare IPv6', '::1'],
    ['a space in a host', 'a b'],
    ['a path', 'a/1'],
    ['a user without a password', 'u@a'],
    ['one Sentinel twice', 'a,A:26379'],
    ['TLS for some', 'rediss://a,b'],
  ])('with %s in REDIS_SENTINELS is a fault', (_, text) => {
    expect(faultsOf({ ...SENTINELS, REDIS_SENTINELS: text })).toEqual([
      expect.stringMatching(/^REDIS_SENTINELS: /),
    ]);
  });

  it.each([
    ['an empty name', 'a,,b'],
    ['a space in a name', 'a b'],
    ['a name that is too long', 'a'.repeat(65)],
    ['one name twice', 'a, b,a'],
  ])('with %s in REDIS_MASTERS is a fault', (_, text) => {
    expect(faultsOf({ ...SENTINELS, REDIS_MASTERS: text })).toEqual([
      expect.stringMatching(/^REDIS_MASTERS: /),
    ]);
  });
});

describe('ENCRYPTION_KEYS', () => {
  it.each([
    ['no name', KEY_A],
    ['an empty name', `:${KEY_A}`],
    ['a name that is too long', `${'k'.repeat(33)}:${KEY_A}`],
    ['31 bytes', `a:${Buffer.alloc(31).toString('base64')}`],
    ['33 bytes', `a:${Buffer.alloc(33).toString('base64')}`],
    ['no padding', `a:${KEY_A.replace('=', '')}`],
    ['stray bits at the end', `a:${KEY_A.replace(/.=$/, 'F=')}`],
    ['base64url', `a:${Buffer.alloc(32, 255).toString('base64url')}`],
    ['an empty item', `a:${KEY_A},`],
    ['one name twice', `a:${KEY_A},a:${KEY_B}`],
  ])('with %s is a fault', (_, text) => {
    expect(faultsOf({ ENCRYPTION_KEYS: text })).toEqual([expect.stringMatching(/^ENCRYPTION_KEYS: /)]);
  });
});

describe('CORS_ORIGINS', () => {
  it('names origins as browsers spell them', () => {
    const origins = [
      'https://app.example:8443',
      'http://localhost:3000',
      'https://[::1]',
      'https://xn--bcher-kva.example',
    ];
    expect(parsed({ CORS_ORIGINS: origins.join(', ') }).http.corsOrigins).toEqual(origins);
  });

  it.each([
    ['any origin', '*', /origin 1 has a \*, which is not supported/],
    ['any origin beside another', 'https://a,*', /origin 2 has a \*, which is not supported/],
    ['all origins of a domain', 'https://*.example', /origin 1 has a \*, which is not supported/],
    ['a slash at the end', 'https://a/', /without a path/],
    ['a path', 'https://a/app', /without a path/],
    ['a query', 'https://a?b', /without a path/],
    ['a user', 'https://u:p@a', /without a path/],
    ['no scheme', 'app.example', /without a path/],
    ['another scheme', 'ftp://a', /without a path/],
    ['the origin of a file', 'null', /without a path/],
    ['the port that the scheme has anyway', 'https://a:443', /without a path/],
    ['a port beyond the last', 'https://a:65536', /without a path/],
    ['capitals', 'https://App.example', /without a path/],
    ['letters that a browser spells otherwise', 'https://b\u00fccher.example', /without a path/],
    ['nothing between the dividers', 'https://a,,https://b', /^CORS_ORIGINS: origin 2 /],
    ['one origin twice', 'https://a,https://b,https://a', /origin 3 is the same as origin 1/],
  ])('with %s is a fault', (_, text, fault) => {
    expect(faultsOf({ CORS_ORIGINS: text })).toEqual([expect.stringMatching(fault)]);
  });
});

describe('a fault', () => {
  it('never repeats a secret, however it is mistyped', () => {
    const canary = fc.string({
      unit: fc.constantFrom('c', 'a', 'n', 'r', 'y', '='),
      minLength: 7,
      maxLength: 12,
    });
    const divider = fc.constantFrom(';', ',', '=', '/', '?', '#', ' ', ':', '@', '%', '');
    fc.assert(
      fc.property(canary, divider, canary, (left, between, right) => {
        const secret = `${left}${between}${right}`;
        const text = faultsOf({
          JWT_SECRET: secret,
          JWT_SECRET_PREVIOUS: secret,
          API_KEY: secret,
          ENCRYPTION_KEYS: `a:${secret}`,
          REDIS_NODES: `a=redis://u:${secret}@h,x://${secret};${secret}`,
          REDIS_SENTINELS: `redis://u:${secret}@h,x://${secret},${secret}`,
          REDIS_MASTERS: `a b,${secret}`,
          CORS_ORIGINS: `https://u:${secret}@h,${secret}`,
        }).join('\n');
        expect(text).not.toBe('');
        for (const part of secret.split(/[^canry]+/).filter(({ length }) => length > 4)) {
          expect(text).not.toContain(part);
        }
      }),
    );
  });
});

describe('the .env file', () => {
  it('gives what the environment does not say', () => {
    const merged = mergeEnvFile('A=file\nB="two words" # why\n\n# C=1\nexport D=4\n', { A: 'environment' });
    expect(merged).toEqual({ A: 'environment', B: 'two words', D: '4' });
  });

  it('has # in quotes only', () => {
    expect(mergeEnvFile("A=cut#off\nB='whole#text'", {})).toEqual({ A: 'cut', B: 'whole#text' });
  });

  it('is unset by an empty variable', () => {
    expect(mergeEnvFile('A=file', { A: '' })).toEqual({ A: '' });
  });
});
