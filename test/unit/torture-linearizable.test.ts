import fc from 'fast-check';
import { checkHistory } from '../torture/checker';
import type { CheckOptions } from '../torture/check-options';
import type { Verdict } from '../torture/check-verdict';
import type { Operation } from '../torture/history';
import { history, KEY, read, remove, strong, write } from './torture-support';

function judged(operations: readonly Operation[], options: CheckOptions = {}): Verdict {
  return checkHistory(history(operations), options).perGuarantee.C1;
}

const holds = (operations: readonly Operation[], options?: CheckOptions): boolean =>
  judged(operations, options).violationCount === 0;

describe('strong reads that only look wrong', () => {
  it.each<[string, Operation[]]>([
    ['concurrent writes seen in either order', [write('a', 0, 10), write('b', 0, 10), strong('b', 11, 12)]],
    ['a write seen before it was acked', [write('a', 0, 100), strong('a', 1, 2), strong('a', 3, 4)]],
    [
      'an unknown write that took effect long after',
      [write('late', 0, Infinity), write('a', 10, 11), strong('a', 12, 13), strong('late', 90, 91)],
    ],
    [
      'an unknown delete that took effect between two reads',
      [write('a', 0, 1), remove(2, Infinity), strong('a', 50, 51), strong(undefined, 60, 61)],
    ],
    ['a failed write that is not there', [write('a', 0, 1, { outcome: 'failed' }), strong(undefined, 2, 3)]],
    ['an expiry', [write('a', 0, 1, { ttlMs: 100 }), strong('a', 50, 51), strong(undefined, 120, 121)]],
    [
      'an expiry of an unknown write over an acked one',
      [
        write('a', 0, 1),
        write('b', 2, Infinity, { ttlMs: 100 }),
        strong('a', 3, 4),
        strong(undefined, 300, 301),
      ],
    ],
    ['a delete that found nothing beside a delete', [write('a', 0, 1), remove(2, 9), gone(2, 9)]],
  ])('hold: %s', (_, operations) => {
    expect(holds(operations)).toBe(true);
  });
});

describe('strong reads that are wrong', () => {
  it.each<[string, Operation[]]>([
    ['an overwritten value', [write('a', 0, 1), write('b', 2, 3), strong('a', 4, 5)]],
    [
      'two readers who disagree on the order of concurrent writes',
      [write('a', 0, 10), write('b', 0, 10), strong('a', 11, 12), strong('b', 13, 14)],
    ],
    [
      'a value that goes and comes back',
      [write('a', 0, 99), write('b', 0, 99), strong('a', 1, 2), strong('b', 3, 4), strong('a', 5, 6)],
    ],
    ['absence after an acked write', [write('a', 0, 1), strong(undefined, 2, 3)]],
    [
      'absence after a delete that was answered as not done',
      [write('a', 0, 1), remove(2, 3, { outcome: 'failed' }), strong(undefined, 4, 5)],
    ],
    ['a delete that found nothing where a write stood', [write('a', 0, 1), gone(2, 3)]],
    [
      'one unknown delete that would have to act twice',
      [
        ...[write('a', 0, 1), remove(2, Infinity), strong(undefined, 3, 4)],
        ...[write('b', 5, 6), strong('b', 7, 8), strong(undefined, 9, 10)],
      ],
    ],
    ['a value after its expiry', [write('a', 0, 1, { ttlMs: 100 }), strong('a', 300, 301)]],
    ['a read from the near cache', [write('a', 0, 1), strong('a', 2, 3, { source: 'near' })]],
  ])('are caught: %s', (_, operations) => {
    expect(holds(operations)).toBe(false);
  });

  it('are shown with what could not be put in order', () => {
    const stale = strong('a', 4, 5);
    const [violation] = judged([write('a', 0, 1), write('b', 2, 3), stale, strong('b', 6, 7)]).violations;
    expect(violation?.operations).toContain(stale);
    expect(violation?.message).toContain(`${KEY} from -Infinity to Infinity ms is not linearizable`);
  });

  it('are not told by eventual reads', () => {
    const verdict = judged([write('a', 0, 1), write('b', 2, 3), read('a', 4, 5)]);
    expect(verdict).toMatchObject({ checked: 0, violationCount: 0 });
  });
});

