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
import { getReplication, getValue, getValueAndLife } from '../redis/commands';
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
  async read(key: Key, point: Point, options: ReadOptions): Promise<Found | undefined> {
    const { consistency, session } = options;
    if (consistency === 'strong' || (consistency === 'session' && session === undefined)) {
      return this.#get(await this.#members.masterBy(options.deadlineMs), key, options, Infinity);
    }
    const positions = this.#positions.of(session);
    // In a cluster the key may have come from another shard, on whose positions the replicas here say nothing.
    const isBeyondReplicas =
      session !== undefined &&
      (this.#isCluster ? !session.isEmpty : session.isOverflowing && positions.length === 0);
    if (isBeyondReplicas) return this.#getForSession(key, positions, options, Infinity);

    const tried: Member[] = [];
    let failure: CacheError | undefined;
    let asked = false;
    for (;;) {
      // Chosen anew each time: what failed has changed what is usable.
      const member = this.#members.choose([key], point, tried, positions);
      if (member === undefined) {
        if (asked) throw failure ?? unreachable();
        // The master is away and no replica is known to have the key's last write: it may have it by now.
        asked = true;
        await this.#members.askReplicas(options.deadlineMs - this.#clock.now());
        continue;
      }
      tried.push(member);
      const isMaster = member === this.#members.master;
      try {
        const silenceMs = this.#members.isReplicated ? SILENCE_MS_MAX : Infinity;
        if (isMaster && positions.length > 0) {
          return await this.#getForSession(key, positions, options, silenceMs);
        }
        if (positions.length > 0) {
          // 1. it told that it has all  2. a failover loses a write; it is loaded anew from a master without that
          // 3. it is asked: so it says so again in front of the value. Where it has not, another one is asked.
          const [learnt, found] = await Promise.allSettled([
            member.node.run(getReplication(), options.deadlineMs, silenceMs),
            this.#get(member, key, options, silenceMs),
          ]);
          if (learnt.status === 'rejected') throw learnt.reason;
          if (!hasAll(learnt.value, positions)) continue;
          if (found.status === 'rejected') throw found.reason;
          return found.value;
        }
        const found = await this.#get(member, key, options, silenceMs);
        if (found !== undefined || isMaster || !this.#isCluster) return found;
        // Only the master knows whether the key is absent or on its way to another shard.
        return await this.#get(await this.#members.masterBy(options.deadlineMs), key, options, Infinity);
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
    return this.#get(await this.#members.masterBy(options.deadlineMs), key, options, Infinity, true);
  }

  /** `silenceMs`: how long the node may be silent; `Infinity` where no other one can be asked. */
  async #get(
    member: Member,
    key: Key,
    options: ReadOptions,
    silenceMs: number,
    isAsking = false,
  ): Promise<Found | undefined> {
    const storedBytesMax = this.#storedBytesMax;
    const askedAtMs = this.#clock.now();
    // What it was when it was asked: the shard may be following another master when the answer comes.
    const source = member === this.#members.master ? 'master' : 'replica';
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
    const master = await this.#members.masterBy(options.deadlineMs);
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
}
