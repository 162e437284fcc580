/**
 * One shard: a master and its replicas. Writes go to the master. A read goes to the replica that a ring over the
 * replicas picks for the key, to the next one where that cannot be used, to the master at last.
 */
import type { Ack, Key } from '../core/command';
import { CacheError } from '../core/errors';
import type { Found, Log, NodeStatus, ReadOptions, ShardStatus, WriteOptions } from '../core/ports';
import type { Clock } from '../lib/clock';
import type { NodeAddress } from '../redis/client';
import {
  deleteKey,
  getLife,
  getValue,
  getValueAndLife,
  masterOffset,
  replaceValue,
  scanPage,
  setValue,
  type RedisCommand,
} from '../redis/commands';
import { ConfirmingConnection } from '../redis/confirming-connection';
import { RedisNode } from '../redis/redis-node';
import { isNodeTrouble, translateRedisError } from '../redis/redis-errors';
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

/** A replica that has not answered by then is passed over for the next node; a healthy one takes under 1 ms. */
const REPLICA_WAIT_MS_MAX = 250;
/** How soon after a write the replicas are asked how far they are, and how rarely at most while they lag. */
const CATCH_UP_MS_MIN = 10;
const CATCH_UP_MS_MAX = 160;
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
  /** The ROLE that goes out behind the writes of this turn of the event loop. */
  #offsetBehind: Promise<number> | undefined;
  readonly #confirming: ConfirmingConnection;
  #closed = false;

  constructor(config: ShardConfig, options: ShardOptions) {
    const { clock } = options;
    this.name = config.name;
    this.#clock = clock;
    this.#bytesMax = options.storedBytesMax;
    const open = (address: NodeAddress, onChange: () => void): RedisNode =>
      new RedisNode(address, { clock, onChange, log: options.log });
    this.#master = open(config.master, () => {
      if (this.#master.replication !== undefined) this.#marks.observeMaster(this.#master.replication);
    });
    this.#confirming = new ConfirmingConnection(config.master);
    this.#replicas = config.replicas.map((address) =>
      open(address, () => {
        this.#settle();
      }),
    );
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
    if (options.consistency !== 'eventual') {
      return this.#get(this.#master, key, options.withLife, options.deadlineMs - this.#clock.now());
    }
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
        await this.#askReplicas();
        continue;
      }
      tried.push(node);
      const leftMs = options.deadlineMs - this.#clock.now();
      // A first attempt is short, so that a frozen replica costs a fraction of the deadline, not all of it.
      const waitMs = node === this.#master ? leftMs : Math.min(REPLICA_WAIT_MS_MAX, leftMs / 2);
      try {
        return await this.#get(node, key, options.withLife, waitMs);
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
    return this.#master.run(deadlineMs - this.#clock.now(), getLife(key));
  }

  /** The node that an eventual read of the key would ask first; undefined when none can be asked. */
  nodeFor(key: Key, point: Point): string | undefined {
    return this.#choose(key, point, [])?.name;
  }

  async *scan(): AsyncGenerator<readonly Buffer[]> {
    let cursor = '0';
    do {
      const [next, keys] = await this.#master.run(SCAN_WAIT_MS, scanPage(cursor));
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
    this.#confirming.close();
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

  async #get(node: RedisNode, key: Key, withLife: boolean, waitMs: number): Promise<Found | undefined> {
    const askedAtMs = this.#clock.now();
    const source = node === this.#master ? 'master' : 'replica';
    let bytes: Buffer | null;
    let remainingMs: number | undefined;
    if (withLife) [bytes, remainingMs] = await node.run(waitMs, getValueAndLife(key, this.#bytesMax));
    else bytes = await node.run(waitMs, getValue(key, this.#bytesMax));
    return bytes === null ? undefined : { bytes, remainingMs, askedAtMs, source };
  }

  /** Sends a change to the master and marks its key before the caller hears of it. */
  async #change<T>(
    key: Key,
    options: { readonly ack: Ack; readonly deadlineMs: number },
    change: RedisCommand<T>,
  ): Promise<T> {
    // A master that does not answer is not given work that might be done much later.
    if (!this.#masterUsable()) throw unreachable();
    const leftMs = options.deadlineMs - this.#clock.now();
    if (options.ack !== 0) return this.#changeConfirmed(key, options.ack, leftMs, change);
    if (this.#replicaRing === undefined) return this.#master.run(leftMs, change);
    const offset = this.#offsetAfterThisTurn(leftMs);
    const reply = await this.#master.run(leftMs, change);
    this.#mark(key, await offset);
    return reply;
  }

  /**
   * An offset of the replication stream behind every write that this turn of the event loop has sent or will send.
   *
   * ioredis sends what one turn collects as one pipeline, from a `setImmediate` that its first command schedules.
   * Ours is scheduled before that command, so the ROLE joins the same pipeline behind the writes: it costs one
   * command for all of them, and no round trip.
   */
  #offsetAfterThisTurn(waitMs: number): Promise<number> {
    this.#offsetBehind ??= new Promise((resolve) => {
      setImmediate(() => {
        this.#offsetBehind = undefined;
        this.#master.run(waitMs, masterOffset()).then(resolve, () => {
          resolve(Infinity);
        });
      });
    });
    return this.#offsetBehind;
  }

  /** As `#change`, and a success only if so many replicas have confirmed it in time. */
  async #changeConfirmed<T>(key: Key, ack: number, leftMs: number, change: RedisCommand<T>): Promise<T> {
    try {
      const { reply, offset } = await this.#confirming.run(change, ack, leftMs);
      this.#mark(key, offset);
      return reply;
    } catch (error) {
      // It may stand on the master, and the caller was told so: let its reads see that rather than the past.
      this.#mark(key, Infinity);
      throw error;
    }
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
    await this.#askReplicas();
    if (this.#closed) return;
    const helped = this.#marks.floor > floor;
    const nextMs = helped ? CATCH_UP_MS_MIN : Math.min(waitedMs * 2, CATCH_UP_MS_MAX);
    this.#catchUpTimer = this.#marks.pending ? this.#catchUpAfter(nextMs) : undefined;
  }

  /** Ends within the time of one probe. */
  async #askReplicas(): Promise<void> {
    await Promise.all(this.#replicas.map((replica) => replica.probe()));
  }

  #settle(): void {
    const inUse: Replication[] = [];
    for (const replica of this.#replicas) {
      if (this.#serves(replica) && replica.replication !== undefined) inUse.push(replica.replication);
    }
    this.#marks.settle(inUse);
  }
}

const SCAN_WAIT_MS = 2000;

function unreachable(): CacheError {
  return new CacheError('unavailable', 'The shard of this key cannot be reached.');
}