describe('around a failover', () => {
  const failovers = [{ fromMs: 100, toMs: 200 }];
  const lost = [write('a', 0, 1), write('b', 110, 111), strong('b', 120, 121), strong('a', 210, 211)];

  it('a lost write is forgiven, and only there', () => {
    expect(holds(lost, { failovers })).toBe(true);
    expect(holds(lost)).toBe(false);
    expect(holds(lost, { failovers: [{ ...failovers[0]!, shard: 'other' }], shardOf: () => 'mine' })).toBe(
      false,
    );
  });

  it('what stood there at first is whatever was seen first, and then binds', () => {
    expect(holds([...lost, strong('b', 220, 221)], { failovers })).toBe(false);
    expect(holds([...lost, write('c', 220, 221), strong('a', 230, 231)], { failovers })).toBe(false);
  });

  it('a write that reaches over its end counts or not', () => {
    const over = write('c', 190, 230);
    expect(holds([...lost, over, strong('c', 240, 241)], { failovers })).toBe(true);
    expect(holds([...lost, over, strong('a', 240, 241)], { failovers })).toBe(true);
    expect(holds([...lost, over, strong('c', 240, 241), strong('a', 250, 251)], { failovers })).toBe(false);
  });
});

it('a search that hits its bound is undecided, which is not a pass', () => {
  const concurrent = Array.from({ length: 12 }, (_, n) => write(`w${n}`, 0, 100));
  const report = checkHistory(history([...concurrent, strong('w0', 200, 201), strong('w1', 202, 203)]), {
    searchStepsMax: 50,
  });
  expect(report.perGuarantee.C1).toMatchObject({ violationCount: 0, checked: 0 });
  expect(report.perGuarantee.C1.undecided).toHaveLength(1);
  expect(report.rows[1]).toMatchObject({ guarantee: 'C1', result: 'undecided' });
  expect(report.ok).toBe(false);
});

/** The definition itself: some order of the certain operations and some of the unknown ones, tried one by one. */
function linearizableByDefinition(operations: readonly Operation[]): boolean {
  const place = (open: readonly Operation[], state: string | undefined): boolean => {
    if (open.every(({ outcome }) => outcome === 'unknown')) return true;
    return open.some((next, index) => {
      if (open.some(({ returnMs }) => returnMs < next.callMs)) return false;
      const rest = open.toSpliced(index, 1);
      if (next.op === 'WRITE') return place(rest, next.value);
      if (next.op === 'READ') return state === next.value && place(rest, state);
      if (next.outcome === 'not_found') return state === undefined && place(rest, state);
      return place(rest, undefined);
    });
  };
  return place(operations, undefined);
}

/** Up to seven operations in fifteen ticks: hardly any two are certain to follow each other. */
const crowded = fc
  .array(
    fc.record({
      kind: fc.constantFrom('write', 'write', 'delete', 'gone', 'read', 'read', 'read'),
      callMs: fc.nat(14),
      tookMs: fc.oneof(fc.nat(6), fc.constant(Infinity)),
      reads: fc.nat(3),
    }),
    { maxLength: 7 },
  )
  .map((drafts) => {
    const values = drafts.flatMap(({ kind }, index) => (kind === 'write' ? [`v${index}`] : []));
    return drafts.flatMap(({ kind, callMs, tookMs, reads }, index): Operation[] => {
      const endMs = callMs + tookMs;
      if (kind === 'write') return [write(`v${index}`, callMs, endMs)];
      if (kind === 'delete') return [remove(callMs, endMs)];
      if (endMs === Infinity) return [];
      if (kind === 'gone') return [gone(callMs, endMs)];
      return [strong(values[reads], callMs, endMs)];
    });
  })
  // A value before it was written is the business of C0, and not searched for.
  .filter((operations) => operations.length > 0);

it('the search finds what trying every order finds', () => {
  let linearizable = 0;
  fc.assert(
    fc.property(crowded, (operations) => {
      const expected = linearizableByDefinition(operations);
      if (expected) linearizable += 1;
      expect(holds(operations)).toBe(expected);
    }),
    { seed: 20_260_101, numRuns: 5000 },
  );
  // The sample is worth something only if it has plenty of both.
  expect(linearizable).toBeGreaterThan(1000);
  expect(linearizable).toBeLessThan(4500);
});

function gone(callMs: number, returnMs: number): Operation {
  return remove(callMs, returnMs, { outcome: 'not_found' });
}
