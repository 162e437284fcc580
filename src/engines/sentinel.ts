/**
 * The Sentinel engine: the ring over shards whose nodes Sentinels know. The names of the masters stand on the ring,
 * so a failover moves no key.
 */
import type { Key } from '../core/command';
import type {
  Change,
  Engine,
  Found,
  Location,
  ReadOptions,
  RemoveOptions,
  WriteOptions,
} from '../core/ports';
import type { Clock } from '../lib/clock';
import { withDeadline } from '../lib/deadline';
import type { NodeAddress } from '../redis/client';
import { NotYet, unreachable } from '../redis/redis-errors';
import { SentinelWatcher } from '../redis/sentinel-watcher';
import { HOLD_MS } from './master-wait';
import { RingEngine, type RingEngineOptions } from './ring';

export interface SentinelOptions extends RingEngineOptions {
  readonly sentinels: readonly NodeAddress[];
  /** The names of the masters, one shard each; at least one, and unique. */
  readonly masters: readonly string[];
  /** How to speak to the nodes that the Sentinels name. */
  readonly nodes: Pick<NodeAddress, 'tls' | 'username' | 'password'>;
}

/**
 * Resolves when each Sentinel, and each node that they name, has been tried once. What is away does not keep it from
 * opening: a shard without known nodes answers `unavailable` until a Sentinel names them.
 */
export async function openSentinel(options: SentinelOptions): Promise<Engine> {
  const engine = new SentinelEngine(options);
  await engine.openWatched();
  return engine;
}

/** A change that was refused for want of replicas is tried again (for HOLD_MS at most), first after this pause. */
const PAUSE_MS_MIN = 10;

class SentinelEngine extends RingEngine {
  readonly #clock: Clock;
  readonly #watcher: SentinelWatcher;
  /** Of the nodes that are being tried for the first time. */
  #tried: Promise<void> = Promise.resolve();

  constructor(options: SentinelOptions) {
    super('sentinel', options.masters, options);
    this.#clock = options.clock;
    this.#watcher = new SentinelWatcher({
      ...options,
      nodeAt: (host, port) => ({ ...options.nodes, host, port }),
      onNodes: (master, nodes) => {
        const followed = this.follow(master, nodes);
        this.#tried = this.#tried.then(() => followed);
      },
    });
  }

  async openWatched(): Promise<void> {
    await this.open(new Map());
    await this.#watcher.open();
    await this.#tried;
  }

  override read(key: Key, options: ReadOptions): Promise<Found | undefined> {
    return this.#withKnowledge(options.deadlineMs, () => super.read(key, options));
  }

  override write(key: Key, bytes: Buffer, options: WriteOptions): Promise<Change> {
    return this.#change(options.deadlineMs, () => super.write(key, bytes, options));
  }

  override remove(key: Key, options: RemoveOptions): Promise<Change> {
    return this.#change(options.deadlineMs, () => super.remove(key, options));
  }

  override locate(key: Key, deadlineMs: number): Promise<Location> {
    return this.#withKnowledge(deadlineMs, () => super.locate(key, deadlineMs));
  }

  override close(): Promise<void> {
    this.#watcher.close();
    return super.close();
  }

  /**
   * A new master takes no writes before it has replicas, where `min-replicas-to-write` asks for some: it gets them
   * within a fraction of a second. What it refuses was not done, so a second attempt is the first execution (C7).
   */
  async #change<T>(deadlineMs: number, work: () => Promise<T>): Promise<T> {
    const lastMs = Math.min(deadlineMs, this.#clock.now() + HOLD_MS);
    for (let pauseMs = PAUSE_MS_MIN; ; pauseMs *= 2) {
      try {
        return await this.#withKnowledge(deadlineMs, work);
      } catch (thrown) {
        if (!(thrown instanceof NotYet) || this.#clock.now() + pauseMs > lastMs) throw thrown;
      }
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }

  protected override isCurrent(): boolean {
    if (this.#watcher.isCurrent) return true;
    void this.#watcher.refresh();
    return false;
  }

  protected override becomeCurrent(deadlineMs: number): Promise<void> {
    if (this.#watcher.isCurrent) return Promise.resolve();
    return withDeadline(this.#watcher.refresh(), deadlineMs - this.#clock.now(), unreachable);
  }

  /** A process that stood still asks who the master is before it asks a node anything (`sentinel-watcher.ts`, 2). */
  #withKnowledge<T>(deadlineMs: number, work: () => Promise<T>): Promise<T> {
    return this.#watcher.isCurrent ? work() : this.becomeCurrent(deadlineMs).then(work);
  }
}
