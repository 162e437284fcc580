/**
 * The nodes of one shard: which they are, how they are, and which of them a key may be read from. A beat asks each how
 * far it is; after writes the replicas are asked more often until they have caught up.
 */
import type { Changes } from '../coherence/announcement';
import type { Coherence } from '../coherence/coherence';
import { LEASE_MS } from '../coherence/feed';
import { BOARDING_MS } from '../core/cache';
import type { Key } from '../core/command';
import type { Log } from '../core/ports';
import type { Position } from '../core/session';
import type { Clock } from '../lib/clock';
import { withDeadline } from '../lib/deadline';
import { nameOfAddress, type NodeAddress, type ShardNodes } from '../redis/client';
import { unreachable } from '../redis/redis-errors';
import type { Replication } from '../redis/replication';
import { HashRing, type Point } from './hash-ring';
import { MasterWait } from './master-wait';
import { Member, type MemberDeps } from './member';
import { ReplicationClock } from './replication-clock';
import { hasAll } from './session-positions';
import { WriteMarks } from './write-marks';

export interface ShardMembersDeps {
  /** Reads may go to replicas, where there are any. */
  readonly readsReplicas: boolean;
  readonly coherence: Coherence;
  readonly isCluster: boolean;
  readonly clock: Clock;
  readonly log: Log;
  /** The master is another one now; undefined: there is none. */
  readonly onMasterChanged: (address: NodeAddress | undefined) => void;
}

/**
 * A replica that is later than this is passed over. What it answers may be shared by READs that board its flight up to
 * BOARDING_MS later, so FRESH_MS_MAX + BOARDING_MS = LEASE_MS: no READ is answered with what is older than C3 allows.
 */
const FRESH_MS_MAX = LEASE_MS - BOARDING_MS;
/** The pace at which nodes are asked how they are and how far. */
const BEAT_MS = 200;
/** How soon after a write the replicas are asked how far they are, and how rarely at most while they lag. */
const CATCH_UP_MS_MIN = 10;
const CATCH_UP_MS_MAX = 160;

export class ShardMembers {
  readonly #deps: ShardMembersDeps;
  readonly #clock: Clock;
  readonly #marks = new WriteMarks();
  readonly #replication = new ReplicationClock();
  readonly #wait: MasterWait;
  #master: Member | undefined;
  #replicas: readonly Member[] = [];
  /** Over the replicas, by position: one can move to another address without moving keys. undefined: all reads go to the master. */
  #replicaRing: HashRing | undefined;
  #beatTimer: NodeJS.Timeout | undefined;
  #isBeating = false;
  #catchUpTimer: NodeJS.Timeout | undefined;
  /** The histories of the master, as it told them last. */
  #lineages: readonly string[] = [];
  #closed = false;

  constructor(deps: ShardMembersDeps) {
    this.#deps = deps;
    this.#clock = deps.clock;
    this.#wait = new MasterWait(deps.clock, () => this.usableMaster());
  }

  /** Begins to work with these nodes. Resolves when each of them has been tried once. */
  async open(nodes: ShardNodes): Promise<void> {
    this.#beatTimer = setInterval(() => void this.#beat(), BEAT_MS);
    await this.follow(nodes);
    // The replicas were asked at the same time as the master, so nothing is known yet of how far they are.
    await this.#beat();
  }

