/**
 * All gateways come to hold the same, whatever reaches which of them in which order, and a digest tells whether they do.
 * The model beside the stores is the rule itself: of each key the entry with the latest version.
 */
import fc from 'fast-check';
import type { Key } from '../../src/core/command';
import {
  BUCKETS,
  bucketOf,
  differingBuckets,
  FINGERPRINT_BYTES,
  fingerprintOf,
  hashKey,
  writeFingerprint,
} from '../../src/replication/bucket-digest';
import { TOMBSTONE_MS } from '../../src/replication/held-entry';
import { ReplicaStore, SWEEP_MS } from '../../src/replication/replica-store';
import { HybridClock, isLater, timeOf } from '../../src/replication/version';
import { encodedSize, type VersionedEntry } from '../../src/replication/versioned-entry';

const START_MS = Math.ceil(Date.UTC(2030, 0, 1) / SWEEP_MS) * SWEEP_MS;
const SKEW_MS = 600_000;
const KEYS = 6;
const ORIGINS = ['000000000000000a', '000000000000000b', 'f00000000000000c'];

const keyOf = (n: number): Key => `key:${n}` as Key;

/** What is to become an entry; `order` decides in which order a store hears of it. */
interface Write {
  readonly key: number;
  readonly afterMs: number;
  readonly origin: number;
  readonly isDeletion: boolean;
  readonly lifeMs: number;
  readonly orders: readonly number[];
}

const write: fc.Arbitrary<Write> = fc.record({
  key: fc.nat(KEYS - 1),
  // Few, so that equal times of different origins are common.
  afterMs: fc.nat(3),
  origin: fc.nat(ORIGINS.length - 1),
  isDeletion: fc.boolean(),
  lifeMs: fc.constantFrom(Infinity, 2, SWEEP_MS / 2, 2 * TOMBSTONE_MS),
  orders: fc.array(fc.nat(1000), { minLength: 3, maxLength: 3 }),
});

/** With versions that no two of them share, as `HybridClock` makes them. */
function entriesOf(writes: readonly Write[]): VersionedEntry[] {
  const taken = new Set<string>();
  return writes.map(({ key, afterMs, origin: index, isDeletion, lifeMs }, n) => {
    const origin = ORIGINS[index] ?? '';
    let time = timeOf(START_MS + afterMs);
    while (taken.has(`${time} ${origin}`)) time += 1;
    taken.add(`${time} ${origin}`);
    const bytes = isDeletion ? undefined : Buffer.from(`value ${n}`.padEnd(n % 3 === 0 ? 2000 : 0));
    return { key: keyOf(key), bytes, time, origin, expiresAtMs: START_MS + lifeMs };
  });
}

function modelOf(entries: readonly VersionedEntry[]): Map<Key, VersionedEntry> {
  const latest = new Map<Key, VersionedEntry>();
  for (const entry of entries) {
    const known = latest.get(entry.key);
    if (known === undefined || isLater(entry, known)) latest.set(entry.key, entry);
  }
  return latest;
}

/** What readers of the store see, in the order of the keys. */
function visible(store: ReplicaStore): [Key, string | undefined][] {
  const keys = [...store.keys()].flat().sort();
  return keys.map((key) => [key, store.peek(key)?.bytes?.toString()]);
}

function visibleBy(latest: ReadonlyMap<Key, VersionedEntry>, nowMs: number): [Key, string | undefined][] {
  const live = [...latest].filter(([, { bytes, expiresAtMs }]) => bytes !== undefined && expiresAtMs > nowMs);
  return live.map(([key, { bytes }]): [Key, string | undefined] => [key, bytes?.toString()]).sort();
}

function shuffled<T>(all: readonly T[], orderOf: (index: number) => number): T[] {
  return all
    .map((one, index) => ({ one, order: orderOf(index) }))
    .sort((a, b) => a.order - b.order)
    .map(({ one }) => one);
}

function sweepAll(store: ReplicaStore): void {
  do store.sweep(true);
  while (store.isSweeping);
}

const createStore = (groupNowMs: () => number) => new ReplicaStore({ groupNowMs, bytesMax: 1e9 });

function fingerprintsOf(entries: readonly VersionedEntry[]): Buffer {
  const prints = Buffer.alloc(entries.length * FINGERPRINT_BYTES);
  entries.forEach((entry, n) => {
    writeFingerprint(fingerprintOf(hashKey(entry.key), entry), prints, n * FINGERPRINT_BYTES);
  });
  return prints;
}

