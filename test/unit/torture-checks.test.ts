import { longestOutage } from '../torture/check-liveness';
import type { CheckOptions } from '../torture/check-options';
import type { Guarantee, Verdict } from '../torture/check-verdict';
import { checkHistory } from '../torture/checker';
import { FOREIGN, type History, type Operation } from '../torture/history';
import { final, history, KEY, read, remove, strong, write } from './torture-support';

function judged(guarantee: Guarantee, given: History, options: CheckOptions = {}): Verdict {
  return checkHistory(given, options).perGuarantee[guarantee];
}

/** For one guarantee: the number of violations in these operations. */
function counting(guarantee: Guarantee) {
  return (
    operations: readonly Operation[],
    rest: Partial<History> = {},
    options: CheckOptions = {},
  ): number => judged(guarantee, history(operations, rest), options).violationCount;
}

const on = (gateway: string): Partial<Operation> => ({ gateway });
const TWO = on('two');

/** From 100 to 200 what was acked without replicas may be lost. */
const FAILOVER = {
  marks: [
    { kind: 'failover-begin', name: 'a', atMs: 100 },
    { kind: 'failover-end', name: 'a', atMs: 200 },
  ],
} as const;

describe('C0 integrity', () => {
  const violations = counting('C0');

  it('allows values of acked, unknown and concurrent writes, and Redis clients', () => {
    expect(
      violations([
        ...[write('a', 0, 10), read('a', 1, 2), write('b', 20, Infinity), read('b', 900, 901)],
        ...[write('c', 30, 31, on(FOREIGN)), read('c', 32, 33), read(undefined, 34, 35)],
      ]),
    ).toBe(0);
  });

  it.each<[string, Operation[]]>([
    ['a value that nobody wrote', [read('x', 0, 1)]],
    ['a value of other: "other|p|1"', [write('other|p|1', 0, 1, { key: 'other' }), read('other|p|1', 2, 3)]],
    ['answered as not done', [write('a', 0, 1, { outcome: 'failed' }), read('a', 2, 3)]],
    ['before it was written', [read('a', 0, 1), write('a', 2, 3)]],
  ])('catches %s', (message, operations) => {
    const { violations: found } = judged('C0', history(operations));
    expect(found).toHaveLength(1);
    expect(found[0]?.message).toContain(message);
  });

  it('looks at the sweep too', () => {
    expect(violations([], { sweep: [final(FOREIGN, 'x')] })).toBe(1);
  });

  it('refuses a history in which two writes have one value', () => {
    expect(() => violations([write('a', 0, 1), write('a', 2, 3)])).toThrow('two writes of one value');
  });
});

describe('C2 on one gateway', () => {
  const violations = counting('C2');

  it.each<[string, Operation[]]>([
    ['a concurrent write that won', [write('a', 0, 10), write('b', 5, 15), read('a', 20, 21)]],
    ['an unknown write that came late', [write('a', 0, Infinity), write('b', 5, 6), read('a', 700, 701)]],
    ['older than another gateway’s write', [write('a', 0, 1), write('b', 2, 3, TWO), read('a', 4, 5)]],
    ['called before the ack', [write('a', 0, 1), write('b', 2, 9), read('a', 8, 12)]],
    ['another gateway’s delete', [write('a', 0, 1), remove(0.5, 3, TWO), read(undefined, 4, 5)]],
    ['an unknown delete', [remove(0, Infinity), write('a', 2, 3), read(undefined, 4, 5)]],
    ['a failed write', [write('a', 0, 1), write('b', 2, 3, { outcome: 'failed' }), read('a', 4, 5)]],
    ['an expiry', [write('a', 0, 1, { ttlMs: 100 }), read(undefined, 101, 102)]],
    [
      'another gateway’s write that expired',
      [write('a', 0, 9), write('b', 5, 6, { ...TWO, ttlMs: 100 }), read(undefined, 300, 301)],
    ],
    ['a gateway that was restarted', [write('a', 0, 1), write('b', 2, 3), read('a', 4, 5, on('one again'))]],
  ])('allows %s', (_, operations) => {
    expect(violations(operations)).toBe(0);
  });

  it.each<[string, Operation[]]>([
    ['an older value', [write('a', 0, 1), write('b', 2, 3), read('a', 4, 5)]],
    [
      'an older value of another gateway',
      [write('a', 0, 1, TWO), write('b', 2, 3), read('a', 4, 5, { source: 'replica' })],
    ],
    ['absence', [write('a', 0, 1), read(undefined, 2, 3)]],
    ['absence by a delete from before', [remove(0, 1), write('a', 2, 3), read(undefined, 4, 5)]],
    ['absence before the expiry', [write('a', 0, 1, { ttlMs: 1000 }), read(undefined, 101, 102)]],
    [
      'absence by an expiry that was overwritten in time',
      [write('a', 0, 1, { ttlMs: 1000 }), write('b', 10, 11), read(undefined, 3000, 3001)],
    ],
    ['a deleted value', [write('a', 0, 1), remove(2, 3), read('a', 4, 5)]],
    [
      'an unknown write’s value that others had seen before',
      [write('a', 0, Infinity), read('a', 1, 2, TWO), write('b', 5, 6), read('a', 7, 8)],
    ],
    [
      'the older of two concurrent writes, where the master’s order is known',
      [write('a', 0, 10), write('b', 5, 15), read('a', 20, 21)],
    ],
  ])('catches %s', (name, operations) => {
    const applied = name.includes('master’s order') ? ['a', 'b'].map((value) => ({ key: KEY, value })) : [];
    expect(violations(operations, { applied })).toBe(1);
  });

  it('forgives a write that a failover lost, unless replicas had confirmed it', () => {
    const lost = (ack: number): Operation[] => [
      ...[write('a', 0, 1), write('b', 120, 121, { ack }), read('a', 300, 301)],
    ];
    expect(violations(lost(0), FAILOVER)).toBe(0);
    expect(violations(lost(1), FAILOVER)).toBe(1);
    expect(violations(lost(0))).toBe(1);
  });
});

