import fc from 'fast-check';
import { CacheError } from '../../src/core/errors';
import { WaitingLine } from '../../src/redis/waiting-line';

const late = (): CacheError => new CacheError('timeout', 'late');

let told: string[];
beforeEach(() => {
  told = [];
});

function createWaiter(deadlineMs: number) {
  return { deadlineMs, fail: ({ message }: CacheError) => void told.push(`${deadlineMs} ${message}`) };
}

it('whoever leaves keeps the place: the answers of the others are theirs', () => {
  const line = new WaitingLine<ReturnType<typeof createWaiter>>();
  const waiters = [30, 10, 20].map(createWaiter);
  for (const waiter of waiters) line.add(waiter);
  line.expire(15, late);
  expect(told).toEqual(['10 late']);
  expect(line.length).toBe(3);
  expect([line.shift(), line.shift(), line.shift()]).toEqual([waiters[0], undefined, waiters[2]]);
});

it('it knows when to look again, and whether the next one has time', () => {
  const line = new WaitingLine<ReturnType<typeof createWaiter>>();
  for (const deadlineMs of [Infinity, 10, 20]) line.add(createWaiter(deadlineMs));
  expect([line.earliestDeadlineMs, line.isPatient]).toEqual([10, true]);
  line.expire(10, late);
  expect(line.earliestDeadlineMs).toBe(20);
  line.shift();
  expect(line.isPatient).toBe(false);
  line.shift();
  line.shift();
  expect([line.earliestDeadlineMs, line.length, line.isPatient]).toEqual([Infinity, 0, false]);
});

it('at the end all who still wait are told, once', () => {
  const line = new WaitingLine<ReturnType<typeof createWaiter>>();
  for (const deadlineMs of [1, 2, 3]) line.add(createWaiter(deadlineMs));
  line.shift();
  line.expire(2, late);
  line.end(new CacheError('unavailable', 'lost'));
  line.end(new CacheError('unavailable', 'again'));
  expect(told).toEqual(['2 late', '3 lost']);
  expect(line.length).toBe(0);
});

it('the order holds however many come and go', () => {
  const steps = fc.array(fc.integer({ min: -3000, max: 3000 }), { maxLength: 20 });
  const property = fc.property(steps, (counts) => {
    const line = new WaitingLine<ReturnType<typeof createWaiter>>();
    let added = 0;
    let taken = 0;
    for (const count of counts) {
      for (let left = count; left > 0; left--) line.add(createWaiter(added++));
      for (let left = -count; left > 0 && line.length > 0; left--) {
        expect(line.shift()?.deadlineMs).toBe(taken++);
      }
      expect(line.length).toBe(added - taken);
    }
  });
  fc.assert(property, { seed: 5, numRuns: 50 });
});
