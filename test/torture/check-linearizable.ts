/**
 * C1: the `strong` READs of a key, with everything that changed it, are linearizable between failovers.
 *
 * Each stretch between two failovers is judged by itself. What stood in the register when it began is unknown, except
 * at the very beginning, where the keys are new. Changes that reach over its borders may count in it or not. A DELETE
 * that found nothing is an observation of absence like a READ.
 */
import type { Failover, Terms, Window } from './check-options';
import { ABSENT, ANYTHING, searchRegister, type RegisterProblem, type Step } from './check-register-search';
import { isAnswered, isUndone, type Timeline } from './check-timeline';
import { VerdictBuilder, type Verdict } from './check-verdict';
import type { Operation } from './history';

const STUCK_SHOWN = 20;

export function checkLinearizable(timelines: readonly Timeline[], terms: Terms): Verdict {
  const verdict = new VerdictBuilder('C1');
  let broken = 0;
  for (const timeline of timelines) {
    const { key, reads } = timeline;
    for (const read of reads) {
      if (read.consistency !== 'strong' || read.source === undefined || read.source === 'master') continue;
      broken += 1;
      verdict.violated(`a strong READ of ${key} was answered by ${read.source}`, [read]);
    }
    for (const stretch of stretchesBetween(terms.failoversOf(key))) {
      const problem = problemOf(timeline, stretch);
      const observations = problem.steps.filter(({ kind }) => kind === 'see').length;
      if (observations === 0) continue;
      const { decision, stuck } = searchRegister(problem, terms.searchStepsMax);
      const where = `${key} from ${stretch.fromMs} to ${stretch.toMs} ms`;
      if (decision === 'undecided') {
        verdict.undecided(`${where}: gave up after ${terms.searchStepsMax} configurations`);
        continue;
      }
      verdict.judged(observations);
      if (decision === 'linearizable') continue;
      broken += 1;
      verdict.violated(`${where} is not linearizable`, stuck.slice(0, STUCK_SHOWN));
    }
  }
  verdict.figure('broken keys', broken);
  return verdict.verdict('broken keys');
}

function stretchesBetween(failovers: readonly Failover[]): Window[] {
  const stretches: Window[] = [];
  let fromMs = -Infinity;
  for (const failover of failovers) {
    if (failover.fromMs > fromMs) stretches.push({ fromMs, toMs: failover.fromMs });
    fromMs = Math.max(fromMs, failover.toMs);
  }
  return [...stretches, { fromMs, toMs: Infinity }];
}

function problemOf(timeline: Timeline, stretch: Window): RegisterProblem {
  const steps: Step[] = [];
  const possibleSets = new Map<number, number>();
  const possibleVanishingsMs: number[] = [];
  const numbers = new Map<string, number>();
  const stateOf = (value: string | undefined): number => {
    if (value === undefined) return ABSENT;
    const state = numbers.get(value) ?? numbers.size + 1;
    numbers.set(value, state);
    return state;
  };
  for (const operation of timeline.operations) {
    const { op, outcome, callMs, returnMs } = operation;
    const within = callMs >= stretch.fromMs && returnMs <= stretch.toMs && isAnswered(operation);
    if (op === 'READ' || (op === 'DELETE' && outcome === 'not_found')) {
      // A value of unknown origin is the business of C0.
      const observes =
        op === 'DELETE' || (operation.consistency === 'strong' && isKnown(timeline, operation));
      if (within && observes) {
        const state = stateOf(op === 'DELETE' ? undefined : operation.value);
        steps.push({ kind: 'see', state, callMs, returnMs, operation });
      }
      continue;
    }
    if (isUndone(operation) || callMs > stretch.toMs) continue;
    const state = stateOf(op === 'DELETE' ? undefined : operation.value);
    if (within) steps.push({ kind: 'set', state, callMs, returnMs, operation });
    else if (returnMs < stretch.fromMs) {
      // Over before the stretch began; only its expiry may still come.
    } else if (op === 'DELETE') possibleVanishingsMs.push(callMs);
    else possibleSets.set(state, callMs);

    if (op === 'DELETE' || operation.ttlMs === undefined) continue;
    const expiry = { callMs: timeline.mayExpireMs(operation), returnMs: timeline.expiredMs(operation) };
    if (within) steps.push({ kind: 'expire', state, ...expiry, operation });
    else if (expiry.returnMs >= stretch.fromMs) possibleVanishingsMs.push(expiry.callMs);
  }
  return {
    initial: stretch.fromMs === -Infinity ? ABSENT : ANYTHING,
    steps: steps.sort((left, right) => left.callMs - right.callMs),
    possibleSets,
    possibleVanishingsMs: possibleVanishingsMs.sort((left, right) => left - right),
  };
}

function isKnown(timeline: Timeline, { value, returnMs }: Operation): boolean {
  return timeline.origin(value, returnMs) !== undefined;
}
