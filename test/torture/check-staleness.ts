/**
 * C3: how old an answer may be. The staleness of a READ is the time from the first ack of something certain to have
 * followed what it saw, to its own call; 0 if nothing had been acked by then. An expiry counts as acked once it is
 * certain.
 *
 * Percentiles are over all READs, the fresh ones included. `strong` READs are left out: C1 has no patience with them.
 */
import type { Terms } from './check-options';
import type { Timeline } from './check-timeline';
import { percentile, VerdictBuilder, type Verdict } from './check-verdict';
import { FOREIGN, type Operation } from './history';

/** Undefined where the READ gave something of unknown origin (C0). */
function stalenessOf(
  read: Operation,
  timeline: Timeline,
): { readonly ms: number; readonly missed: Operation | undefined } | undefined {
  const origin = timeline.origin(read.value, read.returnMs);
  if (origin === undefined) return undefined;
  const missed = timeline.followers.firstAcked(origin);
  const goneMs = Math.min(
    missed?.returnMs ?? Infinity,
    origin.write === undefined ? Infinity : timeline.expiredMs(origin.write),
  );
  return { ms: Math.max(0, read.callMs - goneMs), missed };
}

export function checkStaleness(timelines: readonly Timeline[], terms: Terms): Verdict {
  const verdict = new VerdictBuilder('C3');
  const all: number[] = [];
  const healthy: number[] = [];
  verdict.figure('max ms', 0);
  for (const timeline of timelines) {
    for (const read of timeline.reads) {
      if (read.consistency === 'strong' || read.gateway === FOREIGN) continue;
      const staleness = stalenessOf(read, timeline);
      if (staleness === undefined) continue;
      verdict.judged();
      const { ms, missed } = staleness;
      const faults = terms.faultsDuring(read);
      all.push(ms);
      if (faults.length === 0) healthy.push(ms);
      for (const { name } of faults) verdict.raise(`${name} max ms`, ms);
      const limitMs = terms.stalenessMaxMs(read);
      if (ms <= limitMs) continue;
      const when = faults.length === 0 ? 'no fault' : faults.map(({ name }) => name).join(', ');
      verdict.violated(
        `${read.gateway} gave for ${read.key} something ${ms.toFixed(1)} ms stale, over ${limitMs} ms (${when})`,
        [read, missed, timeline.origin(read.value, read.returnMs)?.write],
      );
    }
  }
  figures(verdict, '', all);
  figures(verdict, 'healthy ', healthy);
  verdict.figure('stale reads', all.filter((ms) => ms > 0).length);
  const { p99Ms, p999Ms } = terms.healthyStaleness;
  for (const [share, limitMs] of [
    [0.99, p99Ms],
    [0.999, p999Ms],
  ] as const) {
    const ms = percentile(healthy, share);
    if (ms <= limitMs) continue;
    verdict.violated(
      `${share * 100} % of the reads without faults: ${ms.toFixed(1)} ms, over ${limitMs}`,
      [],
    );
  }
  return verdict.verdict('max ms');
}

/** Sorts the sample in place. */
function figures(verdict: VerdictBuilder, prefix: string, sampleMs: number[]): void {
  sampleMs.sort((left, right) => left - right);
  verdict.figure(`${prefix}p50 ms`, percentile(sampleMs, 0.5));
  verdict.figure(`${prefix}p99 ms`, percentile(sampleMs, 0.99));
  verdict.figure(`${prefix}p99.9 ms`, percentile(sampleMs, 0.999));
  verdict.figure(`${prefix}max ms`, sampleMs.at(-1) ?? 0);
}
