/**
 * Environment to `Config`: pure, no process and no files. All faults are found in one pass, so that whoever sets
 * ringcache up mends them in one, and none of them repeats a value.
 */
import { parse } from 'dotenv';
import type { CoherenceConfig } from '../coherence/coherence';
import type { ShardConfig } from '../engines/shard';
import type { NodeAddress } from '../redis/client';
import type { EngineConfig } from '../engines/open-engine';
import type { ReplicationBus } from '../replication/replication-log';
import type { Config } from './config';
import { contradictions, type Environment } from './contradictions';
import { Refused } from './parsers';
import { SETTINGS, type Setting, type SettingValues } from './settings';

export type { Environment };

/** Why the settings cannot be used; each fault begins with its variable's name. */
export class ConfigFaults extends Error {
  override readonly name = 'ConfigFaults';

  constructor(readonly faults: readonly string[]) {
    super(faults.join('\n'));
  }
}

/** Read by `npm start` and `npm test` alone, before there is a service. */
const SCRIPT_VARIABLES: readonly string[] = ['RINGCACHE_NO_INSTALL'];

/** What `.env` says, under what the environment says: a variable set there wins, and an empty one unsets. */
export function mergeEnvFile(text: string, environment: Environment): Environment {
  return { ...parse(text), ...environment };
}

/** Every setting of the README; an empty variable counts as unset. @throws ConfigFaults */
export function parseEnv(environment: Environment): Config {
  const faults = [...unknownVariables(environment), ...contradictions(environment)];
  const values = parseSettings(environment, faults);
  if (faults.length > 0) throw new ConfigFaults(faults);
  return configOf(values);
}

/** `CLIENTS_FILE`, for the tool that needs no other setting, whatever is wrong with those. */
export function parseClientsFilePath(environment: Environment): string {
  return parseSettings({ CLIENTS_FILE: environment['CLIENTS_FILE'] }, []).CLIENTS_FILE;
}

/** The prefix is ours alone, so such a name is a slip; anything else in the environment is other people's. */
function unknownVariables(environment: Environment): string[] {
  return Object.keys(environment)
    .filter((name) => name.startsWith('RINGCACHE_') && !SCRIPT_VARIABLES.includes(name))
    .map((name) => `${name}: is not a setting of ringcache`);
}

/** Whatever is refused lands in `faults`; the values are whole only when nothing did. */
function parseSettings(environment: Environment, faults: string[]): SettingValues {
  const rows: readonly [string, Setting<unknown>][] = Object.entries(SETTINGS);
  const values = rows.map(([name, setting]) => {
    const text = environment[name] === '' ? setting.fallback : (environment[name] ?? setting.fallback);
    if (text === undefined && setting.required) faults.push(`${name}: is required: ${setting.meaning}`);
    try {
      return [name, text === undefined ? undefined : setting.parse(text)];
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      faults.push(...error.reasons.map((reason) => `${name}: ${reason}`));
      return [name, undefined];
    }
  });
  return Object.fromEntries(values) as SettingValues;
}

function configOf(values: SettingValues): Config {
  return {
    workers: values.WORKERS,
    http: {
      host: values.HOST,
      port: values.PORT,
      certFile: values.TLS_CERT_FILE,
      keyFile: values.TLS_KEY_FILE,
      clientCaFile: values.TLS_CLIENT_CA_FILE,
      maxConnections: values.MAX_CONNECTIONS,
      maxInFlight: values.MAX_IN_FLIGHT,
      corsOrigins: values.CORS_ORIGINS ?? [],
    },
    fastPath: values.FAST_PATH,
    resp: values.RESP_PORT === undefined ? undefined : { port: values.RESP_PORT, tls: values.RESP_TLS },
    grpc: values.GRPC_PORT === undefined ? undefined : { port: values.GRPC_PORT },
    tokens: {
      secret: values.JWT_SECRET,
      previousSecret: values.JWT_SECRET_PREVIOUS,
      ttlSeconds: values.JWT_TTL_SECONDS,
    },
    apiKey: values.API_KEY,
    clientsFile: values.CLIENTS_FILE,
    engine: engineOf(values),
    near: { entries: values.NEAR_ENTRIES, bytes: values.NEAR_BYTES, ttlMs: values.NEAR_TTL_SECONDS },
    coherence: coherenceOf(values),
    encryption: {
      keys: values.ENCRYPTION_KEYS ?? [],
      byDefault: values.ENCRYPT_VALUES ?? values.ENCRYPTION_KEYS !== undefined,
    },
    snapshot:
      values.SNAPSHOT_FILE === undefined
        ? undefined
        : { file: values.SNAPSHOT_FILE, intervalMs: values.SNAPSHOT_INTERVAL_SECONDS },
    defaultTtlMs: values.DEFAULT_TTL_SECONDS,
    limits: {
      keyBytesMax: values.KEY_BYTES_MAX,
      valueBytesMax: values.VALUE_BYTES_MAX,
      batchMax: values.BATCH_MAX,
      requestTimeoutMs: values.REQUEST_TIMEOUT_MS,
    },
    logLevel: values.LOG_LEVEL,
  };
}

function coherenceOf(values: SettingValues): CoherenceConfig {
  const { COHERENCE: kind, KAFKA_BROKERS: kafka, KAFKA_TOPIC: topic } = values;
  if (kind !== 'kafka') return { kind };
  if (kafka === undefined) throw new Error('contradictions() lets no such settings through');
  return { kind, kafka, topic };
}

function busOf(values: SettingValues): ReplicationBus {
  const {
    REPLICATION_BUS: kind,
    REPLICATION_URL: address,
    KAFKA_BROKERS: kafka,
    KAFKA_TOPIC: topic,
  } = values;
  if (kind === 'redis' && address !== undefined) return { kind, address: withCredentials(address, values) };
  if (kind === 'kafka' && kafka !== undefined) return { kind, kafka, topic };
  throw new Error('contradictions() lets no such settings through');
}

function withCredentials(node: NodeAddress, values: SettingValues): NodeAddress {
  const { REDIS_USERNAME: username, REDIS_PASSWORD: password } = values;
  return node.password === undefined ? { ...node, username, password } : node;
}

function engineOf(values: SettingValues): EngineConfig {
  const { REDIS_USERNAME: username, REDIS_PASSWORD: password } = values;
  const { REDIS_NODES: shards, REDIS_SENTINELS: sentinels, REDIS_MASTERS: masters } = values;
  const ring = { hash: values.RING_HASH, readFrom: values.READ_FROM };
  if (sentinels !== undefined && masters !== undefined) {
    const tls = sentinels.some((sentinel) => sentinel.tls);
    return { kind: 'sentinel', sentinels, masters, nodes: { tls, username, password }, ...ring };
  }
  const complete = (node: NodeAddress): NodeAddress => withCredentials(node, values);
  if (values.REDIS_CLUSTER !== undefined) {
    return { kind: 'cluster', seeds: values.REDIS_CLUSTER.map(complete), readFrom: values.READ_FROM };
  }
  if (values.ENGINE === 'replicated') return { kind: 'replicated', bus: busOf(values) };
  if (shards === undefined) return { kind: 'memory' };
  return {
    kind: 'ring',
    shards: shards.map(({ name, master, replicas }): ShardConfig => ({
      name,
      master: complete(master),
      replicas: replicas.map(complete),
    })),
    ...ring,
  };
}
