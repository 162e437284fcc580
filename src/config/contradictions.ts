/** Settings that are fine alone and not together; each fault begins with its variable's name, and none repeats a value. */
import type { EngineConfig } from '../engines/open-engine';
import type { SettingName } from './settings';

export type Environment = Readonly<Record<string, string | undefined>>;

/** What each engine needs, and no other engine may have. */
const ENGINE_SETTINGS = {
  memory: [],
  ring: ['REDIS_NODES'],
  sentinel: ['REDIS_SENTINELS', 'REDIS_MASTERS'],
  cluster: ['REDIS_CLUSTER'],
  replicated: [],
} satisfies Record<EngineConfig['kind'], readonly SettingName[]>;

/** What a subscriber of Redis can be sent without being dropped by its usual limits. */
const REPLICATED_VALUE_BYTES_MAX = 8 * 1024 * 1024;

/** The environment with the defaults that others depend on. */
interface Asked {
  readonly engine: string;
  readonly bus: string;
  readonly coherence: string;
  readonly has: (name: SettingName) => boolean;
}

export function contradictions(environment: Environment): string[] {
  const has = (name: SettingName): boolean => (environment[name] ?? '') !== '';
  const asked: Asked = {
    engine: environment['ENGINE'] || (has('REDIS_NODES') ? 'ring' : 'memory'),
    bus: environment['REPLICATION_BUS'] || 'redis',
    coherence: environment['COHERENCE'] || 'tracking',
    has,
  };
  const faults = [
    ...engineFaults(asked),
    ...coherenceFaults(asked),
    ...busFaults(asked),
    ...kafkaFaults(asked),
  ];
  if (asked.engine === 'replicated' && Number(environment['VALUE_BYTES_MAX']) > REPLICATED_VALUE_BYTES_MAX) {
    faults.push(`VALUE_BYTES_MAX: may be ${REPLICATED_VALUE_BYTES_MAX} at most where ENGINE is replicated`);
  }
  const workers = environment['WORKERS'];
  if (asked.engine === 'memory' && (workers === 'auto' || Number(workers) > 1)) {
    faults.push('WORKERS: must be 1 where ENGINE is memory, since each worker would have data of its own');
  }
  if (has('REDIS_USERNAME') && !has('REDIS_PASSWORD')) {
    faults.push('REDIS_USERNAME: needs REDIS_PASSWORD beside it');
  }
  if (environment['ENCRYPT_VALUES'] === 'true' && !has('ENCRYPTION_KEYS')) {
    faults.push('ENCRYPT_VALUES: needs ENCRYPTION_KEYS to encrypt with');
  }
  return faults;
}

function engineFaults({ engine, has }: Asked): string[] {
  const faults: string[] = [];
  for (const [kind, names] of Object.entries(ENGINE_SETTINGS)) {
    for (const name of names) {
      if (kind === engine) {
        if (!has(name)) faults.push(`${name}: must be set where ENGINE is ${kind}`);
      } else if (has(name)) {
        if (!has('ENGINE')) faults.push(`${name}: needs ENGINE=${kind}`);
        else if (isEngine(engine)) faults.push(`ENGINE: ${engine} contradicts ${name}; unset one of them`);
      }
    }
  }
  return faults;
}

function isEngine(text: string): boolean {
  return Object.hasOwn(ENGINE_SETTINGS, text);
}

function coherenceFaults({ engine, coherence }: Asked): string[] {
  if (engine === 'cluster' && coherence === 'pubsub') {
    // There a publication travels over the cluster's bus, not behind the change that it announces.
    return ['COHERENCE: pubsub does not work where ENGINE is cluster; tracking does'];
  }
  if (coherence === 'kafka' && isEngine(engine) && engine !== 'ring' && engine !== 'sentinel') {
    return ['COHERENCE: kafka is for ENGINE=ring and ENGINE=sentinel'];
  }
  return [];
}

function busFaults({ engine, bus, has }: Asked): string[] {
  const faults: string[] = [];
  if (engine !== 'replicated') {
    // Its default says nothing.
    if (bus === 'kafka') faults.push('REPLICATION_BUS: kafka needs ENGINE=replicated');
    if (has('REPLICATION_URL')) faults.push('REPLICATION_URL: needs ENGINE=replicated');
  } else if (bus === 'redis') {
    if (!has('REPLICATION_URL')) {
      faults.push('REPLICATION_URL: must be set where ENGINE is replicated and REPLICATION_BUS is redis');
    }
  } else if (bus === 'kafka' && has('REPLICATION_URL')) {
    faults.push('REPLICATION_URL: needs REPLICATION_BUS=redis');
  }
  return faults;
}

function kafkaFaults({ bus, coherence, has }: Asked): string[] {
  const asking = [coherence === 'kafka' ? 'COHERENCE' : [], bus === 'kafka' ? 'REPLICATION_BUS' : []].flat();
  if (asking.length === 0 && has('KAFKA_BROKERS')) {
    return ['KAFKA_BROKERS: needs COHERENCE=kafka or REPLICATION_BUS=kafka'];
  }
  return has('KAFKA_BROKERS')
    ? []
    : asking.map((name) => `KAFKA_BROKERS: must be set where ${name} is kafka`);
}
