import { createKeyring } from '../../src/cipher/keyring';
import type { Key, Value } from '../../src/core/command';
import { CacheError } from '../../src/core/errors';
import { keyFromText } from '../../src/core/key';
import type { Change, Cipher, Engine, Found, ReadOptions, WriteOptions } from '../../src/core/ports';
import { formatRewrapReport, rewrapAll, type RewrapReport } from '../../src/core/rewrap';
import { decodeValue, encodeValue, sealedKeyId } from '../../src/core/value';
import { createFakeClock } from '../support/fake-clock';

const OLD = { id: 'old', bytes: Buffer.alloc(32, 1) };
const NEW = { id: 'new', bytes: Buffer.alloc(32, 2) };
const LOST = { id: 'lost', bytes: Buffer.alloc(32, 3) };
const oldRing = createKeyring([OLD]);
const ring = createKeyring([NEW, OLD]);
const lostRing = createKeyring([LOST]);

const change = (done: boolean): Change => ({ done, session: undefined });

/**
 * The engine port over a Map, with hooks at the moments a race is about. Each call gives way once before it acts,
 * as a real one does.
 */
class MapEngine implements Engine {
  readonly relay = undefined;
  readonly kind = 'map';
  readonly entries = new Map<Key, { bytes: Buffer; expiresAtMs: number }>();
  readonly reads: Key[] = [];
  inFlight = 0;
  inFlightMax = 0;
  beforeRead: (key: Key) => void = () => undefined;
  beforeReplace: (key: Key) => void = () => undefined;
  pageKeys = 10;

  constructor(private readonly clock: { now(): number }) {}

  put(text: string, bytes: Buffer, expiresAtMs = Infinity): void {
    this.entries.set(keyFromText(text), { bytes, expiresAtMs });
  }

  #live(key: Key): { bytes: Buffer; expiresAtMs: number } | undefined {
    const entry = this.entries.get(key);
    if (entry !== undefined && entry.expiresAtMs <= this.clock.now()) this.entries.delete(key);
    return this.entries.get(key);
  }

  async #call<T>(deadlineMs: number, act: () => T): Promise<T> {
    this.inFlightMax = Math.max(this.inFlightMax, ++this.inFlight);
    try {
      await Promise.resolve();
      if (deadlineMs <= this.clock.now()) throw new CacheError('timeout', 'too late');
      return act();
    } finally {
      this.inFlight--;
    }
  }

  /** Only strong reads see anything: the replicas of this engine lag without end. */
  read(key: Key, { consistency, deadlineMs }: ReadOptions): Promise<Found | undefined> {
    return this.#call(deadlineMs, () => {
      this.reads.push(key);
      this.beforeRead(key);
      const entry = this.#live(key);
      if (entry === undefined || consistency !== 'strong') return undefined;
      const { bytes } = entry;
      const lease = undefined;
      return { bytes, remainingMs: undefined, askedAtMs: this.clock.now(), source: 'master', lease };
    });
  }

  write(key: Key, next: Buffer, { ttlMs, condition, deadlineMs }: WriteOptions): Promise<Change> {
    return this.#call(deadlineMs, () => {
      if (typeof condition !== 'object' || ttlMs !== 'keep')
        throw new Error('rotation compares, and keeps lives');
      this.beforeReplace(key);
      const entry = this.#live(key);
      if (entry?.bytes.equals(condition.expected) !== true) return change(false);
      this.entries.set(key, { bytes: next, expiresAtMs: entry.expiresAtMs });
      return change(true);
    });
  }

  async *scan(): AsyncIterable<readonly Key[]> {
    const keys = [...this.entries.keys()];
    for (let at = 0; at < keys.length; at += this.pageKeys) {
      await Promise.resolve();
      yield keys.slice(at, at + this.pageKeys);
    }
  }

  placement(): undefined {
    return undefined;
  }
  remove(): Promise<never> {
    return Promise.reject(new Error('rotation must not remove'));
  }
  locate(): Promise<never> {
    return Promise.reject(new Error('not needed here'));
  }
  ready(): boolean {
    return true;
  }
  status(): readonly [] {
    return [];
  }
  close(): Promise<void> {
    return Promise.resolve();
  }
}

