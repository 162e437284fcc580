import { Closers, closeTogether } from '../../src/lib/closers';

it('what was opened last is closed first, and each only once', async () => {
  const closers = new Closers();
  const closed: string[] = [];
  for (const name of ['engine', 'access', 'door']) closers.add({ close: () => void closed.push(name) });
  await closers.closeAll();
  await closers.closeAll();
  expect(closed).toEqual(['door', 'access', 'engine']);
});

it('one that fails to close keeps none of the others open, and is told', async () => {
  const closers = new Closers();
  const closed: string[] = [];
  closers.add({ close: () => void closed.push('first') });
  closers.add({ close: () => Promise.reject(new Error('stuck')) });
  await expect(closers.closeAll()).rejects.toThrow('stuck');
  expect(closed).toEqual(['first']);
});

it('what is closed side by side is waited for as a whole, also when one fails', async () => {
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  let isOver = false;
  const closing = closeTogether([
    { close: () => Promise.reject(new Error('stuck')) },
    { close: () => held },
  ]).finally(() => (isOver = true));
  closing.catch(() => undefined);
  await new Promise(setImmediate);
  expect(isOver).toBe(false);
  release();
  await expect(closing).rejects.toThrow('stuck');
});
