/**
 * The table of settings: every environment variable, once. The parser reads it, and `test/house` holds
 * `.env.example` and the README to it.
 */
import { parseBrokers, parseTopic } from './kafka';
import { parseBusUrl, parseMasters, parseNodes, parseSeeds, parseSentinels } from './nodes';
import {
  integerParser,
  nameParser,
  parseApiKey,
  parseEncryptionKeys,
  parseFlag,
  parseHost,
  parseOrigins,
  parseText,
  parseWorkers,
  secondsParser,
  secretParser,
  type Parser,
} from './parsers';

/** One environment variable. */
export interface Setting<T> {
  /** The text that stands for an unset variable; undefined: then the value is undefined too. */
  readonly fallback: string | undefined;
  /** Unset is a fault. */
  readonly required: boolean;
  /** For people: what holds when it is unset. */
  readonly default: string;
  /** For people: what it does; a part of a sentence, without its full stop. */
  readonly meaning: string;
  readonly parse: Parser<T>;
}

function setting<T>(fallback: string, meaning: string, parse: Parser<T>): Setting<T> {
  return { fallback, required: false, default: fallback, meaning, parse };
}

function optional<T>(meaning: string, parse: Parser<T>, byDefault = 'none'): Setting<T | undefined> {
  return { fallback: undefined, required: false, default: byDefault, meaning, parse };
}

function required<T>(meaning: string, parse: Parser<T>): Setting<T> {
  return { fallback: undefined, required: true, default: 'none, required', meaning, parse };
}

/** Redis's own limit on a string. */
const VALUE_BYTES_CEILING = 512 * 1024 * 1024;

/** A hundred years, the longest life that the core gives a value (`TTL_MS_MAX`). */
const TTL_SECONDS_CEILING = 100 * 365.25 * 24 * 3600;

/** As many as `lib/recency-slots.ts` can number (`SLOTS_MAX`). */
const NEAR_ENTRIES_CEILING = 2 ** 23;

const DAY_SECONDS = 24 * 3600;

