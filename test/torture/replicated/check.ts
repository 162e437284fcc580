/** Judges the history of a replicated group by the rules of `rules.ts`. Guarantees are named as for the other engines. */
import { groupedBy } from '../check-groups';
import { type Guarantee, type Verdict, VerdictBuilder } from '../check-verdict';
import type { FinalRead, History, Operation } from '../history';
import { type Change, endMs, follows, isChange, Rules, type Sight } from './rules';

/** How exactly a life ends: rounding, the error of the group's clock, and a machine that stood still. */
export const LIFE_SLACK_MS = 500;
/** How far gateways may be apart about what is left of a life. */
const LIVES_APART_MS = 1000;
/** A look after quiet was answered within this. */
const LOOK_MS = 1000;

export interface GroupReport {
  readonly ok: boolean;
  readonly verdicts: readonly Verdict[];
}

/**
 * - C0: what was seen was written, to that key, before.
 * - C1 strong READs, C2 what the same gateway or session wrote, C3 the rest within `SPREAD_MS`: nothing older is seen.
 * - C4: after quiet all gateways show the same, with the same life.
 * - C5: what was deleted or has expired, and what another value has taken the place of, does not come back.
 * - C6: after quiet no acked write is missing that nothing has followed.
 * - C7 and the like need an order of all changes, which there is not.
 */
const JUDGED = ['C0', 'C1', 'C2', 'C3', 'C4', 'C5', 'C6'] as const satisfies readonly Guarantee[];
export type Judged = (typeof JUDGED)[number];

export function checkGroup(history: History): GroupReport {
  const verdicts = Object.fromEntries(JUDGED.map((name) => [name, new VerdictBuilder(name)])) as Record<
    Judged,
    VerdictBuilder
  >;
  const rules = new Rules(history);
  const finals = groupedBy(history.sweep, ({ key }) => key);
  for (const [key, operations] of groupedBy(history.operations, (operation) => operation.key)) {
    const looks = finals.get(key) ?? [];
    new KeyCheck(operations, looks, rules, verdicts).run();
    finals.delete(key);
  }
  for (const looks of finals.values()) {
    for (const look of looks) {
      verdicts.C0.judged();
      if (look.value !== undefined) verdicts.C0.violated('a value under a key that nobody wrote', [look]);
    }
  }
  const all = JUDGED.map((name) => verdicts[name].verdict(''));
  return { ok: all.every(({ violationCount }) => violationCount === 0), verdicts: all };
}

type Evidence = Operation | FinalRead;

/** Of one key. */
class KeyCheck {
  readonly #rules: Rules;
  readonly #verdicts: Readonly<Record<Judged, VerdictBuilder>>;
  readonly #looks: readonly FinalRead[];
  readonly #sights: readonly (readonly [sight: Sight, evidence: Evidence])[];
  /** By their calls, the latest first: what supersedes is mostly the latest. */
  readonly #changes: readonly Change[];
  readonly #certain: readonly Change[];
  readonly #writes: ReadonlyMap<string | undefined, Operation>;

