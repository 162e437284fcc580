/** The keys in the order of their last use, held against an array; and what the walk of an owner may meet. */
import * as fc from 'fast-check';
import { NO_SLOT, RecencySlots } from '../../src/lib/recency-slots';

const KEYS_MAX = 200;

/** Those used longest ago first. */
function inOrder(slots: RecencySlots<string>): string[] {
  const keys: string[] = [];
  for (let slot = slots.newest(); slot !== NO_SLOT; slot = slots.before(slot))
    keys.unshift(slots.keyAt(slot));
  return keys;
}

it('keeps keys in the order of their last use, each in a slot of its own, whatever comes and goes', () => {
  const act = fc.record({
    what: fc.constantFrom('use', 'add', 'add', 'delete'),
    key: fc.integer({ min: 0, max: KEYS_MAX - 1 }).map((number) => `k${number}`),
  });
  fc.assert(
    fc.property(fc.array(act, { maxLength: 1000 }), (acts) => {
      const slots = new RecencySlots<string>(KEYS_MAX);
      let model: string[] = [];
      let mostKeys = 0;
      for (const { what, key } of acts) {
        const slot = slots.find(key);
        expect(slot !== NO_SLOT).toBe(model.includes(key));
        const isThere = slot !== NO_SLOT;
        if ((what === 'use' && !isThere) || (what === 'delete' && !isThere)) continue;
        model = model.filter((other) => other !== key);
        if (what === 'delete') slots.delete(slot);
        else {
          if (isThere) slots.use(slot);
          else slots.add(key);
          model.push(key);
        }
        mostKeys = Math.max(mostKeys, model.length);
        expect(slots.find(key)).toBeLessThanOrEqual(mostKeys);
      }
      expect(inOrder(slots)).toEqual(model);
      expect(slots.size).toBe(model.length);
      expect(slots.oldest()).toBe(slots.find(model[0] ?? ''));
    }),
  );
});

it('gives a slot that became free to the next key', () => {
  const slots = new RecencySlots<string>(2);
  const first = slots.add('a');
  slots.add('b');
  slots.delete(first);
  // It holds no key meanwhile, however long that was.
  expect(slots.keyAt(first)).toBeUndefined();
  expect(slots.add('c')).toBe(first);
  expect(inOrder(slots)).toEqual(['b', 'c']);
});

it('ends a walk that stands at a key that has gone, and leads nowhere that is free', () => {
  const slots = new RecencySlots<string>(10);
  const [a, b] = [slots.add('a'), slots.add('b')];
  slots.delete(b);
  slots.delete(a);
  expect(slots.before(b)).toBe(NO_SLOT);
});
