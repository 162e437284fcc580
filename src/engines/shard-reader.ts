/**
 * How one shard is read. A read goes to the replica that a ring over the replicas picks for the key, to the next one
 * where that cannot be used, to the master at last; a strong one, and a session's where no replica may answer it, to
 * the master at once.
 */
import type { Key } from '../core/command';
import { CacheError } from '../core/errors';
import type { Found, ReadOptions } from '../core/ports';
import type { Position } from '../core/session';
import type { Clock } from '../lib/clock';
import { getAsking, getBytes, getEmptyOrAbsent, getLife, replicationState } from '../redis/commands';
import { isNodeTrouble, Redirected, translateRedisError, unreachable } from '../redis/redis-errors';
import type { Point } from './hash-ring';
import type { Member } from './member';
import { hasAll, type SessionPositions } from './session-positions';
import type { ShardMembers } from './shard-members';

export interface ShardReaderDeps {
  readonly members: ShardMembers;
  readonly positions: SessionPositions;
  /** What is stored and longer than this is not fetched: reads of it are `too_large`. */
  readonly storedBytesMax: number;
  /** The nodes are those of a cluster: keys can move to another shard. */
  readonly isCluster: boolean;
  readonly clock: Clock;
}

/** A node that was asked, and has not answered with a value. */
interface Attempt {
  readonly member: Member;
  /** It was the master then. */
  readonly isMaster: boolean;
  /** undefined: it has nothing under the key. */
  readonly error: CacheError | undefined;
}

/** Who hears what a node has. Exactly one of the two is called. */
interface Finder {
  settle(found: Found | undefined): void;
  fail(error: CacheError): void;
}

/** A node that is silent for so long is passed over for the next one; a healthy one takes under 1 ms. */
const SILENCE_MS_MAX = 250;

export class ShardReader {
  readonly #members: ShardMembers;
  readonly #positions: SessionPositions;
  readonly #storedBytesMax: number;
  readonly #isCluster: boolean;
  readonly #clock: Clock;

  constructor({ members, positions, storedBytesMax, isCluster, clock }: ShardReaderDeps) {
    this.#members = members;
    this.#positions = positions;
    this.#storedBytesMax = storedBytesMax;
    this.#isCluster = isCluster;
    this.#clock = clock;
  }

