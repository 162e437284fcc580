/** One fault from beginning to end: processes up, load, rounds of the fault, quiet, a last look, the verdict. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { checkHistory, type Report } from './checker';
import type { CheckOptions } from './check-options';
import { type Fault, type FaultOn, type Figure, isMet, worstFigures } from './fault';
import type { GatewaySlot } from './gateways';
import { type FinalRead, type History, Recorder } from './history';
import { lookAtAll } from './last-look';
import { Load } from './load';
import { Random } from './random';
import { Rig } from './rig';
import { createShardOf, startRing } from './ring-topology';
import { startSentinels } from './sentinel-topology';
import { openStage, type Stage } from './stage';
import type { Topology } from './topology';

export interface RunOptions {
  readonly seed: number;
  /** Of load. The last round of the fault may outlast it. */
  readonly seconds: number;
  /** Operations a second. */
  readonly rate: number;
  /** Over all other settings of the gateways. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Told once a second. */
  readonly onProgress?: (progress: Progress) => void;
}

export interface Progress {
  readonly fault: string;
  readonly elapsedSeconds: number;
  readonly operations: number;
  readonly errors: number;
  readonly rounds: number;
  readonly isBroken: boolean;
}

export interface RunResult<Judged = Report> {
  readonly fault: Pick<Fault, 'name' | 'title'>;
  readonly seed: number;
  readonly history: History;
  readonly report: Judged;
  readonly figures: readonly Figure[];
  /** What ended the run early, or was logged as a fault that nobody foresaw. */
  readonly failures: readonly string[];
  readonly rounds: number;
  readonly seconds: number;
  readonly ok: boolean;
}

/** A machine of two noisy cores carries it all; the contract's own figures are for a quiet one. */
const NOISE_MS = 50;
const STALENESS_MS_MAX = 1000 + NOISE_MS;
/** `REQUEST_TIMEOUT_MS`, as the gateways have it by default. */
const DEADLINE_MS = 2000;
const WARM_UP_MS = 2000;

/** What the history of a run under that fault is held to. */
export function checkOptionsOf(
  fault: Pick<Fault, 'name' | 'limits'>,
  shards: readonly string[],
): CheckOptions {
  return {
    shardOf: createShardOf(shards),
    deadlineMs: DEADLINE_MS,
    // Percentiles are printed, and not judged: they are the machine's as much as ours.
    healthyStaleness: { p99Ms: Infinity, p999Ms: Infinity, maxMs: STALENESS_MS_MAX },
    faultStalenessMaxMs: { [fault.name]: STALENESS_MS_MAX },
    ...fault.limits,
  };
}

/** On processes of its own. */
export async function runFault(fault: Fault, options: RunOptions): Promise<RunResult> {
  // Each kind of topology has faults that know no other, which only this place must see.
  if ('ring' in fault) return runAlone(fault, await startRing(fault.ring), options);
  return runAlone(fault, await startSentinels(fault.sentinel), options);
}

async function runAlone<T extends Topology>(
  fault: FaultOn<T>,
  topology: T,
  options: RunOptions,
): Promise<RunResult> {
  const stage = await openStage(topology, fault.gateways ?? 2, { ...fault.settings, ...options.settings });
  try {
    return await runOn(stage, fault, options);
  } finally {
    await stage.close();
  }
}

/** On processes that others have used before; nothing may be stored there. */
export async function runOn<T extends Topology>(
  stage: Stage<T>,
  fault: FaultOn<T>,
  { seed, seconds, rate, onProgress }: RunOptions,
): Promise<RunResult> {
  const { topology, slots, authorization, sessions } = stage;
  const random = new Random(`${fault.name} ${seed}`);
  const recorder = new Recorder();
  const rig = new Rig(topology, slots, recorder);
  const load = new Load({
    ...{ recorder, slots, topology, authorization, rate, sessions, name: String(seed) },
    ...{ random: random.stream('load'), routing: fault.routing ?? 'fixed', ack: fault.ack ?? 1 },
  });
  const loop = monitorEventLoopDelay({ resolution: 5 });
  loop.enable();
  load.start();
  const startedMs = performance.now();
  const elapsedMs = (): number => performance.now() - startedMs;
  const figures: Figure[] = [];
  const failures: string[] = [];
  let rounds = 0;
  const ticker = setInterval(() => {
    const { isBroken } = rig;
    onProgress?.({ fault: fault.name, elapsedSeconds: elapsedMs() / 1000, ...load.counts, rounds, isBroken });
  }, 1000);
  try {
    await rig.pause(WARM_UP_MS);
    const chance = random.stream('fault');
    do {
      figures.push(...(await fault.strike(rig, chance)));
      rounds += 1;
      await rig.pause(chance.between(1000, 2000));
    } while (elapsedMs() < seconds * 1000);
  } catch (failure) {
    failures.push(`round ${rounds + 1}: ${failure instanceof Error ? failure.message : String(failure)}`);
  }
  await load.stop();
  clearInterval(ticker);
  loop.disable();
  const loadSeconds = elapsedMs() / 1000;

  await topology.heal();
  for (const slot of slots) if (!slot.isRunning) await slot.start();
  let sweep: readonly FinalRead[] = [];
  try {
    sweep = await lookAtAll(stage);
  } catch (failure) {
    failures.push(`after quiet: ${failure instanceof Error ? failure.message : String(failure)}`);
  }
  const history = recorder.history(sweep, await topology.applied());
  const report = checkHistory(history, checkOptionsOf(fault, topology.shards));
  failures.push(...slots.flatMap(unforeseenIn));
  figures.push(...figuresOfRig(history, load.counts.operations / loadSeconds, loop.percentile(99.9) / 1e6));
  const worst = worstFigures(figures);
  return {
    ...{ fault, seed, history, report, figures: worst, failures, rounds, seconds: loadSeconds },
    ok: report.ok && failures.length === 0 && worst.every(isMet),
  };
}

/** Lines of the log and of standard error that speak of a fault nobody foresaw. */
function unforeseenIn({ isRunning, gateway }: GatewaySlot): string[] {
  if (!isRunning) return [];
  const bad = gateway.lines.filter((line) => /"level":(50|60)\b/.test(line));
  return [...bad, ...gateway.errorLines].slice(0, 3).map((line) => line.slice(0, 300));
}

function figuresOfRig(history: History, rate: number, loopDelayMs: number): Figure[] {
  const values = history.operations.filter(({ op, outcome }) => op === 'READ' && outcome === 'ok');
  const near = values.filter(({ source }) => source === 'near').length;
  return [
    { name: 'operations/s', value: rate },
    { name: 'near hits %', value: (100 * near) / Math.max(1, values.length) },
    { name: 'rig’s event loop p99.9 ms', value: loopDelayMs },
  ];
}
