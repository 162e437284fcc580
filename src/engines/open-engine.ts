/** The one switch over engines: from what the settings name to an open engine. */
import type { Coherence } from '../coherence/coherence';
import type { Engine, Log } from '../core/ports';
import { storedBytesMax } from '../core/value';
import type { Clock } from '../lib/clock';
import { openCluster, type ClusterOptions } from './cluster';
import type { RingHash } from './hash-ring';
import { openMemory } from './memory';
import { openRing } from './ring';
import { openSentinel, type SentinelOptions } from './sentinel';
import type { ReadFrom, ShardConfig } from './shard';

export type EngineConfig =
  | { readonly kind: 'memory' }
  | {
      readonly kind: 'ring';
      readonly shards: readonly ShardConfig[];
      readonly hash: RingHash;
      readonly readFrom: ReadFrom;
    }
  | ({ readonly kind: 'sentinel' } & Pick<
      SentinelOptions,
      'sentinels' | 'masters' | 'nodes' | 'hash' | 'readFrom'
    >)
  | ({ readonly kind: 'cluster' } & Pick<ClusterOptions, 'seeds' | 'readFrom'>);

/** Values and keys that the memory engine holds before it evicts. Not a setting: it is for laptops and tests. */
const MEMORY_ENGINE_BYTES = 512 * 1024 * 1024;

export interface EngineDeps {
  readonly coherence: Coherence;
  readonly valueBytesMax: number;
  readonly clock: Clock;
  readonly log: Log;
}

export function openEngine(config: EngineConfig, deps: EngineDeps): Promise<Engine> {
  const shared = { ...deps, storedBytesMax: storedBytesMax(deps.valueBytesMax) };
  switch (config.kind) {
    case 'memory':
      return Promise.resolve(openMemory({ bytesMax: MEMORY_ENGINE_BYTES, clock: deps.clock }));
    case 'ring':
      return openRing({ ...config, ...shared });
    case 'sentinel':
      return openSentinel({ ...config, ...shared });
    case 'cluster':
      return openCluster({ ...config, ...shared });
  }
}
