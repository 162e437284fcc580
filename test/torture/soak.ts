/**
 * The long run: one fault after the other, in an order that the seed decides, upon the same gateways, which must be as
 * small at the end as they were when they had warmed up. Three quarters of the time are a ring's, the rest is that of
 * shards under Sentinels.
 */
import type { FaultOn, Figure } from './fault';
import { FAULTS } from './faults';
import { Random } from './random';
import { runOn, type RunOptions, type RunResult } from './run-fault';
import { startRing } from './ring-topology';
import { startSentinels } from './sentinel-topology';
import { openStage, type Stage } from './stage';
import type { Topology } from './topology';
import { growthFigures, sampleProcess, type Sample, WATCHED_SETTINGS } from './watch';

export interface SoakResult {
  readonly results: readonly RunResult[];
  readonly growth: readonly Figure[];
}

export interface SoakOptions extends Omit<RunOptions, 'seconds' | 'settings'> {
  readonly minutes: number;
  readonly onResult: (result: RunResult) => void;
}

const RING_SHARE = 0.75;
/** Of each fault, before the next comes. */
const STRETCH_SECONDS = 10;
/** What the last round began has ended by then: what is still held is held on purpose, or leaks. */
const IDLE_MS = 3000;
/** Those that start gateways anew, or that need more of them, tell nothing of how one ages. */
const UNFIT = new Set(['F17', 'F22']);

export async function soak(options: SoakOptions): Promise<SoakResult> {
  const ringFaults: FaultOn<Awaited<ReturnType<typeof startRing>>>[] = [];
  const sentinelFaults: FaultOn<Awaited<ReturnType<typeof startSentinels>>>[] = [];
  for (const fault of FAULTS.values()) {
    if (UNFIT.has(fault.name)) continue;
    if ('ring' in fault) ringFaults.push(fault);
    else sentinelFaults.push(fault);
  }
  // One ring that suits them all.
  const ring = await startRing({
    ...{ shards: 2, replicas: 2, appendOnly: false },
    ...{ proxied: true, replicationThroughProxy: true },
  });
  const onRing = await soakOn(ring, ringFaults, options.minutes * RING_SHARE, options);
  const sentinels = await startSentinels({ throughProxies: true });
  const onSentinels = await soakOn(sentinels, sentinelFaults, options.minutes * (1 - RING_SHARE), options);
  return {
    results: [...onRing.results, ...onSentinels.results],
    growth: [...onRing.growth, ...onSentinels.growth],
  };
}

async function soakOn<T extends Topology>(
  topology: T,
  faults: readonly FaultOn<T>[],
  minutes: number,
  options: SoakOptions,
): Promise<SoakResult> {
  const random = new Random(`soak ${options.seed}`);
  const stage = await openStage(topology, 2, WATCHED_SETTINGS);
  const samples = new Map<string, Sample[]>(stage.slots.map(({ name }) => [name, []]));
  const results: RunResult[] = [];
  const untilMs = performance.now() + minutes * 60_000;
  let queue: FaultOn<T>[] = [];
  try {
    while (performance.now() < untilMs) {
      // All of them in a new order before any comes again.
      if (queue.length === 0) queue = shuffled(faults, random);
      const fault = queue.pop()!;
      const seed = options.seed + results.length;
      const result = await runOn(stage, fault, { ...options, seed, seconds: STRETCH_SECONDS });
      results.push(result);
      options.onResult(result);
      await forget(stage);
      await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
      for (const { name, gateway } of stage.slots) samples.get(name)!.push(await sampleProcess(gateway.pid));
    }
    const growth = [...samples].flatMap(([name, each]) =>
      growthFigures(`${topology.shards.join('+')} ${name}`, each),
    );
    return { results, growth };
  } finally {
    await stage.close();
  }
}

/** The next history begins with nothing stored. */
async function forget({ topology }: Stage): Promise<void> {
  for (const shard of topology.shards) await (await topology.masterOf(shard)).client.flushall();
}

function shuffled<Item>(items: readonly Item[], random: Random): Item[] {
  const left = [...items];
  const order: Item[] = [];
  while (left.length > 0) {
    const item = random.pick(left);
    left.splice(left.indexOf(item), 1);
    order.push(item);
  }
  return order;
}
