/** The one switch over engines: from what the settings name to an open engine. */
import { getHeapStatistics } from 'node:v8';
import type { Coherence } from '../coherence/coherence';
import type { Key } from '../core/command';
import type { Engine, EngineContent, Log } from '../core/ports';
import { storedBytesMax } from '../core/value';
import type { Clock } from '../lib/clock';
import type { ReplicationBus } from '../replication/replication-log';
import { openCluster, type ClusterOptions } from './cluster';
import type { RingHash } from './hash-ring';
import { openMemory } from './memory';
import { openReplicated } from './replicated';
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
  | ({ readonly kind: 'cluster' } & Pick<ClusterOptions, 'seeds' | 'readFrom'>)
  | { readonly kind: 'replicated'; readonly bus: ReplicationBus };

/** Values and keys that the memory engine holds before it evicts. Not a setting: it is for laptops and tests. */
const MEMORY_ENGINE_BYTES = 512 * 1024 * 1024;

/**
 * Of values, keys and what is kept of them, on each gateway. Not a setting: what is larger belongs on Redis, where not every
 * process has to hold all of it. Small values lie on V8's heap, and a process whose heap is full ends: so it is half of that
 * where that is less.
 */
const REPLICATED_ENGINE_BYTES = Math.min(2 * 1024 ** 3, getHeapStatistics().heap_size_limit / 2);

export interface EngineDeps {
  readonly coherence: Coherence;
  /** Another gateway changed the key of an engine that tells of it by itself. */
  readonly onChanged: (key: Key) => void;
  /** Fills an engine whose data are in this process, before anything is read. */
  readonly load?: ((content: EngineContent) => Promise<void>) | undefined;
  readonly valueBytesMax: number;
  readonly clock: Clock;
  readonly log: Log;
}

export async function openEngine(config: EngineConfig, deps: EngineDeps): Promise<Engine> {
  const { clock, log, load } = deps;
  const shared = {
    coherence: deps.coherence,
    storedBytesMax: storedBytesMax(deps.valueBytesMax),
    clock,
    log,
  };
  switch (config.kind) {
    case 'memory': {
      const memory = openMemory({ bytesMax: MEMORY_ENGINE_BYTES, clock });
      await load?.(memory.content);
      return memory;
    }
    case 'ring':
      return openRing({ ...config, ...shared });
    case 'sentinel':
      return openSentinel({ ...config, ...shared });
    case 'cluster':
      return openCluster({ ...config, ...shared });
    case 'replicated':
      return openReplicated({
        bus: config.bus,
        bytesMax: REPLICATED_ENGINE_BYTES,
        clock,
        log,
        onChanged: deps.onChanged,
        load,
      });
  }
}
