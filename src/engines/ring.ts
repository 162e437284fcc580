/** The ring engine: shards on a consistent-hash ring, a key belongs to one of them. */
import type { Ack, Key } from '../core/command';
import { keyFromBytes } from '../core/key';
import type { Engine, Found, Location, ReadOptions, ShardStatus, WriteOptions } from '../core/ports';
import { HashRing, type Point, type RingHash } from './hash-ring';
import { Shard, type ShardConfig, type ShardOptions } from './shard';

export interface RingOptions extends ShardOptions {
  /** At least one; their names are unique. */
  readonly shards: readonly ShardConfig[];
  readonly hash: RingHash;
}

/**
 * Connects to every node and resolves when each has been tried once. Nodes that are away do not keep it from
 * opening: their shard answers `unavailable` until they come.
 */
export async function openRing(options: RingOptions): Promise<Engine> {
  const engine = new RingEngine(options);
  await engine.open();
  return engine;
}

class RingEngine implements Engine {
  readonly kind = 'ring';
  readonly #ring: HashRing;
  readonly #shards: readonly Shard[];

  constructor(options: RingOptions) {
    this.#shards = options.shards.map((config) => new Shard(config, options));
    this.#ring = new HashRing(
      options.shards.map((shard) => shard.name),
      options.hash,
    );
  }

  async open(): Promise<void> {
    await Promise.all(this.#shards.map((shard) => shard.open()));
  }

  read(key: Key, options: ReadOptions): Promise<Found | undefined> {
    const point = this.#ring.pointOf(key);
    return this.#shardAt(point).read(key, point, options);
  }

  write(key: Key, bytes: Buffer, options: WriteOptions): Promise<boolean> {
    return this.#shardAt(this.#ring.pointOf(key)).write(key, bytes, options);
  }

  remove(key: Key, options: { readonly ack: Ack; readonly deadlineMs: number }): Promise<boolean> {
    return this.#shardAt(this.#ring.pointOf(key)).remove(key, options);
  }

  replace(key: Key, expected: Buffer, next: Buffer, deadlineMs: number): Promise<boolean> {
    return this.#shardAt(this.#ring.pointOf(key)).replace(key, expected, next, deadlineMs);
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

  #shardAt(point: Point): Shard {
    const shard = this.#shards[this.#ring.ownerOf(point)];
    if (shard === undefined) throw new Error('a ring has at least one shard');
    return shard;
  }
}