describe('C2 in a session', () => {
  const violations = counting('C2');
  const S = { session: 's' };
  const ACROSS = { ...S, ...TWO };

  it('binds across gateways, and only that session', () => {
    const operations = (reader: Partial<Operation>): Operation[] => [
      ...[write('a', 0, 1), write('b', 2, 3, S), read('a', 4, 5, reader)],
    ];
    expect(violations(operations(ACROSS))).toBe(1);
    expect(violations(operations({ ...TWO, session: 'other' }))).toBe(0);
    expect(violations(operations(TWO))).toBe(0);
  });

  it('wants a conflict where a failover lost a write, and then begins anew', () => {
    const lost = [write('a', 0, 1), write('b', 120, 121, S)];
    const conflict = read(undefined, 300, 301, { ...ACROSS, outcome: 'conflict', code: 'conflict' });
    const older = read('a', 310, 311, ACROSS);
    expect(violations([...lost, conflict], FAILOVER)).toBe(0);
    expect(violations([...lost, older], FAILOVER)).toBe(1);
    expect(violations([...lost, conflict, older], FAILOVER)).toBe(0);
    expect(violations([...lost, conflict, write('c', 303, 304, S), older], FAILOVER)).toBe(1);
  });
});

describe('C3 staleness', () => {
  const violations = counting('C3');
  const LOOSE = { healthyStaleness: { p99Ms: Infinity, p999Ms: Infinity, maxMs: 1000 } };
  const figures = (operations: readonly Operation[], rest: Partial<History> = {}): Verdict['figures'] =>
    judged('C3', history(operations, rest)).figures;

  it.each<[string, number, Operation[], string[]?]>([
    [
      'since the first ack that certainly follows',
      97,
      [write('a', 0, 1), write('b', 2, 3), write('c', 4, 5)],
    ],
    ['since the first ack, not the first call', 96, [write('a', 0, 1), write('b', 2, 90), write('c', 3, 4)]],
    ['nothing while writes are concurrent', 0, [write('a', 0, 50), write('b', 2, 3)]],
    ['nothing while the change is not acked', 0, [write('a', 0, 1), write('b', 2, 100.5)]],
    ['nothing after an unknown write', 0, [write('a', 0, Infinity), write('b', 2, 3)]],
    ['since a delete', 90, [write('a', 0, 1), remove(2, 10)]],
    ['since the expiry was certain', 29, [write('a', 0, 1, { ttlMs: 20 })]],
    ['exactly, where the master’s order is known', 97, [write('a', 0, 50), write('b', 2, 3)], ['a', 'b']],
    ['nothing the other way round', 0, [write('a', 0, 50), write('b', 2, 3)], ['b', 'a']],
  ])('counts %s', (_, ms, changes, order = []) => {
    const applied = order.map((value) => ({ key: KEY, value }));
    expect(figures([...changes, read('a', 100, 101, TWO)], { applied })['max ms']).toBeCloseTo(ms);
  });

  it.each<[string, number, Operation[]]>([
    ['since the write after the beginning', 99, [write('a', 0, 1)]],
    [
      'since the write after the last delete',
      91,
      [remove(0, 1), write('a', 2, 3), remove(4, 5), write('b', 8, 9)],
    ],
    ['nothing beside a concurrent delete', 0, [write('a', 0, 1), remove(2, 50), write('b', 8, 9)]],
    ['nothing beside a delete called before the answer', 0, [write('a', 0, 1), remove(100.5, 150)]],
    ['nothing if a value may have expired', 0, [write('a', 0, 1, { ttlMs: 100 })]],
  ])('counts absence: %s', (_, ms, changes) => {
    expect(figures([...changes, read(undefined, 100, 101, TWO)])['max ms']).toBeCloseTo(ms);
  });

  it('leaves strong reads out, and reads of values of unknown origin', () => {
    expect(
      judged('C3', history([write('a', 0, 1), write('b', 2, 3), strong('a', 9, 10), read('x', 9, 10)]))
        .checked,
    ).toBe(0);
  });

  it('has a limit for quiet times and one per fault, felt a while longer', () => {
    const stale = (lateMs: number, atMs: number): Operation[] => [
      ...[write('a', 0, 1), write('b', atMs - lateMs - 1, atMs - lateMs), read('a', atMs, atMs + 1, TWO)],
    ];
    const marks = [
      { kind: 'fault-begin', name: 'F8', atMs: 5000 },
      { kind: 'fault-end', name: 'F8', atMs: 6000 },
    ] as const;
    const options = { ...LOOSE, faultStalenessMaxMs: { F8: 2000 } };
    expect(violations(stale(900, 4000), { marks }, options)).toBe(0);
    expect(violations(stale(1100, 4000), { marks }, options)).toBe(1);
    expect(violations(stale(1900, 5500), { marks }, options)).toBe(0);
    expect(violations(stale(1900, 6900), { marks }, options)).toBe(0);
    expect(violations(stale(1900, 7100), { marks }, options)).toBe(1);
    expect(violations(stale(2100, 5500), { marks }, options)).toBe(1);
    expect(judged('C3', history(stale(1900, 5500), { marks }), options).figures).toMatchObject({
      'F8 max ms': 1900,
      'max ms': 1900,
      'healthy max ms': 0,
    });
  });

  it('has a limit for percentiles of the quiet times', () => {
    const reads = (stale: number): Operation[] => [
      ...[write('a', 0, 1), write('b', 2, 3)],
      ...Array.from({ length: 200 }, (_, n) => read(n < stale ? 'a' : 'b', 10, 11, TWO)),
    ];
    expect(violations(reads(2))).toBe(0);
    expect(violations(reads(3))).toBe(1);
    expect(figures(reads(3))).toMatchObject({ 'p50 ms': 0, 'p99 ms': 7, 'stale reads': 3 });
  });
});

