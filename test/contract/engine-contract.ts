/** What every engine promises (`Engine` in `src/core/ports.ts`), as one suite to run on each of them. */
import { randomBytes } from 'node:crypto';
import type { Key } from '../../src/core/command';
import { CacheError } from '../../src/core/errors';
import { keyFromBytes, keyFromText } from '../../src/core/key';
import type { Engine, Found, WriteOptions } from '../../src/core/ports';
import { systemClock as clock } from '../../src/lib/clock';
import { eventually } from '../support/eventually';

const MIB = 1024 * 1024;
const EVERY_BYTE = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));

const VALUES: readonly (readonly [string, Buffer])[] = [
  ['nothing', Buffer.alloc(0)],
  ['a NUL', Buffer.from([0])],
  ['CR LF', Buffer.from('\r\n$-1\r\n')],
  ['invalid UTF-8', Buffer.from([0xc3, 0x28, 0xff, 0xfe])],
  ['every byte', EVERY_BYTE],
  ['1 MiB', randomBytes(MIB)],
  ['8 MiB', randomBytes(8 * MIB)],
];

const KEYS: readonly (readonly [string, Key])[] = [
  ['__proto__', keyFromText('__proto__')],
  ['constructor', keyFromText('constructor')],
  ['hasOwnProperty', keyFromText('hasOwnProperty')],
  ['an emoji', keyFromText('🔑')],
  ['spaces', keyFromText(' two  words ')],
  ['braces', keyFromText('{}')],
  ['1024 bytes', keyFromText('k'.repeat(1024))],
  ['every byte', keyFromBytes(EVERY_BYTE)],
  ['invalid UTF-8', keyFromBytes(Buffer.from([0xff, 0xc3]))],
  ['a NUL', keyFromText('\0')],
  ['CR LF', keyFromText('\r\n')],
];

/** An engine over an empty store, shortened to what most tests say. */
export class EngineUnderTest {
  constructor(readonly engine: Engine) {}

  deadline(): number {
    return clock.now() + 5000;
  }

  read(key: Key, options: { strong?: boolean } = {}): Promise<Found | undefined> {
    const consistency = options.strong === true ? 'strong' : 'eventual';
    return this.engine.read(key, { consistency, withLife: true, deadlineMs: this.deadline() });
  }

  /** The value as text; undefined: absent. */
  async text(key: Key): Promise<string | undefined> {
    return (await this.read(key))?.bytes.toString();
  }

  async write(key: Key, value: string | Buffer, options: Partial<WriteOptions> = {}): Promise<boolean> {
    const bytes = typeof value === 'string' ? Buffer.from(value) : value;
    const usual = { ttlMs: 0, condition: undefined, ack: 0, deadlineMs: this.deadline() } as const;
    return (await this.engine.write(key, bytes, { ...usual, ...options })).done;
  }

  /** `expected`: only in place of this value. */
  async remove(key: Key, expected?: string | Buffer): Promise<boolean> {
    const condition = expected === undefined ? undefined : { expected: Buffer.from(expected) };
    return (await this.engine.remove(key, { condition, ack: 0, deadlineMs: this.deadline() })).done;
  }

  replace(key: Key, expected: string, next: string): Promise<boolean> {
    return this.write(key, next, { ttlMs: 'keep', condition: { expected: Buffer.from(expected) } });
  }

  async scan(): Promise<Key[]> {
    const keys: Key[] = [];
    for await (const page of this.engine.scan()) keys.push(...page);
    return keys;
  }
}

/**
 * `open` gives a new engine on an empty store that holds at least 64 MiB. The engine is closed here; what lies
 * behind it belongs to the caller.
 */