/** Takes what the other has and this one has not, in parts of so many bytes. */
function pull(into: ReplicaStore, from: ReplicaStore, bytesMax: number): void {
  for (const bucket of differingBuckets(into.digest(), from.digest())) {
    const came: VersionedEntry[] = [];
    for (let more = true; more;) {
      const known = Buffer.concat([into.fingerprints(bucket), fingerprintsOf(came)]);
      const missing = from.missing(bucket, known, bytesMax);
      expect(missing.entries.length).toBeGreaterThan(missing.more ? 0 : -1);
      for (const entry of missing.entries) into.apply(entry);
      came.push(...missing.entries);
      ({ more } = missing);
    }
  }
}

describe('any order of any entries on any number of stores', () => {
  it('ends in what the latest versions say, on all of them alike, with equal digests', () => {
    fc.assert(
      fc.property(fc.array(write, { maxLength: 40 }), fc.nat(SWEEP_MS), (writes, laterMs) => {
        let nowMs = START_MS;
        const entries = entriesOf(writes);
        const stores = ORIGINS.map((_, n) => {
          const store = createStore(() => nowMs);
          for (const entry of shuffled(entries, (index) => writes[index]?.orders[n] ?? 0)) {
            store.apply(entry);
            if (n === 1) store.apply(entry);
          }
          return store;
        });
        nowMs += laterMs;
        // One sweeps, one does not, and one hears of everything again afterwards.
        stores.slice(1).forEach(sweepAll);
        for (const entry of entries) stores[2]?.apply(entry);
        const expected = visibleBy(modelOf(entries), nowMs);
        for (const store of stores) {
          expect(visible(store)).toEqual(expected);
          expect(store.rootDigest()).toBe(stores[0]?.rootDigest());
          expect(store.digest().equals(stores[0]?.digest() ?? Buffer.alloc(0))).toBe(true);
        }
      }),
    );
  });

  it('ends so where some have forgotten tombstones that others have never seen, once all have swept for one epoch', () => {
    fc.assert(
      fc.property(
        fc.array(write, { maxLength: 30 }),
        fc.array(fc.nat(3 * TOMBSTONE_MS)),
        (writes, pauses) => {
          let nowMs = START_MS;
          const entries = entriesOf(writes);
          const [often, once] = [createStore(() => nowMs), createStore(() => nowMs)];
          for (const store of [often, once]) for (const entry of entries) store.apply(entry);
          for (const pause of pauses) {
            nowMs += pause;
            sweepAll(often);
            expect(visible(often)).toEqual(visible(once));
          }
          sweepAll(once);
          nowMs += SWEEP_MS;
          [often, once].forEach(sweepAll);
          expect([often.epoch, once.epoch]).toEqual([nowMs / SWEEP_MS, nowMs / SWEEP_MS].map(Math.floor));
          expect([often.rootDigest(), often.horizon]).toEqual([once.rootDigest(), once.horizon]);
          expect([often.tombstones, often.size, often.bytes]).toEqual([
            once.tombstones,
            once.size,
            once.bytes,
          ]);
          expect(visible(once)).toEqual(visibleBy(modelOf(entries), nowMs));
        },
      ),
    );
  });

  it('nothing that was deleted or has expired comes back, whenever it is heard of again (C5)', () => {
    fc.assert(
      fc.property(
        fc.array(write, { maxLength: 30 }),
        fc.array(fc.nat(2 * TOMBSTONE_MS)),
        (writes, pauses) => {
          let nowMs = START_MS;
          const entries = entriesOf(writes);
          const latest = modelOf(entries);
          const store = createStore(() => nowMs);
          for (const entry of entries) store.apply(entry);
          for (const pause of pauses) {
            nowMs += pause;
            sweepAll(store);
            for (const entry of entries) store.apply(entry);
            expect(visible(store)).toEqual(visibleBy(latest, nowMs));
          }
        },
      ),
    );
  });
});