const clock = createFakeClock();
let engine: MapEngine;
beforeEach(() => (engine = new MapEngine(clock)));

function putValue(text: string, value: Value, cipher: Cipher | undefined, expiresAtMs?: number): void {
  engine.put(text, encodeValue(keyFromText(text), value, cipher), expiresAtMs);
}

function stored(text: string): Buffer | undefined {
  return engine.entries.get(keyFromText(text))?.bytes;
}

function keyIdOf(text: string): string | undefined {
  const bytes = stored(text);
  return bytes && sealedKeyId(bytes, ring);
}

function valueOf(text: string): Value | undefined {
  const bytes = stored(text);
  return bytes && decodeValue(keyFromText(text), bytes, ring);
}

function run(stopped: () => boolean = () => false): Promise<RewrapReport> {
  return rewrapAll({ engine, cipher: ring, clock, onProgress: () => undefined, stopped });
}

/** Records left under each id, and how many of them do not decrypt. */
function left(report: RewrapReport): Record<string, [records: number, unreadable: number]> {
  return Object.fromEntries([...report.byKeyId].map(([id, use]) => [id, [use.records, use.unreadable]]));
}

describe('rotation', () => {
  it('puts every old record under the first key, with its value, and leaves plain values plain', async () => {
    for (let i = 0; i < 25; i++) putValue(`old${i}`, `value ${i}`, oldRing);
    putValue('bytes', Buffer.from([0xff, 0]), oldRing);
    putValue('lone', '\ud800', oldRing);
    putValue('new', 'fresh', ring);
    putValue('plain', 'text', undefined);
    const fresh = stored('new');
    const report = await run();

    expect(report).toMatchObject({
      scanned: 29,
      rewrapped: 27,
      plain: 1,
      unreadable: 0,
      contended: 0,
      failed: 0,
      complete: true,
    });
    expect(left(report)).toEqual({ new: [28, 0], old: [0, 0] });
    for (let i = 0; i < 25; i++) {
      expect(keyIdOf(`old${i}`)).toBe('new');
      expect(valueOf(`old${i}`)).toBe(`value ${i}`);
    }
    expect(valueOf('bytes')).toEqual(Buffer.from([0xff, 0]));
    expect(valueOf('lone')).toBe('\ud800');
    expect(stored('plain')).toEqual(Buffer.from('text'));
    expect(stored('new')).toBe(fresh);
  });

  it('keeps the expiry of a record', async () => {
    putValue('k', 'v', oldRing, clock.now() + 5000);
    await run();
    expect(keyIdOf('k')).toBe('new');
    expect(engine.entries.get(keyFromText('k'))?.expiresAtMs).toBe(clock.now() + 5000);
  });

  it('leaves what an earlier run has done untouched', async () => {
    putValue('k', 'v', oldRing);
    await run();
    const after = stored('k');
    const second = await run();
    expect(second).toMatchObject({ scanned: 1, rewrapped: 0, complete: true });
    expect(stored('k')).toBe(after);
  });

  it('works on many keys at once, but on no more than 32', async () => {
    engine.pageKeys = 200;
    for (let i = 0; i < 200; i++) putValue(`k${i}`, 'v', oldRing);
    const report = await run();
    expect(report.rewrapped).toBe(200);
    expect(new Set(engine.reads).size).toBe(200);
    expect(engine.inFlightMax).toBe(32);
  });

  it('tells its figures after each page', async () => {
    for (let i = 0; i < 25; i++) putValue(`k${i}`, 'v', oldRing);
    const scanned: number[] = [];
    await rewrapAll({
      engine,
      cipher: ring,
      clock,
      onProgress: (report) => scanned.push(report.scanned),
      stopped: () => false,
    });
    expect(scanned).toEqual([10, 20, 25]);
  });
});

