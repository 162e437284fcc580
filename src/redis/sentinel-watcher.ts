/**
 * Follows masters through failovers by the word of several Sentinels. ioredis's own support for Sentinel is not used:
 * it ended dead for good after a master was killed, or never left one that was frozen.
 *
 * All Sentinels are asked every 100 ms, each at its own pace and with a deadline, and tell of failovers besides; one
 * that is frozen, behind or away costs nothing. Without any of them the service goes on with what is known.
 *
 * Who is believed when they differ is said in `sentinel-decision.ts`. These are the interleavings behind it:
 *
 * 1. **A frozen master wakes.** M1 stops; the Sentinels promote M2 under epoch 6, we follow; M1 wakes, says that it
 *    is the master, and takes writes of those who ask it. A Sentinel that was frozen with it says so too, under epoch
 *    5. The epoch is lower than that of the master we follow, so we stay; nothing of M1 is read, because for the
 *    shard it is a replica that does not say that it is one, or has another history.
 * 2. **We are frozen.** A failover happens meanwhile; M1 lives on as in 1. When we wake, requests lie in our sockets,
 *    and they are read before the timer by which we would have asked. So knowledge has an age: `isCurrent` is false
 *    once our own clock shows that we missed a few turns, and then `refresh` asks all Sentinels anew before anything
 *    goes to a node. What they answered before is dropped even if it arrives only now.
 * 3. **The first word is the wrong one.** At the start and on waking, one Sentinel that is behind may answer first,
 *    and M1 confirms it. So nothing is decided then before all have answered or are late.
 * 4. **A Sentinel reports the new master before the node knows it**, or the node died at once. The node is asked
 *    until it says that it is a master; until then we stay where we are.
 * 5. **A planned failover.** The leading Sentinel makes M2 the master at once, and finds that out up to a second
 *    later; M1 takes writes all the time, and loses them when it becomes a replica of M2. So the announcement of whom
 *    it has selected is enough to ask M2 every few milliseconds, and M2's own word to follow it. Where M2 refuses
 *    writes for want of replicas we stay with M1 for that second, and what it acks then is lost, with `ack: 1` too:
 *    its other replica confirms it and is turned to M2 afterwards. If the Sentinel dies just there, the others make M2
 *    a replica again: no Sentinel names it, it says itself that it is none, and the majority leads us back.
 * 6. **A report crosses a failover.** Its epoch was read before it, its address after: the new master under the old
 *    epoch, which moves nothing. The next report has both.
 */
import type { Log } from '../core/ports';
import type { Clock } from '../lib/clock';
import type { NodeAddress, ShardNodes } from './client';
import { SentinelConnection } from './sentinel-connection';
import type { NodeAt } from './sentinel-replies';
import { WatchedMaster } from './watched-master';

const ASK_EVERY_MS = 100;
const WATCH_HANDSHAKES_EVERY_MS = 1000;
/** A turn that comes so late means that this process stood still. */
const STANDSTILL_MS = 500;

export interface SentinelWatcherOptions {
  readonly sentinels: readonly NodeAddress[];
  /** The names of the masters. */
  readonly masters: readonly string[];
  readonly nodeAt: NodeAt;
  readonly clock: Clock;
  readonly log: Log;
  /** The nodes of that master are these from now on. */
  readonly onNodes: (master: string, nodes: ShardNodes) => void;
}

export class SentinelWatcher {
  readonly #clock: Clock;
  readonly #sentinels: readonly SentinelConnection[];
  readonly #masters: ReadonlyMap<string, WatchedMaster>;
  #timers: readonly NodeJS.Timeout[] = [];
  #tickedMs: number;
  /** How often a turn came too late. */
  #standstills = 0;
  #refreshing: Promise<void> | undefined;
  /** Some Sentinels have not been heard yet, so what the others say proves nothing. */
  #isGathering = false;
  #closed = false;

  constructor(options: SentinelWatcherOptions) {
    const { clock, log, masters, nodeAt, sentinels, onNodes } = options;
    this.#clock = clock;
    this.#tickedMs = clock.now();
    this.#masters = new Map(
      masters.map((name) => [
        name,
        new WatchedMaster({
          name,
          sentinels: sentinels.length,
          clock,
          log,
          onNodes: (nodes) => onNodes(name, nodes),
        }),
      ]),
    );
    this.#sentinels = sentinels.map((address) => {
      const sentinel: SentinelConnection = new SentinelConnection(address, {
        masters,
        nodeAt,
        clock,
        log,
        onReport: (master, report, askedAtMs) => {
          this.#masters.get(master)?.hear(sentinel.name, report, askedAtMs);
          this.#decide(master);
        },
        onSelected: (master, node) => {
          this.#masters.get(master)?.hearPromise(sentinel.name, node);
          this.#decide(master);
        },
      });
      return sentinel;
    });
  }

  /** Begins to watch. Resolves when each Sentinel, and each node that they name a master, has been tried once. */
  async open(): Promise<void> {
    this.#isGathering = true;
    await Promise.all(this.#sentinels.map((sentinel) => sentinel.open()));
    this.#tickedMs = this.#clock.now();
    this.#timers = [
      setInterval(() => this.#tick(), ASK_EVERY_MS),
      setInterval(() => this.#watchHandshakes(), WATCH_HANDSHAKES_EVERY_MS),
    ];
    await this.refresh();
  }

  /** What is known is as new as it can be; else `refresh` is to be awaited before a node is asked anything. */
  get isCurrent(): boolean {
    return this.#refreshing === undefined && !this.#isLate();
  }

  /** Asks all Sentinels anew. Resolves when they, and the nodes in question, have answered or are late; never rejects. */
  refresh(): Promise<void> {
    this.#refreshing ??= this.#gather().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  close(): void {
    this.#closed = true;
    for (const timer of this.#timers) clearInterval(timer);
    for (const sentinel of this.#sentinels) sentinel.close();
    for (const master of this.#masters.values()) master.close();
  }

  async #gather(): Promise<void> {
    let before: number;
    do {
      before = this.#standstills;
      this.#tickedMs = this.#clock.now();
      this.#isGathering = true;
      for (const master of this.#masters.values()) master.forget();
      await Promise.all(this.#sentinels.map((sentinel) => sentinel.ask()));
      this.#isGathering = false;
      if (this.#closed) return;
      await Promise.all([...this.#masters.values()].map((master) => master.settle()));
      // Interleaving 2 again, if that happened meanwhile.
    } while (this.#standstills > before || this.#isLate());
  }

  #tick(): void {
    const isLate = this.#isLate();
    this.#tickedMs = this.#clock.now();
    if (isLate) {
      this.#standstills += 1;
      void this.refresh();
    }
    for (const sentinel of this.#sentinels) sentinel.tick();
  }

  /** This process stood still since the last turn. */
  #isLate(): boolean {
    return this.#clock.now() - this.#tickedMs >= STANDSTILL_MS;
  }

  #watchHandshakes(): void {
    for (const sentinel of this.#sentinels) sentinel.watchHandshakes();
    for (const master of this.#masters.values()) master.watchHandshakes();
  }

  #decide(master: string): void {
    if (!this.#isGathering && !this.#closed) this.#masters.get(master)?.decide();
  }
}
