/**
 * C2: a gateway, and a session across gateways, never reads back past what it was acked itself.
 *
 * A failover may lose what was acked without replicas. On one gateway that is allowed. A session must be told: its
 * next use is a conflict, and after that the session begins anew.
 */
import { groupedBy } from './check-groups';
import { type Followers, type Timeline } from './check-timeline';
import { VerdictBuilder, type Verdict } from './check-verdict';
import { FOREIGN, type Operation } from './history';

export function checkOwnWrites(timelines: readonly Timeline[]): Verdict {
  const verdict = new VerdictBuilder('C2');
  const epochOf = sessionEpochs(timelines);
  verdict.figure('oldest ms', 0);
  for (const timeline of timelines) {
    const ofGateway = followersPer(timeline, timeline.firm, ({ gateway }) => gateway);
    const ofSession = followersPer(timeline, timeline.firm, ({ session }) => session);
    const ofEpoch = followersPer(timeline, timeline.soft, ({ session, returnMs }) =>
      session === undefined ? undefined : epochOf(session, returnMs),
    );
    for (const read of timeline.reads) {
      if (read.gateway === FOREIGN) continue;
      verdict.judged();
      const { session } = read;
      const missed =
        missedBy(read, timeline, ofGateway.get(read.gateway)) ??
        (session === undefined
          ? undefined
          : (missedBy(read, timeline, ofSession.get(session)) ??
            missedBy(read, timeline, ofEpoch.get(epochOf(session, read.callMs)))));
      if (missed === undefined) continue;
      const whose = missed.gateway === read.gateway ? `its own` : `session ${session ?? ''}'s`;
      verdict.raise('oldest ms', read.callMs - missed.returnMs);
      verdict.violated(`${read.gateway} gave for ${read.key} something older than ${whose} ${missed.op}`, [
        read,
        missed,
        timeline.origin(read.value, read.returnMs)?.write,
      ]);
    }
  }
  return verdict.verdict('oldest ms');
}

/** A change acked before the READ was called that certainly follows what it saw. */
function missedBy(
  read: Operation,
  timeline: Timeline,
  followers: Followers | undefined,
): Operation | undefined {
  const origin = timeline.origin(read.value, read.returnMs);
  if (followers === undefined || origin === undefined) return undefined;
  const first = followers.firstAcked(origin);
  return first !== undefined && first.returnMs < read.callMs ? first : undefined;
}

function followersPer(
  timeline: Timeline,
  changes: readonly Operation[],
  groupOf: (change: Operation) => string | undefined,
): Map<string, Followers> {
  const groups = groupedBy(changes, groupOf);
  return new Map([...groups].map(([name, group]) => [name, timeline.followersAmong(group)]));
}

/** Names the part of a session between two conflicts that a moment lies in. */
function sessionEpochs(timelines: readonly Timeline[]): (session: string, atMs: number) => string {
  const conflicts = groupedBy(
    timelines.flatMap(({ operations }) => operations.filter(({ outcome }) => outcome === 'conflict')),
    ({ session }) => session,
  );
  return (session, atMs) =>
    `${conflicts.get(session)?.filter(({ returnMs }) => returnMs <= atMs).length ?? 0} ${session}`;
}
