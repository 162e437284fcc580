import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { LEASE_WITHOUT_END } from '../../src/core/ports';
import { Json, type Key, type Value } from '../../src/core/command';
import { NearCache } from '../../src/core/near-cache';
import { Random } from '../torture/random';

const K = 'k' as Key;

function createNear(limits: { entries?: number; bytes?: number; ttlMs?: number } = {}) {
  const clock = { nowMs: 1000, now: () => clock.nowMs, wallMs: () => 0 };
  const near = new NearCache({ entries: 10, bytes: 1_000_000, ttlMs: 300_000, clock, ...limits });
  const put = (key: string, value: Value, expiresAtMs = Infinity): void => {
    near.fill(near.takeTicket(key as Key), value, expiresAtMs, LEASE_WITHOUT_END);
  };
  return { near, clock, put };
}

describe("what is kept is nobody else's", () => {
  it('a long value is no window into its packet', () => {
    const { near, put } = createNear();
    const packet = Buffer.alloc(8192, 'a');
    put('k', packet.subarray(100, 4100));
    packet.fill('b');
    expect(near.get(K)).toEqual(Buffer.alloc(4000, 'a'));
  });

  it('a key is no window into the body that it was cut out of', () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const count = 2000;
    const bodyChars = 16_000;
    const { put } = createNear({ entries: count, bytes: 1e9 });
    collect();
    const before = process.memoryUsage().heapUsed;
    for (let index = 0; index < count; index++) {
      const body = `the key number ${index} of all `.padEnd(bodyChars, '.');
      put(/^(.*) of all/.exec(body)?.[1] ?? '', 'v');
    }
    collect();
    expect(process.memoryUsage().heapUsed - before).toBeLessThan((count * bodyChars) / 4);
  });
});

describe('a fill', () => {
  it('is kept and found', () => {
    const { near, put } = createNear();
    put('k', 'v');
    expect(near.get(K)).toBe('v');
  });

  it('R1: that arrives after its key was announced is never kept', () => {
    const { near } = createNear();
    const ticket = near.takeTicket(K);
    near.forget(K);
    near.fill(ticket, 'old', Infinity, LEASE_WITHOUT_END);
    expect(near.get(K)).toBeUndefined();
  });

  it('is refused to every ticket that was out, and granted to one taken after', () => {
    const { near } = createNear();
    const before = [near.takeTicket(K), near.takeTicket(K)];
    near.forget(K);
    const after = near.takeTicket(K);
    for (const ticket of before) near.fill(ticket, 'old', Infinity, LEASE_WITHOUT_END);
    expect(near.get(K)).toBeUndefined();
    near.fill(after, 'new', Infinity, LEASE_WITHOUT_END);
    expect(near.get(K)).toBe('new');
  });

  it('R8: voided by a write stays void after a later fill was kept', () => {
    const { near, put } = createNear();
    const late = near.takeTicket(K);
    near.forget(K);
    put('k', 'new');
    near.fill(late, 'old', Infinity, LEASE_WITHOUT_END);
    expect(near.get(K)).toBe('new');
  });

  it('happens once a ticket', () => {
    const { near } = createNear();
    const ticket = near.takeTicket(K);
    near.cancel(ticket);
    near.fill(ticket, 'v', Infinity, LEASE_WITHOUT_END);
    expect(near.get(K)).toBeUndefined();
  });

  it('of another key is not touched by an announcement', () => {
    const { near } = createNear();
    const ticket = near.takeTicket(K);
    near.forget('other' as Key);
    near.fill(ticket, 'v', Infinity, LEASE_WITHOUT_END);
    expect(near.get(K)).toBe('v');
  });
});

describe('an entry', () => {
  it('R7: never outlives its key', () => {
    const { near, clock, put } = createNear({ ttlMs: 300_000 });
    put('k', 'v', 1500);
    clock.nowMs = 1499;
    expect(near.get(K)).toBe('v');
    clock.nowMs = 1500;
    expect(near.get(K)).toBeUndefined();
  });

  it('never outlives the near TTL', () => {
    const { near, clock, put } = createNear({ ttlMs: 100 });
    put('k', 'v');
    clock.nowMs = 1099;
    expect(near.get(K)).toBe('v');
    clock.nowMs = 1100;
    expect(near.get(K)).toBeUndefined();
  });

  it('whose key has expired on the way is not kept', () => {
    const { near, put } = createNear();
    put('k', 'v', 1000);
    expect(near.status().entries).toBe(0);
  });

  it('gives way, least recently used first, when there are too many', () => {
    const { near, put } = createNear({ entries: 2 });
    put('a', '1');
    put('b', '2');
    near.get('a' as Key);
    put('c', '3');
    expect([near.holds('a' as Key), near.holds('b' as Key), near.holds('c' as Key)]).toEqual([
      true,
      false,
      true,
    ]);
    expect(near.status().evictions).toBe(1);
  });

  it('gives way when there are too many bytes, values of every kind counted', () => {
    for (const value of ['x'.repeat(4000), Buffer.alloc(4000, 0xff), new Json(`[${'1'.repeat(3998)}]`)]) {
      const { near, put } = createNear({ entries: 100, bytes: 10_000 });
      for (const key of ['a', 'b', 'c']) put(key, value);
      expect(near.status().entries).toBe(2);
      expect(near.status().bytes).toBeLessThanOrEqual(10_000);
    }
  });

  it('is counted with what its text takes in memory: two bytes a character where one is beyond Latin-1', () => {
    const bytesFor = (value: string): number => {
      const { near, put } = createNear();
      put('k', value);
      return near.status().bytes;
    };
    expect(bytesFor('x'.repeat(999) + '→') - bytesFor('x'.repeat(1000))).toBe(1000);
  });

  it('larger than the whole near cache is not kept, and evicts nothing', () => {
    const { near, put } = createNear({ bytes: 5000 });
    put('a', '1');
    put('b', 'x'.repeat(6000));
    expect(near.holds('a' as Key)).toBe(true);
    expect(near.holds('b' as Key)).toBe(false);
  });
});

