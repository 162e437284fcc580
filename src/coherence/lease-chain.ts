/**
 * The leases of all nodes where announcements come from one place, `COHERENCE=kafka`: all records lie one behind the other
 * in one partition.
 *
 *     this gateway          Kafka                     this gateway
 *      T ── a record ──► … others' records, ours ──► all of them: near hits until T + 1.0 s
 *
 * Whatever was announced before T lies in front of that record. So when it comes back, every key that was changed by a
 * write acked before T has been forgotten, and what is read of it from then on is read where it has the write (marks,
 * `engines/write-marks.ts`). A Kafka that is away, a consumer that is slow, or a process that stood still let the lease run
 * out by themselves (C3, F23).
 *
 * What is not heard here is missed for ever, though, and the marks with it. So whenever something may have been missed, all
 * leases end, and one begins anew only when its node is known to have applied every write that was acked before that:
 *
 *   1. WRITE K=v2 is announced, and not heard here  2. a gap is noticed, at G  3. a replica that lags answers K=v1
 *
 * Without that v1 would be kept under the new lease for ever. `confirm` tells that the replica has what the master had
 * after G, and so v2.
 */
import type { Lease } from '../core/ports';
import type { Clock } from '../lib/clock';
import { LEASE_MS, type Feed } from './feed';

class OpenLease implements Lease {
  constructor(public endsMs: number) {}
}

export class LeaseChain {
  readonly #clock: Clock;
  readonly #feeds = new Set<ChainedFeed>();
  #endsMs = -Infinity;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Of one node. */
  createFeed(): Feed {
    const feed: ChainedFeed = new ChainedFeed({
      clock: this.#clock,
      endsMs: () => this.#endsMs,
      onClosed: () => this.#feeds.delete(feed),
    });
    this.#feeds.add(feed);
    return feed;
  }

  /** All that was announced before `asOfMs` (monotonic) has been heard here, but for what `gap` has told of. */
  extend(asOfMs: number): void {
    // What was announced before the first record was not heard.
    if (this.#endsMs === -Infinity) this.gap();
    this.#endsMs = Math.max(this.#endsMs, asOfMs + LEASE_MS);
    for (const feed of this.#feeds) feed.extend(this.#endsMs);
  }

  /** An announcement may have been missed: nothing read before counts. O(nodes), however much was read. */
  gap(): void {
    for (const feed of this.#feeds) feed.gap();
  }
}

interface ChainedFeedDeps {
  readonly clock: Clock;
  /** Of the chain; `-Infinity` before its first record. */
  readonly endsMs: () => number;
  readonly onClosed: () => void;
}

class ChainedFeed implements Feed {
  readonly #deps: ChainedFeedDeps;
  #lease: OpenLease | undefined;
  /** There is a data connection. */
  #isConnected = false;
  /** Since when nothing was missed. */
  #sinceMs = Infinity;

  constructor(deps: ChainedFeedDeps) {
    this.#deps = deps;
  }

  get lease(): Lease | undefined {
    return this.#lease;
  }

  open(): void {
    // The chain is opened by itself.
  }

  tick(): void {
    // And has its own pace.
  }

  connected(): void {
    this.#isConnected = true;
    this.gap();
  }

  lost(): void {
    // The next connection may be one to another server.
    this.#isConnected = false;
    this.gap();
  }

  confirm(asOfMs: number): void {
    const endsMs = this.#deps.endsMs();
    if (this.#lease !== undefined || !this.#isConnected || endsMs === -Infinity) return;
    if (asOfMs >= this.#sinceMs) this.#lease = new OpenLease(endsMs);
  }

  gap(): void {
    if (this.#lease !== undefined) this.#lease.endsMs = -Infinity;
    this.#lease = undefined;
    this.#sinceMs = this.#deps.clock.now();
  }

  reloaded(): void {
    // What changed by that was announced by whoever changed it.
  }

  close(): void {
    this.gap();
    this.#isConnected = false;
    this.#deps.onClosed();
  }

  /** It may be trusted until then. */
  extend(endsMs: number): void {
    if (this.#lease !== undefined) this.#lease.endsMs = endsMs;
  }
}
