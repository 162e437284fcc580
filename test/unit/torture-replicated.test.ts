import type { Judged } from '../torture/replicated/check';
import { checkGroup } from '../torture/replicated/check';
import type { FinalRead, History, Mark, Operation } from '../torture/history';
import { BUS } from '../torture/replicated/rules';
import { failedOf } from '../torture/replicated/run';
import { final, history, KEY, read, remove, strong, write } from './torture-support';

/** Guarantees that are violated by these. */
function violatedBy(operations: readonly Operation[], rest: Partial<History> = {}): Judged[] {
  return checkGroup(history(operations, rest))
    .verdicts.filter(({ violationCount }) => violationCount > 0)
    .map(({ guarantee }) => guarantee as Judged);
}

/** At the end of time. */
function shown(...values: readonly (string | undefined)[]): Partial<History> {
  return { sweep: values.map((value, at) => final(['one', 'two', 'three'][at]!, value)) };
}

const on = (gateway: string): Partial<Operation> => ({ gateway });
const TWO = on('two');
const unknown = (answeredMs: number): Partial<Operation> => ({ answeredMs });

function bus(fromMs: number, toMs: number): Mark[] {
  return [
    { kind: 'fault-begin', name: BUS, atMs: fromMs },
    { kind: 'fault-end', name: BUS, atMs: toMs },
  ];
}

const killed = (name: string, atMs: number): Mark => ({ kind: 'killed', name, atMs });

describe('what may remain after quiet', () => {
  it.each<[string, Operation[], string | undefined]>([
    ['the only write', [write('a', 0, 1)], 'a'],
    ['the later of two at one gateway', [write('a', 0, 1), write('b', 2, 3)], 'b'],
    ['either of two that were concurrent', [write('a', 0, 10), write('b', 5, 6, TWO)], 'a'],
    ['the earlier acked of two gateways', [write('a', 0, 1), write('b', 1000, 1001, TWO)], 'a'],
    ['a write of unknown outcome', [write('a', 0, 1), write('b', 2, Infinity, unknown(9))], 'b'],
    ['what was there before a write of unknown outcome', [write('a', 0, 1), write('b', 2, Infinity)], 'a'],
    ['nothing behind a DELETE', [write('a', 0, 1), remove(2, 3)], undefined],
    ['a write concurrent with a DELETE', [write('a', 0, 9), remove(5, 6, TWO)], 'a'],
    ['nothing of a life that is over', [write('a', 0, 1, { ttlMs: 100 })], undefined],
    ['nothing of a write that may not have been', [write('a', 0, Infinity)], undefined],
    ['nothing of a refused write', [write('a', 0, 1, { outcome: 'failed' })], undefined],
    [
      'what a DELETE that found nothing left',
      [write('a', 0, 1), remove(2, 3, { ...TWO, outcome: 'not_found' })],
      'a',
    ],
  ])('%s', (_, operations, value) => {
    expect(violatedBy(operations, shown(value, value, value))).toEqual([]);
  });

  it.each<[string, Judged, Operation[], string | undefined]>([
    ['an acked write is lost', 'C6', [write('a', 0, 1)], undefined],
    ['the older of two at one gateway', 'C6', [write('a', 0, 1), write('b', 2, 3)], 'a'],
    ['the older of two gateways, by far', 'C6', [write('a', 0, 1), write('b', 2500, 2501, TWO)], 'a'],
    ['a deleted value', 'C5', [write('a', 0, 1), remove(2, 3)], 'a'],
    ['a value deleted elsewhere', 'C5', [write('a', 0, 1), remove(2500, 2501, TWO)], 'a'],
    ['a value over a life that is over', 'C6', [write('a', 0, 1), write('b', 2, 3, { ttlMs: 9 })], 'a'],
    ['a life that is over', 'C5', [write('a', 0, 1, { ttlMs: 100 })], 'a'],
    [
      'an unknown write, acked writes after it',
      'C6',
      [write('a', 0, Infinity, unknown(5)), write('b', 6, 7)],
      'a',
    ],
    ['nothing, though only a lost DELETE says so', 'C6', [remove(0, 1), write('a', 2, 3)], undefined],
    ['a value of nobody', 'C0', [write('a', 0, 1)], 'x'],
    ['a refused value', 'C0', [write('a', 0, 1, { outcome: 'failed' })], 'a'],
  ])('not: %s', (_, guarantee, operations, value) => {
    expect(violatedBy(operations, { sweep: [{ ...final('one', value), atMs: 90_000 }] })).toContain(
      guarantee,
    );
  });

  it('is the same on all gateways', () => {
    const concurrent = [write('a', 0, 10), write('b', 5, 15, TWO)];
    expect(violatedBy(concurrent, shown('a', 'a', 'b'))).toEqual(['C4']);
    expect(violatedBy(concurrent, shown('a', 'a', undefined))).toEqual(['C4', 'C6']);
  });

  it('is nothing under keys that nobody used', () => {
    expect(violatedBy([], shown('a'))).toEqual(['C0']);
  });
});