export const SETTINGS = {
  HOST: setting('127.0.0.1', 'address of the HTTPS listener', parseHost),
  PORT: setting('8000', 'port of the HTTPS listener; 0: one that is free', integerParser(0, 65535)),
  TLS_CERT_FILE: setting(
    'certs/cert.pem',
    'certificate, PEM; a changed file is taken up without a restart',
    parseText,
  ),
  TLS_KEY_FILE: setting('certs/key.pem', 'private key of the certificate, PEM', parseText),
  TLS_CLIENT_CA_FILE: optional(
    'certificates of authorities, PEM; when set, clients must show a certificate that one of them signed',
    parseText,
  ),
  JWT_SECRET: required('secret that signs the tokens, at least 32 bytes', secretParser(32)),
  JWT_SECRET_PREVIOUS: optional(
    'the secret before that, while it is being replaced: verifies tokens, signs none',
    secretParser(32),
  ),
  JWT_TTL_SECONDS: setting('900', 'life of a token in seconds', integerParser(1, 30 * DAY_SECONDS)),
  API_KEY: optional('key of a single client with all rights, 24 to 4,096 characters', parseApiKey),
  CLIENTS_FILE: setting(
    'clients.json',
    'named clients with their rights, kept by `npm run client`; changes are taken up within 1 s',
    parseText,
  ),
  ENGINE: optional(
    'where the values are: `memory` (in this process), `ring` (on Redis shards), `sentinel` (on Redis shards that Sentinels watch), `cluster` (on a Redis Cluster) or `replicated` (in the memory of every gateway)',
    nameParser(['memory', 'ring', 'sentinel', 'cluster', 'replicated']),
    '`ring` where `REDIS_NODES` is set, else `memory`',
  ),
  REDIS_NODES: optional(
    'the shards, divided by `;`, each `name=master,replica,…` with URLs `redis://` or `rediss://`',
    parseNodes,
  ),
  REDIS_SENTINELS: optional(
    '`host:port,…` of the Sentinels, for `ENGINE=sentinel`; `rediss://host:port` where they and their nodes speak TLS, `redis://:password@host:port` where a Sentinel asks for a password of its own',
    parseSentinels,
  ),
  REDIS_MASTERS: optional(
    'names of the masters that the Sentinels watch, divided by commas, one shard each',
    parseMasters,
  ),
  REDIS_CLUSTER: optional(
    'nodes of a Redis Cluster, for `ENGINE=cluster`, divided by commas, URLs `redis://` or `rediss://`; they name the others, which are spoken to in the same way',
    parseSeeds,
  ),
  REDIS_USERNAME: optional('user for all nodes that carry no password in their URL', parseText),
  REDIS_PASSWORD: optional('password for all nodes that carry none in their URL', parseText),
  RING_HASH: setting(
    'ketama',
    'placement of keys on shards: `ketama` (as npm hashring) or `twemproxy` (as twemproxy with md5 and ketama); without effect where `ENGINE` is `cluster`, whose slots place them',
    nameParser(['ketama', 'twemproxy']),
  ),
  READ_FROM: setting(
    'replica',
    '`replica`: reads go to the replica that the ring picks for the key, to the master when none is healthy; `master`: all go there',
    nameParser(['replica', 'master']),
  ),
  DEFAULT_TTL_SECONDS: setting(
    '0',
    'life in seconds of a value that is written without one; 0: until it is deleted or evicted',
    secondsParser(0, TTL_SECONDS_CEILING),
  ),
  NEAR_ENTRIES: setting(
    '100000',
    'entries in the near cache; 0 turns it off',
    integerParser(0, NEAR_ENTRIES_CEILING),
  ),
  NEAR_BYTES: setting('67108864', 'bytes of keys and values in the near cache', integerParser(1, 2 ** 40)),
  NEAR_TTL_SECONDS: setting(
    '300',
    'longest life in seconds of an entry in the near cache',
    secondsParser(0.001, TTL_SECONDS_CEILING),
  ),
  COHERENCE: setting(
    'tracking',
    'how near caches of several gateways agree: `tracking` (Redis announces changes, whoever makes them), `pubsub` (gateways announce theirs, for a Redis without tracking), `kafka` (they do so over Kafka) or `none` (what others wrote may be served stale for up to `NEAR_TTL_SECONDS`)',
    nameParser(['tracking', 'pubsub', 'kafka', 'none']),
  ),
  KAFKA_BROKERS: optional(
    '`host:port,…` of Kafka brokers, for `COHERENCE=kafka` and `REPLICATION_BUS=kafka`; `kafkas://` in front of the first where they speak TLS',
    parseBrokers,
  ),
  KAFKA_TOPIC: setting(
    'ringcache',
    'topic of Kafka, of one partition, which is made where it is missing; gateways that belong together share it',
    parseTopic,
  ),
  REPLICATION_BUS: setting(
    'redis',
    'what carries the writes of `ENGINE=replicated` from gateway to gateway: `redis` (Pub/Sub) or `kafka`',
    nameParser(['redis', 'kafka']),
  ),
  REPLICATION_URL: optional(
    'the Redis of `REPLICATION_BUS=redis`, a URL `redis://` or `rediss://`; it stores nothing',
    parseBusUrl,
  ),
  ENCRYPTION_KEYS: optional(
    '`name:base64,name:base64`, 32 bytes each (`openssl rand -base64 32`); the first encrypts, all decrypt',
    parseEncryptionKeys,
  ),
  ENCRYPT_VALUES: optional(
    'whether a write that does not say is encrypted',
    parseFlag,
    '`true` where `ENCRYPTION_KEYS` is set, else `false`',
  ),
  SNAPSHOT_FILE: optional(
    'file that is saved to and loaded from at the start: the data where `ENGINE` is `memory` or `replicated`, else the names of the keys in the near cache, which are read again; with several `WORKERS` the first of them saves',
    parseText,
    'none: nothing is saved',
  ),
  SNAPSHOT_INTERVAL_SECONDS: setting(
    '300',
    'seconds between two snapshots; one more is made on stop',
    secondsParser(1, 365 * DAY_SECONDS),
  ),
  RESP_PORT: optional(
    'port of the Redis-protocol door, on the address `HOST`; 0: one that is free',
    integerParser(0, 65535),
    'none: the door is closed',
  ),
  RESP_TLS: setting(
    'false',
    'TLS on the Redis-protocol door, with the certificate of the HTTPS listener; without it, keys and values can be read on the way',
    parseFlag,
  ),
  GRPC_PORT: optional(
    'port of the gRPC door, on the address `HOST`, with TLS and the certificate of the HTTPS listener; 0: one that is free',
    integerParser(0, 65535),
    'none: the door is closed',
  ),
  MAX_CONNECTIONS: setting(
    '10000',
    'open connections of each door; over them one is refused at once',
    integerParser(1, 1_000_000),
  ),
  MAX_IN_FLIGHT: setting(
    '1024',
    'requests at work; over them one is answered 503 at once',
    integerParser(1, 1_000_000),
  ),
  KEY_BYTES_MAX: setting('1024', 'longest key in bytes of UTF-8', integerParser(1, 65_536)),
  VALUE_BYTES_MAX: setting('8388608', 'largest value in bytes', integerParser(1, VALUE_BYTES_CEILING)),
  BATCH_MAX: setting('1000', 'commands in one batch', integerParser(1, 100_000)),
  REQUEST_TIMEOUT_MS: setting('2000', 'deadline of one request in milliseconds', integerParser(10, 600_000)),
  WORKERS: setting(
    '1',
    'processes that share the ports; `auto`: one per core, 64 at most. Each is a gateway of its own, with its own connections to Redis and its own near cache, and what is set here for entries, bytes, connections and requests holds for each of them',
    parseWorkers,
  ),
  FAST_PATH: setting(
    'true',
    'plain requests of the busiest kinds (`POST /cache`, `GET` of the Redis protocol) go past the general machinery to the same answers; false: none does',
    parseFlag,
  ),
  CORS_ORIGINS: optional(
    'origins whose pages browsers may let call this service, divided by commas, each exactly as `https://app.example:8443`, without a path',
    parseOrigins,
  ),
  LOG_LEVEL: setting(
    'info',
    'what is logged, one JSON object a line on standard output: `trace`, `debug`, `info`, `warn`, `error`, `fatal` or `silent`',
    nameParser(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']),
  ),
} satisfies Record<string, Setting<unknown>>;

export type SettingName = keyof typeof SETTINGS;

/** What the table's parsers make of the environment. */
export type SettingValues = { readonly [N in SettingName]: ReturnType<(typeof SETTINGS)[N]['parse']> };
