// Several workers against one. What matters is what as many cores could answer; whether they do shows only where there
// are so many, and one more for the load.
import { ringcache } from './contenders.mjs';
import { chooseCores } from './machine.mjs';
import { compare, play } from './rounds.mjs';

const GOAL_PER_WORKER = 0.9;

/** One worker, then `count`, each with a Redis, which near hits do not ask. */
export function playWorkers(run, count, pace) {
  const cores = chooseCores(count);
  const players = [
    ringcache({ name: '1 worker', replicas: 0 }),
    ringcache({ name: `${count} workers`, replicas: 0, workers: count }),
  ];
  return play(cores.server === undefined ? run : { ...run, cores }, 'READ', players, pace);
}

/**
 * By processor time: `count` cores answer `count` times as many, less what each request costs more, the process above
 * the workers included.
 */
export function workerGoals([one, many], count) {
  const { label, skipped, byProcessor, byRate } = compare(many, one);
  if (skipped !== undefined) return [{ label, skipped }];
  if (Number.isNaN(byProcessor)) return [{ label, skipped: 'processor time is not known here' }];
  const goal = GOAL_PER_WORKER * count;
  const value = count * byProcessor;
  const rate =
    chooseCores(count).server === undefined
      ? { label: `${label}, by requests/s`, skipped: `needs ${count + 1} cores` }
      : { label: `${label}, by requests/s`, unit: '×', value: byRate };
  return [{ label: `${label}, by processor time`, unit: '×', value, goal, met: value >= goal }, rate];
}
