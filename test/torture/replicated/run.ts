/** One fault upon a replicated group, from beginning to end: processes up, load, rounds, quiet, a last look, the verdict. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { isAnswered } from '../check-timeline';
import { type Figure, isMet, worstFigures } from '../fault';
import { answeredMs, type FinalRead, type History, type Operation, Recorder } from '../history';
import { Random } from '../random';
import { latenciesMs } from '../rig';
import type { RunResult } from '../run-fault';
import { percentile } from '../check-verdict';
import { checkGroup, type GroupReport } from './check';
import type { GroupFault } from './fault';
import { openGroup } from './group';
import { GroupRig } from './group-rig';
import { GroupLoad } from './load';
import { lookAtGroup } from './look';
import { Rules } from './rules';

export interface GroupRunOptions {
  readonly seed: number;
  /** Of load. The last round of the fault may outlast it. */
  readonly seconds: number;
  /** Operations a second. */
  readonly rate: number;
  /** Over all other settings of the gateways. */
  readonly settings?: Readonly<Record<string, string>>;
}

export type GroupResult = RunResult<GroupReport>;

const WARM_UP_MS = 1000;
/** Written before the load, so that a snapshot has a size, and a digest something to find. */
const BULK_KEYS = 2000;
const FAILURES_TOLD = 5;

export async function runGroup(
  fault: GroupFault,
  { seed, seconds, rate, settings = {} }: GroupRunOptions,
): Promise<GroupResult> {
  const group = await openGroup(settings);
  try {
    const random = new Random(`${fault.name} ${seed}`);
    const recorder = new Recorder();
    const rig = new GroupRig(group, recorder);
    const { slots, authorization } = group;
    const load = new GroupLoad({
      ...{ recorder, slots, authorization, rate, random: random.stream('load'), name: String(seed) },
    });
    const loop = monitorEventLoopDelay({ resolution: 5 });
    loop.enable();
    await load.fill(BULK_KEYS);
    const startedMs = performance.now();
    load.start();
    const figures: Figure[] = [];
    const failures: string[] = [];
    let rounds = 0;
    try {
      await rig.pause(WARM_UP_MS);
      const chance = random.stream('fault');
      do {
        figures.push(...(await fault.strike(rig, chance)));
        rounds += 1;
        await rig.pause(chance.between(500, 1500));
      } while (performance.now() - startedMs < seconds * 1000);
    } catch (failure) {
      failures.push(`round ${rounds + 1}: ${textOf(failure)}`);
    }
    await load.stop();
    loop.disable();
    const loadSeconds = (performance.now() - startedMs) / 1000;

    let sweep: readonly FinalRead[] = [];
    try {
      await rig.heal();
      sweep = await lookAtGroup(group, recorder.history().operations);
    } catch (failure) {
      failures.push(`after quiet: ${textOf(failure)}`);
    }
    const history = recorder.history(sweep);
    const report = checkGroup(history);
    failures.push(...rig.unforeseen().slice(0, FAILURES_TOLD));
    figures.push(...figuresOf(history, loadSeconds, loop.percentile(99.9) / 1e6));
    const worst = worstFigures(figures);
    return {
      ...{ fault, seed, history, report, figures: worst, failures, rounds, seconds: loadSeconds },
      ok: report.ok && failures.length === 0 && worst.every(isMet),
    };
  } finally {
    await group.close();
  }
}

function figuresOf(history: History, seconds: number, loopDelayMs: number): Figure[] {
  const { operations } = history;
  const latencies = latenciesMs(operations);
  return [
    { name: 'failed requests', value: failedOf(history).length, limit: 0 },
    { name: 'operations/s', value: operations.length / seconds },
    { name: 'latency p50 ms', value: percentile(latencies, 0.5) },
    { name: 'latency p99 ms', value: percentile(latencies, 0.99) },
    { name: 'rig’s event loop p99.9 ms', value: loopDelayMs },
  ];
}

/**
 * Requests that should have been answered whatever was broken: those that need no bus, and while it is whole all. Where
 * nobody listened the caller went to the next, and what a killed gateway had in hand nobody can answer.
 */
export function failedOf({ operations, marks }: Pick<History, 'operations' | 'marks'>): Operation[] {
  const rules = new Rules({ marks });
  const killed = new Set(marks.filter(({ kind }) => kind === 'killed').map(({ name }) => name));
  return operations.filter((operation) => {
    if (isAnswered(operation) || operation.code === 'refused') return false;
    if (operation.code === 'lost' && killed.has(operation.gateway)) return false;
    const { consistency, ack, session, callMs } = operation;
    const needsBus = consistency === 'strong' || ack > 0 || session !== undefined;
    return !needsBus || rules.isWhole(callMs, answeredMs(operation));
  });
}

function textOf(failure: unknown): string {
  return failure instanceof Error ? failure.message : String(failure);
}