export function describeEngineContract(name: string, open: () => Promise<Engine>): void {
  describe(`engine contract: ${name}`, () => {
    let store: EngineUnderTest;
    const key = keyFromText('key');

    beforeEach(async () => {
      store = new EngineUnderTest(await open());
    });
    afterEach(() => store.engine.close());

    describe('values and keys', () => {
      it.each(VALUES)('a value of %s is read back byte by byte', async (_name, value) => {
        expect(await store.write(key, Buffer.from(value))).toBe(true);
        expect((await store.read(key))?.bytes.equals(value)).toBe(true);
        expect((await store.read(key, { strong: true }))?.bytes.equals(value)).toBe(true);
      });

      it.each(KEYS)('a key of %s is an ordinary key', async (_name, unusual) => {
        expect(await store.read(unusual)).toBeUndefined();
        expect(await store.write(unusual, 'value')).toBe(true);
        expect(await store.text(unusual)).toBe('value');
        expect(await store.scan()).toEqual([unusual]);
        expect(await store.replace(unusual, 'value', 'next')).toBe(true);
        expect((await store.engine.locate(unusual, store.deadline())).remainingMs).toBe(Infinity);
        expect(await store.remove(unusual)).toBe(true);
        expect(await store.read(unusual)).toBeUndefined();
        expect(({} as Record<string, unknown>)['value']).toBeUndefined();
      });

      it('no two of these keys are the same key', async () => {
        for (const [label, unusual] of KEYS) await store.write(unusual, label);
        for (const [label, unusual] of KEYS) expect(await store.text(unusual)).toBe(label);
      });

      it('a Buffer that is a view of a larger one is stored as the view', async () => {
        const body = Buffer.from('before value after');
        await store.write(key, body.subarray(7, 12));
        expect(await store.text(key)).toBe('value');
      });
    });

    describe('read, write and remove', () => {
      it('what was never written is absent, for every consistency', async () => {
        for (const consistency of ['eventual', 'session', 'strong'] as const) {
          const options = { consistency, withLife: false, deadlineMs: store.deadline() };
          expect(await store.engine.read(key, options)).toBeUndefined();
        }
      });

      it('a later write stands in place of an earlier one', async () => {
        await store.write(key, 'a longer first value');
        await store.write(key, 'second');
        expect(await store.text(key)).toBe('second');
      });

      it('a removed key is absent, and removing it again says that there was nothing', async () => {
        await store.write(key, 'value');
        expect(await store.remove(key)).toBe(true);
        expect(await store.read(key)).toBeUndefined();
        expect(await store.remove(key)).toBe(false);
      });

      it('a read tells when it was asked, and where the value was found', async () => {
        await store.write(key, 'value');
        const beforeMs = clock.now();
        const found = await store.read(key);
        expect(found?.askedAtMs).toBeGreaterThanOrEqual(beforeMs);
        expect(found?.askedAtMs).toBeLessThanOrEqual(clock.now());
        expect(['master', 'replica']).toContain(found?.source);
        expect((await store.read(key, { strong: true }))?.source).toBe('master');
      });

      it('each of 2,000 writes is read back at once by an eventual read', async () => {
        for (let n = 0; n < 2000; n += 1) {
          const name = keyFromText(`k${n % 50}`);
          await store.write(name, String(n));
          expect(await store.text(name)).toBe(String(n));
        }
      });

      it('each of 300 removals is seen at once by an eventual read', async () => {
        for (let n = 0; n < 300; n += 1) {
          await store.write(key, 'value');
          await store.remove(key);
          expect(await store.read(key)).toBeUndefined();
        }
      });
    });

    describe('conditions', () => {
      it('NX writes what is absent and leaves alone what is there', async () => {
        expect(await store.write(key, 'first', { condition: 'NX' })).toBe(true);
        expect(await store.write(key, 'second', { condition: 'NX', ttlMs: 60_000 })).toBe(false);
        expect(await store.read(key)).toMatchObject({ bytes: Buffer.from('first'), remainingMs: Infinity });
      });

      it('XX leaves absent what is absent and writes over what is there', async () => {
        expect(await store.write(key, 'first', { condition: 'XX' })).toBe(false);
        expect(await store.read(key)).toBeUndefined();
        await store.write(key, 'first');
        expect(await store.write(key, 'second', { condition: 'XX' })).toBe(true);
        expect(await store.text(key)).toBe('second');
      });

      it('of 20 NX writes at once exactly one succeeds, and its value stands', async () => {
        const values = Array.from({ length: 20 }, (_, n) => `value ${n}`);
        const stored = await Promise.all(values.map((value) => store.write(key, value, { condition: 'NX' })));
        expect(stored.filter(Boolean)).toHaveLength(1);
        expect(await store.text(key)).toBe(values[stored.indexOf(true)]);
      });

      it('replace puts the new value in place of the expected one, and only of that', async () => {
        expect(await store.replace(key, '', 'next')).toBe(false);
        await store.write(key, 'value');
        expect(await store.replace(key, 'other', 'next')).toBe(false);
        expect(await store.text(key)).toBe('value');
        expect(await store.replace(key, 'value', 'next')).toBe(true);
        expect(await store.text(key)).toBe('next');
        await store.remove(key);
        expect(await store.replace(key, 'next', 'again')).toBe(false);
        expect(await store.read(key)).toBeUndefined();
      });

      it('of 20 replacements at once of one value exactly one succeeds', async () => {
        await store.write(key, 'value');
        const all = Array.from({ length: 20 }, (_, n) => store.replace(key, 'value', `next ${n}`));
        expect((await Promise.all(all)).filter(Boolean)).toHaveLength(1);
      });

      it('a removal of an expected value removes that value and no other', async () => {
        expect(await store.remove(key, '')).toBe(false);
        await store.write(key, 'value');
        expect(await store.remove(key, 'other')).toBe(false);
        expect(await store.remove(key, 'value and more')).toBe(false);
        expect(await store.text(key)).toBe('value');
        expect(await store.remove(key, 'value')).toBe(true);
        expect(await store.read(key)).toBeUndefined();
        expect(await store.remove(key, 'value')).toBe(false);
      });

      it.each(VALUES)('%s is expected byte by byte', async (_name, value) => {
        await store.write(key, Buffer.from(value));
        expect(await store.remove(key, Buffer.concat([value, Buffer.of(0)]))).toBe(false);
        expect(await store.write(key, value, { condition: { expected: value } })).toBe(true);
        expect(await store.remove(key, value)).toBe(true);
      });

      it('of 20 removals at once of one expected value exactly one succeeds', async () => {
        await store.write(key, 'value');
        const all = Array.from({ length: 20 }, () => store.remove(key, 'value'));
        expect((await Promise.all(all)).filter(Boolean)).toHaveLength(1);
      });

      it('of 20 replacements and removals at once of one expected value exactly one succeeds', async () => {
        await store.write(key, 'value');
        const all = Array.from({ length: 20 }, (_, n) =>
          n % 2 === 0 ? store.remove(key, 'value') : store.replace(key, 'value', `next ${n}`),
        );
        const made = await Promise.all(all);
        expect(made.filter(Boolean)).toHaveLength(1);
        const winner = made.indexOf(true);
        expect(await store.text(key)).toBe(winner % 2 === 0 ? undefined : `next ${winner}`);
      });

      it('a replacement may give a life of its own', async () => {
        await store.write(key, 'value');
        const condition = { expected: Buffer.from('value') };
        expect(await store.write(key, 'next', { condition, ttlMs: 60_000 })).toBe(true);
        expect((await store.read(key))?.remainingMs).toBeLessThanOrEqual(60_000);
        expect(
          await store.write(key, 'last', { condition: { expected: Buffer.from('next') }, ttlMs: 0 }),
        ).toBe(true);
        expect((await store.read(key))?.remainingMs).toBe(Infinity);
      });
    });

    describe('expiry', () => {
      it('a value without expiry has an infinite life', async () => {
        await store.write(key, 'value');
        expect((await store.read(key))?.remainingMs).toBe(Infinity);
      });

      it('the remaining life is at most what was given, and falls', async () => {
        await store.write(key, 'value', { ttlMs: 60_000 });
        const first = (await store.read(key))?.remainingMs;
        expect(first).toBeLessThanOrEqual(60_000);
        expect(first).toBeGreaterThan(50_000);
        await eventually(async () => {
          const later = (await store.read(key))?.remainingMs;
          return later !== undefined && first !== undefined && later < first;
        });
      });

      it('a life that was not asked for is not told', async () => {
        await store.write(key, 'value', { ttlMs: 60_000 });
        const options = { consistency: 'eventual', withLife: false, deadlineMs: store.deadline() } as const;
        expect((await store.engine.read(key, options))?.remainingMs).toBeUndefined();
      });

      it('an expired value is absent for every operation', async () => {
        await store.write(key, 'value', { ttlMs: 30 });
        await eventually(async () => (await store.read(key)) === undefined);
        expect(await store.read(key, { strong: true })).toBeUndefined();
        expect(await store.remove(key)).toBe(false);
        expect(await store.remove(key, 'value')).toBe(false);
        expect(await store.replace(key, 'value', 'next')).toBe(false);
        expect(await store.write(key, 'value', { condition: 'XX' })).toBe(false);
        expect(await store.write(key, 'value', { condition: 'NX' })).toBe(true);
      });

      it('a write without expiry clears the one that was there', async () => {
        await store.write(key, 'first', { ttlMs: 60_000 });
        await store.write(key, 'second');
        expect((await store.read(key))?.remainingMs).toBe(Infinity);
      });

      it('a write with expiry limits a life that was infinite', async () => {
        await store.write(key, 'first');
        await store.write(key, 'second', { ttlMs: 60_000 });
        expect((await store.read(key))?.remainingMs).toBeLessThanOrEqual(60_000);
      });

      it('replace keeps the expiry, whichever it is', async () => {
        await store.write(key, 'value', { ttlMs: 60_000 });
        await store.replace(key, 'value', 'next');
        const remainingMs = (await store.read(key))?.remainingMs;
        expect(remainingMs).toBeLessThanOrEqual(60_000);
        expect(remainingMs).toBeGreaterThan(50_000);
        await store.write(key, 'value');
        await store.replace(key, 'value', 'next');
        expect((await store.read(key))?.remainingMs).toBe(Infinity);
      });
    });

    describe('many at once', () => {
      it('200 operations in parallel on as many keys do not disturb each other', async () => {
        const keys = Array.from({ length: 200 }, (_, n) => keyFromText(`parallel ${n}`));
        await Promise.all(keys.map((name) => store.write(name, name)));
        expect(await Promise.all(keys.map((name) => store.text(name)))).toEqual(keys);
        expect(await Promise.all(keys.map((name) => store.remove(name)))).toEqual(keys.map(() => true));
        expect(await store.scan()).toEqual([]);
      });

      it('200 writes and reads in parallel on one key: each read gives one of the values, at last the last', async () => {
        const values = Array.from({ length: 100 }, (_, n) => `value ${n}`);
        await store.write(key, 'value 0');
        const reads = values.map((value) => {
          void store.write(key, value);
          return store.text(key);
        });
        for (const seen of await Promise.all(reads)) expect(values).toContain(seen);
        await store.write(key, 'last');
        expect(await store.text(key)).toBe('last');
      });
    });

    describe('scan', () => {
      it('an empty store has no keys', async () => {
        expect(await store.scan()).toEqual([]);
      });

      it('gives each of 2,000 keys at least once, while others are written and removed', async () => {
        const keys = Array.from({ length: 2000 }, (_, n) => keyFromText(`scanned ${n}`));
        // Not all in one turn: who has stood still for a second may refuse to change anything.
        for (let at = 0; at < keys.length; at += 500) {
          await Promise.all(keys.slice(at, at + 500).map((name) => store.write(name, 'value')));
        }
        const seen = new Set<Key>();
        let page = 0;
        for await (const names of store.engine.scan()) {
          for (const name of names) seen.add(name);
          page += 1;
          await store.write(keyFromText(`other ${page}`), 'value');
          await store.write(keys[(page * 997) % keys.length]!, 'changed');
          await store.read(keys[(page * 499) % keys.length]!);
          await store.remove(keyFromText(`other ${page - 1}`));
        }
        expect(keys.filter((name) => !seen.has(name))).toEqual([]);
      });
    });

    describe('deadlines', () => {
      it('a deadline that has passed is a timeout, at once, and nothing is done', async () => {
        await store.write(key, 'value');
        const deadlineMs = clock.now() - 1;
        const late = [
          store.engine.read(key, { consistency: 'eventual', withLife: true, deadlineMs }),
          store.engine.read(key, { consistency: 'strong', withLife: false, deadlineMs }),
          store.write(key, 'late', { deadlineMs }),
          store.engine.remove(key, { ack: 0, deadlineMs }),
          store.engine.remove(key, { condition: { expected: Buffer.from('value') }, ack: 0, deadlineMs }),
          store.write(key, 'late', { condition: { expected: Buffer.from('value') }, deadlineMs }),
          store.engine.locate(key, deadlineMs),
        ];
        for (const outcome of await Promise.allSettled(late)) expect(codeOf(outcome)).toBe('timeout');
        expect(await store.text(key)).toBe('value');
      });
    });

    describe('what it tells about itself', () => {
      it('locate names a shard and a node that status knows, and the remaining life', async () => {
        expect((await store.engine.locate(key, store.deadline())).remainingMs).toBeUndefined();
        await store.write(key, 'value', { ttlMs: 60_000 });
        const location = await store.engine.locate(key, store.deadline());
        expect(location.remainingMs).toBeLessThanOrEqual(60_000);
        expect(location.remainingMs).toBeGreaterThan(50_000);
        const shard = store.engine.status().find(({ name: shardName }) => shardName === location.shard);
        expect(shard?.nodes.map(({ address }) => address)).toContain(location.node);
      });

      it('its arcs cover a circle, once, and each key lies in an arc of its shard', async () => {
        const placement = store.engine.placement();
        if (placement === undefined) {
          expect((await store.engine.locate(key, store.deadline())).hash).toBeUndefined();
          return;
        }
        const { size, arcs } = placement;
        const ends = arcs.map(({ lastPoint }) => lastPoint);
        expect(ends).toEqual([...ends].sort((a, b) => a - b));
        expect(ends.every((end) => Number.isSafeInteger(end) && end >= 0 && end < size)).toBe(true);
        const shards = new Set(store.engine.status().map(({ name: shardName }) => shardName));
        expect(new Set(arcs.map(({ shard }) => shard))).toEqual(shards);
        const names = Array.from({ length: 500 }, (_, n) => keyFromText(`placed ${n}`));
        const locations = await Promise.all(
          names.map((placed) => store.engine.locate(placed, store.deadline())),
        );
        for (const { hash = -1, shard } of locations) {
          expect(hash).toBeGreaterThanOrEqual(0);
          expect(hash).toBeLessThan(size);
          // What lies behind the last of them belongs to the first: it is a circle.
          expect((arcs.find(({ lastPoint }) => hash <= lastPoint) ?? arcs[0])?.shard).toBe(shard);
        }
      });

      it('each shard has one master, all nodes are healthy, and only replicas have a link and a lag', () => {
        const shards = store.engine.status();
        expect(shards.length).toBeGreaterThan(0);
        for (const { nodes } of shards) {
          expect(nodes.filter(({ role }) => role === 'master')).toHaveLength(1);
          for (const node of nodes) {
            expect(node.healthy).toBe(true);
            expect(node.linkUp).toBe(node.role === 'replica' ? true : undefined);
            expect(typeof node.lagBytes).toBe(node.role === 'replica' ? 'number' : 'undefined');
          }
        }
      });

      it('it is ready once open', () => {
        expect(store.engine.ready()).toBe(true);
      });
    });

    describe('close', () => {
      it('after it nothing is served: every call is unavailable, and it is not ready', async () => {
        await store.write(key, 'value');
        await store.engine.close();
        const late = [
          store.read(key),
          store.read(key, { strong: true }),
          store.write(key, 'late'),
          store.remove(key),
          store.replace(key, 'value', 'late'),
          store.engine.locate(key, store.deadline()),
          store.scan(),
        ];
        for (const outcome of await Promise.allSettled(late)) expect(codeOf(outcome)).toBe('unavailable');
        expect(store.engine.ready()).toBe(false);
        await store.engine.close();
      });

      it('it leaves no socket and no timer behind, with work under way too', async () => {
        const before = resources();
        const other = await open();
        const readyMs = clock.now() + 5000;
        const work = Array.from({ length: 50 }, () =>
          other.write(key, Buffer.from('v'), { ttlMs: 0, condition: undefined, ack: 0, deadlineMs: readyMs }),
        );
        const settled = Promise.allSettled(work);
        await other.close();
        await settled;
        await eventually(() => {
          expect(resources()).toEqual(before);
          return true;
        });
      });
    });
  });
}

/** The error code of a rejection; undefined when it was fulfilled or rejected with something else. */
export function codeOf(outcome: PromiseSettledResult<unknown>): string | undefined {
  if (outcome.status === 'fulfilled') return undefined;
  return outcome.reason instanceof CacheError ? outcome.reason.code : undefined;
}

/** What keeps this process alive of what an engine could have opened. */
function resources(): { sockets: number; timers: number } {
  const active = process.getActiveResourcesInfo();
  const count = (name: string): number => active.filter((resource) => resource === name).length;
  return { sockets: count('TCPSocketWrap') + count('TLSWrap'), timers: count('Timeout') };
}
