/** C0: what is read under a key is what some WRITE put there, and it was put there before. */
import { isUndone, type Timeline } from './check-timeline';
import { VerdictBuilder, type Verdict } from './check-verdict';
import { type FinalRead, type Operation, writerOf } from './history';

export function checkIntegrity(timelines: readonly Timeline[], sweep: readonly FinalRead[]): Verdict {
  const verdict = new VerdictBuilder('C0');
  const byKey = new Map(timelines.map((timeline) => [timeline.key, timeline]));
  let wrong = 0;
  const judge = (read: Operation | FinalRead, seenMs: number): void => {
    if (read.value === undefined) return;
    verdict.judged();
    const write = byKey.get(read.key)?.writes.get(read.value);
    const fault = faultOf(read.key, read.value, write, seenMs);
    if (fault === undefined) return;
    wrong += 1;
    verdict.violated(`${read.gateway} gave for ${read.key} ${fault}`, [read, write]);
  };
  for (const { reads } of timelines) for (const read of reads) judge(read, read.returnMs);
  for (const read of sweep) judge(read, Infinity);
  verdict.figure('wrong values', wrong);
  return verdict.verdict('wrong values');
}

function faultOf(
  key: string,
  value: string,
  write: Operation | undefined,
  seenMs: number,
): string | undefined {
  if (write === undefined) {
    const writer = writerOf(value);
    if (writer === undefined || writer.key === key) return `a value that nobody wrote: ${brief(value)}`;
    return `a value of ${writer.key}: ${brief(value)}`;
  }
  if (isUndone(write)) return `a value whose write was answered as not done: ${brief(value)}`;
  if (write.callMs > seenMs) return `a value before it was written: ${brief(value)}`;
  return undefined;
}

function brief(value: string): string {
  return JSON.stringify(value.length <= 200 ? value : `${value.slice(0, 200)}…`);
}
