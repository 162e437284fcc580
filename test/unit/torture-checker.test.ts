import fc from 'fast-check';
import { checkHistory } from '../torture/checker';
import {
  FOREIGN,
  type History,
  historyText,
  type Operation,
  parseHistory,
  valueOf,
} from '../torture/history';
import { history, KEY, read, strong, write } from './torture-support';

const RUNS = { seed: 20_260_101, numRuns: 300 };
const LOOSE = { healthyStaleness: { p99Ms: Infinity, p999Ms: Infinity, maxMs: 1000 } };
const KEYS = ['k0', 'k1'] as const;

/** One operation of a service that keeps every promise, but no more than that. */
const draft = fc.record({
  process: fc.nat(3),
  key: fc.constantFrom(...KEYS),
  kind: fc.constantFrom('write', 'write', 'delete', 'strong', 'strong', 'eventual', 'eventual'),
  pauseMs: fc.nat(40),
  tookMs: fc.integer({ min: 1, max: 60 }),
  /** When within its time it took effect. */
  share: fc.double({ min: 0.01, max: 0.99, noNaN: true }),
  gateway: fc.constantFrom('one', 'two'),
  inSession: fc.boolean(),
  ack: fc.nat(1),
  ttlMs: fc.constantFrom(undefined, undefined, 90),
  /** Of a change: acked, certainly not done, unanswered and done so much later, unanswered and never done. */
  fate: fc.constantFrom('acked', 'acked', 'acked', 'failed', 'late', 'never'),
  lateMs: fc.nat(500),
  /** How old an eventual read may find the state. */
  staleMs: fc.constantFrom(0, 0, 200),
});
type Draft = typeof draft extends fc.Arbitrary<infer Value> ? Value : never;

/** What became of a key, in order. */
type States = { readonly atMs: number; readonly value: string | undefined }[];

function stateAt(states: States, atMs: number): string | undefined {
  return states.findLast((state) => state.atMs <= atMs)?.value;
}

/** Lets one correct register per key answer the drafts, in the order in which they take effect. */
function simulated(drafts: readonly Draft[]): History {
  const clocksMs = [10, 10, 10, 10];
  const changes: { operation: Operation; effectMs: number }[] = KEYS.flatMap((key) => [
    { operation: write(valueOf(key, 'first', 1), 0, 1, { key }), effectMs: 0.5 },
    { operation: write(valueOf(key, 'first', 2), 2, 3, { key }), effectMs: 2.5 },
  ]);
  const reads: { operation: Operation; share: number; staleMs: number }[] = [];
  for (const [n, { process, key, kind, pauseMs, tookMs, share, fate, ...rest }] of drafts.entries()) {
    const callMs = clocksMs[process]! + pauseMs;
    const returnMs = callMs + tookMs;
    clocksMs[process] = returnMs;
    const { gateway, ack } = rest;
    const session = rest.inSession ? `s${process}` : undefined;
    const fields = { process: `p${process}`, key, gateway, session };
    if (kind === 'strong' || kind === 'eventual') {
      const operation = read(undefined, callMs, returnMs, { ...fields, consistency: kind });
      reads.push({ operation, share, staleMs: kind === 'strong' ? 0 : rest.staleMs });
      continue;
    }
    const isUnanswered = fate === 'late' || fate === 'never';
    const operation: Operation = {
      ...write(valueOf(key, `p${process}`, n), callMs, isUnanswered ? Infinity : returnMs),
      ...{ ...fields, ack, ...(isUnanswered ? { answeredMs: returnMs } : {}) },
      ...(kind === 'write' ? { ttlMs: rest.ttlMs } : { op: 'DELETE', value: undefined }),
      ...(fate === 'failed' ? { outcome: 'failed' } : {}),
    };
    const effectMs = callMs + share * tookMs + (fate === 'late' ? rest.lateMs : 0);
    changes.push({ operation, effectMs: fate === 'failed' || fate === 'never' ? Infinity : effectMs });
  }

  changes.sort((left, right) => left.effectMs - right.effectMs);
  const done = changes.filter(({ effectMs }) => effectMs < Infinity);
  const statesOf = new Map<string, States>(KEYS.map((key) => [key, []]));
  const answered: Operation[] = changes
    .filter(({ effectMs }) => effectMs === Infinity)
    .map(({ operation }) => operation);
  for (const { operation, effectMs } of done) {
    const states = statesOf.get(operation.key)!;
    const nextMs =
      done.find((later) => later.operation.key === operation.key && later.effectMs > effectMs)?.effectMs ??
      Infinity;
    const found = stateAt(states, effectMs);
    const foundNothing = operation.op === 'DELETE' && operation.outcome === 'ok' && found === undefined;
    answered.push(foundNothing ? { ...operation, outcome: 'not_found' } : operation);
    states.push({ atMs: effectMs, value: operation.value });
    const expiresMs = effectMs + (operation.ttlMs ?? Infinity);
    if (expiresMs < nextMs) states.push({ atMs: expiresMs, value: undefined });
  }

  const acked = answered.filter(({ outcome }) => outcome === 'ok' || outcome === 'not_found');
  for (const { operation, share, staleMs } of reads) {
    const { key, gateway, session, callMs, returnMs } = operation;
    // Not older than what this gateway, or this session, was acked.
    const ownMs = acked
      .filter((change) => change.key === key && change.returnMs < callMs)
      .filter((change) => change.gateway === gateway || (session !== undefined && change.session === session))
      .reduce((latestMs, change) => Math.max(latestMs, change.returnMs), 0);
    const seenMs = Math.max(callMs + share * (returnMs - callMs) - staleMs, ownMs);
    const value = stateAt(statesOf.get(key)!, seenMs);
    answered.push({ ...operation, value, outcome: value === undefined ? 'not_found' : 'ok' });
  }
  const sweep = KEYS.flatMap((key) =>
    [FOREIGN, 'one', 'two'].map((gateway) => ({
      ...{ gateway, key },
      value: stateAt(statesOf.get(key)!, Infinity),
    })),
  );
  const applied = done.flatMap(({ operation: { key, value } }) =>
    value === undefined ? [] : [{ key, value }],
  );
  return { operations: answered, marks: [], sweep, applied };
}