  /**
   * The nodes are these from now on, at once and for everybody: what is known stays, what is new is connected, what
   * is gone is closed. Resolves when each new node has been tried once.
   */
  async follow({ master, replicas }: ShardNodes): Promise<void> {
    if (this.#closed) return;
    const old = new Map(this.all().map((member) => [member.node.name, member]));
    const opened: Member[] = [];
    const member = (address: NodeAddress): Member => {
      const name = nameOfAddress(address);
      const known = old.get(name);
      old.delete(name);
      if (known !== undefined) return known;
      const onLearned: MemberDeps['onLearned'] = (who, replication, askedAtMs) => {
        this.#learned(who, replication, askedAtMs);
      };
      const fresh = new Member(address, { ...this.#deps, onLearned });
      opened.push(fresh);
      return fresh;
    };
    const before = this.#master;
    this.#master = master === undefined ? undefined : member(master);
    this.#replicas = replicas.map(member);
    const isReplicated = this.#deps.readsReplicas && replicas.length > 0;
    const names = replicas.map((_, index) => `replica-${index}`);
    // 1. no replica is known  2. WRITE K is acked, and not marked  3. a replica comes that lags  4. a READ of K asks it
    if (isReplicated && this.#replicaRing === undefined && before !== undefined)
      this.#marks.arrive(this.#clock.now());
    this.#replicaRing = isReplicated ? new HashRing(names, 'ketama') : undefined;
    if (before !== this.#master) this.#masterChanged();
    // Of a replica that was promoted nothing newer may be known than that it was one.
    if (this.usableMaster() === undefined) void this.#master?.node.probe();
    for (const gone of old.values()) gone.close();
    await Promise.all(opened.map((one) => one.open()));
  }

  /** The master first, where there is one. */
  all(): readonly Member[] {
    return this.#master === undefined ? this.#replicas : [this.#master, ...this.#replicas];
  }

  /** Usable or not. */
  get master(): Member | undefined {
    return this.#master;
  }

  /** Whether reads go to replicas, so that writes must be marked. */
  get isReplicated(): boolean {
    return this.#replicaRing !== undefined;
  }

  usableMaster(): Member | undefined {
    const master = this.#master;
    return master?.node.usable === true && master.node.replication?.role === 'master' ? master : undefined;
  }

  /** The master, as soon as there is one that can be used. @throws CacheError `unavailable`; nothing was done */
  masterBy(deadlineMs: number): Promise<Member> {
    return this.#wait.masterBy(deadlineMs);
  }

  /** Whether reads or writes can be served now. */
  usable(): boolean {
    if (this.#closed) return false;
    return this.usableMaster() !== undefined || this.#replicas.some((replica) => this.serves(replica));
  }

  /** The replica may answer reads: it answers, and nothing this gateway acked is known to be missing on it. */
  serves(replica: Member): boolean {
    const { usable, replication } = replica.node;
    return usable && replication !== undefined && this.#marks.admits(replication);
  }

  /** Whether the master's history is, or continues, that one. */
  has(lineage: string): boolean {
    return this.#lineages.some((one) => one.startsWith(lineage));
  }

  /**
   * Whom to ask for the keys, the first of which has that point, of those not tried yet. A replica that is known to be
   * behind for longer than a near hit may be, or without its master's link, shows the past: it is asked only when the
   * master cannot be, and even then only if it has all that this gateway and the session wrote.
   */
  choose(
    keys: readonly Key[],
    point: Point,
    tried: readonly Member[],
    positions: readonly Position[],
  ): Member | undefined {
    let stale: Member | undefined;
    for (const index of this.#replicaRing?.succession(point) ?? []) {
      const replica = this.#replicas[index];
      const state = replica?.node.replication;
      if (replica === undefined || state === undefined || tried.includes(replica) || !this.serves(replica))
        continue;
      if (!keys.every((key) => this.#marks.covers(state, key)) || !hasAll(state, positions)) continue;
      if (state.linkUp && replica.isFresh(FRESH_MS_MAX)) return replica;
      stale ??= replica;
    }
    const master = this.usableMaster();
    return master !== undefined && !tried.includes(master) ? master : stale;
  }

  /** Before a change of the key is acked; `offset` has it in it, `Infinity`: not known (see `WriteMarks`). */
  mark(key: Key, offset: number): void {
    if (this.#replicaRing === undefined) return;
    this.#marks.mark(key, offset, this.#clock.now());
    this.#catchUpTimer ??= this.#catchUpAfter(CATCH_UP_MS_MIN);
  }

  /** Another gateway has changed these; the near cache has forgotten them, where it is told which. */
  announced({ keys, lineage, offset }: Changes): void {
    if (keys === 'everything') for (const member of this.all()) member.feed.gap();
    else if (this.#replicaRing !== undefined) {
      const nowMs = this.#clock.now();
      for (const key of keys) this.#marks.markAnnounced(key, lineage, offset, nowMs);
      this.#catchUpTimer ??= this.#catchUpAfter(CATCH_UP_MS_MIN);
    }
  }

  /** As `mark`, of a change of `by` that may have changed any key: replicas serve nothing until they have it. */
  markAll(by: Member, offset: number): void {
    if (this.#replicaRing === undefined) return;
    // Of a node that is no master any more the offset says nothing about the others.
    if (offset === Infinity || by !== this.#master) this.arrive();
    else this.#marks.markAll(offset);
    this.#catchUpTimer ??= this.#catchUpAfter(CATCH_UP_MS_MIN);
  }

  /** Keys have come from another shard: replicas serve nothing until they have all that came with them. */
  arrive(): void {
    this.#marks.arrive(this.#clock.now());
    void this.#master?.node.probe();
  }

  /** Those that answer at all are asked; one that does not is asked at its own pace, and nobody waits for it. */
  async askReplicas(waitMs: number): Promise<void> {
    const answers = this.#replicas
      .filter((replica) => replica.node.usable)
      .map((replica) => replica.node.probe());
    await withDeadline(Promise.all(answers), waitMs, () => unreachable()).catch(() => undefined);
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#beatTimer);
    clearTimeout(this.#catchUpTimer);
    for (const member of this.all()) member.close();
    this.#wait.close();
  }

  /** Asks the master how far it is, then the replicas whether they are as far. */
  async #beat(): Promise<void> {
    if (this.#isBeating) return;
    this.#isBeating = true;
    try {
      await this.#master?.tick();
    } finally {
      this.#isBeating = false;
    }
    // A frozen replica holds up nobody but those who wait for this.
    await Promise.all(this.#replicas.map((replica) => replica.tick()));
  }

  #learned(member: Member, replication: Replication, askedAtMs: number): void {
    if (member !== this.#master) {
      member.confirm(this.#replication.asOfMs(replication));
      this.#settle();
    } else if (replication.role === 'master') {
      this.#lineages = [replication.lineage, replication.previousLineage ?? replication.lineage];
      this.#marks.observeMaster(replication, askedAtMs);
      this.#replication.observeMaster(replication, askedAtMs);
      member.confirm(askedAtMs);
      if (this.usableMaster() !== undefined) this.#wait.release();
    }
  }

  /** What was read from the shard's nodes before is void (R10), wherever it came from. */
  #masterChanged(): void {
    for (const member of this.all()) member.feed.gap();
    this.#deps.onMasterChanged(this.#master?.address);
    const state = this.usableMaster()?.node.replication;
    if (state !== undefined) {
      // Asked some time ago.
      this.#marks.observeMaster(state, -Infinity);
      this.#wait.release();
    }
  }

  #catchUpAfter(waitMs: number): NodeJS.Timeout {
    return setTimeout(() => void this.#catchUp(waitMs), waitMs);
  }

  /**
   * Asks the replicas how far they are until no mark is left and all of them serve, ever more rarely while that does
   * not help.
   */
  async #catchUp(waitedMs: number): Promise<void> {
    const floor = this.#marks.floor;
    await this.askReplicas(CATCH_UP_MS_MAX);
    if (this.#closed) return;
    const helped = this.#marks.floor > floor;
    const nextMs = helped ? CATCH_UP_MS_MIN : Math.min(waitedMs * 2, CATCH_UP_MS_MAX);
    const isShut = this.#replicas.some((replica) => replica.node.usable && !this.serves(replica));
    this.#catchUpTimer = this.#marks.pending || isShut ? this.#catchUpAfter(nextMs) : undefined;
  }

  #settle(): void {
    const inUse: Replication[] = [];
    for (const replica of this.#replicas) {
      const { replication } = replica.node;
      if (this.serves(replica) && replication !== undefined) inUse.push(replication);
    }
    this.#marks.settle(inUse);
  }
}
