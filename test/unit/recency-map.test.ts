/** The map that the memory engine keeps its entries in: its order, and walks that go on while it is used. */
import { RecencyMap } from '../../src/lib/recency-map';
import { Random } from '../torture/random';

function mapOf(keys: readonly string[]): RecencyMap<string, number> {
  const map = new RecencyMap<string, number>();
  keys.forEach((key, at) => map.set(key, at));
  return map;
}

function walked(map: RecencyMap<string, number>, stepsMax = 100): string[] {
  return [...map.pages(stepsMax)].flat().map(([key]) => key);
}

it('keeps its keys in the order of their last use', () => {
  const map = mapOf(['a', 'b', 'c', 'd']);
  map.use('b');
  map.set('a', 9);
  map.delete('c');
  map.use('nobody');
  expect(walked(map)).toEqual(['d', 'b', 'a']);
  expect(map.oldest()).toBe('d');
  expect([map.peek('a'), map.peek('c'), map.size]).toEqual([9, undefined, 3]);
  expect(map.keys().sort()).toEqual(['a', 'b', 'd']);
});

it('is empty when it is cleared, also under a walk', () => {
  const map = mapOf(['a', 'b']);
  const pages = map.pages(1);
  pages.next();
  map.clear();
  expect(pages.next().done).toBe(true);
  expect([map.size, map.oldest(), walked(map)]).toEqual([0, undefined, []]);
  map.set('c', 1);
  expect(walked(map)).toEqual(['c']);
});

it('a walk goes on past an entry that is used when it is the next one, and meets it at the end', () => {
  const map = mapOf(['a', 'b', 'c']);
  const pages = map.pages(1);
  expect(pages.next().value).toEqual([['a', 0]]);
  map.use('b');
  expect([...pages].flat().map(([key]) => key)).toEqual(['c', 'b']);
});

it('a walk gives the value that is there when the key is met', () => {
  const map = mapOf(['a', 'b']);
  const pages = map.pages(1);
  pages.next();
  map.set('b', 7);
  expect([...pages].flat()).toEqual([['b', 7]]);
});

it('a walk ends, however much is put in meanwhile', () => {
  const map = mapOf(['a', 'b', 'c']);
  let added = 0;
  const met: string[] = [];
  for (const page of map.pages(1)) {
    met.push(...page.map(([key]) => key));
    for (let more = 0; more < 3; more += 1) map.set(`new-${(added += 1)}`, 0);
    if (added > 100) break;
  }
  expect(met).toEqual(['a', 'b', 'c']);
});

it('has one walk at a time, and another one when that was left', () => {
  const map = mapOf(['a', 'b']);
  const pages = map.pages(1);
  pages.next();
  expect(() => map.pages(1).next()).toThrow('there is a walk already');
  pages.return();
  expect(walked(map)).toEqual(['a', 'b']);
});

it.each([1, 2, 3, 4, 5])(
  'a walk meets each key that stays once, and in order, whatever happens: seed %d',
  (seed) => {
    const random = new Random(`walk ${seed}`);
    const pick = (limit: number): number => Math.floor(random.next() * limit);
    const map = mapOf(Array.from({ length: 200 }, (_, at) => `k${at}`));
    const stays = new Set(map.keys());
    const met: string[] = [];
    for (const page of map.pages(7)) {
      met.push(...page.map(([key]) => key));
      for (let act = 0; act < 10; act += 1) {
        const key = `k${pick(200)}`;
        if (random.next() < 0.6) map.use(key);
        else if (random.next() < 0.5) map.set(key, act);
        else if (map.delete(key)) stays.delete(key);
        if (random.next() < 0.2) map.set(`new-${seed}-${met.length}-${act}`, act);
      }
    }
    expect(new Set(met).size).toBe(met.length);
    expect([...stays].filter((key) => !met.includes(key))).toEqual([]);
    expect(met.filter((key) => key.startsWith('new-'))).toEqual([]);
    // Behind all this it is whole: forwards it has what the map has.
    expect(walked(map).sort()).toEqual(map.keys().sort());
  },
);
