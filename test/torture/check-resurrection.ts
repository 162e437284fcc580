/**
 * C5: what was deleted or has expired stays away. A READ that still sees it within the limit of C3 is stale, which is
 * the business of C3; later, or in the sweep after quiet, the value has come back or never went.
 */
import { groupedBy } from './check-groups';
import type { Terms } from './check-options';
import type { Followers, Origin, Timeline } from './check-timeline';
import { VerdictBuilder, type Verdict } from './check-verdict';
import type { FinalRead, Operation } from './history';

export function checkResurrection(
  timelines: readonly Timeline[],
  sweep: readonly FinalRead[],
  terms: Terms,
): Verdict {
  const verdict = new VerdictBuilder('C5');
  verdict.figure('longest after ms', 0);
  const finals = groupedBy(sweep, ({ key }) => key);
  for (const timeline of timelines) {
    const deletes = timeline.followersAmong(timeline.firm.filter(({ op }) => op === 'DELETE'));
    const judge = (read: Operation | FinalRead, callMs: number, seenMs: number, graceMs: number): void => {
      if (read.value === undefined) return;
      const origin = timeline.origin(read.value, seenMs);
      if (origin === undefined) return;
      verdict.judged();
      const { goneMs, deletion } = endOf(origin, deletes, timeline);
      if (callMs <= goneMs + graceMs) return;
      if (callMs < Infinity) verdict.raise('longest after ms', callMs - goneMs);
      const end = deletion === undefined ? 'its expiry' : 'an acked DELETE';
      const when = callMs < Infinity ? `${(callMs - goneMs).toFixed(1)} ms after` : 'in the sweep after';
      verdict.violated(`${read.gateway} gave a value of ${read.key} ${when} ${end}`, [
        read,
        deletion,
        origin.write,
      ]);
    };
    for (const read of timeline.reads) {
      judge(read, read.callMs, read.returnMs, terms.stalenessMaxMs(read));
    }
    // After quiet nothing is excused.
    for (const read of finals.get(timeline.key) ?? []) judge(read, read.atMs ?? Infinity, Infinity, 0);
  }
  return verdict.verdict('longest after ms');
}

/** When the value certainly ended, and the DELETE that did it; `Infinity` if it need not have. */
function endOf(
  origin: Origin,
  deletes: Followers,
  timeline: Timeline,
): { readonly goneMs: number; readonly deletion: Operation | undefined } {
  const deletion = deletes.firstAcked(origin);
  const expiredMs = origin.write === undefined ? Infinity : timeline.expiredMs(origin.write);
  const deletedMs = deletion?.returnMs ?? Infinity;
  return deletedMs <= expiredMs
    ? { goneMs: deletedMs, deletion }
    : { goneMs: expiredMs, deletion: undefined };
}
