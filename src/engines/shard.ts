/**
 * One shard: a master and its replicas. Writes go to the master. A read goes to the replica that a ring over the
 * replicas picks for the key, to the next one where that cannot be used, to the master at last.
 */
import type { Ack, Key } from '../core/command';
import type { CacheError } from '../core/errors';
import type { Found, Log, NodeStatus, ReadOptions, ShardStatus, WriteOptions } from '../core/ports';
import type { Clock } from '../lib/clock';
import { withDeadline } from '../lib/deadline';
import type { NodeAddress } from '../redis/client';
import {
  deleteKey,
  getLife,
  getValue,
  getValueAndLife,
  replaceValue,
  scanPage,
  setValue,
  type RedisCommand,
} from '../redis/commands';
import { ConfirmingConnection } from '../redis/confirming-connection';
import { RedisNode } from '../redis/redis-node';
import { isNodeTrouble, translateRedisError, unreachable } from '../redis/redis-errors';
import type { Replication } from '../redis/replication';
import { HashRing, type Point } from './hash-ring';
import { WriteMarks } from './write-marks';

export interface ShardConfig {
  /** The name that stands on the ring, so that a node can move without moving keys. */
  readonly name: string;
  readonly master: NodeAddress;
  readonly replicas: readonly NodeAddress[];
}

export type ReadFrom = 'replica' | 'master';

export interface ShardOptions {
  readonly readFrom: ReadFrom;
  /** What is stored and longer than this is not fetched: reads of it are `too_large`. */
  readonly storedBytesMax: number;
  readonly clock: Clock;
  readonly log: Log;
}

/** A replica that is silent for so long is passed over for the next node; a healthy one takes under 1 ms. */
const REPLICA_SILENCE_MS_MAX = 250;
/** How soon after a write the replicas are asked how far they are, and how rarely at most while they lag. */
const CATCH_UP_MS_MIN = 10;
const CATCH_UP_MS_MAX = 160;
/** For one page of a walk over all keys. */
const SCAN_WAIT_MS = 2000;

export class Shard {
  readonly name: string;
  readonly #master: RedisNode;
  readonly #replicas: readonly RedisNode[];
  /** Over the replicas, by position: one can move to another address without moving keys. undefined: all reads go to the master. */
  readonly #replicaRing: HashRing | undefined;
  readonly #marks = new WriteMarks();
  readonly #clock: Clock;
  readonly #bytesMax: number;
  #catchUpTimer: NodeJS.Timeout | undefined;
  /** One for each number of replicas, since a WAIT for two would hold up those that need only one. */
  readonly #confirming: Readonly<Record<Exclude<Ack, 0>, ConfirmingConnection>>;
  #closed = false;