describe('a life', () => {
  const mortal = [write('a', 0, 10, { ttlMs: 60_000 })];
  const look = (gateway: string, remainingMs?: number): FinalRead => ({
    ...{ gateway, key: KEY, value: 'a', atMs: 5000 },
    ...(remainingMs !== undefined && { remainingMs }),
  });

  it('is what was asked for', () => {
    expect(violatedBy(mortal, { sweep: [look('one', 55_000), look('two', 55_400)] })).toEqual([]);
    expect(violatedBy([write('a', 0, 1)], { sweep: [look('one'), look('two')] })).toEqual([]);
  });

  it.each<[string, FinalRead[]]>([
    ['longer', [look('one', 58_000)]],
    ['shorter', [look('one', 50_000)]],
    ['without end', [look('one')]],
  ])('is not %s', (_, sweep) => {
    expect(violatedBy(mortal, { sweep })).toEqual(['C4']);
  });

  it('is not one on one gateway and another on another', () => {
    // Each could be, since nobody knows when between its call and its return the WRITE was made.
    const slow = [write('a', 0, 3000, { ttlMs: 60_000 })];
    expect(violatedBy(slow, { sweep: [look('one', 55_000), look('two', 57_000)] })).toEqual(['C4']);
  });
});

describe('what died with its gateway', () => {
  const lost = [write('a', 0, 1), write('b', 3000, 3001), remove(3000, 3001, { key: 'other' })];

  it('may be missing if the bus was away from the ack to the death', () => {
    const marks = [...bus(2000, 6000), killed('one', 5000)];
    expect(violatedBy(lost, { marks, ...shown('a', 'a') })).toEqual([]);
    expect(violatedBy(lost, { marks, ...shown('b', 'b') })).toEqual([]);
  });

  it.each<[string, Mark[], Operation[]]>([
    ['the gateway lived', bus(2000, 6000), lost],
    ['another died', [...bus(2000, 6000), killed('two', 5000)], lost],
    ['the bus was whole at the ack', [...bus(4000, 6000), killed('one', 5000)], lost],
    ['the bus was whole before the death', [...bus(2000, 6000), killed('one', 12_000)], lost],
    [
      'another gateway had confirmed it',
      [...bus(2000, 6000), killed('one', 5000)],
      [write('a', 0, 1), write('b', 3000, 3001, { ack: 1 })],
    ],
  ])('is not missing if %s', (_, marks, operations) => {
    expect(violatedBy(operations, { marks, ...shown('a', 'a') })).toEqual(['C6']);
  });

  it('counts breaks of the bus that touch as one', () => {
    const marks = [...bus(2000, 6000), ...bus(8000, 9000), killed('one', 8500)];
    expect(violatedBy(lost, { marks, ...shown('a', 'a') })).toEqual([]);
  });
});

