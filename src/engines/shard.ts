/**
 * One shard: a master and its replicas, whose addresses may change. It is what an engine sees of them, and puts its
 * parts together: the nodes (`shard-members.ts`), how they are read (`shard-reader.ts`) and changed
 * (`shard-writer.ts`), what is relayed to them (`shard-relay.ts`), and what sessions know of them (`session-positions.ts`).
 */
import type { Coherence } from '../coherence/coherence';
import type { ShardAnnouncer } from '../coherence/shard-announcer';
import type { Key } from '../core/command';
import type {
  Change,
  ChangeOptions,
  Found,
  Log,
  NodeStatus,
  ReadOptions,
  RemoveOptions,
  ShardStatus,
  WriteOptions,
} from '../core/ports';
import type { Clock } from '../lib/clock';
import type { NodeAddress, ShardNodes } from '../redis/client';
import { asking, deleteKey, getLife, scanPage, setValue, type RedisChange } from '../redis/commands';
import type { Point } from './hash-ring';
import type { Member } from './member';
import { SessionPositions, shardIdOf, type WhoseHistory } from './session-positions';
import { ShardMembers } from './shard-members';
import { ShardRelay } from './shard-relay';
import { ShardReader } from './shard-reader';
import { ShardWriter } from './shard-writer';

export interface ShardConfig extends ShardNodes {
  /** The name that stands on the ring, so that a node can move without moving keys. */
  readonly name: string;
  readonly master: NodeAddress;
}

export type ReadFrom = 'replica' | 'master';

export interface ShardOptions {
  readonly readFrom: ReadFrom;
  /** What is stored and longer than this is not fetched: reads of it are `too_large`. */
  readonly storedBytesMax: number;
  readonly coherence: Coherence;
  /** The nodes are those of a cluster: keys can move to another shard. */
  readonly isCluster: boolean;
  /** In a cluster, where a shard's name can pass to another one with a replica: whose history that is. */
  readonly whoHas?: (lineage: string) => Shard | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

/** For one page of a walk over all keys. */
const SCAN_WAIT_MS = 2000;

export class Shard {
  #name: string;
  readonly #coherence: Coherence;
  readonly #announcer: ShardAnnouncer | undefined;
  readonly #clock: Clock;
  readonly #positions: SessionPositions;
  readonly #members: ShardMembers;
  readonly #reader: ShardReader;
  readonly #writer: ShardWriter;
  /** For the words of the store itself. */
  readonly relay: ShardRelay;
  #arrivals = 0;

  constructor(name: string, options: ShardOptions) {
    const { readFrom, whoHas } = options;
    this.#name = name;
    this.#coherence = options.coherence;
    this.#clock = options.clock;
    const whose: WhoseHistory | undefined =
      whoHas &&
      ((lineage) => {
        const owner = whoHas(lineage);
        return owner && (owner === this ? 'here' : 'elsewhere');
      });
    this.#positions = new SessionPositions(name, whose);
    this.#members = new ShardMembers({
      ...options,
      readsReplicas: readFrom === 'replica',
      onMasterChanged: (address) => {
        this.#writer.masterChanged(address);
      },
    });
    this.#announcer = options.coherence.join(shardIdOf(name), (changes) => this.#members.announced(changes));
    const parts = { members: this.#members, positions: this.#positions, announcer: this.#announcer };
    this.#reader = new ShardReader({ ...options, ...parts });
    this.#writer = new ShardWriter({ ...options, ...parts });
    this.relay = new ShardRelay({ ...options, ...parts });
  }

  get name(): string {
    return this.#name;
  }

