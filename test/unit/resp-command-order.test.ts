import type { Key } from '../../src/core/command';
import { CommandOrder } from '../../src/doors/resp/command-order';

const [A, B] = ['a', 'b'] as Key[] as [Key, Key];

/** Whether the promise has settled by now. */
async function isDone(work: Promise<void> | undefined): Promise<boolean> {
  let done = false;
  void work?.then(() => (done = true));
  for (let turn = 0; turn < 3; turn += 1) await Promise.resolve();
  return done;
}

test('a key is read on the master while it is being changed, and anywhere again behind that', () => {
  const order = new CommandOrder();
  order.beginChange([A]);
  order.beginChange([A, B]);
  expect(order.isChanging(A)).toBe(true);
  order.endChange([A, B]);
  expect([order.isChanging(A), order.isChanging(B), order.areChanging([B, A])]).toEqual([true, false, true]);
  order.endChange([A]);
  expect([order.isChanging(A), order.areChanging([A, B])]).toEqual([false, false]);
});

test('a change waits for the reads of its keys elsewhere, all of them, and for no others', async () => {
  const order = new CommandOrder();
  order.beginRead([A]);
  order.beginRead([A]);
  order.beginRead([B]);
  const waiting = order.beforeChange([A]);
  expect(waiting).toBeDefined();
  order.endRead([A]);
  expect(await isDone(waiting)).toBe(false);
  order.endRead([A]);
  expect(await isDone(waiting)).toBe(true);
  expect(order.beforeChange([A])).toBeUndefined();
});

test('a change of several keys waits for reads of each', async () => {
  const order = new CommandOrder();
  order.beginRead([A]);
  order.beginRead([B]);
  const waiting = order.beforeChange([A, B]);
  order.endRead([B]);
  expect(await isDone(waiting)).toBe(false);
  order.endRead([A]);
  expect(await isDone(waiting)).toBe(true);
});

test('what may change any key waits for all reads, and all keys are read on the master meanwhile', async () => {
  const order = new CommandOrder();
  expect(order.beforeChange('all')).toBeUndefined();
  order.beginRead([A, B]);
  const waiting = order.beforeChange('all');
  order.endRead([A, B]);
  expect(await isDone(waiting)).toBe(true);
  order.beginSweep();
  order.beginSweep();
  order.endSweep();
  expect([order.isChanging(A), order.areChanging([B])]).toEqual([true, true]);
  order.endSweep();
  expect([order.isChanging(A), order.areChanging([B])]).toEqual([false, false]);
});

test('a key that one read names twice is done with once', () => {
  const order = new CommandOrder();
  order.beginRead([A, A]);
  order.endRead([A, A]);
  expect(order.beforeChange([A])).toBeUndefined();
});