describe('gateways whose clocks are up to 10 minutes apart', () => {
  const step = fc.record({
    gateway: fc.nat(2),
    key: fc.nat(KEYS - 1),
    isDeletion: fc.boolean(),
    afterMs: fc.nat(50),
    /** Which others hear of it at once; the rest does at the end. */
    heardBy: fc.array(fc.boolean(), { minLength: 3, maxLength: 3 }),
  });
  const skews = fc.array(fc.integer({ min: -SKEW_MS, max: SKEW_MS }), { minLength: 3, maxLength: 3 });

  it('converge, and what was written with the knowledge of another write wins over it', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), skews, (steps, skewsMs) => {
        let nowMs = START_MS;
        const gateways = ORIGINS.map((origin, n) => {
          const groupNowMs = (): number => nowMs + (skewsMs[n] ?? 0);
          return { origin, clock: new HybridClock(groupNowMs), store: createStore(groupNowMs) };
        });
        const entries: VersionedEntry[] = [];
        for (const { gateway, key, isDeletion, afterMs, heardBy } of steps) {
          nowMs += afterMs;
          const writer = gateways[gateway];
          if (writer === undefined) continue;
          const bytes = isDeletion ? undefined : Buffer.from(`value ${entries.length}`);
          const time = writer.clock.tick();
          const entry = { key: keyOf(key), bytes, time, origin: writer.origin, expiresAtMs: Infinity };
          entries.push(entry);
          // The write is made with the knowledge of all that its gateway has heard: so it is seen there at once.
          expect(writer.store.apply(entry)).toBe(true);
          expect(writer.store.peek(entry.key)?.bytes?.toString()).toBe(bytes?.toString());
          gateways.forEach(({ clock, store }, n) => {
            if (heardBy[n] !== true) return;
            expect(clock.observe(entry.time)).toBe(true);
            store.apply(entry);
          });
        }
        for (const { store } of gateways) for (const entry of entries) store.apply(entry);
        for (const { store } of gateways) {
          expect(visible(store)).toEqual(visibleBy(modelOf(entries), nowMs));
          expect(store.rootDigest()).toBe(gateways[0]?.store.rootDigest());
        }
      }),
    );
  });
});

describe('digests', () => {
  it('kept entry by entry are those of a store that is filled anew, through writes, sweeps and drops', () => {
    const act = fc.oneof(
      { weight: 8, arbitrary: write.map((one) => ({ kind: 'write' as const, one })) },
      { weight: 1, arbitrary: fc.nat(2 * TOMBSTONE_MS).map((ms) => ({ kind: 'sweep' as const, ms })) },
      { weight: 1, arbitrary: fc.nat(3).map((ms) => ({ kind: 'drop' as const, ms })) },
    );
    fc.assert(
      fc.property(fc.array(act, { maxLength: 60 }), (acts) => {
        let nowMs = START_MS;
        const store = createStore(() => nowMs);
        const entries = entriesOf(acts.flatMap((one) => (one.kind === 'write' ? [one.one] : [])));
        for (const one of acts) {
          if (one.kind === 'write') {
            const next = entries.shift();
            if (next !== undefined) store.apply(next);
          } else if (one.kind === 'sweep') {
            nowMs += one.ms;
            sweepAll(store);
          } else {
            Array.from(store.dropUpTo(timeOf(START_MS + one.ms)));
          }
        }
        const anew = createStore(() => nowMs);
        for (const page of store.entries()) for (const entry of page) anew.apply(entry);
        expect(store.digest().equals(anew.digest())).toBe(true);
        expect(store.rootDigest()).toBe(anew.rootDigest());
        expect([store.size, store.tombstones, store.bytes]).toEqual([anew.size, anew.tombstones, anew.bytes]);
        for (const key of Array.from({ length: KEYS }, (_, n) => keyOf(n))) {
          const bucket = bucketOf(hashKey(key));
          expect(sortedPrints(store.fingerprints(bucket))).toEqual(sortedPrints(anew.fingerprints(bucket)));
        }
      }),
    );
  });

  it('of two keys that change versions with each other are different ones', () => {
    const version = (n: number) => ({ time: timeOf(START_MS) + n, origin: ORIGINS[n] ?? '' });
    const [one, other] = [createStore(() => START_MS), createStore(() => START_MS)];
    for (const n of [0, 1]) {
      const rest = { key: keyOf(n), bytes: Buffer.from('v'), expiresAtMs: Infinity };
      one.apply({ ...rest, ...version(n) });
      other.apply({ ...rest, ...version(1 - n) });
    }
    expect(one.rootDigest()).not.toBe(other.rootDigest());
  });

  it('divide keys that are alike evenly among the buckets, and no two versions or keys of many have one fingerprint', () => {
    const [counts, prints] = [new Uint32Array(BUCKETS), new Set<string>()];
    const perBucket = 5;
    for (let n = 0; n < BUCKETS * perBucket; n += 1) {
      const hash = hashKey(`user:${n}` as Key);
      counts[bucketOf(hash)] = (counts[bucketOf(hash)] ?? 0) + 1;
      const { high, low } = fingerprintOf(hash, {
        time: timeOf(START_MS) + (n % 7),
        origin: ORIGINS[n % 3] ?? '',
      });
      prints.add(`${high} ${low}`);
    }
    const spread =
      counts.reduce((sum, count) => sum + (count - perBucket) ** 2 / perBucket, 0) / (BUCKETS - 1);
    expect(spread).toBeGreaterThan(0.9);
    expect(spread).toBeLessThan(1.1);
    expect(prints.size).toBe(BUCKETS * perBucket);
  });

  it('are the same on every gateway of every version that speaks the same messages', () => {
    const store = createStore(() => START_MS);
    const entry = {
      bytes: Buffer.from('v'),
      time: timeOf(START_MS) + 5,
      origin: '0123456789abcdef',
      expiresAtMs: Infinity,
    };
    for (const key of ['a', 'user:1', '\xe9\xff']) store.apply({ ...entry, key: key as Key });
    const prints = ['a', 'user:1', '\xe9\xff'].map((key) => {
      const bucket = bucketOf(hashKey(key as Key));
      return `${bucket} ${store.fingerprints(bucket).toString('hex')}`;
    });
    expect([...prints, store.rootDigest()]).toEqual(GOLDEN);
  });
});