const drafts = fc.array(draft, { minLength: 20, maxLength: 120 });

describe('a history of a service that keeps its promises', () => {
  it.each([
    ['with the master’s order', true],
    ['without it', false],
  ])('is never flagged, %s', (_, isWatched) => {
    fc.assert(
      fc.property(drafts, (given) => {
        const simulation = simulated(given);
        const report = checkHistory(isWatched ? simulation : { ...simulation, applied: [] }, LOOSE);
        expect(report.rows.filter(({ result }) => result !== 'holds' && result !== 'unjudged')).toEqual([]);
        expect(report.ok).toBe(true);
      }),
      RUNS,
    );
  });

  it('is flagged once one read gives a value that was overwritten before', () => {
    let replaced = 0;
    fc.assert(
      fc.property(drafts, fc.nat(), (given, pick) => {
        const simulation = simulated(given);
        const { operations } = simulation;
        const victims = operations.filter(({ op, callMs }) => op === 'READ' && callMs > 4);
        const victim = victims[pick % victims.length];
        fc.pre(victim !== undefined);
        replaced += 1;
        const stale = { ...victim, value: valueOf(victim.key, 'first', 1), outcome: 'ok' } as const;
        const report = checkHistory(
          { ...simulation, operations: operations.with(operations.indexOf(victim), stale) },
          { ...LOOSE, healthyStaleness: { ...LOOSE.healthyStaleness, maxMs: 0 } },
        );
        expect(report.ok).toBe(false);
        expect(report.perGuarantee.C3.violationCount + report.perGuarantee.C1.violationCount).toBeGreaterThan(
          0,
        );
        if (victim.consistency === 'strong') expect(report.perGuarantee.C1.violationCount).toBe(1);
        if (victim.gateway === 'one') expect(report.perGuarantee.C2.violationCount).toBe(1);
      }),
      RUNS,
    );
    expect(replaced).toBeGreaterThan(250);
  });

  it('gives the same report when it is read back from its file', () => {
    fc.assert(
      fc.property(drafts, (given) => {
        const simulation = simulated(given);
        expect(checkHistory(parseHistory(historyText(simulation)))).toEqual(checkHistory(simulation));
      }),
      { ...RUNS, numRuns: 30 },
    );
  });
});

describe('the report', () => {
  it('has a row per guarantee, and says what the history did not bear on', () => {
    const report = checkHistory(history([write('a', 0, 1), write('b', 2, 3), read('a', 10, 11)]), LOOSE);
    expect(report.ok).toBe(false);
    expect(report.rows).toEqual([
      { guarantee: 'C0', result: 'holds', checked: 1, violations: 0, worst: 'wrong values: 0' },
      { guarantee: 'C1', result: 'unjudged', checked: 0, violations: 0, worst: '' },
      { guarantee: 'C2', result: 'violated', checked: 1, violations: 1, worst: 'oldest ms: 7' },
      { guarantee: 'C3', result: 'holds', checked: 1, violations: 0, worst: 'max ms: 7' },
      { guarantee: 'C4', result: 'unjudged', checked: 0, violations: 0, worst: '' },
      { guarantee: 'C5', result: 'holds', checked: 1, violations: 0, worst: 'longest after ms: 0' },
      { guarantee: 'C6', result: 'unjudged', checked: 0, violations: 0, worst: '' },
      { guarantee: 'C7', result: 'unjudged', checked: 0, violations: 0, worst: '' },
      { guarantee: 'liveness', result: 'holds', checked: 3, violations: 0, worst: 'longest ms: 1' },
    ]);
  });

  it('shows a violation with the operations that prove it, the offender first', () => {
    const [older, newer, offender] = [write('a', 0, 1), write('b', 2, 3), read('a', 10, 11)];
    const [violation] = checkHistory(history([older, newer, offender])).perGuarantee.C2.violations;
    expect(violation?.operations).toEqual([offender, newer, older]);
  });

  it('keeps a hundred violations and counts them all', () => {
    const stale = Array.from({ length: 150 }, (_, n) => read('a', 10 + n, 11 + n));
    const { C2 } = checkHistory(history([write('a', 0, 1), write('b', 2, 3), ...stale])).perGuarantee;
    expect(C2.violationCount).toBe(150);
    expect(C2.violations).toHaveLength(100);
  });

  it('takes the keys one by one', () => {
    const elsewhere = { key: `not ${KEY}` };
    const operations = [
      write('a', 0, 1),
      write('b', 2, 3, elsewhere),
      strong('a', 4, 5),
      strong('b', 4, 5, elsewhere),
    ];
    expect(checkHistory(history(operations)).ok).toBe(true);
  });
});