describe('READs while it runs', () => {
  it.each<[string, Operation[]]>([
    ['a foreign write that is on its way', [write('a', 0, 1), write('b', 10, 11, TWO), read('a', 20, 21)]],
    ['nothing yet', [write('a', 0, 1, TWO), read(undefined, 2, 3)]],
    [
      'the earlier value of another session',
      [
        write('a', 0, 1),
        write('b', 2500, 2501, { ...TWO, session: 's' }),
        read('a', 2600, 2601, { session: 't' }),
      ],
    ],
    [
      'a strong READ that was called before the ack',
      [write('a', 0, 1, TWO), write('b', 5000, 5009, TWO), strong('a', 5005, 5010)],
    ],
    [
      'different values on different gateways',
      [write('a', 0, 9), write('b', 1, 9, TWO), read('a', 10, 11), read('b', 12, 13, TWO), read('a', 14, 15)],
    ],
  ])('may see %s', (_, operations) => {
    expect(violatedBy(operations)).toEqual([]);
  });

  it.each<[string, Judged, Operation[]]>([
    ['older than what its own gateway acked', 'C2', [write('a', 0, 1), write('b', 2, 3), read('a', 4, 5)]],
    ['nothing, though its own gateway acked a write', 'C2', [write('a', 0, 1), read(undefined, 2, 3)]],
    ['what its own gateway deleted', 'C2', [write('a', 0, 1), remove(2, 3), read('a', 4, 5)]],
    [
      'older than what its session wrote elsewhere',
      'C2',
      [write('a', 0, 1, TWO), write('b', 2, 3, { ...TWO, session: 's' }), read('a', 4, 5, { session: 's' })],
    ],
    [
      'older than all that was acked, if it is strong',
      'C1',
      [write('a', 0, 1, TWO), write('b', 2, 3, TWO), strong('a', 4, 5)],
    ],
    ['a foreign write too late', 'C3', [write('a', 0, 1, TWO), write('b', 2, 3, TWO), read('a', 2100, 2101)]],
    [
      'too late by a DELETE that finds nothing',
      'C3',
      [write('a', 0, 1, TWO), remove(2100, 2101, { outcome: 'not_found' })],
    ],
    ['a life that is over', 'C5', [write('a', 0, 1, { ttlMs: 100 }), read('a', 700, 701)]],
    ['the future', 'C0', [read('a', 0, 1), write('a', 2, 3)]],
    [
      'what came back',
      'C5',
      [write('a', 0, 9), write('b', 1, 9, TWO), read('a', 10, 11), read('b', 12, 13), read('a', 14, 15)],
    ],
    [
      'what came back from nothing',
      'C5',
      [write('a', 0, 9), remove(1, 9, TWO), read('a', 10, 11), read(undefined, 12, 13), read('a', 14, 15)],
    ],
  ])('must not see %s', (_, guarantee, operations) => {
    expect(violatedBy(operations)).toContain(guarantee);
  });

  it('may lag behind while the bus is away, and until it has settled', () => {
    const operations = [
      write('a', 0, 1),
      write('b', 3000, 3001, TWO),
      read('a', 9000, 9001),
      strong('a', 9000, 9001),
    ];
    expect(violatedBy(operations, { marks: bus(2900, 5000) })).toEqual([]);
    expect(violatedBy(operations, { marks: bus(1000, 2000) })).toEqual(['C1', 'C3']);
  });
});

describe('requests that failed', () => {
  const failing = (code: string, extra: Partial<Operation> = {}): Operation =>
    read(undefined, 1000, 1001, { outcome: 'failed', code, ...extra });

  it('are those that had to be answered', () => {
    const marks = [...bus(900, 1100), killed('two', 999)];
    const operations = [
      ...[failing('unavailable'), failing('lost'), failing('refused'), failing('lost', TWO)],
      ...[failing('unavailable', { consistency: 'strong' }), failing('unavailable', { session: 's' })],
    ];
    expect(failedOf({ operations, marks }).map(({ code }) => code)).toEqual(['unavailable', 'lost']);
    expect(failedOf({ operations, marks: [] })).toHaveLength(5);
  });
});
