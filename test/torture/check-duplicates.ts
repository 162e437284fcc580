/**
 * C7: the master applied each write once, and none that was answered as not done. Values are unique, so the master's
 * own stream of commands tells. Without it nothing is judged.
 */
import { isUndone, type Timeline } from './check-timeline';
import { VerdictBuilder, type Verdict } from './check-verdict';
import type { AppliedWrite } from './history';

export function checkDuplicates(
  timelines: readonly Timeline[],
  applied: ReadonlyMap<string, readonly AppliedWrite[]>,
): Verdict {
  const verdict = new VerdictBuilder('C7');
  for (const { key, writes } of timelines) {
    const times = new Map<string, number>();
    for (const { value } of applied.get(key) ?? []) times.set(value, (times.get(value) ?? 0) + 1);
    for (const [value, count] of times) {
      const write = writes.get(value);
      verdict.judged();
      verdict.raise('most times', count);
      if (count > 1) verdict.violated(`a WRITE of ${key} was applied ${count} times`, [write]);
      if (write !== undefined && isUndone(write)) {
        verdict.violated(`a WRITE of ${key} was answered as ${write.outcome} and applied`, [write]);
      }
    }
  }
  return verdict.verdict('most times');
}
