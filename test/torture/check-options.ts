/** What the checks ask of the caller: limits, and which shard a key lives on. All of it has defaults. */
import type { History, Mark, Op, Operation } from './history';

/** A stretch of time, ends included. An unclosed one reaches to `Infinity`. */
export interface Window {
  readonly fromMs: number;
  readonly toMs: number;
}

export interface Fault extends Window {
  readonly name: string;
}

/**
 * A change of masters. What was acked before `fromMs` certainly reached the new master; what is sent from `toMs` on
 * goes to the new one only. Between the two a change acked without replicas may be lost. Where replication lags,
 * `fromMs` lies that much before the old master's death.
 */
export interface Failover extends Window {
  /** Undefined: of all shards. */
  readonly shard?: string | undefined;
}

export interface CheckOptions {
  /** Default: a ring of one shard. */
  readonly shardOf?: (key: string) => string;
  /** Default: the history's marks `failover-begin` and `failover-end`, named after their shards. */
  readonly failovers?: readonly Failover[];
  /** C3 outside faults; defaults are those of the contract: 5, 50 and 1000 ms. */
  readonly healthyStaleness?: { readonly p99Ms: number; readonly p999Ms: number; readonly maxMs: number };
  /** C3 during faults, by their names; 1000 ms where none is given. */
  readonly faultStalenessMaxMs?: Readonly<Record<string, number>>;
  /** How long after its end a fault may still be felt. Default 1000 ms, the life of a lease. */
  readonly settleMs?: number;
  /** How exactly Redis's clock is expected to let a value expire. Default 50 ms. */
  readonly expirySlackMs?: number;
  /** C1: configurations tried per key and failover-free stretch before the search gives up. Default 200,000. */
  readonly searchStepsMax?: number;
  /** The service's own deadline: an operation takes at most this and `DEADLINE_SLACK_MS`. Default: not checked. */
  readonly deadlineMs?: number;
  /** The longest time without a success in which one was tried, per shard and gateway. Default: not checked. */
  readonly outageMaxMs?: Readonly<Partial<Record<Op, number>>>;
}

/** The options, filled in, with the windows that the marks tell. */
export class Terms {
  readonly faults: readonly Fault[];
  /** When masters themselves refused writes; named after their shards. */
  readonly refusals: readonly Fault[];
  readonly shardOf: (key: string) => string;
  readonly healthyStaleness: { readonly p99Ms: number; readonly p999Ms: number; readonly maxMs: number };
  readonly expirySlackMs: number;
  readonly searchStepsMax: number;
  readonly deadlineMs: number;
  readonly outageMaxMs: Readonly<Partial<Record<Op, number>>>;
  readonly #failovers: readonly Failover[];
  readonly #faultStalenessMaxMs: Readonly<Record<string, number>>;
  readonly #settleMs: number;

  constructor({ marks }: History, options: CheckOptions) {
    this.faults = windowsOf(marks, 'fault-begin', 'fault-end');
    this.refusals = windowsOf(marks, 'refusing-begin', 'refusing-end');
    this.shardOf = options.shardOf ?? (() => '');
    this.healthyStaleness = options.healthyStaleness ?? { p99Ms: 5, p999Ms: 50, maxMs: 1000 };
    this.expirySlackMs = options.expirySlackMs ?? 50;
    this.searchStepsMax = options.searchStepsMax ?? 200_000;
    this.deadlineMs = options.deadlineMs ?? Infinity;
    this.outageMaxMs = options.outageMaxMs ?? {};
    this.#failovers =
      options.failovers ??
      windowsOf(marks, 'failover-begin', 'failover-end').map((window) => ({
        ...window,
        shard: options.shardOf === undefined ? undefined : window.name,
      }));
    this.#faultStalenessMaxMs = options.faultStalenessMaxMs ?? {};
    this.#settleMs = options.settleMs ?? 1000;
  }

  /** In the order of their beginnings. */
  failoversOf(key: string): readonly Failover[] {
    return this.#failovers
      .filter(({ shard }) => shard === undefined || shard === this.shardOf(key))
      .toSorted((left, right) => left.fromMs - right.fromMs);
  }

  /** The faults that a read may have felt. */
  faultsDuring(read: Operation): readonly Fault[] {
    return this.faults.filter(
      ({ fromMs, toMs }) => read.returnMs >= fromMs && read.callMs <= toMs + this.#settleMs,
    );
  }

  /** How much of a stretch without a change is the service's own: what the shard's master refused itself is not. */
  ownOutageMs({ fromMs, toMs }: Window, shard: string): number {
    return this.refusals
      .filter(({ name }) => name === shard)
      .reduce(
        (leftMs, refusal) =>
          leftMs - Math.max(0, Math.min(toMs, refusal.toMs) - Math.max(fromMs, refusal.fromMs)),
        toMs - fromMs,
      );
  }

  /** How stale this read may be. Where faults overlap the mildest limit counts. */
  stalenessMaxMs(read: Operation): number {
    const faults = this.faultsDuring(read);
    if (faults.length === 0) return this.healthyStaleness.maxMs;
    return Math.max(...faults.map(({ name }) => this.#faultStalenessMaxMs[name] ?? 1000));
  }
}

/** Pairs each begin with the next end of its name. */
function windowsOf(marks: readonly Mark[], begin: Mark['kind'], end: Mark['kind']): Fault[] {
  const sorted = marks.toSorted((left, right) => left.atMs - right.atMs);
  return sorted.flatMap((mark, index) => {
    if (mark.kind !== begin) return [];
    const close = sorted.find(
      (later, laterIndex) => laterIndex > index && later.kind === end && later.name === mark.name,
    );
    return [{ name: mark.name, fromMs: mark.atMs, toMs: close?.atMs ?? Infinity }];
  });
}