describe('forgetting everything', () => {
  it('leaves nothing to be found, and counts nothing that is void', () => {
    const { near, put } = createNear({ entries: 3 });
    for (const key of ['a', 'b', 'c']) put(key, 'old');
    const { bytes } = near.status();
    near.forgetAll();
    expect(near.holds('a' as Key)).toBe(false);
    expect(near.status()).toMatchObject({ entries: 0, bytes: 0 });
    put('a', 'new');
    expect(near.status()).toMatchObject({ entries: 1, bytes: bytes / 3, evictions: 0 });
    expect([near.get('a' as Key), near.get('b' as Key)]).toEqual(['new', undefined]);
    for (const key of ['d', 'e', 'f']) put(key, 'new');
    expect(near.status()).toMatchObject({ entries: 3, bytes, evictions: 1 });
    near.forgetAll();
    near.forgetAll();
    for (const key of ['d', 'e', 'f']) near.forget(key as Key);
    expect(near.status()).toMatchObject({ entries: 0, bytes: 0 });
  });

  it('costs no more where there are many entries', () => {
    const { near, put } = createNear({ entries: 100_000, bytes: 1e9 });
    for (let n = 0; n < 1000; n += 1) put(`k${n}`, 'v');
    const startedNs = process.hrtime.bigint();
    for (let n = 0; n < 1000; n += 1) near.forgetAll();
    expect(Number(process.hrtime.bigint() - startedNs) / 1e6).toBeLessThan(500);
  });
});

it('with no entries allowed nothing is kept', () => {
  const { near, put } = createNear({ entries: 0 });
  put('k', 'v');
  expect(near.get(K)).toBeUndefined();
  expect(near.enabled).toBe(false);
});

it('counts hits and misses, and looking for people counts nothing', () => {
  const { near, put } = createNear();
  put('k', 'v');
  near.get(K);
  near.get('other' as Key);
  near.holds(K);
  expect(near.status()).toMatchObject({ hits: 1, misses: 1, entries: 1 });
});

describe('key pages', () => {
  const COUNT = 500;

  function fillKeys(entries: number) {
    const set = createNear({ entries });
    const keys = Array.from({ length: COUNT }, (_, index) => `k${index}`);
    for (const key of keys) set.put(key, 'v');
    return { ...set, keys };
  }

  it.each([1, 2, 3, 4, 5])(
    'each key that is left alone comes once, in order, whatever others do meanwhile: seed %d',
    (seed) => {
      const random = new Random(`key pages ${seed}`);
      const { near, put, keys } = fillKeys(2 * COUNT);
      const touched = new Set<string>();
      const met: Key[] = [];
      for (const page of near.keyPages(7)) {
        expect(page.length).toBeLessThanOrEqual(7);
        met.push(...page);
        for (let act = 0; act < 4; act += 1) {
          const key = random.pick(keys) as Key;
          // The walk stands there.
          if (key === met.at(-1)) continue;
          touched.add(key);
          const what = random.next();
          if (what < 0.4) near.get(key);
          else if (what < 0.6) near.forget(key);
          else if (what < 0.8) put(key, 'new');
          else put(`new ${met.length} ${act}`, 'v');
        }
      }
      const alone = keys.filter((key) => !touched.has(key));
      expect(alone.length).toBeGreaterThan(COUNT / 3);
      expect(met.filter((key) => !touched.has(key))).toEqual(alone.reverse());
      expect(new Set(met).size).toBe(met.length);
    },
  );

  it('end after as many steps as there were entries, also when the walk is taken back to the start each time', () => {
    const { near, keys } = fillKeys(COUNT);
    const met: Key[] = [];
    for (const page of near.keyPages(10)) {
      met.push(...page);
      near.get(met.at(-1) as Key);
    }
    expect(met).toHaveLength(COUNT);
    expect(new Set(met).size).toBeLessThan(COUNT);
    expect(met[0]).toBe(keys.at(-1));
  });

  it('end when the entry at which the walk stands has gone', () => {
    const { near, keys } = fillKeys(COUNT);
    const pages = near.keyPages(10);
    const [page] = [pages.next().value as readonly Key[]];
    near.forget(page.at(-1) as Key);
    expect([...pages].flat()).toEqual([]);
    expect(page).toEqual(keys.slice(-10).reverse());
  });
});