  constructor(
    operations: readonly Operation[],
    looks: readonly FinalRead[],
    rules: Rules,
    verdicts: Readonly<Record<Judged, VerdictBuilder>>,
  ) {
    this.#rules = rules;
    this.#verdicts = verdicts;
    this.#looks = looks;
    this.#sights = [
      ...operations.filter(isSight).map((operation) => [sightOf(operation), operation] as const),
      ...looks.map((look) => [finalSightOf(look), look] as const),
    ];
    this.#changes = operations.filter(isChange).toSorted((left, right) => right.callMs - left.callMs);
    this.#certain = this.#changes.filter((change) => rules.happened(change));
    this.#writes = new Map(operations.filter(({ op }) => op === 'WRITE').map((each) => [each.value, each]));
  }

  run(): void {
    for (const [sight, evidence] of this.#sights) {
      if (sight.value === undefined) this.#checkAbsence(sight, evidence);
      else this.#checkValue(sight, evidence);
    }
    this.#checkComebacks();
    this.#checkSame();
    this.#checkLives();
  }

  #checkValue(sight: Sight, evidence: Evidence): void {
    this.#verdicts.C0.judged();
    const write = this.#writes.get(sight.value);
    const wrong = integrityFault(write, sight);
    if (wrong !== undefined) this.#verdicts.C0.violated(wrong, [evidence, write]);
    if (wrong !== undefined || write === undefined || !isChange(write)) return;
    this.#verdicts.C5.judged();
    if (sight.callMs > latestEndOfLifeMs(write))
      this.#verdicts.C5.violated('its life was over', [evidence, write]);
    const newer = this.#newerFor(write, sight);
    const guarantee = guaranteeOf(sight, newer);
    this.#verdicts[guarantee].judged();
    if (newer !== undefined)
      this.#verdicts[guarantee].violated('older than a change that had arrived', [evidence, write, newer]);
  }

  /** Right where it may come from the beginning, a DELETE or an expiry that nothing has followed. */
  #checkAbsence(sight: Sight, evidence: Evidence): void {
    const arrived = this.#certain.find((change) => this.#rules.hadArrived(change, sight));
    const guarantee = sight.isFinal ? 'C6' : guaranteeOf(sight, arrived);
    this.#verdicts[guarantee].judged();
    if (arrived === undefined) return;
    const reason = this.#changes.find(
      (change) =>
        change.callMs <= sight.returnMs &&
        (change.op === 'DELETE' ||
          (change.ttlMs !== undefined && earliestEndOfLifeMs(change) <= sight.returnMs)) &&
        this.#newerFor(change, sight) === undefined,
    );
    if (reason === undefined)
      this.#verdicts[guarantee].violated('nothing is seen, though it was written', [evidence, arrived]);
  }

  /** A change that follows it and had arrived. */
  #newerFor(change: Change, sight: Sight): Change | undefined {
    return this.#certain.find((later) => follows(later, change) && this.#rules.hadArrived(later, sight));
  }

  /** On one gateway process timestamps only rise: a value that another state has taken the place of is gone for good. */
  #checkComebacks(): void {
    for (const sights of groupedBy(this.#sights, ([{ gateway }]) => gateway).values()) {
      const spans = new Map<
        string,
        { readonly firstMs: number; readonly lastMs: number; readonly last: Evidence }
      >();
      for (const [{ value, callMs, returnMs }, evidence] of sights) {
        if (value === undefined) continue;
        const span = spans.get(value);
        const firstMs = Math.min(span?.firstMs ?? Infinity, returnMs);
        const isLast = span === undefined || callMs > span.lastMs;
        spans.set(value, {
          firstMs,
          ...(isLast ? { lastMs: callMs, last: evidence } : { lastMs: span.lastMs, last: span.last }),
        });
      }
      for (const [sight, evidence] of sights) {
        this.#verdicts.C5.judged();
        for (const [value, { firstMs, lastMs, last }] of spans) {
          if (value === sight.value || sight.callMs < firstMs || sight.returnMs > lastMs) continue;
          this.#verdicts.C5.violated('it came back after another state was seen', [last, evidence]);
        }
      }
    }
  }

  #checkSame(): void {
    const [first, ...others] = this.#looks;
    for (const other of others) {
      this.#verdicts.C4.judged();
      if (other.value !== first?.value)
        this.#verdicts.C4.violated('gateways differ after quiet', [other, ...(first ? [first] : [])]);
    }
  }

  /** What is left of a life is what its WRITE asked for, and the same everywhere. */
  #checkLives(): void {
    let first: { readonly endsMs: number; readonly look: FinalRead } | undefined;
    for (const look of this.#looks) {
      const write = this.#writes.get(look.value);
      if (look.value === undefined || look.atMs === undefined || write === undefined) continue;
      this.#verdicts.C4.judged();
      const endsMs = look.remainingMs === undefined ? Infinity : look.atMs + look.remainingMs;
      if (endsMs < earliestEndOfLifeMs(write) || endsMs > latestEndOfLifeMs(write))
        this.#verdicts.C4.violated('a life that nobody asked for', [look, write]);
      first ??= { endsMs, look };
      if (endsMs !== first.endsMs && Math.abs(endsMs - first.endsMs) > LIVES_APART_MS)
        this.#verdicts.C4.violated('gateways differ about the life', [look, first.look]);
    }
  }
}

/** Why the value cannot have been seen. */
function integrityFault(write: Operation | undefined, sight: Sight): string | undefined {
  if (write === undefined) return 'a value that nobody wrote';
  if (!isChange(write)) return 'it was answered as not done';
  return write.callMs > sight.returnMs ? 'seen before it was written' : undefined;
}

function isSight({ op, outcome }: Operation): boolean {
  return op === 'READ'
    ? outcome === 'ok' || outcome === 'not_found'
    : op === 'DELETE' && outcome === 'not_found';
}

/** A DELETE that found nothing saw what a READ would have. */
function sightOf({ op, gateway, session, consistency, value, callMs, returnMs }: Operation): Sight {
  const isStrong = op === 'READ' && consistency === 'strong';
  return { gateway, isStrong, isFinal: false, value, callMs, returnMs, ...(op === 'READ' && { session }) };
}

function finalSightOf({ gateway, value, atMs = Infinity }: FinalRead): Sight {
  return { gateway, isStrong: false, isFinal: true, value, callMs: atMs, returnMs: atMs + LOOK_MS };
}

function guaranteeOf(sight: Sight, newer: Change | undefined): Judged {
  if (sight.isFinal) return newer?.op === 'DELETE' ? 'C5' : 'C6';
  if (sight.isStrong) return 'C1';
  const isOwn =
    newer?.gateway === sight.gateway || (sight.session !== undefined && newer?.session === sight.session);
  return isOwn ? 'C2' : 'C3';
}

function earliestEndOfLifeMs({ callMs, ttlMs = Infinity }: Operation): number {
  return callMs + ttlMs - LIFE_SLACK_MS;
}

function latestEndOfLifeMs(write: Operation): number {
  return endMs(write) + (write.ttlMs ?? Infinity) + LIFE_SLACK_MS;
}
