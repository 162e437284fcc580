/** What one store takes, keeps and counts. */
import type { Key } from '../../src/core/command';
import { ENTRY_BYTES } from '../../src/replication/entry-table';
import { TOMBSTONE_MS } from '../../src/replication/held-entry';
import { ReplicaStore, SWEEP_MS } from '../../src/replication/replica-store';
import { timeOf } from '../../src/replication/version';
import type { VersionedEntry } from '../../src/replication/versioned-entry';

const HOUR_MS = 60 * 60 * 1000;
const START_MS = Math.ceil(Date.UTC(2030, 0, 1) / SWEEP_MS) * SWEEP_MS;
const LARGE = 5000;

let nowMs: number;
let store: ReplicaStore;

beforeEach(() => {
  nowMs = START_MS;
  store = createStore();
});

const createStore = (bytesMax = 1e9) => new ReplicaStore({ groupNowMs: () => nowMs, bytesMax });
const key = 'key' as Key;
const keyOf = (n: number): Key => `key:${n}` as Key;
const AA = 'aaaaaaaaaaaaaaaa';

function entry(with_: Partial<VersionedEntry> = {}): VersionedEntry {
  return { key, bytes: Buffer.from('v'), time: timeOf(nowMs), origin: AA, expiresAtMs: Infinity, ...with_ };
}

function sweepAll(mayForget = true): Key[] {
  const expired = [...store.sweep(mayForget)];
  while (store.isSweeping) expired.push(...store.sweep(mayForget));
  return expired;
}

const at = (time: number, value?: string): VersionedEntry =>
  entry({ time, bytes: value === undefined ? undefined : Buffer.from(value) });
const numbered = (n: number, time: number): VersionedEntry => entry({ key: keyOf(n), time });
const read = (): string | undefined => store.peek(key)?.bytes?.toString();
const seen = (): Key[] => [...store.keys()].flat();
const held = (): VersionedEntry[] => [...store.entries()].flat();

describe('merging', () => {
  it('what comes is what is read, whatever its bytes and its size', () => {
    for (const size of [0, 1, 1023, 1024, LARGE]) {
      const bytes = Buffer.from(Array.from({ length: size }, (_, n) => n % 256));
      const written = entry({ key: keyOf(size), bytes, expiresAtMs: nowMs + 1 });
      expect(store.apply(written)).toBe(true);
      expect(store.peek(keyOf(size))).toEqual(written);
    }
  });

  it('the later version stays, whichever comes first, and the loser says so', () => {
    expect([store.apply(at(7, 'new')), store.apply(at(5, 'old')), read()]).toEqual([true, false, 'new']);
    expect([store.apply(at(9, 'newer')), read()]).toEqual([true, 'newer']);
  });

  it('the same entry twice changes nothing', () => {
    store.apply(at(7, 'v'));
    const before = [store.rootDigest(), store.bytes, store.size];
    expect(store.apply(at(7, 'v'))).toBe(false);
    expect([store.rootDigest(), store.bytes, store.size]).toEqual(before);
  });

  it('a deletion that comes before the write that it deletes wins over it', () => {
    expect([store.apply(at(7)), store.apply(at(5, 'late')), read()]).toEqual([true, false, undefined]);
    expect([store.apply(at(8, 'later')), read()]).toEqual([true, 'later']);
  });

  it.each([10, LARGE])(
    'a value of %i bytes stays as it is when the message that it came in is written into',
    (size) => {
      const message = Buffer.alloc(size + 20, 'v');
      store.apply(entry({ bytes: message.subarray(10, size + 10) }));
      message.fill('x');
      expect(read()).toBe('v'.repeat(size));
      expect(store.peek(key)?.bytes?.buffer).not.toBe(message.buffer);
    },
  );

  it.each(['__proto__', 'constructor', '\x00', '\xff\xfe', 'k'.repeat(65_536)])(
    '%j is an ordinary key',
    (name) => {
      expect(store.peek(name as Key)).toBeUndefined();
      store.apply(entry({ key: name as Key }));
      expect(store.peek(name as Key)?.key).toBe(name);
    },
  );
});

describe('the horizon', () => {
  it('what may have been deleted and forgotten is refused where it is not held (C5)', () => {
    store.horizon = 7;
    expect([store.apply(at(7, 'v')), store.apply(at(6)), store.size, store.tombstones]).toEqual([
      false,
      false,
      0,
      0,
    ]);
    expect(store.apply(at(8, 'v'))).toBe(true);
  });

  it('what wins over something that is held is taken, below the horizon too', () => {
    store.apply(at(4, 'old'));
    store.horizon = 7;
    expect([store.apply(at(5, 'new')), read()]).toEqual([true, 'new']);
    expect([store.apply(at(6)), store.apply(at(7, 'again')), read()]).toEqual([true, true, 'again']);
  });

  it('a write does not come back after its deletion was forgotten', () => {
    store.apply(at(timeOf(nowMs) + 1));
    nowMs += TOMBSTONE_MS + SWEEP_MS;
    sweepAll();
    expect([store.tombstones, store.horizon]).toEqual([0, timeOf(START_MS) + 1]);
    expect([store.apply(at(timeOf(START_MS), 'late')), read()]).toEqual([false, undefined]);
  });
});