describe('a writer between the read and the replace of rotation', () => {
  it('wins: its value stays, and is looked at again', async () => {
    putValue('k', 'before', oldRing);
    engine.beforeReplace = () => {
      engine.beforeReplace = () => undefined;
      putValue('k', 'after', ring);
    };
    const report = await run();
    expect(valueOf('k')).toBe('after');
    expect(report).toMatchObject({ rewrapped: 0, contended: 0 });
    expect(left(report)).toEqual({ new: [1, 0], old: [0, 0] });
  });

  it('that still seals with the old key is followed: its value ends under the first key', async () => {
    putValue('k', 'before', oldRing);
    let writes = 0;
    engine.beforeReplace = () => {
      if (writes++ < 3) putValue('k', `write ${writes}`, oldRing);
    };
    const report = await run();
    expect(valueOf('k')).toBe('write 3');
    expect(keyIdOf('k')).toBe('new');
    expect(left(report)).toEqual({ new: [1, 0], old: [0, 0] });
  });

  it('that never stops is given up on, counted under the old key, its last value untouched', async () => {
    putValue('k', 'before', oldRing);
    let writes = 0;
    engine.beforeReplace = () => putValue('k', `write ${++writes}`, oldRing);
    const report = await run();
    expect(writes).toBe(5);
    expect(valueOf('k')).toBe('write 5');
    expect(report).toMatchObject({ rewrapped: 0, contended: 1, complete: true });
    expect(left(report)).toEqual({ new: [0, 0], old: [1, 0] });
  });

  it('that writes in plain is left in plain', async () => {
    putValue('k', 'before', oldRing);
    engine.beforeReplace = () => putValue('k', 'plain', undefined);
    const report = await run();
    expect(stored('k')).toEqual(Buffer.from('plain'));
    expect(report).toMatchObject({ rewrapped: 0, plain: 1 });
  });

  it('that deletes is not undone', async () => {
    putValue('k', 'before', oldRing);
    engine.beforeReplace = (key) => engine.entries.delete(key);
    const report = await run();
    expect(engine.entries.size).toBe(0);
    expect(left(report)).toEqual({ new: [0, 0], old: [0, 0] });
  });

  it('expiry in between is not undone', async () => {
    putValue('k', 'before', oldRing, clock.now() + 100);
    engine.beforeReplace = () => clock.advance(100);
    const report = await run();
    expect(stored('k')).toBeUndefined();
    expect(report).toMatchObject({ scanned: 1, rewrapped: 0, contended: 0 });
    expect(left(report)).toEqual({ new: [0, 0], old: [0, 0] });
  });

  it('a key gone between walk and read is no failure', async () => {
    putValue('k', 'before', oldRing);
    engine.beforeRead = (key) => engine.entries.delete(key);
    expect(await run()).toMatchObject({ scanned: 1, rewrapped: 0, failed: 0, unreadable: 0, complete: true });
  });
});