describe('C4 after quiet', () => {
  const violations = counting('C4');

  it('every gateway agrees with Redis', () => {
    expect(violations([], { sweep: [final(FOREIGN, 'a'), final('one', 'a'), final('two', 'a')] })).toBe(0);
    expect(violations([], { sweep: [final(FOREIGN, 'b'), final('one', 'a'), final('two', 'b')] })).toBe(1);
    expect(violations([], { sweep: [final(FOREIGN, undefined), final('one', 'a')] })).toBe(1);
    expect(violations([], { sweep: [final('one', undefined), final(FOREIGN, 'a')] })).toBe(1);
  });

  it('agrees with either of two answers of Redis', () => {
    const both = [final(FOREIGN, 'a'), final(FOREIGN, undefined)];
    expect(violations([], { sweep: [...both, final('one', 'a'), final('two', undefined)] })).toBe(0);
    expect(violations([], { sweep: [...both, final('one', 'b')] })).toBe(1);
  });

  it('cannot be judged without asking Redis', () => {
    expect(judged('C4', history([], { sweep: [final('one', 'a')] })).undecided).toHaveLength(1);
  });
});

describe('C5 what is gone', () => {
  const violations = counting('C5');
  const removed = [write('a', 0, 1), remove(2, 3)];

  it.each<[string, Operation[]]>([
    ['stale within the limit of C3', [...removed, read('a', 900, 901, TWO)]],
    ['written beside the delete', [write('a', 0, 9), remove(2, 3), read('a', 9000, 9001)]],
    ['an unknown write that came late', [write('a', 0, Infinity), remove(2, 3), read('a', 9000, 9001)]],
    ['an unknown delete', [write('a', 0, 1), remove(2, Infinity), read('a', 9000, 9001)]],
    ['only overwritten, which is staleness', [write('a', 0, 1), write('b', 2, 3), read('a', 9000, 9001)]],
    ['not certain to have expired', [write('a', 0, 100, { ttlMs: 100 }), read('a', 1240, 1241, TWO)]],
  ])('may show: %s', (_, operations) => {
    expect(violations(operations)).toBe(0);
  });

  it('does not come back after a delete, however long ago', () => {
    expect(violations([...removed, read('a', 1100, 1101, TWO)])).toBe(1);
    expect(
      violations([write('a', 0, 1), remove(2, 3, { outcome: 'not_found' }), read('a', 1100, 1101)]),
    ).toBe(1);
  });

  it('does not come back after its expiry', () => {
    expect(violations([write('a', 0, 100, { ttlMs: 100 }), read('a', 1251, 1252, TWO)])).toBe(1);
  });

  it('is not there after quiet', () => {
    expect(violations(removed, { sweep: [final('two', 'a')] })).toBe(1);
    expect(violations(removed, { sweep: [final('two', undefined)] })).toBe(0);
    expect(violations([write('a', 0, 1)], { sweep: [final('two', 'a')] })).toBe(0);
  });

  it('is there after quiet if it had not expired when it was asked for', () => {
    const operations = [write('a', 0, 1, { ttlMs: 1000 })];
    expect(violations(operations, { sweep: [{ ...final('two', 'a'), atMs: 900 }] })).toBe(0);
    expect(violations(operations, { sweep: [{ ...final('two', 'a'), atMs: 1100 }] })).toBe(1);
    expect(violations(operations, { sweep: [final('two', 'a')] })).toBe(1);
  });

  it('may come back if a failover lost the delete', () => {
    const lost = [write('a', 0, 1), remove(120, 121), read('a', 9000, 9001, TWO)];
    expect(violations(lost, FAILOVER)).toBe(0);
    expect(violations(lost)).toBe(1);
  });
});

