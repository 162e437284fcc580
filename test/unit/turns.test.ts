/** Work on one key goes one after the other. */
import { Turns } from '../../src/lib/turns';

const late = () => new Error('late');

function createHeld() {
  const turns = new Turns<string>();
  const begun: string[] = [];
  const ends = new Map<string, () => void>();
  const take = (key: string, name: string, waitMs = 60_000): Promise<string> =>
    turns.take(
      key,
      waitMs,
      () => {
        begun.push(name);
        return new Promise((resolve) => ends.set(name, () => resolve(name)));
      },
      late,
    );
  return { turns, begun, take, end: (name: string) => ends.get(name)!() };
}

const settled = () => new Promise(setImmediate);

it('begins at once where nobody is before, and in order otherwise', async () => {
  const { begun, take, end } = createHeld();
  const all = [take('k', 'a'), take('k', 'b'), take('other', 'c'), take('k', 'd')];
  expect(begun).toEqual(['a', 'c']);
  for (const name of ['a', 'b', 'd', 'c']) {
    end(name);
    await settled();
  }
  expect(begun).toEqual(['a', 'c', 'b', 'd']);
  expect(await Promise.all(all)).toEqual(['a', 'b', 'c', 'd']);
});

it('who gives up never begins, and those behind still wait for those before', async () => {
  const { begun, take, end } = createHeld();
  const first = take('k', 'a');
  const second = take('k', 'b', 0);
  const third = take('k', 'c');
  await expect(second).rejects.toThrow('late');
  await settled();
  expect(begun).toEqual(['a']);
  end('a');
  await first;
  await settled();
  expect(begun).toEqual(['a', 'c']);
  end('c');
  expect(await third).toBe('c');
});

it('a failure is told to whom it belongs, and the next one begins', async () => {
  const turns = new Turns<string>();
  const failing = turns.take('k', 1000, () => Promise.reject(new Error('failed')), late);
  const next = turns.take('k', 1000, () => Promise.resolve('next'), late);
  await expect(failing).rejects.toThrow('failed');
  expect(await next).toBe('next');
});
