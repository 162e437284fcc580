/** The near cache's columns against a Map, for so long that slots are given out again and again and columns have grown. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Json, type Key, type Value } from '../../src/core/command';
import { NearEntries, sizeOf, type Terms } from '../../src/core/near-entries';
import { LEASE_WITHOUT_END } from '../../src/core/ports';
import { TEXT_BYTES_MAX } from '../../src/lib/held-bytes';
import { NO_SLOT, SLOTS_FIRST } from '../../src/lib/recency-slots';
import { eventually } from '../support/eventually';
import { Random } from '../torture/random';

const ENTRIES_MAX = 3 * SLOTS_FIRST + 7;
const ACTS = 8000;

interface Entry {
  readonly value: Value;
  readonly expiresAtMs: number;
  readonly terms: Terms;
}

const terms: readonly Terms[] = [0, 1, 2].map((era) => ({ lease: LEASE_WITHOUT_END, era }));

function valueOf(random: Random): Value {
  const bytes = Math.floor(random.pick([0, 1, 50, 200, TEXT_BYTES_MAX, TEXT_BYTES_MAX + 1]));
  const char = random.pick(['a', 'é', '€']);
  return random.pick([
    () => char.repeat(bytes),
    () => new Json(JSON.stringify(char.repeat(bytes))),
    () => Buffer.alloc(bytes, random.pick(['v', 0xe9, 0])),
  ])();
}

/** The keys used longest ago come first, as in the Map, into which what is used is put anew. */
function keysOf(entries: NearEntries): Key[] {
  const keys: Key[] = [];
  for (let slot = entries.newest(); slot !== NO_SLOT; slot = entries.before(slot))
    keys.unshift(entries.keyAt(slot));
  return keys;
}

it.each([
  [1, 'entries', Infinity],
  [2, 'entries', Infinity],
  [3, 'bytes', ENTRIES_MAX * 300],
  [4, 'bytes', ENTRIES_MAX * 300],
] as const)(
  'entries and bytes are exact, and no slot is lost, whatever comes and goes: seed %d, not too many %s',
  (seed, limit, bytesMax) => {
    const random = new Random(`near entries ${seed}`);
    const entries = new NearEntries(ENTRIES_MAX);
    const model = new Map<Key, Entry>();
    let nowMs = 0;
    let modelBytes = 0;
    let most = 0;
    const evictedFor = new Set<string>();
    const drop = (key: Key): void => {
      const entry = model.get(key);
      const slot = entries.find(key);
      expect(slot !== NO_SLOT).toBe(entry !== undefined);
      if (entry === undefined) return;
      modelBytes -= sizeOf(key, entry.value);
      model.delete(key);
      entries.delete(slot);
    };
    const oldest = (): Key => model.keys().next().value as Key;
    const put = (key: Key, entry: Entry): void => {
      const size = sizeOf(key, entry.value);
      drop(key);
      while (model.size >= ENTRIES_MAX || modelBytes + size > bytesMax) {
        evictedFor.add(model.size >= ENTRIES_MAX ? 'entries' : 'bytes');
        expect(entries.keyAt(entries.oldest())).toBe(oldest());
        drop(oldest());
      }
      model.set(key, entry);
      modelBytes += size;
      entries.add(key, entry.value, sizeOf(key, entry.value), entry.expiresAtMs, entry.terms);
      most = Math.max(most, model.size);
    };
    const checkAll = (): void => {
      expect(keysOf(entries)).toEqual([...model.keys()]);
      const slots = new Set<number>();
      for (const [key, entry] of model) {
        const slot = entries.find(key);
        slots.add(slot);
        expect(entries.value(slot)).toStrictEqual(entry.value);
        expect(entries.expiresAtMs(slot)).toBe(entry.expiresAtMs);
        expect(entries.terms(slot)).toBe(entry.terms);
        expect(entries.size(slot)).toBe(sizeOf(key, entry.value));
      }
      expect(slots.size).toBe(model.size);
      // One that were lost would be made up for by a new one behind all others.
      expect(Math.max(0, ...slots)).toBeLessThanOrEqual(most);
    };

    for (let act = 1; act <= ACTS; act += 1) {
      nowMs += 1;
      const key = `k${Math.floor(random.next() * 2 * ENTRIES_MAX)}` as Key;
      const what = random.next();
      if (what < 0.55) {
        const expiresAtMs = random.chance(0.5) ? Infinity : nowMs + Math.floor(random.between(1, 2000));
        put(key, { value: valueOf(random), expiresAtMs, terms: random.pick(terms) });
      } else if (what < 0.8) {
        const entry = model.get(key);
        if (entry !== undefined) {
          model.delete(key);
          model.set(key, entry);
          entries.use(entries.find(key));
        }
      } else if (what < 0.97) drop(key);
      else if (what < 0.999) {
        for (const [each, { expiresAtMs }] of [...model]) if (expiresAtMs <= nowMs) drop(each);
      } else while (model.size > 0) drop(oldest());
      expect([entries.count, entries.bytes]).toEqual([model.size, modelBytes]);
      if (act % 500 === 0) checkAll();
    }
    checkAll();
    expect(evictedFor).toEqual(new Set([limit]));
    expect(most).toBeGreaterThan(SLOTS_FIRST);
    while (model.size > 0) drop(oldest());
    expect([entries.count, entries.bytes, entries.oldest(), entries.newest()]).toEqual([
      0,
      0,
      NO_SLOT,
      NO_SLOT,
    ]);
  },
);

it('nothing of what was dropped is kept in its slot', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const entries = new NearEntries(100);
  const put = (key: string): WeakRef<object>[] => {
    const value = Buffer.allocUnsafeSlow(TEXT_BYTES_MAX + 1);
    const itsTerms = { lease: LEASE_WITHOUT_END, era: 0 };
    entries.add(key as Key, value, sizeOf(key as Key, value), Infinity, itsTerms);
    return [new WeakRef(value), new WeakRef(itsTerms)];
  };
  const keys = Array.from({ length: 100 }, (_, index) => `k${index}`);
  const kept = keys.flatMap(put);
  const areKept = (): boolean[] => {
    collect();
    return kept.map((each) => each.deref() !== undefined);
  };
  // In a later turn: what is looked at stays until the end of its own.
  await new Promise(setImmediate);
  expect(areKept()).not.toContain(false);
  for (const key of keys) entries.delete(entries.find(key as Key));
  await eventually(() => !areKept().includes(true));
});