  constructor(config: ShardConfig, options: ShardOptions) {
    const { clock } = options;
    this.name = config.name;
    this.#clock = clock;
    this.#bytesMax = options.storedBytesMax;
    const deps = { clock, log: options.log };
    this.#master = new RedisNode(config.master, {
      ...deps,
      onLearned: (replication) => {
        this.#marks.observeMaster(replication);
      },
    });
    this.#replicas = config.replicas.map(
      (address) =>
        new RedisNode(address, {
          ...deps,
          onLearned: () => {
            this.#settle();
          },
        }),
    );
    this.#confirming = {
      1: new ConfirmingConnection(config.master, 1, clock),
      2: new ConfirmingConnection(config.master, 2, clock),
    };
    if (options.readFrom === 'replica' && config.replicas.length > 0) {
      const names = config.replicas.map((_, index) => `replica-${index}`);
      this.#replicaRing = new HashRing(names, 'ketama');
    }
  }

  /** Resolves when each node has been tried once. */
  async open(): Promise<void> {
    await Promise.all([this.#master.open(), ...this.#replicas.map((replica) => replica.open())]);
  }

  async read(key: Key, point: Point, options: ReadOptions): Promise<Found | undefined> {
    if (options.consistency !== 'eventual') return this.#get(this.#master, key, options);
    const tried: RedisNode[] = [];
    let failure: CacheError | undefined;
    let asked = false;
    for (;;) {
      // Chosen anew each time: what failed has changed what is usable.
      const node = this.#choose(key, point, tried);
      if (node === undefined) {
        if (asked) throw failure ?? unreachable();
        // The master is away and no replica is known to have the key's last write: it may have it by now.
        asked = true;
        await this.#askReplicas(options.deadlineMs - this.#clock.now());
        continue;
      }
      tried.push(node);
      try {
        return await this.#get(node, key, options);
      } catch (thrown) {
        failure = translateRedisError(thrown);
        if (!isNodeTrouble(failure) || this.#clock.now() >= options.deadlineMs) throw failure;
      }
    }
  }

  write(key: Key, bytes: Buffer, options: WriteOptions): Promise<boolean> {
    return this.#change(key, options, setValue(key, bytes, options));
  }

  remove(key: Key, options: { readonly ack: Ack; readonly deadlineMs: number }): Promise<boolean> {
    return this.#change(key, options, deleteKey(key));
  }

  replace(key: Key, expected: Buffer, next: Buffer, deadlineMs: number): Promise<boolean> {
    return this.#change(key, { ack: 0, deadlineMs }, replaceValue(key, expected, next));
  }

  /** The key's remaining life on the master in ms; Infinity: no expiry; undefined: absent. */
  life(key: Key, deadlineMs: number): Promise<number | undefined> {
    return this.#master.run(getLife(key), deadlineMs);
  }

  /** The node that an eventual read of the key would ask first; undefined when none can be asked. */
  nodeFor(key: Key, point: Point): string | undefined {
    return this.#choose(key, point, [])?.name;
  }

  async *scan(): AsyncGenerator<readonly Buffer[]> {
    let cursor = '0';
    do {
      const [next, keys] = await this.#master.run(scanPage(cursor), this.#clock.now() + SCAN_WAIT_MS);
      cursor = next;
      yield keys;
    } while (cursor !== '0');
  }

  /** Whether reads or writes can be served now. */
  usable(): boolean {
    if (this.#closed) return false;
    return this.#masterUsable() || this.#replicas.some((replica) => this.#serves(replica));
  }

  status(): ShardStatus {
    const masterOffset = this.#master.replication?.offset;
    const master: NodeStatus = {
      address: this.#master.name,
      role: 'master',
      healthy: this.#masterUsable(),
      linkUp: undefined,
      lagBytes: undefined,
    };
    const replicas = this.#replicas.map((replica): NodeStatus => {
      const state = replica.replication;
      const comparable = state?.lineage === this.#master.replication?.lineage;
      return {
        address: replica.name,
        role: 'replica',
        healthy: this.#serves(replica),
        linkUp: state?.linkUp,
        // Both sides are asked at their own time, so the younger answer of a replica may be ahead.
        lagBytes:
          state === undefined || masterOffset === undefined || !comparable
            ? undefined
            : Math.max(0, masterOffset - state.offset),
      };
    });
    return { name: this.name, nodes: [master, ...replicas] };
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#catchUpTimer);
    for (const connection of Object.values(this.#confirming)) connection.close();
    this.#master.close();
    for (const replica of this.#replicas) replica.close();
  }

  /** The replica may answer reads: it answers, and nothing this gateway acked is known to be missing on it. */
  #serves(replica: RedisNode): boolean {
    return replica.usable && replica.replication !== undefined && this.#marks.admits(replica.replication);
  }

  #masterUsable(): boolean {
    return this.#master.usable && this.#master.replication?.role === 'master';
  }

  /**
   * Whom to ask for the key, of those not tried yet. A replica without its master's link shows the past: it is asked
   * only when the master cannot be, and even then only if it has all that this gateway wrote under the key.
   */
  #choose(key: Key, point: Point, tried: readonly RedisNode[]): RedisNode | undefined {
    let cutOff: RedisNode | undefined;
    for (const index of this.#replicaRing?.succession(point) ?? []) {
      const replica = this.#replicas[index];
      const state = replica?.replication;
      if (replica === undefined || state === undefined || tried.includes(replica) || !this.#serves(replica))
        continue;
      if (!this.#marks.covers(state, key)) continue;
      if (state.linkUp) return replica;
      cutOff ??= replica;
    }
    return this.#masterUsable() && !tried.includes(this.#master) ? this.#master : cutOff;
  }

  async #get(node: RedisNode, key: Key, options: ReadOptions): Promise<Found | undefined> {
    const askedAtMs = this.#clock.now();
    const isMaster = node === this.#master;
    // A silent replica costs a fraction of the deadline, not all of it; behind the master there is nobody to ask.
    const silenceMs = isMaster ? Infinity : REPLICA_SILENCE_MS_MAX;
    let bytes: Buffer | null;
    let remainingMs: number | undefined;
    if (options.withLife) {
      const command = getValueAndLife(key, this.#bytesMax);
      [bytes, remainingMs] = await node.run(command, options.deadlineMs, silenceMs);
    } else {
      bytes = await node.run(getValue(key, this.#bytesMax), options.deadlineMs, silenceMs);
    }
    if (bytes === null) return undefined;
    return { bytes, remainingMs, askedAtMs, source: isMaster ? 'master' : 'replica' };
  }

  /** Sends a change to the master and marks its key before the caller hears of it. */
  async #change<T>(
    key: Key,
    options: { readonly ack: Ack; readonly deadlineMs: number },
    change: RedisCommand<T>,
  ): Promise<T> {
    // A master that does not answer is not given work that might be done much later.
    if (!this.#masterUsable()) throw unreachable();
    const { ack, deadlineMs } = options;
    if (ack !== 0) {
      const reply = await this.#confirming[ack].run(change, deadlineMs);
      // Made on another connection: what the main one learns from now on is later than that.
      this.#mark(key, Infinity);
      return reply;
    }
    if (this.#replicaRing === undefined) return this.#master.run(change, deadlineMs);
    const { reply, offset } = await this.#master.change(change, deadlineMs);
    this.#mark(key, offset);
    return reply;
  }

  #mark(key: Key, offset: number): void {
    if (this.#replicaRing === undefined) return;
    this.#marks.mark(key, offset);
    this.#catchUpTimer ??= this.#catchUpAfter(CATCH_UP_MS_MIN);
  }

  #catchUpAfter(waitMs: number): NodeJS.Timeout {
    return setTimeout(() => void this.#catchUp(waitMs), waitMs);
  }

  /** Asks the replicas how far they are until no mark is left, ever more rarely while that does not help. */
  async #catchUp(waitedMs: number): Promise<void> {
    const floor = this.#marks.floor;
    await this.#askReplicas(CATCH_UP_MS_MAX);
    if (this.#closed) return;
    const helped = this.#marks.floor > floor;
    const nextMs = helped ? CATCH_UP_MS_MIN : Math.min(waitedMs * 2, CATCH_UP_MS_MAX);
    this.#catchUpTimer = this.#marks.pending ? this.#catchUpAfter(nextMs) : undefined;
  }

  /** Those that answer at all are asked; one that does not is asked at its own pace, and nobody waits for it. */
  async #askReplicas(waitMs: number): Promise<void> {
    const answers = this.#replicas.filter((replica) => replica.usable).map((replica) => replica.probe());
    await withDeadline(Promise.all(answers), waitMs, () => unreachable()).catch(() => undefined);
  }

  #settle(): void {
    const inUse: Replication[] = [];
    for (const replica of this.#replicas) {
      if (this.#serves(replica) && replica.replication !== undefined) inUse.push(replica.replication);
    }
    this.#marks.settle(inUse);
  }
}
