/**
 * One shard: a master and its replicas, whose addresses may change. Writes go to the master. A read goes to the
 * replica that a ring over the replicas picks for the key, to the next one where that cannot be used, to the master
 * at last.
 */
import { createHash } from 'node:crypto';
import { LEASE_MS } from '../coherence/feed';
import type { Coherence } from '../coherence/coherence';
import { BOARDING_MS } from '../core/cache';
import type { Ack, Key } from '../core/command';
import { CacheError } from '../core/errors';
import type {
  Change,
  Found,
  Log,
  NodeStatus,
  ReadOptions,
  RemoveOptions,
  ShardStatus,
  WriteOptions,
} from '../core/ports';
import type { Position, Session } from '../core/session';
import type { Clock } from '../lib/clock';
import { withDeadline } from '../lib/deadline';
import { nameOfAddress, type NodeAddress } from '../redis/client';
import {
  asking,
  deleteKey,
  getLife,
  getReplication,
  getValue,
  getValueAndLife,
  replaceValue,
  scanPage,
  setValue,
  type RedisChange,
} from '../redis/commands';
import { ConfirmingConnection } from '../redis/confirming-connection';
import { isNodeTrouble, NotDone, Redirected, translateRedisError, unreachable } from '../redis/redis-errors';
import { hasApplied, type Replication } from '../redis/replication';
import { HashRing, type Point } from './hash-ring';
import { Member, type MemberDeps } from './member';
import { ReplicationClock } from './replication-clock';
import { WriteMarks } from './write-marks';

/** Where the nodes of a shard are. */
export interface ShardNodes {
  /** undefined: there is none now. */
  readonly master: NodeAddress | undefined;
  readonly replicas: readonly NodeAddress[];
}

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
  readonly clock: Clock;
  readonly log: Log;
}

/** A replica that is later than this is passed over: what it answers may be shared by READs that board its flight. */
const FRESH_MS_MAX = LEASE_MS - BOARDING_MS;
/** The pace at which nodes are asked how they are and how far. */
const BEAT_MS = 200;
/** A node that is silent for so long is passed over for the next one; a healthy one takes under 1 ms. */
const SILENCE_MS_MAX = 250;
/** How soon after a write the replicas are asked how far they are, and how rarely at most while they lag. */
const CATCH_UP_MS_MIN = 10;
const CATCH_UP_MS_MAX = 160;
/** For one page of a walk over all keys. */
const SCAN_WAIT_MS = 2000;
/**
 * A command that only a master can carry out waits so long for there to be one, counted from the first that found
 * none: a planned failover takes less. After that it is refused at once.
 */
const HOLD_MS = 450;

export class Shard {
  #name: string;
  /** How session tokens call it. */
  #id: string;
  readonly #options: ShardOptions;
  readonly #clock: Clock;
  readonly #marks = new WriteMarks();
  readonly #replication = new ReplicationClock();
  #master: Member | undefined;
  #replicas: readonly Member[] = [];
  /** Over the replicas, by position: one can move to another address without moving keys. undefined: all reads go to the master. */
  #replicaRing: HashRing | undefined;
  /** One for each number of replicas, since a WAIT for two would hold up those that need only one. */
  #confirming: Readonly<Record<Exclude<Ack, 0>, ConfirmingConnection>> | undefined;
  #beatTimer: NodeJS.Timeout | undefined;
  #isBeating = false;
  #catchUpTimer: NodeJS.Timeout | undefined;
  /** Those that wait for a usable master. */
  readonly #holding = new Set<() => void>();
  /** When the master was first found missing. */
  #missedMs: number | undefined;
  #arrivals = 0;
  #closed = false;

  constructor(name: string, options: ShardOptions) {
    this.#name = name;
    this.#id = idOf(name);
    this.#options = options;
    this.#clock = options.clock;
  }

  get name(): string {
    return this.#name;
  }

