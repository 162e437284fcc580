/** What doors stand on in the door contract: the engine in the process, and rings of real Redis. */
import type { Key } from '../../src/core/command';
import { openReplicated } from '../../src/engines/replicated';
import { openRing } from '../../src/engines/ring';
import { systemClock as clock } from '../../src/lib/clock';
import type { HttpDoor } from '../support/http-door';
import { eventually } from '../support/eventually';
import type { HttpDoorOptions } from '../support/http-door';
import { stopAfterTests } from '../support/leftovers';
import { type RedisProcess, type ShardProcesses, startShard } from '../support/redis';
import { createTestCoherence, STORED_BYTES_MAX } from '../support/ring';
import type { DoorGround } from './door-contract-frame';

/** Opens the doors that are to be tested. */
export type OpenService = (options?: HttpDoorOptions) => Promise<HttpDoor>;

const FIRST = 'shard-1';

/** Three shards; the first is the one that can be away. */
export function startDoorShards(): Promise<ShardProcesses[]> {
  return Promise.all([
    startShard({ name: FIRST, replicationThroughProxy: true }),
    ...['shard-2', 'shard-3'].map((name) => startShard({ name, replicas: 1 })),
  ]);
}

export function memoryGround(openService: OpenService): DoorGround {
  return { name: 'memory', open: openService, ...aloneGround };
}

/** One gateway of the replicated engine, all by itself on its bus; `redis` is asked when tests run. */
export function replicatedGround(openService: OpenService, redis: () => RedisProcess): DoorGround {
  return {
    name: 'replicated',
    open: (options) =>
      openService({
        ...options,
        openEngine: async (log) => {
          const engine = await openReplicated({
            bus: { kind: 'redis', address: redis().address },
            bytesMax: 256 * 1024 * 1024,
            clock,
            log,
            onChanged: () => undefined,
            load: undefined,
          });
          stopAfterTests(() => engine.close());
          await eventually(() => engine.ready());
          return engine;
        },
      }),
    ...aloneGround,
  };
}

/** What is stored is in the engine's process, and nobody else is there. */
const aloneGround: Omit<DoorGround, 'name' | 'open'> = {
  servers: undefined,
  async stored({ engine }, key) {
    const found = await engine.read(key, {
      consistency: 'strong',
      withLife: false,
      deadlineMs: clock.now() + 5000,
    });
    return found?.bytes;
  },
  async store({ engine }, key, bytes) {
    await engine.write(key, bytes, {
      ttlMs: 0,
      condition: undefined,
      ack: 0,
      deadlineMs: clock.now() + 5000,
    });
  },
};

/** A ring of the first `shardCount` of what `startDoorShards` has started; `processes` is asked when tests run. */
export function ringGround(
  openService: OpenService,
  processes: () => readonly ShardProcesses[],
  shardCount: number,
): DoorGround {
  const shards = (): readonly ShardProcesses[] => processes().slice(0, shardCount);
  const first = (): ShardProcesses => shards()[0]!;
  const shardOf = async (service: HttpDoor, key: Key): Promise<ShardProcesses> => {
    const { shard } = await service.engine.locate(key, clock.now() + 5000);
    return shards().find(({ name }) => name === shard)!;
  };

  return {
    name: `a ring of ${shardCount}`,
    open: (options) =>
      openService({
        ...options,
        openEngine: async (log) => {
          const engine = await openRing({
            shards: shards().map(({ config }) => config),
            hash: 'ketama',
            readFrom: 'replica',
            storedBytesMax: STORED_BYTES_MAX,
            coherence: createTestCoherence(),
            clock,
            log,
          });
          // A service that does not open leaves it behind.
          stopAfterTests(() => engine.close());
          return engine;
        },
      }),
    async stored(service, key) {
      const { master } = await shardOf(service, key);
      return (await master.client.getBuffer(Buffer.from(key, 'latin1'))) ?? undefined;
    },
    async store(service, key, bytes) {
      const shard = await shardOf(service, key);
      await shard.master.client.set(Buffer.from(key, 'latin1'), bytes);
      await shard.inSync();
    },
    servers: {
      areAll: shardCount === 1,
      hold: async (service, key) => (await shardOf(service, key)).name === FIRST,
      kill: async () => {
        await Promise.all([first().master, ...first().replicas].map((node) => node.kill()));
      },
      restart: async () => {
        await first().master.restart();
        await Promise.all(first().replicas.map((node) => node.restart()));
        await first().inSync();
      },
      pauseReplication: () => first().pauseReplication(),
      resumeReplication: () => {
        first().resumeReplication();
        return first().inSync();
      },
    },
  };
}