describe('expiry', () => {
  it('a value is gone at its end, before anything has swept it', () => {
    store.apply(entry({ expiresAtMs: nowMs + 1000 }));
    nowMs += 999;
    expect([read(), seen()]).toEqual(['v', [key]]);
    nowMs += 1;
    expect([read(), seen()]).toEqual([undefined, []]);
  });

  it('what arrives expired wins over what is older, is never seen, and is a tombstone after a sweep', () => {
    store.apply(at(5, 'old'));
    expect(store.apply(entry({ time: 7, expiresAtMs: nowMs }))).toBe(true);
    expect([read(), seen()]).toEqual([undefined, []]);
    expect(sweepAll()).toEqual([key]);
    expect([store.size, store.tombstones]).toEqual([0, 1]);
  });

  it('what has expired by a clock that is wrong is seen again when it is right, here and where it was handed to', () => {
    store.apply(entry({ expiresAtMs: nowMs + 1000 }));
    nowMs += HOUR_MS;
    const other = createStore();
    for (const one of held()) other.apply(one);
    nowMs -= HOUR_MS;
    expect([read(), other.peek(key)?.bytes?.toString()]).toEqual(['v', 'v']);
  });

  it('a sweep tells what has expired, once, frees its bytes and leaves the digest as it was', () => {
    const written = entry({ expiresAtMs: nowMs + 1000 });
    store.apply(written);
    store.apply(entry({ key: keyOf(1) }));
    const digest = store.digest();
    nowMs += SWEEP_MS;
    expect(sweepAll()).toEqual([key]);
    expect([store.size, store.tombstones]).toEqual([1, 1]);
    expect(store.bytes).toBe(key.length + keyOf(1).length + 1 + 2 * ENTRY_BYTES);
    expect(held()).toContainEqual({ ...written, bytes: undefined });
    expect(store.digest().equals(digest)).toBe(true);
    nowMs += SWEEP_MS;
    expect(sweepAll()).toEqual([]);
  });

  it('it is remembered from its end on, however long before that it was written', () => {
    store.apply(entry({ expiresAtMs: nowMs + 5 * HOUR_MS }));
    nowMs += 5 * HOUR_MS;
    sweepAll();
    nowMs += TOMBSTONE_MS - 1;
    sweepAll();
    expect([store.tombstones, store.horizon]).toEqual([1, 0]);
    nowMs += 1 + SWEEP_MS;
    sweepAll();
    expect([store.tombstones, store.horizon]).toEqual([0, timeOf(START_MS)]);
  });

  it('what was left alone until its tombstone too is old is forgotten in one pass', () => {
    store.apply(entry({ expiresAtMs: nowMs + 1 }));
    nowMs += 2 * TOMBSTONE_MS;
    expect(sweepAll()).toEqual([key]);
    expect([store.size, store.tombstones, store.bytes]).toEqual([0, 0, 0]);
  });
});

describe('a sweep', () => {
  it('forgets by the beginning of its epoch, so that gateways which sweep at different moments of it forget the same', () => {
    nowMs += 1;
    store.apply(entry({ bytes: undefined }));
    nowMs += TOMBSTONE_MS + 1;
    sweepAll();
    expect(store.tombstones).toBe(1);
    nowMs += SWEEP_MS;
    sweepAll();
    expect(store.tombstones).toBe(0);
  });

  it('remembers a deletion from when it was made, whatever the end of what it deletes', () => {
    store.apply(entry({ bytes: undefined, expiresAtMs: nowMs - HOUR_MS }));
    nowMs += TOMBSTONE_MS - SWEEP_MS;
    sweepAll();
    expect(store.tombstones).toBe(1);
  });

  it('looks at so many entries a call and no more, and comes to all of them', () => {
    for (let n = 0; n < 5000; n += 1) store.apply(entry({ key: keyOf(n), expiresAtMs: nowMs + 1 }));
    nowMs += SWEEP_MS;
    const calls: number[] = [];
    do calls.push(store.sweep(true).length);
    while (store.isSweeping);
    expect(calls).toEqual([2000, 2000, 1000]);
  });

  it('is due once in an epoch', () => {
    sweepAll();
    store.apply(entry({ expiresAtMs: nowMs + 1 }));
    nowMs += SWEEP_MS - 1;
    expect([store.sweep(true), store.isSweeping]).toEqual([[], false]);
    nowMs += 1;
    expect(store.sweep(true)).toEqual([key]);
  });

  it('forgets nothing while that is not allowed, and then says no new epoch', () => {
    sweepAll();
    const { epoch } = store;
    store.apply(entry({ bytes: undefined }));
    nowMs += TOMBSTONE_MS + SWEEP_MS;
    sweepAll(false);
    expect([store.tombstones, store.horizon, store.epoch]).toEqual([1, 0, epoch]);
    nowMs += SWEEP_MS;
    sweepAll();
    expect([store.tombstones, store.epoch]).toEqual([0, nowMs / SWEEP_MS]);
  });

  it('while it forgets, and after one that was not allowed to forget all, the epoch is 0', () => {
    for (let n = 0; n < 5000; n += 1) store.apply(entry({ key: keyOf(n), bytes: undefined }));
    sweepAll();
    expect(store.epoch).toBe(nowMs / SWEEP_MS);
    nowMs += TOMBSTONE_MS + SWEEP_MS;
    store.sweep(true);
    expect([store.isSweeping, store.epoch, store.tombstones]).toEqual([true, 0, 3000]);
    store.sweep(false);
    sweepAll();
    expect([store.isSweeping, store.epoch, store.tombstones]).toEqual([false, 0, 2000]);
    nowMs += SWEEP_MS;
    sweepAll();
    expect([store.epoch, store.tombstones]).toEqual([nowMs / SWEEP_MS, 0]);
  });

  it('what comes and goes between two calls of a pass disturbs neither it nor the counts', () => {
    for (let n = 0; n < 5000; n += 1) store.apply(entry({ key: keyOf(n), expiresAtMs: nowMs + 1 }));
    nowMs += SWEEP_MS;
    store.sweep(true);
    for (let n = 0; n < 5000; n += 2) store.apply(entry({ key: keyOf(n), time: timeOf(nowMs) }));
    sweepAll();
    expect(store.size + store.tombstones).toBe(5000);
    expect(seen()).toHaveLength(2500);
  });
});

