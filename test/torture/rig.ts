/** Everything that stands while one fault is tried, and the words in which faults speak of it. */
import { eventually } from '../support/eventually';
import type { GatewaySlot } from './gateways';
import { isAnswered } from './check-timeline';
import { answeredMs, type Operation, type Op, type Recorder } from './history';
import type { Topology } from './topology';

/** @typeParam T what stands below the gateways. */
export class Rig<T = Topology> {
  readonly topology: T;
  readonly slots: readonly GatewaySlot[];
  readonly recorder: Recorder;
  #broken = 0;

  constructor(topology: T, slots: readonly GatewaySlot[], recorder: Recorder) {
    this.topology = topology;
    this.slots = slots;
    this.recorder = recorder;
  }

  /** The rig's clock, as the history has it. */
  nowMs(): number {
    return performance.now();
  }

  get isBroken(): boolean {
    return this.#broken > 0;
  }

  pause(ms: number): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, ms));
  }

  /** Marks the time that `work` takes as broken. */
  broken<R>(name: string, work: () => Promise<R>): Promise<R> {
    return this.#marked('fault', name, async () => {
      this.#broken += 1;
      try {
        return await work();
      } finally {
        this.#broken -= 1;
      }
    });
  }

  /** Marks the time in which masters change: what was acked without replicas meanwhile may be lost. */
  failingOver<R>(shard: string, work: () => Promise<R>): Promise<R> {
    return this.#marked('failover', shard, work);
  }

  /** Marks the time in which the shard's master itself refuses writes: no gateway can help that. */
  refusing<R>(shard: string, work: () => Promise<R>): Promise<R> {
    return this.#marked('refusing', shard, work);
  }

  async #marked<R>(
    what: 'fault' | 'failover' | 'refusing',
    name: string,
    work: () => Promise<R>,
  ): Promise<R> {
    this.recorder.mark(`${what}-begin`, name);
    try {
      return await work();
    } finally {
      this.recorder.mark(`${what}-end`, name);
    }
  }

  /** What was called in that time. */
  calledBetween(fromMs: number, toMs = Infinity): Operation[] {
    const { operations } = this.recorder.history();
    return operations.filter(({ callMs }) => callMs >= fromMs && callMs <= toMs);
  }

  /** How long after `sinceMs` the first such operation called then had succeeded. @throws Error over `withinMs` */
  async firstSuccess(
    sinceMs: number,
    which: (operation: Operation) => boolean,
    withinMs = 10_000,
  ): Promise<number> {
    const first = await eventually(() => {
      const found = this.calledBetween(sinceMs).filter((each) => which(each) && isAnswered(each));
      return found.length === 0 ? undefined : Math.min(...found.map(({ returnMs }) => returnMs));
    }, withinMs);
    return first - sinceMs;
  }
}

export function isOp(...ops: Op[]): (operation: Operation) => boolean {
  return ({ op }) => ops.includes(op);
}

/** Of those that were answered in one way or other. */
export function latenciesMs(operations: readonly Operation[]): number[] {
  return operations
    .filter(isAnswered)
    .map((operation) => answeredMs(operation) - operation.callMs)
    .sort((left, right) => left - right);
}