describe('two stores that differ in any way', () => {
  it('are made equal by each pulling what the other has, in parts of any size', () => {
    const held = fc.tuple(write, fc.boolean(), fc.boolean());
    fc.assert(
      fc.property(fc.array(held, { maxLength: 40 }), fc.constantFrom(1, 100, 5000), (all, bytesMax) => {
        const entries = entriesOf(all.map(([one]) => one));
        const [a, b] = [createStore(() => START_MS), createStore(() => START_MS)];
        all.forEach(([, inA, inB], n) => {
          const entry = entries[n];
          if (entry !== undefined && (inA || !inB)) a.apply(entry);
          if (entry !== undefined && inB) b.apply(entry);
        });
        pull(a, b, bytesMax);
        pull(b, a, bytesMax);
        expect(differingBuckets(a.digest(), b.digest())).toEqual([]);
        for (const store of [a, b]) expect(visible(store)).toEqual(visibleBy(modelOf(entries), START_MS));
      }),
      { numRuns: 50 },
    );
  });

  it('are made equal with so many entries in a bucket that an answer holds few of them, and where half of those lose', () => {
    const [a, b] = [createStore(() => START_MS), createStore(() => START_MS)];
    let written = 0;
    for (let n = 0; written < 30; n += 1) {
      const key = keyOf(n);
      if (bucketOf(hashKey(key)) !== 0) continue;
      written += 1;
      const entry = { key, bytes: Buffer.alloc(100), origin: ORIGINS[0] ?? '', expiresAtMs: Infinity };
      b.apply({ ...entry, time: 1 });
      if (written % 2 === 0) a.apply({ ...entry, time: 2 });
    }
    pull(a, b, 400);
    pull(b, a, 400);
    expect([a.rootDigest(), a.size]).toEqual([b.rootDigest(), 30]);
  });

  it('an answer keeps to its limit, but has one entry at least', () => {
    const store = createStore(() => START_MS);
    const entry = {
      key: keyOf(0),
      bytes: Buffer.alloc(3000),
      time: 1,
      origin: ORIGINS[0] ?? '',
      expiresAtMs: Infinity,
    };
    store.apply(entry);
    const bucket = bucketOf(hashKey(entry.key));
    const none = Buffer.alloc(0);
    expect(store.missing(bucket, none, 10)).toEqual({ entries: [entry], more: false });
    const near: VersionedEntry[] = [entry];
    for (let n = 1; near.length < 3; n += 1) {
      if (bucketOf(hashKey(keyOf(n))) === bucket) near.push({ ...entry, key: keyOf(n) });
    }
    for (const one of near) store.apply(one);
    const two = near.slice(0, 2);
    const limit = two.reduce((sum, one) => sum + encodedSize(one), 0);
    expect(store.missing(bucket, none, limit)).toEqual({ entries: two, more: true });
    expect(store.missing(bucket, none, limit - 1)).toEqual({ entries: [entry], more: true });
    expect(store.missing(bucket, store.fingerprints(bucket), 10)).toEqual({ entries: [], more: false });
    expect(store.missing(BUCKETS + 1, none, 10)).toEqual({ entries: [], more: false });
    expect(store.fingerprints(BUCKETS + 1)).toHaveLength(0);
  });
});

function sortedPrints(prints: Buffer): string[] {
  return (prints.toString('hex').match(/.{16}/g) ?? []).sort();
}

/** Of which no line may change unless the version of the messages does. */
const GOLDEN = ['3613 e47e80958a4b9f7d', '447 58fe637e8444f408', '201 a0b3a9c8fcce190e', '1c334a23f2c1727b'];
