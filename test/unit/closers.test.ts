import { Closers } from '../../src/lib/closers';

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