describe('what a store holds', () => {
  it('the bytes are those of keys and values and what they cost beside, and none when all is gone', () => {
    store.apply(entry({ bytes: Buffer.alloc(LARGE) }));
    expect(store.bytes).toBe(key.length + LARGE + ENTRY_BYTES);
    store.apply(entry({ bytes: Buffer.alloc(10), time: timeOf(nowMs) + 1 }));
    expect(store.bytes).toBe(key.length + 10 + ENTRY_BYTES);
    store.apply(entry({ bytes: undefined, time: timeOf(nowMs) + 2 }));
    expect(store.bytes).toBe(key.length + ENTRY_BYTES);
    nowMs += 2 * TOMBSTONE_MS;
    sweepAll();
    expect([store.bytes, store.size, store.tombstones, store.rootDigest()]).toEqual([
      0,
      0,
      0,
      '0'.repeat(16),
    ]);
  });

  it('a full store says so, and takes what others have written nevertheless', () => {
    store = createStore(ENTRY_BYTES);
    expect(store.isFull).toBe(false);
    store = createStore(key.length + 1 + ENTRY_BYTES);
    expect([store.apply(entry()), store.isFull]).toEqual([true, true]);
    expect([store.apply(entry({ key: keyOf(1) })), store.size]).toEqual([true, 2]);
  });

  it('pages are of bounded size, and hold each key once', () => {
    for (let n = 0; n < 3500; n += 1) store.apply(entry({ key: keyOf(n) }));
    for (const pages of [[...store.keys()], [...store.entries()]]) {
      expect(Math.max(...pages.map((page) => page.length))).toBeLessThanOrEqual(1000);
    }
    expect(new Set(seen()).size).toBe(3500);
    expect(new Set(held().map((one) => one.key)).size).toBe(3500);
    expect([seen().length, held().length]).toEqual([3500, 3500]);
  });

  it('what is there throughout a walk comes, whatever is written and dropped meanwhile', () => {
    for (let n = 0; n < 4000; n += 1) store.apply(numbered(n, 1));
    const came = new Set<Key>();
    let written = 4000;
    for (const page of store.entries()) {
      for (const one of page) came.add(one.key);
      for (let n = 0; n < 500 && written < 8000; n += 1) store.apply(numbered((written += 1), 1));
      for (let n = 0; n < 4000; n += 2) store.apply(numbered(n, written));
    }
    for (let n = 0; n < 4000; n += 1) expect(came.has(keyOf(n))).toBe(true);
  });
});

describe('dropUpTo', () => {
  it('drops what is not later, tombstones included, tells the keys, and takes it again from a peer', () => {
    for (let n = 1; n <= 3000; n += 1) store.apply(numbered(n, n));
    store.apply(entry({ key: keyOf(1), time: 10, bytes: undefined }));
    store.horizon = 2500;
    const pages = [...store.dropUpTo(2500)];
    expect(Math.max(...pages.map((page) => page.length))).toBeLessThanOrEqual(1000);
    const dropped = Array.from({ length: 2499 }, (_, n) => keyOf(n + 2));
    expect(pages.flat().sort()).toEqual(dropped.sort());
    expect([store.size, store.tombstones, store.horizon]).toEqual([500, 0, 0]);
    expect(store.apply(numbered(2, 2))).toBe(true);
  });
});
