/** The memory engine's own rules: what it evicts, what it refuses, and how it counts time. */
import type { Key } from '../../src/core/command';
import { keyFromText } from '../../src/core/key';
import type { Engine, WriteOptions } from '../../src/core/ports';
import { openMemory } from '../../src/engines/memory';
import { createFakeClock, type FakeClock } from '../support/fake-clock';

const KIB = 1024;
const bytesMax = 10 * KIB;
const KIBIBYTE = Buffer.alloc(KIB, 'v');
/** Two of these fit into the store, three do not. */
const HALF = Buffer.alloc(4 * KIB, 'v');

let clock: FakeClock;
let engine: Engine;

beforeEach(() => {
  clock = createFakeClock();
  engine = openMemory({ bytesMax, clock });
});

const key = keyFromText('key');
const [first, second, third] = [keyFromText('first'), keyFromText('second'), keyFromText('third')];
const write = async (name: Key, bytes: Buffer, options: Partial<WriteOptions> = {}): Promise<boolean> => {
  const usual = { ttlMs: 0, condition: undefined, ack: 0, deadlineMs: clock.now() + 1 } as const;
  return (await engine.write(name, bytes, { ...usual, ...options })).done;
};
const read = (name: Key) =>
  engine.read(name, { consistency: 'eventual', withLife: true, deadlineMs: clock.now() + 1 });
const remove = async (ack: 0 | 1) => (await engine.remove(key, { ack, deadlineMs: clock.now() + 1 })).done;

async function keysHeld(): Promise<Key[]> {
  const keys: Key[] = [];
  for await (const page of engine.scan()) keys.push(...page);
  return keys;
}

describe('eviction', () => {
  it('the bytes held never pass the limit, however many keys are written', async () => {
    for (let n = 0; n < 1000; n += 1) await write(keyFromText(`k${n}`), KIBIBYTE);
    const held = await keysHeld();
    expect(held.length).toBeGreaterThan(5);
    expect(held.length * KIBIBYTE.length).toBeLessThanOrEqual(bytesMax);
  });

  it('values of no bytes are limited too', async () => {
    for (let n = 0; n < 1000; n += 1) await write(keyFromText(`k${n}`), Buffer.alloc(0));
    expect((await keysHeld()).length).toBeLessThan(100);
  });

  it('what was not used for longest goes first, and a read counts as a use', async () => {
    await write(first, HALF);
    await write(second, HALF);
    await read(first);
    await write(third, HALF);
    expect(await read(first)).toBeDefined();
    expect(await read(second)).toBeUndefined();
  });

  it('a look at a key without reading it is no use of it', async () => {
    await write(first, HALF);
    await write(second, HALF);
    await engine.locate(first, clock.now() + 1);
    await keysHeld();
    await write(third, HALF);
    expect(await read(first)).toBeUndefined();
    expect(await read(second)).toBeDefined();
  });

  it('a value larger than the whole store is refused as out_of_memory and evicts nothing', async () => {
    await write(key, Buffer.from('old'));
    await expect(write(key, Buffer.alloc(bytesMax))).rejects.toMatchObject({ code: 'out_of_memory' });
    const replaced = engine.write(key, Buffer.alloc(bytesMax), {
      ...{ ttlMs: 'keep', condition: { expected: Buffer.from('old') }, ack: 0 },
      deadlineMs: clock.now() + 1,
    });
    await expect(replaced).rejects.toMatchObject({ code: 'out_of_memory' });
    expect((await read(key))?.bytes.toString()).toBe('old');
  });

  it('a small value does not hold the large block that it was cut from', async () => {
    const body = Buffer.alloc(100 * KIB, 'v');
    await write(key, body.subarray(10, 20));
    expect((await read(key))?.bytes.buffer.byteLength).toBe(10);
  });

  it('a value that is a whole block is not copied', async () => {
    const bytes = Buffer.alloc(5 * KIB, 'v');
    await write(key, bytes);
    expect((await read(key))?.bytes).toBe(bytes);
  });
});

describe('time', () => {
  it('a value lives to the last instant before its expiry, and not at it', async () => {
    await write(key, KIBIBYTE, { ttlMs: 1500 });
    clock.advance(1499.5);
    expect(await read(key)).toMatchObject({ remainingMs: 0.5, askedAtMs: clock.now() });
    clock.advance(0.5);
    expect(await read(key)).toBeUndefined();
    expect(await keysHeld()).toEqual([]);
  });

  it('a deadline is over at its instant', async () => {
    const late = write(key, KIBIBYTE, { deadlineMs: clock.now() });
    await expect(late).rejects.toMatchObject({ code: 'timeout' });
  });

  it('expired keys are left out of a scan that began while they lived', async () => {
    for (let n = 0; n < 5; n += 1) await write(keyFromText(`k${n}`), Buffer.alloc(0), { ttlMs: 10 });
    const pages = engine.scan();
    clock.advance(10);
    for await (const page of pages) expect(page).toEqual([]);
  });
});

describe('ack', () => {
  it('an ack by replicas is refused before anything is changed, since there are none', async () => {
    await expect(write(key, KIBIBYTE, { ack: 1 })).rejects.toMatchObject({ code: 'unavailable' });
    expect(await read(key)).toBeUndefined();
    await write(key, KIBIBYTE);
    await expect(remove(1)).rejects.toMatchObject({ code: 'unavailable' });
    expect(await read(key)).toBeDefined();
    expect(await remove(0)).toBe(true);
  });
});