describe('what rotation cannot read', () => {
  it('is counted under its key id and never touched', async () => {
    putValue('lost1', 'v', lostRing);
    putValue('lost2', 'v', lostRing);
    putValue('moved', 'v', oldRing);
    engine.put('elsewhere', stored('moved')!);
    putValue('good', 'v', oldRing);
    const before = ['lost1', 'lost2', 'elsewhere'].map(stored);
    const report = await run();
    expect(report).toMatchObject({ rewrapped: 2, unreadable: 3, complete: true });
    expect(left(report)).toEqual({ new: [2, 0], old: [1, 1], lost: [2, 2] });
    expect(['lost1', 'lost2', 'elsewhere'].map(stored)).toEqual(before);
  });

  it('cannot fill the memory with forged key ids: beyond 100 they are counted together', async () => {
    for (let i = 0; i < 150; i++) {
      putValue(`k${i}`, 'v', createKeyring([{ id: `forged${i}`, bytes: Buffer.alloc(32, 9) }]));
    }
    const report = await run();
    expect(report.unreadable).toBe(150);
    expect(report.byKeyId.size).toBe(101);
    expect(left(report)['(others)']).toEqual([51, 51]);
  });

  it('a key that holds no string is passed over', async () => {
    putValue('list', 'v', undefined);
    putValue('good', 'v', oldRing);
    engine.beforeRead = (key) => {
      if (key === 'list') throw new CacheError('corrupt_value', 'no string');
    };
    expect(await run()).toMatchObject({ scanned: 2, rewrapped: 1, plain: 1, failed: 0, complete: true });
  });

  it('a node that does not answer costs its keys, not the run, and old records stay counted', async () => {
    for (const name of ['a', 'b', 'c']) putValue(name, 'v', oldRing);
    engine.beforeRead = (key) => {
      if (key === 'a') throw new CacheError('unavailable', 'down');
    };
    engine.beforeReplace = (key) => {
      if (key === 'b') throw new CacheError('timeout', 'slow');
    };
    const report = await run();
    expect(report).toMatchObject({ rewrapped: 1, failed: 2, complete: true });
    expect(left(report)).toEqual({ new: [1, 0], old: [1, 0] });
  });

  it('an error that is not about one key ends the run', async () => {
    putValue('k', 'v', oldRing);
    engine.beforeRead = () => {
      throw new TypeError('a defect');
    };
    await expect(run()).rejects.toThrow('a defect');
  });
});

describe('rotation that is stopped', () => {
  it('ends after what is in flight, says that it is not complete, and a second run does the rest', async () => {
    engine.pageKeys = 50;
    for (let i = 0; i < 100; i++) putValue(`k${i}`, `value ${i}`, oldRing);
    const first = await run(() => engine.reads.length >= 10);
    expect(first.complete).toBe(false);
    expect(first.rewrapped).toBeGreaterThanOrEqual(10);
    expect(first.rewrapped).toBeLessThan(50);
    expect(engine.inFlight).toBe(0);

    const second = await run();
    expect(second).toMatchObject({ scanned: 100, rewrapped: 100 - first.rewrapped, complete: true });
    expect(left(second)).toEqual({ new: [100, 0], old: [0, 0] });
    for (let i = 0; i < 100; i++) expect(valueOf(`k${i}`)).toBe(`value ${i}`);
  });
});

describe('the report for people', () => {
  it('says what is left under each key, when one can be dropped, and what could still write under it', async () => {
    putValue('k', 'v', oldRing);
    putValue('plain', 'v', undefined);
    expect(formatRewrapReport(await run())).toEqual([
      'keys looked at: 2',
      're-encrypted under new: 1',
      'not encrypted, left so: 1',
      'under new (the first key): 1',
      'under old (not the first key): 0',
      'A key with 0 records, or not listed here, can be dropped from ENCRYPTION_KEYS once no gateway seals with it.',
      'A gateway that was started with another first key still does: restart it, then run this again.',
    ]);
  });

  it('allows no key to be dropped after a run that saw less than everything', async () => {
    for (const name of ['a', 'b', 'c']) putValue(name, 'v', oldRing);
    const stoppedLines = formatRewrapReport(await run(() => true)).join('\n');
    expect(stoppedLines).toContain('Stopped before the end.');
    expect(stoppedLines).not.toContain('dropped');

    engine.beforeRead = (key) => {
      if (key === 'a') throw new CacheError('unavailable', 'down');
    };
    engine.beforeReplace = (key) => {
      if (key === 'b') putValue('b', 'again', oldRing);
    };
    const failedLines = formatRewrapReport(await run()).join('\n');
    expect(failedLines).toContain('did not answer or refused, run again: 1');
    expect(failedLines).toContain('all the while, run again: 1');
    expect(failedLines).not.toContain('dropped');
  });

  it('names the unreadable ones', async () => {
    putValue('k', 'v', lostRing);
    const lines = formatRewrapReport(await run());
    expect(lines).toContain('under lost (not the first key): 1, unreadable: 1');
    expect(lines).toContain(
      'Unreadable records were left as they are: altered, moved, or their key is not configured.',
    );
  });
});