  /** In a cluster, where a shard has no name but those of its nodes. */
  rename(name: string): void {
    if (name === this.#name) return;
    this.#name = name;
    this.#positions.rename(name);
  }

  /** Begins to work with these nodes. Resolves when each of them has been tried once. */
  open(nodes: ShardNodes): Promise<void> {
    return this.#members.open(nodes);
  }

  /**
   * The nodes are these from now on, at once and for everybody: what is known stays, what is new is connected, what
   * is gone is closed. Resolves when each new node has been tried once.
   */
  follow(nodes: ShardNodes): Promise<void> {
    return this.#members.follow(nodes);
  }

  /** Whether reads may go to replicas. */
  get isReplicated(): boolean {
    return this.#members.isReplicated;
  }

  /** @throws CacheError as `Engine` promises; Redirected in a cluster, when the key is elsewhere */
  read(key: Key, point: Point, options: ReadOptions): Promise<Found | undefined> {
    return this.#reader.read(key, point, options);
  }

  /** Reads a key whose slot is on its way here (ASK). */
  readAsking(key: Key, options: ReadOptions): Promise<Found | undefined> {
    return this.#reader.readAsking(key, options);
  }

  write(key: Key, bytes: Buffer, options: WriteOptions): Promise<Change> {
    return this.change(setValue(key, bytes, options), options);
  }

  remove(key: Key, options: RemoveOptions): Promise<Change> {
    return this.change(deleteKey(key, options.condition), options);
  }

  /** `isAsking`: the key's slot is on its way here. @throws Redirected in a cluster, when the key is elsewhere */
  change(change: RedisChange<boolean>, options: ChangeOptions, isAsking = false): Promise<Change> {
    return this.#writer.change(change, options, isAsking);
  }

  /** The key's remaining life on the master in ms; Infinity: no expiry; undefined: absent. */
  async life(key: Key, deadlineMs: number, isAsking = false): Promise<number | undefined> {
    const command = getLife(key);
    const master = await this.#members.masterBy(deadlineMs);
    return master.node.run(isAsking ? asking(command) : command, deadlineMs);
  }

  /**
   * The key's slot is leaving, and a change was made where it goes to: 1. the key leaves  2. WRITE K is acked there
   * 3. a READ of K asks a replica here that still has the old value. So the replicas must see it gone first.
   */
  changedElsewhere(key: Key): void {
    this.#members.mark(key, Infinity);
  }

  /** Slots have come from another shard: replicas serve nothing until they have all that came with them. */
  slotsArrived(): void {
    this.#arrivals += 1;
    this.#members.arrive();
  }

  /** Slots have gone to another shard: what was read of them here is announced no more. */
  slotsLeft(): void {
    for (const member of this.#members.all()) member.feed.gap();
  }

  /** The node that an eventual read of the key would ask first; undefined when none can be asked. */
  nodeFor(key: Key, point: Point): string | undefined {
    return this.#members.choose([key], point, [], [])?.node.name;
  }

  async *scan(): AsyncGenerator<readonly Buffer[]> {
    let cursor = '0';
    do {
      const deadlineMs = this.#clock.now() + SCAN_WAIT_MS;
      const master = await this.#members.masterBy(deadlineMs);
      const [next, keys] = await master.node.run(scanPage(cursor), deadlineMs);
      cursor = next;
      yield keys;
    } while (cursor !== '0');
  }

  /** Whether the master's history is, or continues, that one. */
  has(lineage: string): boolean {
    return this.#members.has(lineage);
  }

  /** How often slots have come from another shard. */
  get arrivals(): number {
    return this.#arrivals;
  }

  /** Whether writes can be served now. */
  get hasMaster(): boolean {
    return this.#members.usableMaster() !== undefined;
  }

  /** Those that can be asked now. */
  usableMembers(): readonly Member[] {
    return this.#members.all().filter(({ node }) => node.usable);
  }

  /** Whether reads or writes can be served now. */
  usable(): boolean {
    return this.#members.usable();
  }

  status(): ShardStatus {
    const members = this.#members;
    const masterState = members.master?.node.replication;
    const nodes = members.all().map((member): NodeStatus => {
      const isMaster = member === members.master;
      const state = member.node.replication;
      const isComparable = state !== undefined && state.lineage === masterState?.lineage;
      return {
        address: member.node.name,
        role: isMaster ? 'master' : 'replica',
        healthy: isMaster ? this.hasMaster : members.serves(member),
        linkUp: isMaster ? undefined : state?.linkUp,
        // Both sides are asked at their own time, so the younger answer of a replica may be ahead.
        lagBytes: !isMaster && isComparable ? Math.max(0, masterState.offset - state.offset) : undefined,
        inFlight: member.node.inFlight,
        announces:
          this.#coherence.kind === 'none'
            ? undefined
            : this.#clock.now() < (member.feed.lease?.endsMs ?? -Infinity),
      };
    });
    return { name: this.name, nodes };
  }

  close(): void {
    this.relay.close();
    this.#writer.close();
    this.#announcer?.close();
    this.#members.close();
  }
}
