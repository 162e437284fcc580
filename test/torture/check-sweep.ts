/**
 * C4: after quiet, every gateway agrees with Redis.
 *
 * The sweep holds what the master itself says (gateway `FOREIGN`), once per key or before and after the gateways were
 * asked: where those differ, because a value expired meanwhile, either is right.
 */
import { groupedBy } from './check-groups';
import { VerdictBuilder, type Verdict } from './check-verdict';
import { FOREIGN, type FinalRead } from './history';

export function checkSweep(sweep: readonly FinalRead[]): Verdict {
  const verdict = new VerdictBuilder('C4');
  const truths = groupedBy(
    sweep.filter(({ gateway }) => gateway === FOREIGN),
    ({ key }) => key,
  );
  let stuck = 0;
  for (const read of sweep) {
    if (read.gateway === FOREIGN) continue;
    verdict.judged();
    const truth = truths.get(read.key);
    if (truth === undefined) {
      verdict.undecided(`nobody asked Redis itself for ${read.key}`);
    } else if (!truth.some(({ value }) => value === read.value)) {
      stuck += 1;
      verdict.violated(`${read.gateway} differs from Redis in ${read.key} after quiet`, [read, ...truth]);
    }
  }
  verdict.figure('differing', stuck);
  return verdict.verdict('differing');
}