  /** In a cluster, where a shard has no name but those of its nodes. */
  rename(name: string): void {
    if (name === this.#name) return;
    this.#name = name;
    this.#id = idOf(name);
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
    const old = new Map(this.#members().map((member) => [member.node.name, member]));
    const opened: Member[] = [];
    const member = (address: NodeAddress): Member => {
      const name = nameOfAddress(address);
      const known = old.get(name);
      old.delete(name);
      if (known !== undefined) return known;
      const onLearned: MemberDeps['onLearned'] = (who, replication, askedAtMs) => {
        this.#learned(who, replication, askedAtMs);
      };
      const fresh = new Member(address, { ...this.#options, onLearned });
      opened.push(fresh);
      return fresh;
    };
    const before = this.#master;
    this.#master = master === undefined ? undefined : member(master);
    this.#replicas = replicas.map(member);
    const isReplicated = this.#options.readFrom === 'replica' && replicas.length > 0;
    const names = replicas.map((_, index) => `replica-${index}`);
    this.#replicaRing = isReplicated ? new HashRing(names, 'ketama') : undefined;
    if (before !== this.#master) this.#masterChanged();
    // Of a replica that was promoted nothing newer may be known than that it was one.
    if (this.#usableMaster() === undefined) void this.#master?.node.probe();
    for (const gone of old.values()) gone.close();
    await Promise.all(opened.map((one) => one.open()));
  }

  async read(key: Key, point: Point, options: ReadOptions): Promise<Found | undefined> {
    const { consistency, session } = options;
    if (consistency === 'strong' || (consistency === 'session' && session === undefined)) {
      return this.#get(await this.#masterBy(options.deadlineMs), key, options, Infinity);
    }
    const positions = session?.positionsOn(this.#id) ?? [];
    // In a cluster the key may have come from another shard, on whose positions the replicas here say nothing.
    const isBeyondReplicas =
      session !== undefined &&
      (this.#options.isCluster ? !session.isEmpty : session.isOverflowing && positions.length === 0);
    if (isBeyondReplicas) return this.#getForSession(key, positions, options, Infinity);

    const tried: Member[] = [];
    let failure: CacheError | undefined;
    let asked = false;
    for (;;) {
      // Chosen anew each time: what failed has changed what is usable.
      const member = this.#choose(key, point, tried, positions);
      if (member === undefined) {
        if (asked) throw failure ?? unreachable();
        // The master is away and no replica is known to have the key's last write: it may have it by now.
        asked = true;
        await this.#askReplicas(options.deadlineMs - this.#clock.now());
        continue;
      }
      tried.push(member);
      const isMaster = member === this.#master;
      try {
        const silenceMs = this.#replicaRing ? SILENCE_MS_MAX : Infinity;
        if (isMaster && positions.length > 0) {
          return await this.#getForSession(key, positions, options, silenceMs);
        }
        const found = await this.#get(member, key, options, silenceMs);
        if (found !== undefined || isMaster || !this.#options.isCluster) return found;
        // Only the master knows whether the key is absent or on its way to another shard.
        return await this.#get(await this.#masterBy(options.deadlineMs), key, options, Infinity);
      } catch (thrown) {
        failure = translateRedisError(thrown);
        if (failure instanceof Redirected) {
          // A replica hears late who owns a slot, so its master is asked as long as there is one.
          const master = isMaster ? undefined : this.#usableMaster();
          if (master === undefined) throw failure;
          return this.#get(master, key, options, Infinity);
        }
        if (!isNodeTrouble(failure) || this.#clock.now() >= options.deadlineMs) throw failure;
      }
    }
  }

  /**
   * Reads a key whose slot is on its way here; its owner has said that it has it no more (ASK). Nothing that is read
   * so may be kept: it is the owner that a later announcement would come from.
   */
  async readAsking(key: Key, options: ReadOptions): Promise<Found | undefined> {
    const positions = options.session?.positionsOn(this.#id) ?? [];
    if (positions.length > 0) return this.#getForSession(key, positions, options, Infinity, true);
    return this.#get(await this.#masterBy(options.deadlineMs), key, options, Infinity, true);
  }

  write(key: Key, bytes: Buffer, options: WriteOptions): Promise<Change> {
    return this.change(setValue(key, bytes, options), options);
  }

  remove(key: Key, options: RemoveOptions): Promise<Change> {
    return this.change(deleteKey(key), options);
  }

  async replace(key: Key, expected: Buffer, next: Buffer, deadlineMs: number): Promise<boolean> {
    const change = replaceValue(key, expected, next);
    return (await this.change(change, { ack: 0, deadlineMs })).done;
  }

  /** The key's remaining life on the master in ms; Infinity: no expiry; undefined: absent. */
  async life(key: Key, deadlineMs: number, isAsking = false): Promise<number | undefined> {
    const command = getLife(key);
    const master = await this.#masterBy(deadlineMs);
    return master.node.run(isAsking ? asking(command) : command, deadlineMs);
  }

  /**
   * The key's slot is leaving, and a change was made where it goes to: 1. the key leaves  2. WRITE K is acked there
   * 3. a READ of K asks a replica here that still has the old value. So the replicas must see it gone first.
   */
  changedElsewhere(key: Key): void {
    this.#mark(key, Infinity);
  }

  /** Slots have come from another shard: replicas serve nothing until they have all that came with them. */
  slotsArrived(): void {
    this.#arrivals += 1;
    this.#marks.arrive(this.#clock.now());
    void this.#master?.node.probe();
  }

  /** Slots have gone to another shard: what was read of them here is announced no more. */
  slotsLeft(): void {
    for (const member of this.#members()) member.feed.gap();
  }

  /** The node that an eventual read of the key would ask first; undefined when none can be asked. */
  nodeFor(key: Key, point: Point): string | undefined {
    return this.#choose(key, point, [], [])?.node.name;
  }

  async *scan(): AsyncGenerator<readonly Buffer[]> {
    let cursor = '0';
    do {
      const deadlineMs = this.#clock.now() + SCAN_WAIT_MS;
      const master = await this.#masterBy(deadlineMs);
      const [next, keys] = await master.node.run(scanPage(cursor), deadlineMs);
      cursor = next;
      yield keys;
    } while (cursor !== '0');
  }

  /** How often slots have come from another shard. */
  get arrivals(): number {
    return this.#arrivals;
  }

  /** Whether writes can be served now. */
  get hasMaster(): boolean {
    return this.#usableMaster() !== undefined;
  }

  /** Those that can be asked now. */
  usableMembers(): readonly Member[] {
    return this.#members().filter(({ node }) => node.usable);
  }

  /** Whether reads or writes can be served now. */
  usable(): boolean {
    if (this.#closed) return false;
    return this.#usableMaster() !== undefined || this.#replicas.some((replica) => this.#serves(replica));
  }

  status(): ShardStatus {
    const masterState = this.#master?.node.replication;
    const nodes = this.#members().map((member): NodeStatus => {
      const isMaster = member === this.#master;
      const state = member.node.replication;
      const isComparable = state !== undefined && state.lineage === masterState?.lineage;
      return {
        address: member.node.name,
        role: isMaster ? 'master' : 'replica',
        healthy: isMaster ? this.#usableMaster() !== undefined : this.#serves(member),
        linkUp: isMaster ? undefined : state?.linkUp,
        // Both sides are asked at their own time, so the younger answer of a replica may be ahead.
        lagBytes: !isMaster && isComparable ? Math.max(0, masterState.offset - state.offset) : undefined,
        announces:
          this.#options.coherence.kind === 'none'
            ? undefined
            : this.#clock.now() < (member.feed.lease?.endsMs ?? -Infinity),
      };
    });
    return { name: this.name, nodes };
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#beatTimer);
    clearTimeout(this.#catchUpTimer);
    this.#closeConfirming();
    for (const member of this.#members()) member.close();
    this.#release();
  }

  #members(): readonly Member[] {
    return this.#master === undefined ? this.#replicas : [this.#master, ...this.#replicas];
  }

  /** Asks the master how far it is, then the replicas whether they are as far. */
  async #beat(): Promise<void> {
    if (this.#isBeating) return;
    this.#isBeating = true;
    await this.#master?.tick();
    this.#isBeating = false;
    // A frozen replica holds up nobody but those who wait for this.
    await Promise.all(this.#replicas.map((replica) => replica.tick()));
  }

  #learned(member: Member, replication: Replication, askedAtMs: number): void {
    if (member !== this.#master) {
      member.confirm(this.#replication.asOfMs(replication));
      this.#settle();
    } else if (replication.role === 'master') {
      this.#marks.observeMaster(replication, askedAtMs);
      this.#replication.observeMaster(replication, askedAtMs);
      member.confirm(askedAtMs);
      if (this.#usableMaster() !== undefined) this.#release();
    }
  }

  /** What was read from the shard's nodes before is void (R10), wherever it came from. */
  #masterChanged(): void {
    for (const member of this.#members()) member.feed.gap();
    this.#closeConfirming();
    const address = this.#master?.address;
    this.#confirming = address && {
      1: new ConfirmingConnection(address, 1, this.#clock),
      2: new ConfirmingConnection(address, 2, this.#clock),
    };
    const state = this.#usableMaster()?.node.replication;
    if (state !== undefined) {
      // Asked some time ago.
      this.#marks.observeMaster(state, -Infinity);
      this.#release();
    }
  }

  #closeConfirming(): void {
    for (const connection of Object.values(this.#confirming ?? {})) connection.close();
  }

  /** The replica may answer reads: it answers, and nothing this gateway acked is known to be missing on it. */
  #serves(replica: Member): boolean {
    const { usable, replication } = replica.node;
    return usable && replication !== undefined && this.#marks.admits(replication);
  }

  #usableMaster(): Member | undefined {
    const master = this.#master;
    return master?.node.usable === true && master.node.replication?.role === 'master' ? master : undefined;
  }

  /**
   * The master, as soon as there is one that can be used.
   * @throws CacheError `unavailable` when there is none in time; nothing was done
   */
  async #masterBy(deadlineMs: number): Promise<Member> {
    for (;;) {
      const master = this.#usableMaster();
      if (master !== undefined) return master;
      const nowMs = this.#clock.now();
      this.#missedMs ??= nowMs;
      const leftMs = Math.min(this.#missedMs + HOLD_MS, deadlineMs) - nowMs;
      if (leftMs <= 0 || this.#closed) throw unreachable();
      await this.#hold(leftMs);
    }
  }

  /** Until something may have changed, or the time is over. */
  async #hold(waitMs: number): Promise<void> {
    let release: () => void = () => undefined;
    const released = new Promise<void>((resolve) => {
      release = resolve;
      this.#holding.add(release);
    });
    await withDeadline(released, waitMs, unreachable).catch(() => undefined);
    this.#holding.delete(release);
  }

  #release(): void {
    this.#missedMs = undefined;
    for (const release of this.#holding) release();
    this.#holding.clear();
  }

  /**
   * Whom to ask for the key, of those not tried yet. A replica that is known to be behind for longer than a near hit
   * may be, or without its master's link, shows the past: it is asked only when the master cannot be, and even then
   * only if it has all that this gateway and the session wrote.
   */
  #choose(
    key: Key,
    point: Point,
    tried: readonly Member[],
    positions: readonly Position[],
  ): Member | undefined {
    let stale: Member | undefined;
    for (const index of this.#replicaRing?.succession(point) ?? []) {
      const replica = this.#replicas[index];
      const state = replica?.node.replication;
      if (replica === undefined || state === undefined || tried.includes(replica) || !this.#serves(replica))
        continue;
      if (!this.#marks.covers(state, key) || !hasAll(state, positions)) continue;
      if (state.linkUp && replica.isFresh(FRESH_MS_MAX)) return replica;
      stale ??= replica;
    }
    const master = this.#usableMaster();
    return master !== undefined && !tried.includes(master) ? master : stale;
  }

  /** `silenceMs`: how long the node may be silent; `Infinity` where no other one can be asked. */
  async #get(
    member: Member,
    key: Key,
    options: ReadOptions,
    silenceMs: number,
    isAsking = false,
  ): Promise<Found | undefined> {
    const { storedBytesMax } = this.#options;
    const askedAtMs = this.#clock.now();
    // Taken before the question leaves: a gap until the answer comes makes it void.
    const lease = isAsking ? undefined : member.feed.lease;
    let bytes: Buffer | null;
    let remainingMs: number | undefined;
    if (isAsking) {
      bytes = await member.node.run(getValue(key, storedBytesMax, true), options.deadlineMs, silenceMs);
    } else if (options.withLife) {
      const command = getValueAndLife(key, storedBytesMax);
      [bytes, remainingMs] = await member.node.run(command, options.deadlineMs, silenceMs);
    } else {
      bytes = await member.node.run(getValue(key, storedBytesMax), options.deadlineMs, silenceMs);
    }
    if (bytes === null) return undefined;
    const source = member === this.#master ? 'master' : 'replica';
    return { bytes, remainingMs, askedAtMs, source, lease };
  }

  /**
   * From the master, and only if its history has in it what the session wrote: learnt before the value, on the same
   * connection. @throws CacheError `conflict`
   */
  async #getForSession(
    key: Key,
    positions: readonly Position[],
    options: ReadOptions,
    silenceMs: number,
    isAsking = false,
  ): Promise<Found | undefined> {
    const master = await this.#masterBy(options.deadlineMs);
    const [learnt, found] = await Promise.allSettled([
      master.node.run(getReplication(), options.deadlineMs, silenceMs),
      this.#get(master, key, options, silenceMs, isAsking),
    ]);
    if (learnt.status === 'rejected') throw learnt.reason;
    const state = learnt.value;
    const isMoved = found.status === 'rejected' && found.reason instanceof Redirected;
    if (isMoved && state.role !== 'master') throw found.reason;
    if (state.role !== 'master') throw unreachable();
    // Before a redirection of the key: what was lost here is not to be found elsewhere.
    if (!hasAll(state, positions)) {
      throw new CacheError(
        'conflict',
        'What this session wrote was lost by a failover: begin a new session.',
      );
    }
    if (found.status === 'rejected') throw found.reason;
    return found.value;
  }

  /**
   * Sends a change to the master and marks its key before the caller hears of it. `isAsking`: the key's slot is on
   * its way here. @throws Redirected in a cluster, when the key is elsewhere
   */
  async change(change: RedisChange<boolean>, options: RemoveOptions, isAsking = false): Promise<Change> {
    for (;;) {
      const master = this.#usableMaster() ?? (await this.#masterBy(options.deadlineMs));
      try {
        return await this.#changeOn(master, change, options, isAsking);
      } catch (thrown) {
        if (!(thrown instanceof NotDone) || thrown instanceof Redirected) throw thrown;
        // Refused, so a second attempt is the first execution (C7). It needs a node that has become a better one.
        await master.node.probe();
        if (this.#usableMaster() === master || this.#clock.now() >= options.deadlineMs) throw thrown;
      }
    }
  }

  async #changeOn(
    master: Member,
    change: RedisChange<boolean>,
    options: RemoveOptions,
    isAsking: boolean,
  ): Promise<Change> {
    const { ack, session, deadlineMs } = options;
    const plain = this.#options.coherence.send(change);
    const command = isAsking ? asking(plain) : plain;
    if (ack !== 0 && this.#confirming !== undefined) {
      const { reply: done, offset } = await this.#confirming[ack].run(command, deadlineMs);
      this.#mark(change.key, offset);
      if (session === undefined || !done) return { done, session };
      return { done, session: renewed(session, this.#id, await this.#stateBehind(master, deadlineMs)) };
    }
    const sent =
      this.#replicaRing === undefined
        ? master.node.run(command, deadlineMs)
        : master.node.change(command, deadlineMs).then(({ reply, offset }) => {
            this.#mark(change.key, offset);
            return reply;
          });
    if (session === undefined) return { done: await sent, session };
    // It leaves behind the change, in the same packet.
    const state = this.#stateBehind(master, deadlineMs);
    const [done, behind] = await Promise.allSettled([sent, state]);
    if (done.status === 'rejected') throw done.reason;
    if (!done.value) return { done: false, session };
    if (behind.status === 'rejected') throw behind.reason;
    return { done: true, session: renewed(session, this.#id, behind.value) };
  }

  /** Where the master stands, asked behind a change. @throws CacheError when that cannot be learnt */
  async #stateBehind(master: Member, deadlineMs: number): Promise<Replication> {
    try {
      const state = await master.node.run(getReplication(), deadlineMs);
      if (state.role === 'master') return state;
    } catch {
      // Said below.
    }
    throw new CacheError('unavailable', 'The session cannot be renewed now. The change may stand.');
  }

  #mark(key: Key, offset: number): void {
    if (this.#replicaRing === undefined) return;
    this.#marks.mark(key, offset, this.#clock.now());
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
    const answers = this.#replicas
      .filter((replica) => replica.node.usable)
      .map((replica) => replica.node.probe());
    await withDeadline(Promise.all(answers), waitMs, () => unreachable()).catch(() => undefined);
  }

  #settle(): void {
    const inUse: Replication[] = [];
    for (const replica of this.#replicas) {
      const { replication } = replica.node;
      if (this.#serves(replica) && replication !== undefined) inUse.push(replication);
    }
    this.#marks.settle(inUse);
  }
}

function hasAll(state: Replication, positions: readonly Position[]): boolean {
  return positions.every(({ lineage, offset }) => hasApplied(state, lineage, offset) === 'yes');
}

/** The session with what was written up to where the master stands. */
function renewed(session: Session, shard: string, state: Replication): Session {
  const written = { shard, lineage: state.lineage.slice(0, 16), offset: state.offset };
  return session.with(written, ({ lineage, offset }) => hasApplied(state, lineage, offset) === 'yes');
}

/** How session tokens call the shard of that name. */
function idOf(name: string): string {
  return createHash('sha256').update(name).digest('hex').slice(0, 12);
}
