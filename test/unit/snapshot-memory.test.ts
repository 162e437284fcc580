/** What the memory engine saves of itself, and what it takes of what was saved. */
import type { Key } from '../../src/core/command';
import type { SavedEntry } from '../../src/core/ports';
import { openMemory, type MemoryEngine } from '../../src/engines/memory';
import { createFakeClock, type FakeClock } from '../support/fake-clock';
import { savedEntry } from '../support/snapshots';

const BYTES_MAX = 10_000_000;

let clock: FakeClock;
let engine: MemoryEngine;

beforeEach(() => {
  clock = createFakeClock();
  engine = openMemory({ bytesMax: BYTES_MAX, clock });
});

function write(key: string, text: string, ttlMs = 0): Promise<unknown> {
  const options = { ttlMs, condition: undefined, ack: 0, deadlineMs: Infinity } as const;
  return engine.write(key as Key, Buffer.from(text), options);
}

async function read(key: string, from = engine) {
  const found = await from.read(key as Key, {
    consistency: 'eventual',
    withLife: true,
    deadlineMs: Infinity,
  });
  return found && { text: found.bytes.toString(), remainingMs: found.remainingMs };
}

function saved(from = engine): SavedEntry[] {
  return [...from.content.pages()].flat();
}

/** A new process, `later` on both clocks; its monotonic one begins anew. */
function restarted(laterMs: number, setBackMs = 0): MemoryEngine {
  const marks = engine.content.marks();
  const entries = saved();
  const wallMs = clock.wallMs() + laterMs - setBackMs;
  const other = openMemory({ bytesMax: BYTES_MAX, clock: { now: () => 5, wallMs: () => wallMs } });
  other.content.load(entries, marks);
  return other;
}

it('is the same after a restart, with what is left of each life', async () => {
  await write('for ever', 'a');
  await write('ends', 'b', 10_000);
  clock.advance(1000);
  const after = restarted(2000);
  expect(await read('for ever', after)).toEqual({ text: 'a', remainingMs: Infinity });
  expect(await read('ends', after)).toEqual({ text: 'b', remainingMs: 7000 });
});

it('C5: what ended meanwhile is not revived, to the millisecond', async () => {
  await write('ends', 'b', 10_000);
  expect(await read('ends', restarted(9999))).toEqual({ text: 'b', remainingMs: 1 });
  expect(await read('ends', restarted(10_000))).toBeUndefined();
});

it('a clock that was set back lengthens no life', async () => {
  await write('ends', 'b', 10_000);
  expect(await read('ends', restarted(1000, 3_600_000))).toEqual({ text: 'b', remainingMs: 10_000 });
});

it('saves nothing that has ended', async () => {
  await write('ends', 'b', 10_000);
  clock.advance(10_000);
  expect(saved()).toEqual([]);
});

it('keeps the order of use: what was used longest ago still goes first', async () => {
  for (const key of ['a', 'b', 'c']) await write(key, key);
  await read('a');
  expect(saved().map(({ key }) => key)).toEqual(['b', 'c', 'a']);
  expect(saved(restarted(0)).map(({ key }) => key)).toEqual(['b', 'c', 'a']);
});

it('what does not fit any more is what was used longest ago', () => {
  const small = openMemory({ bytesMax: 1000, clock });
  const entries = ['a', 'b', 'c', 'd'].map((key) => savedEntry(key, { bytes: Buffer.alloc(50) }));
  const tooLong = savedEntry('long', { bytes: Buffer.alloc(2000) });
  small.content.load([...entries, tooLong], { asOfMs: 0, horizon: 0 });
  expect(saved(small).map(({ key }) => key)).toEqual(['c', 'd']);
});

it('what has ended pushes nothing out', () => {
  const small = openMemory({ bytesMax: 1000, clock });
  const ended = savedEntry('ended', { bytes: Buffer.alloc(400), expiresAtMs: clock.wallMs() });
  small.content.load([savedEntry('a'), savedEntry('b'), ended], { asOfMs: 0, horizon: 0 });
  expect(saved(small).map(({ key }) => key)).toEqual(['a', 'b']);
});

it('leaves what is there already, and deletions, alone', async () => {
  await write('k', 'newer');
  engine.content.load([savedEntry('k'), savedEntry('gone', { bytes: undefined })], { asOfMs: 0, horizon: 0 });
  expect(await read('k')).toEqual({ text: 'newer', remainingMs: Infinity });
  expect(await read('gone')).toBeUndefined();
});

it('holds no more than the value of what it is given as a view of a block', async () => {
  const block = Buffer.alloc(100_000, 'x');
  engine.content.load([savedEntry('k', { bytes: block.subarray(10, 13) })], { asOfMs: 0, horizon: 0 });
  const found = await engine.read('k' as Key, {
    consistency: 'eventual',
    withLife: false,
    deadlineMs: Infinity,
  });
  expect(found?.bytes.buffer.byteLength).toBe(3);
});

it('goes on counting its bytes when entries are replaced, deleted and expire', async () => {
  const small = openMemory({ bytesMax: 1100, clock });
  const put = (key: string, bytes: number, ttlMs = 0): Promise<unknown> =>
    small.write(key as Key, Buffer.alloc(bytes), {
      ttlMs,
      condition: undefined,
      ack: 0,
      deadlineMs: Infinity,
    });
  for (let round = 0; round < 10; round += 1) {
    await put('a', 50 + round);
    await put('b', 60, 1000);
    await small.remove('a' as Key, { ack: 0, deadlineMs: Infinity });
    clock.advance(1000);
    expect(await read('b', small)).toBeUndefined();
  }
  await put('a', 1);
  await put('b', 1);
  expect(saved(small).map(({ key }) => key)).toEqual(['a', 'b']);
});
