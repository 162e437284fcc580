/** Judges a history by every guarantee of the contract (C0 to C7), and how alive the service was. Prints nothing. */
import { checkDuplicates } from './check-duplicates';
import { checkDurability } from './check-durability';
import { groupedBy } from './check-groups';
import { checkIntegrity } from './check-integrity';
import { checkLinearizable } from './check-linearizable';
import { checkLiveness, type Liveness } from './check-liveness';
import { type CheckOptions, Terms } from './check-options';
import { checkOwnWrites } from './check-own-writes';
import { checkResurrection } from './check-resurrection';
import { checkStaleness } from './check-staleness';
import { checkSweep } from './check-sweep';
import { Timeline } from './check-timeline';
import type { Guarantee, Verdict } from './check-verdict';
import type { History } from './history';

export interface ReportRow {
  readonly guarantee: Guarantee;
  /** `unjudged`: the history had nothing to judge it by. */
  readonly result: 'holds' | 'violated' | 'undecided' | 'unjudged';
  readonly checked: number;
  readonly violations: number;
  /** The worst figure with its name, or nothing. */
  readonly worst: string;
}

export interface Report {
  /** Nothing violated and nothing undecided. What is `unjudged` is the caller's to miss. */
  readonly ok: boolean;
  readonly perGuarantee: Readonly<Record<Guarantee, Verdict>>;
  readonly liveness: Liveness['perOp'];
  readonly rows: readonly ReportRow[];
}

/** @throws Error if two WRITEs of the history have one value. */
export function checkHistory(history: History, options: CheckOptions = {}): Report {
  const terms = new Terms(history, options);
  const { sweep } = history;
  const applied = groupedBy(history.applied, ({ key }) => key);
  const operations = groupedBy(history.operations, ({ key }) => key);
  // A key that was only found in the sweep has a history too: nothing happened to it.
  const keys = new Set([...operations.keys(), ...sweep.map(({ key }) => key)]);
  const timelines = [...keys].map(
    (key) => new Timeline(key, operations.get(key) ?? [], applied.get(key) ?? [], terms),
  );
  const liveness = checkLiveness(history.operations, terms);
  const perGuarantee = {
    C0: checkIntegrity(timelines, sweep),
    C1: checkLinearizable(timelines, terms),
    C2: checkOwnWrites(timelines),
    C3: checkStaleness(timelines, terms),
    C4: checkSweep(sweep),
    C5: checkResurrection(timelines, sweep, terms),
    C6: checkDurability(timelines, sweep, terms),
    C7: checkDuplicates(timelines, applied),
    liveness: liveness.verdict,
  } satisfies Record<Guarantee, Verdict>;
  const rows = Object.values(perGuarantee).map(rowOf);
  const ok = rows.every(({ result }) => result === 'holds' || result === 'unjudged');
  return { ok, perGuarantee, liveness: liveness.perOp, rows };
}

function rowOf({ guarantee, checked, violationCount, undecided, worst }: Verdict): ReportRow {
  return {
    guarantee,
    result: resultOf(checked, violationCount, undecided.length),
    checked,
    violations: violationCount,
    worst: worst === undefined ? '' : `${worst.name}: ${Number(worst.value.toFixed(1))}`,
  };
}

function resultOf(checked: number, violations: number, undecided: number): ReportRow['result'] {
  if (violations > 0) return 'violated';
  if (undecided > 0) return 'undecided';
  return checked > 0 ? 'holds' : 'unjudged';
}
