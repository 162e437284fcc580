/**
 * The ring engine: shards on a consistent-hash ring, a key belongs to one of them. Their nodes are those of the
 * settings here; `sentinel.ts` is the same ring over nodes that change.
 */
import type { Key } from '../core/command';
import { keyFromBytes } from '../core/key';
import type {
  Change,
  Engine,
  EngineRelay,
  Found,
  Location,
  Placement,
  ReadOptions,
  RemoveOptions,
  ShardStatus,
  WriteOptions,
} from '../core/ports';
import type { ShardNodes } from '../redis/client';
import { RingRelay } from './ring-relay';
import { HashRing, RING_POINTS, type Point, type RingHash } from './hash-ring';
import { Shard, type ShardConfig, type ShardOptions } from './shard';

export interface RingEngineOptions extends Omit<ShardOptions, 'isCluster'> {
  readonly hash: RingHash;
}

export interface RingOptions extends RingEngineOptions {
  /** At least one; their names are unique. */
  readonly shards: readonly ShardConfig[];
}

/**
 * Connects to every node and resolves when each has been tried once. Nodes that are away do not keep it from
 * opening: their shard answers `unavailable` until they come.
 */
export async function openRing(options: RingOptions): Promise<Engine> {
  const names = options.shards.map(({ name }) => name);
  const engine = new RingEngine('ring', names, options);
  await engine.open(new Map(options.shards.map((shard) => [shard.name, shard])));
  return engine;
}

/** For a shard that has nobody to choose among. */
const ANY_POINT: Point = 0;

export class RingEngine implements Engine {
  readonly kind: string;
  readonly relay: EngineRelay;
  readonly #ring: HashRing;
  readonly #shards: readonly Shard[];

  /** `names` of the shards: at least one, and unique. */
  constructor(kind: string, names: readonly string[], options: RingEngineOptions) {
    this.kind = kind;
    this.#shards = names.map((name) => new Shard(name, { ...options, isCluster: false }));
    this.#ring = new HashRing(names, options.hash);
    this.relay = new RingRelay({
      ring: this.#ring,
      shards: this.#shards,
      clock: options.clock,
      isCurrent: () => this.isCurrent(),
      becomeCurrent: async (deadlineMs) => this.becomeCurrent?.(deadlineMs),
    });
  }

  /** Resolves when each node has been tried once. A shard that is not named begins without nodes. */
  async open(nodes: ReadonlyMap<string, ShardNodes>): Promise<void> {
    await Promise.all(
      this.#shards.map((shard) => shard.open(nodes.get(shard.name) ?? { master: undefined, replicas: [] })),
    );
  }

  /** The nodes of that shard are these from now on. Resolves when each new one has been tried once. */
  async follow(name: string, nodes: ShardNodes): Promise<void> {
    await this.#shards.find((shard) => shard.name === name)?.follow(nodes);
  }

  read(key: Key, options: ReadOptions): Promise<Found | undefined> {
    const only = this.#onlyShard();
    if (only?.isReplicated === false) return only.read(key, ANY_POINT, options);
    const point = this.#ring.pointOf(key);
    return this.#shardAt(point).read(key, point, options);
  }

  write(key: Key, bytes: Buffer, options: WriteOptions): Promise<Change> {
    return this.#shardOf(key).write(key, bytes, options);
  }

  remove(key: Key, options: RemoveOptions): Promise<Change> {
    return this.#shardOf(key).remove(key, options);
  }

  async *scan(): AsyncGenerator<readonly Key[]> {
    for (const shard of this.#shards) {
      for await (const page of shard.scan()) yield page.map(keyFromBytes);
    }
  }

  async locate(key: Key, deadlineMs: number): Promise<Location> {
    const point = this.#ring.pointOf(key);
    const shard = this.#shardAt(point);
    return {
      hash: point,
      shard: shard.name,
      node: shard.nodeFor(key, point),
      remainingMs: await shard.life(key, deadlineMs),
    };
  }

  placement(): Placement {
    const arcs = this.#ring.arcs().map(({ lastPoint, owner }) => ({
      lastPoint,
      shard: this.#shards[owner]?.name,
    }));
    return { size: RING_POINTS, arcs };
  }

  ready(): boolean {
    return this.#shards.some((shard) => shard.usable());
  }

  status(): readonly ShardStatus[] {
    return this.#shards.map((shard) => shard.status());
  }

  close(): Promise<void> {
    for (const shard of this.#shards) shard.close();
    return Promise.resolve();
  }

  /** False: the nodes may be others by now, and that is being asked. */
  protected isCurrent(): boolean {
    return true;
  }

  /** Resolves when that has been asked. @throws CacheError `unavailable` when it takes too long */
  protected becomeCurrent?(deadlineMs: number): Promise<void>;

  /** Where there is nothing to choose, the key's digest is spared: half a microsecond (bench, row P2). */
  #shardOf(key: Key): Shard {
    return this.#onlyShard() ?? this.#shardAt(this.#ring.pointOf(key));
  }

  #onlyShard(): Shard | undefined {
    return this.#shards.length === 1 ? this.#shards[0] : undefined;
  }

  #shardAt(point: Point): Shard {
    const shard = this.#shards[this.#ring.ownerOf(point)];
    if (shard === undefined) throw new Error('a ring has at least one shard');
    return shard;
  }
}
