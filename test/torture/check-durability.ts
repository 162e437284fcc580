/**
 * C6: what was acked with `ack` of 1 or more outlives a failover. Afterwards the master, asked by a strong READ, a READ
 * that it answered, or the sweep, shows nothing that is certainly older.
 */
import { groupedBy } from './check-groups';
import type { Terms } from './check-options';
import type { Timeline } from './check-timeline';
import { VerdictBuilder, type Verdict } from './check-verdict';
import { FOREIGN, type FinalRead, type Operation } from './history';

export function checkDurability(
  timelines: readonly Timeline[],
  sweep: readonly FinalRead[],
  terms: Terms,
): Verdict {
  const verdict = new VerdictBuilder('C6');
  const finals = groupedBy(
    sweep.filter(({ gateway }) => gateway === FOREIGN),
    ({ key }) => key,
  );
  const lost = new Set<Operation>();
  for (const timeline of timelines) {
    const confirmed = timeline.firm.filter(({ ack }) => ack >= 1);
    if (confirmed.length === 0) continue;
    const followers = timeline.followersAmong(confirmed);
    const judge = (read: Operation | FinalRead, callMs: number, seenMs: number): void => {
      const origin = timeline.origin(read.value, seenMs);
      if (origin === undefined) return;
      verdict.judged();
      const missed = followers.firstAcked(origin);
      if (missed === undefined || missed.returnMs >= callMs) return;
      lost.add(missed);
      verdict.violated(`a ${missed.op} of ${read.key} confirmed by ${missed.ack} replicas was lost`, [
        read,
        missed,
        origin.write,
      ]);
    };
    const failovers = terms.failoversOf(timeline.key);
    for (const read of timeline.reads) {
      if (read.consistency !== 'strong' && read.source !== 'master') continue;
      if (failovers.some(({ toMs }) => toMs < read.callMs)) judge(read, read.callMs, read.returnMs);
    }
    for (const read of finals.get(timeline.key) ?? []) judge(read, Infinity, Infinity);
  }
  verdict.figure('lost', lost.size);
  return verdict.verdict('lost');
}