  /** @throws CacheError as `Engine` promises; Redirected in a cluster, when the key is elsewhere */
  read(key: Key, point: Point, options: ReadOptions): Promise<Found | undefined> {
    const { consistency, session } = options;
    if (consistency === 'strong' || (consistency === 'session' && session === undefined)) {
      return this.#getFromMaster(key, options);
    }
    const positions = this.#positions.of(session);
    // In a cluster the key may have come from another shard, on whose positions the replicas here say nothing.
    const isBeyondReplicas =
      session !== undefined &&
      (this.#isCluster ? !session.isEmpty : session.isOverflowing && positions.length === 0);
    if (isBeyondReplicas) return this.#getForSession(key, positions, options, Infinity);
    const member = positions.length > 0 ? undefined : this.#members.choose([key], point, [], positions);
    if (member === undefined) return this.#search(key, point, options, positions, undefined);
    const isMaster = member === this.#members.master;
    // The straight way of nearly all reads: one promise. What it does not bring goes on as the first attempt of a search.
    return new Promise((resolve) => {
      const searchOn = (error: CacheError | undefined): void => {
        resolve(this.#search(key, point, options, positions, { member, isMaster, error }));
      };
      this.#ask(member, key, options, this.#silenceMs, {
        settle: (found) => {
          if (found !== undefined || isMaster || !this.#isCluster) resolve(found);
          else searchOn(undefined);
        },
        fail: searchOn,
      });
    });
  }

  /** Asks one node after the other. `first`: the attempt that was made already. */
  async #search(
    key: Key,
    point: Point,
    options: ReadOptions,
    positions: readonly Position[],
    first: Attempt | undefined,
  ): Promise<Found | undefined> {
    const tried: Member[] = [];
    let next = first;
    let failure: CacheError | undefined;
    let asked = false;
    for (;;) {
      const attempt = next;
      next = undefined;
      // Chosen anew each time: what failed has changed what is usable.
      const member = attempt?.member ?? this.#members.choose([key], point, tried, positions);
      if (member === undefined) {
        if (asked) throw failure ?? unreachable();
        // The master is away and no replica is known to have the key's last write: it may have it by now.
        asked = true;
        await this.#members.askReplicas(options.deadlineMs - this.#clock.now());
        continue;
      }
      tried.push(member);
      const isMaster = attempt?.isMaster ?? member === this.#members.master;
      const silenceMs = this.#silenceMs;
      try {
        if (isMaster && positions.length > 0) {
          return await this.#getForSession(key, positions, options, silenceMs);
        }
        if (positions.length > 0) {
          // 1. it told that it has all  2. a failover loses a write; it is loaded anew from a master without that
          // 3. it is asked: so it says so again in front of the value. Where it has not, another one is asked.
          const [learnt, found] = await Promise.allSettled([
            member.node.run(replicationState, options.deadlineMs, silenceMs),
            this.#get(member, key, options, silenceMs),
          ]);
          if (learnt.status === 'rejected') throw learnt.reason;
          if (!hasAll(learnt.value, positions)) continue;
          if (found.status === 'rejected') throw found.reason;
          return found.value;
        }
        if (attempt?.error !== undefined) throw attempt.error;
        const found = attempt === undefined ? await this.#get(member, key, options, silenceMs) : undefined;
        if (found !== undefined || isMaster || !this.#isCluster) return found;
        // Only the master knows whether the key is absent or on its way to another shard.
        return await this.#getFromMaster(key, options);
      } catch (thrown) {
        failure = translateRedisError(thrown);
        if (failure instanceof Redirected) {
          // A replica hears late who owns a slot, so its master is asked as long as there is one.
          const master = isMaster ? undefined : this.#members.usableMaster();
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
    const positions = this.#positions.of(options.session);
    if (positions.length > 0) return this.#getForSession(key, positions, options, Infinity, true);
    return this.#getAsking(await this.#members.masterBy(options.deadlineMs), key, options);
  }

  async #getFromMaster(key: Key, options: ReadOptions): Promise<Found | undefined> {
    return this.#get(await this.#members.masterBy(options.deadlineMs), key, options, Infinity);
  }

  /** How long a node may be silent before another one is asked, where there is one. */
  get #silenceMs(): number {
    return this.#members.isReplicated ? SILENCE_MS_MAX : Infinity;
  }

  #get(member: Member, key: Key, options: ReadOptions, silenceMs: number): Promise<Found | undefined> {
    return new Promise((settle, fail) => {
      this.#ask(member, key, options, silenceMs, { settle, fail });
    });
  }

  /** Of a node to which the slot is on its way: what it answers has neither a life nor a lease. */
  async #getAsking(master: Member, key: Key, { deadlineMs }: ReadOptions): Promise<Found | undefined> {
    const askedAtMs = this.#clock.now();
    const bytes = await master.node.run(getAsking(key, this.#storedBytesMax), deadlineMs);
    if (bytes === null) return undefined;
    return { bytes, remainingMs: undefined, askedAtMs, source: 'master', lease: undefined };
  }

  /**
   * `silenceMs`: how long the node may be silent; `Infinity` where no other one can be asked. The remaining life, if it is
   * wanted, is asked for behind the value, in the same packet. The other way round the value of a later write could be
   * kept for the longer life of the one before (R7); this way only an older value can, and of that its reader will be
   * told.
   */
  #ask(member: Member, key: Key, options: ReadOptions, silenceMs: number, finder: Finder): void {
    const { withLife, deadlineMs } = options;
    const { node } = member;
    const storedBytesMax = this.#storedBytesMax;
    const askedAtMs = this.#clock.now();
    // What it was when it was asked: the shard may be following another master when the answer comes.
    const source = member === this.#members.master ? 'master' : 'replica';
    // Taken before the question leaves: a gap until the answer comes makes it void.
    const { lease } = member.feed;
    const fail = (error: CacheError): void => finder.fail(error);
    const finish = (bytes: Buffer, remainingMs: number | undefined): void => {
      finder.settle({ bytes, remainingMs, askedAtMs, source, lease });
    };
    const askAgain = (lifeMs: number | undefined): void => {
      const settle = (bytes: Buffer | null): void => {
        if (bytes === null) finder.settle(undefined);
        // The life is of what was there before: it holds for nothing but the empty value.
        else finish(bytes, bytes.length === 0 ? lifeMs : undefined);
      };
      node.ask(getEmptyOrAbsent(key, storedBytesMax), { settle, fail }, deadlineMs, silenceMs);
    };
    if (!withLife) {
      const settle = (bytes: Buffer): void => {
        if (bytes.length > 0) finish(bytes, undefined);
        else askAgain(undefined);
      };
      node.ask(getBytes(key, storedBytesMax), { settle, fail }, deadlineMs, silenceMs);
      return;
    }
    // Of the two the value's answer comes first, or both fail in one stretch; what became of both is told once.
    let value: Buffer | CacheError | undefined;
    const takeValue = (outcome: Buffer | CacheError): void => {
      value = outcome;
    };
    const settle = (lifeMs: number | undefined): void => {
      if (!Buffer.isBuffer(value)) fail(value ?? unreachable());
      else if (value.length > 0) finish(value, lifeMs);
      // No life: it was absent when that was asked, so a miss needs no second trip.
      else if (lifeMs === undefined) finder.settle(undefined);
      else askAgain(lifeMs);
    };
    node.ask(getBytes(key, storedBytesMax), { settle: takeValue, fail: takeValue }, deadlineMs, silenceMs);
    const failBoth = (error: CacheError): void =>
      fail(value === undefined || Buffer.isBuffer(value) ? error : value);
    node.ask(getLife(key), { settle, fail: failBoth }, deadlineMs, silenceMs);
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
    const master = await this.#members.masterBy(options.deadlineMs);
    const [learnt, found] = await Promise.allSettled([
      master.node.run(replicationState, options.deadlineMs, silenceMs),
      isAsking ? this.#getAsking(master, key, options) : this.#get(master, key, options, silenceMs),
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
}