describe('C6 what replicas confirmed', () => {
  const violations = counting('C6');
  const confirmed = write('b', 120, 121, { ack: 1 });
  const after = (...operations: Operation[]): number =>
    violations([write('a', 0, 1), ...operations], FAILOVER);

  it('is there after a failover, for whoever asks the master', () => {
    expect(after(confirmed, strong('b', 300, 301))).toBe(0);
    expect(after(confirmed, strong('a', 300, 301))).toBe(1);
    expect(after(confirmed, strong(undefined, 300, 301))).toBe(1);
    expect(after(confirmed, read('a', 300, 301, { source: 'master' }))).toBe(1);
    expect(after(confirmed, read('a', 300, 301, { source: 'replica' }))).toBe(0);
    expect(after(remove(120, 121, { ack: 1 }), strong('a', 300, 301))).toBe(1);
  });

  it('may have been followed by something', () => {
    expect(after(confirmed, write('c', 120, 122), strong('c', 300, 301))).toBe(0);
    expect(after(confirmed, write('c', 90, Infinity), strong('c', 300, 301))).toBe(0);
    expect(after(confirmed, remove(130, Infinity), strong(undefined, 300, 301))).toBe(0);
  });

  it('is not asked of what nobody confirmed', () => {
    expect(after(write('b', 120, 121), strong('a', 300, 301))).toBe(0);
    expect(after(write('b', 120, Infinity, { ack: 1 }), strong('a', 300, 301))).toBe(0);
  });

  it('is there in the sweep', () => {
    const operations = [write('a', 0, 1), confirmed];
    expect(violations(operations, { sweep: [final(FOREIGN, 'b')] })).toBe(0);
    expect(violations(operations, { sweep: [final(FOREIGN, 'a')] })).toBe(1);
    expect(violations(operations, { sweep: [final(FOREIGN, undefined)] })).toBe(1);
  });
});

describe('C7 the master’s own order', () => {
  const violations = counting('C7');
  const applied = (...values: string[]): Partial<History> => ({
    applied: values.map((value) => ({ key: KEY, value })),
  });

  it('has each write once', () => {
    expect(violations([write('a', 0, Infinity), write('b', 1, 2)], applied('b', 'a'))).toBe(0);
    expect(violations([write('a', 0, Infinity), write('b', 1, 2)], applied('a', 'b', 'a'))).toBe(1);
  });

  it('has none that was answered as not done', () => {
    expect(violations([write('a', 0, 1, { outcome: 'failed' })], applied('a'))).toBe(1);
  });
});

