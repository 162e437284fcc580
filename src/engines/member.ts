/** One node of a shard as the shard sees it: its data connection, its announcements, and how fresh it is. */
import type { Coherence } from '../coherence/coherence';
import type { Feed } from '../coherence/feed';
import type { Log } from '../core/ports';
import type { Clock } from '../lib/clock';
import type { NodeAddress } from '../redis/client';
import { RedisNode } from '../redis/redis-node';
import type { Replication } from '../redis/replication';

export interface MemberDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly coherence: Coherence;
  /** The nodes are those of a cluster. */
  readonly isCluster: boolean;
  /** The node answered a probe that was sent at `askedAtMs`. */
  readonly onLearned: (member: Member, replication: Replication, askedAtMs: number) => void;
}

export class Member {
  readonly address: NodeAddress;
  readonly node: RedisNode;
  readonly feed: Feed;
  readonly #clock: Clock;
  /** All writes that were acked before this time (monotonic) are known to have been applied here. */
  #asOfMs = -Infinity;
  #losses = 0;
  /** What the node said last, on whatever connection. */
  #before: Replication | undefined;

  constructor(address: NodeAddress, deps: MemberDeps) {
    this.address = address;
    this.#clock = deps.clock;
    this.feed = deps.coherence.createFeed(address, deps.isCluster);
    this.node = new RedisNode(address, {
      clock: deps.clock,
      log: deps.log,
      readOnly: deps.isCluster,
      onLearned: (replication, askedAtMs) => {
        this.#compare(replication);
        deps.onLearned(this, replication, askedAtMs);
      },
      onConnected: (client) => {
        this.feed.connected(client);
      },
      onLost: () => {
        this.#losses += 1;
        this.feed.lost();
      },
    });
  }

  /** How often the data connection has ended. Others to the node may be half open then, which they cannot tell. */
  get losses(): number {
    return this.#losses;
  }

  /** Resolves when the node has been tried once. */
  async open(): Promise<void> {
    this.feed.open();
    await this.node.open();
  }

  /** To be called at a steady pace. Resolves when the node has answered or is late; never rejects. */
  tick(): Promise<void> {
    this.feed.tick();
    return this.node.tick();
  }

  /** To be called in the stretch in which the node's own answer, or a later one of its master, proves it. */
  confirm(asOfMs: number): void {
    if (asOfMs <= this.#asOfMs) return;
    this.#asOfMs = asOfMs;
    this.feed.confirm(asOfMs);
  }

  /** No older than so many milliseconds. */
  isFresh(withinMs: number): boolean {
    return this.#clock.now() - this.#asOfMs < withinMs;
  }

  #compare(now: Replication): void {
    const before = this.#before;
    this.#before = now;
    if (before === undefined) return;
    // R10: a failover. What was read before it may never have happened in the new history.
    if (before.role !== now.role || before.lineage !== now.lineage) this.feed.gap();
    // R9: a full resync within one history. The byte behind what it had applied before is not among those that it
    // can replay: it came with the load, or was dropped from the backlog since, and nobody can tell which.
    else if (now.role === 'replica' && now.backlogStart > before.offset + 1) this.feed.reloaded();
  }

  close(): void {
    this.feed.close();
    this.node.close();
  }
}