describe('liveness', () => {
  const failed = (callMs: number, returnMs: number): Operation =>
    write(`x${callMs}`, callMs, returnMs, { outcome: 'failed', code: 'unavailable' });
  const outageMs = (operations: readonly Operation[]): number => {
    const outage = longestOutage(operations);
    return outage === undefined ? 0 : outage.toMs - outage.fromMs;
  };

  it('an outage lasts from the first failing try to the next success', () => {
    expect(outageMs([write('a', 0, 10), failed(500, 501), failed(800, 900), write('b', 1000, 1010)])).toBe(
      510,
    );
  });

  it('idle time is no outage, waiting is', () => {
    expect(outageMs([write('a', 0, 10), write('b', 1000, 1010)])).toBe(10);
    expect(outageMs([write('a', 0, 10), write('b', 20, 1010)])).toBe(990);
    expect(outageMs([write('a', 0, 400), write('b', 20, 30), write('c', 35, 45)])).toBe(355);
  });

  it('an outage begins with the first call that is still waited for', () => {
    const operations = [write('a', 0, 10), failed(20, 900), failed(500, 501), write('b', 990, 1000)];
    expect(outageMs(operations)).toBe(980);
  });

  it('an outage that never ends counts to the last word', () => {
    expect(outageMs([write('a', 0, 10), failed(20, 30), failed(500, 700)])).toBe(680);
    expect(outageMs([write('a', 0, 10), write('b', 20, Infinity, { answeredMs: 520 })])).toBe(500);
    expect(outageMs([])).toBe(0);
  });

  it('is told per gateway and shard, so that none hides behind the others', () => {
    const busy = Array.from({ length: 100 }, (_, n) => write(`w${n}`, n * 10, n * 10 + 5, TWO));
    const down = [write('a', 0, 5), failed(10, 20), write('b', 900, 910)];
    const other = busy.map((operation) => ({ ...operation, gateway: 'one', key: 'other' }));
    const options = { outageMaxMs: { WRITE: 800 }, shardOf: (key: string) => key };
    for (const rest of [busy, other]) {
      const report = checkHistory(history([...rest, ...down]), options);
      expect(report.perGuarantee.liveness.violations[0]?.message).toBe(
        'no WRITE succeeded for 900 ms (one, shard k), over 800 ms',
      );
    }
  });

  it('of an outage of changes counts what the master did not refuse itself, on that shard', () => {
    const violations = (shard: string, fromMs: number): number => {
      const marks = [
        { kind: 'refusing-begin', name: shard, atMs: fromMs },
        { kind: 'refusing-end', name: shard, atMs: 900 },
      ] as const;
      const down = [write('a', 0, 5), failed(10, 20), write('c', 990, 1000)];
      const outageMaxMs = { WRITE: 400 };
      return judged('liveness', { ...history(down), marks }, { outageMaxMs, shardOf: () => 'main' })
        .violationCount;
    };
    expect(violations('main', 300)).toBe(0);
    expect(violations('main', 600)).toBe(1);
    expect(violations('other', 300)).toBe(1);
  });

  it('nothing takes longer than the deadline, and nothing is left hanging', () => {
    const violations = (operation: Operation): number =>
      judged('liveness', history([operation]), { deadlineMs: 1000 }).violationCount;
    expect(violations(write('a', 0, 1050))).toBe(0);
    expect(violations(write('a', 0, 1051))).toBe(1);
    expect(violations(write('a', 0, Infinity, { answeredMs: 1000 }))).toBe(0);
    expect(violations(write('a', 0, Infinity))).toBe(1);
  });

  it('counts errors by code and leaves out what was done past the gateways', () => {
    const { liveness } = checkHistory(
      history([
        ...[write('a', 0, 10), failed(20, 21), write('b', 30, Infinity, { code: 'timeout', answeredMs: 40 })],
        ...[write('c', 50, 90, on(FOREIGN)), read(undefined, 50, 52)],
      ]),
    );
    expect(liveness.WRITE).toMatchObject({ tried: 3, succeeded: 1, p50Ms: 10, longestMs: 10 });
    expect(liveness.WRITE.errorsByCode).toEqual({ unavailable: 1, timeout: 1 });
    expect(liveness.READ).toMatchObject({ tried: 1, succeeded: 1, p99Ms: 2 });
    expect(liveness.DELETE).toMatchObject({ tried: 0, longestOutage: undefined });
  });
});
