/** The snapshot file: what was written is read, and nothing else is ever read as one (F16). */
import { promises as fs, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { SavedEntry } from '../../src/core/ports';
import {
  BadSnapshot,
  BLOCK_BYTES_MAX,
  BLOCK_RECORDS_MAX,
  HEADER_BYTES,
  TRAILER_BYTES,
} from '../../src/snapshot/format';
import { openSnapshot } from '../../src/snapshot/read-snapshot';
import { makeFolder } from '../support/child';
import { MARKS, names, readFile, SAVED_AT_MS, savedEntry, SHAPES, writeFile } from '../support/snapshots';
import { Random } from '../torture/random';

let folder: string;
let file: string;

beforeEach(async () => {
  folder = await makeFolder();
  file = path.join(folder, 'snapshot');
});

describe('what was written', () => {
  it('is read, whatever shape its entries have', async () => {
    const written = await writeFile(file, [SHAPES.slice(0, 3), [], SHAPES.slice(3)]);
    expect(await readFile(file)).toEqual(SHAPES);
    expect(written).toEqual({ entries: SHAPES.length, bytes: statSync(file).size });
    const reader = await openSnapshot(file);
    expect(reader.header).toEqual({ kind: 'entries', savedAtMs: SAVED_AT_MS, marks: MARKS });
    await reader.close();
  });

  it('may be nothing', async () => {
    await writeFile(file, [], { kind: 'keys' });
    expect(await readFile(file)).toEqual([]);
    expect(statSync(file).size).toBe(HEADER_BYTES + TRAILER_BYTES);
  });

  it('may have values of any length, also where pieces of it begin and end', async () => {
    const mib = 1024 * 1024;
    // Behind the value lies the checksum, which may fall into the piece after: in whole or in part.
    // 32: what a block with one such record has beside the value.
    const aroundPieces = [-5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5].map((by) => mib - 32 + by);
    const lengths = [
      ...aroundPieces,
      BLOCK_BYTES_MAX - 19,
      BLOCK_BYTES_MAX - 18,
      BLOCK_BYTES_MAX,
      3 * mib + 5,
    ];
    const entries = lengths.map((length, at) =>
      savedEntry(`k${String(at).padStart(2, '0')}`, { bytes: Buffer.alloc(length, at + 1) }),
    );
    await writeFile(file, [[savedEntry('before'), ...entries, savedEntry('after')]]);
    const read = await readFile(file);
    expect(read.map(({ key }) => key)).toEqual(['before', ...entries.map(({ key }) => key), 'after']);
    entries.forEach(({ bytes }, at) => expect(read[at + 1]!.bytes!.equals(bytes!)).toBe(true));
  });

  it('may have a key that is longer than a block', async () => {
    const long = savedEntry('k'.repeat(BLOCK_BYTES_MAX + 1));
    await writeFile(file, [[long, { ...long, bytes: undefined }]]);
    expect(await readFile(file)).toEqual([long, { ...long, bytes: undefined }]);
  });

  it('is for its owner alone, whatever lay there or beside it', async () => {
    await fs.writeFile(`${file}.tmp`, 'of a process that died', { mode: 0o644 });
    await fs.writeFile(file, 'the last one', { mode: 0o644 });
    await writeFile(file, [SHAPES]);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(await names(folder)).toEqual(['snapshot']);
  });

  it('does not go where a link that lies beside it leads', async () => {
    const elsewhere = path.join(folder, 'elsewhere');
    await fs.writeFile(elsewhere, 'not ours');
    await fs.symlink(elsewhere, `${file}.tmp`);
    await writeFile(file, [SHAPES]);
    expect(await fs.readFile(elsewhere, 'utf8')).toBe('not ours');
    expect(await readFile(file)).toEqual(SHAPES);
  });
});

describe('a writing that ends early', () => {
  it('leaves the last one, and nothing beside it', async () => {
    await writeFile(file, [SHAPES]);
    const failing = function* (): Generator<readonly SavedEntry[]> {
      yield Array.from({ length: 3000 }, (_, at) => savedEntry(`k${at}`));
      throw new Error('no more');
    };
    await expect(writeFile(file, failing())).rejects.toThrow('no more');
    expect(await readFile(file)).toEqual(SHAPES);
    expect(await names(folder)).toEqual(['snapshot']);
  });

  it('because another process saves to the same file, puts no half of that in place of the last one', async () => {
    await writeFile(file, [SHAPES]);
    const meanwhile = function* (): Generator<readonly SavedEntry[]> {
      yield [savedEntry('k')];
      rmSync(`${file}.tmp`);
      writeFileSync(`${file}.tmp`, 'half');
      yield [];
    };
    await expect(writeFile(file, meanwhile())).rejects.toThrow('another process');
    expect(await readFile(file)).toEqual(SHAPES);
  });

  it('because it was told to, does so too, and asks for no more pages', async () => {
    await writeFile(file, [SHAPES]);
    const abort = new AbortController();
    let pages = 0;
    const endless = function* (): Generator<readonly SavedEntry[]> {
      for (;;) {
        pages += 1;
        if (pages === 10) abort.abort(new Error('it takes too long'));
        yield [savedEntry('k')];
      }
    };
    await expect(writeFile(file, endless(), { signal: abort.signal })).rejects.toThrow('it takes too long');
    expect(pages).toBe(10);
    expect(await readFile(file)).toEqual(SHAPES);
    expect(await names(folder)).toEqual(['snapshot']);
  });
});

describe('work is done a little at a time', () => {
  /** Counts what is taken of the pages in one turn of the event loop, and what is taken and not in the file yet. */
  async function countWork(entry: (at: number) => SavedEntry, entries: number, pageEntries: number) {
    let inTurn = 0;
    let turnMax = 0;
    let ahead = 0;
    let taken = 0;
    const over = new AbortController();
    const turns = (async () => {
      while (!over.signal.aborted) {
        inTurn = 0;
        await nextTurn();
      }
    })();
    /** It is looked at once, when the record is written. */
    const counting = (made: SavedEntry): SavedEntry =>
      Object.defineProperty({ ...made }, 'expiresAtMs', {
        get: () => {
          turnMax = Math.max(turnMax, (inTurn += 1));
          return Infinity;
        },
      });
    const pages = function* (): Generator<readonly SavedEntry[]> {
      for (let at = 0; at < entries; at += pageEntries) {
        const inFile = at === 0 ? 0 : statSync(`${file}.tmp`).size;
        ahead = Math.max(ahead, taken - inFile);
        const page = Array.from({ length: pageEntries }, (_, of) => counting(entry(at + of)));
        taken += page.reduce((sum, { key, bytes }) => sum + key.length + bytes!.length, 0);
        yield page;
      }
    };
    await writeFile(file, pages());
    over.abort();
    await turns;
    return { turnMax, ahead };
  }

  it.each([
    { name: 'small entries in small pages', bytes: 1, pageEntries: 500 },
    { name: 'small entries in long pages', bytes: 1, pageEntries: 20_000 },
    { name: 'larger entries', bytes: 1000, pageEntries: 500 },
  ])('$name: no turn makes more than one block and a page', async ({ bytes, pageEntries }) => {
    const value = Buffer.alloc(bytes);
    const { turnMax, ahead } = await countWork(
      (at) => savedEntry(`k${at}`, { bytes: value }),
      40_000,
      pageEntries,
    );
    expect(turnMax).toBeLessThanOrEqual(BLOCK_RECORDS_MAX);
    expect(turnMax).toBeGreaterThan(0);
    // What is held is one block at most; the page that waits is only pointed at.
    expect(ahead).toBeLessThanOrEqual(BLOCK_BYTES_MAX);
    expect(await readFile(file)).toHaveLength(40_000);
  });

  it('no block that is read is larger than one', async () => {
    await writeFile(file, [Array.from({ length: 30_000 }, (_, at) => savedEntry(`k${at}`))]);
    const reader = await openSnapshot(file);
    const lengths: number[] = [];
    for await (const block of reader.blocks()) lengths.push(block.length);
    await reader.close();
    expect(Math.max(...lengths)).toBeLessThanOrEqual(BLOCK_RECORDS_MAX);
    expect(lengths.reduce((sum, length) => sum + length)).toBe(30_000);
  });
});

describe('a file that is no whole snapshot is refused', () => {
  const SMALL = [savedEntry('a'), savedEntry('b', { expiresAtMs: 9 }), SHAPES[6]!];
  let whole: Buffer;

  async function refusal(bytes: Buffer): Promise<string> {
    await fs.writeFile(file, bytes);
    try {
      await readFile(file);
      return 'it was read';
    } catch (error) {
      if (!(error instanceof BadSnapshot)) throw error;
      // For the log: nothing of what is stored.
      expect(error.message).not.toContain('value of');
      return error.message;
    }
  }

  beforeEach(async () => {
    await writeFile(file, [SMALL]);
    whole = await fs.readFile(file);
  });

  it('cut off after any of its bytes', async () => {
    for (let length = 0; length < whole.length; length += 1) {
      expect([length, await refusal(whole.subarray(0, length))]).not.toEqual([length, 'it was read']);
    }
  });

  it('with any of its bits turned over', async () => {
    for (let at = 0; at < whole.length; at += 1) {
      for (const bit of [1, 2, 4, 8, 16, 32, 64, 128]) {
        const bytes = Buffer.from(whole);
        bytes[at]! ^= bit;
        expect([at, bit, await refusal(bytes)]).not.toEqual([at, bit, 'it was read']);
      }
    }
  }, 60_000);

  it.each([1, 2, 3, 4, 5])('with some of its bytes changed, of a larger one: seed %d', async (seed) => {
    const random = new Random(`damage ${seed}`);
    await writeFile(file, [Array.from({ length: 9000 }, (_, at) => savedEntry(`k${at}`))]);
    const larger = await fs.readFile(file);
    for (let round = 0; round < 20; round += 1) {
      const bytes = Buffer.from(larger);
      const at = Math.floor(random.next() * bytes.length);
      const length = Math.min(bytes.length - at, 1 + Math.floor(random.next() * 5000));
      bytes.fill(Math.floor(random.next() * 256), at, at + length);
      if (bytes.equals(larger)) continue;
      expect([at, length, await refusal(bytes)]).not.toEqual([at, length, 'it was read']);
    }
  });

  it('with something behind its end', async () => {
    expect(await refusal(Buffer.concat([whole, Buffer.of(0)]))).toBe('there is something behind its trailer');
  });

  it('of two blocks that changed places, or one that came twice, or went', async () => {
    const pages = [1, 2].map((page) =>
      Array.from({ length: BLOCK_RECORDS_MAX }, (_, at) => savedEntry(`${page}-${at + 1000}`)),
    );
    await writeFile(file, pages);
    const bytes = await fs.readFile(file);
    const half = (bytes.length - HEADER_BYTES - TRAILER_BYTES) / 2;
    const [head, tail] = [bytes.subarray(0, HEADER_BYTES), bytes.subarray(-TRAILER_BYTES)];
    const [one, two] = [
      bytes.subarray(HEADER_BYTES, HEADER_BYTES + half),
      bytes.subarray(HEADER_BYTES + half, -TRAILER_BYTES),
    ];
    expect(await refusal(Buffer.concat([head, one, two, tail]))).toBe('it was read');
    for (const blocks of [[two, one], [one, one], [one], [two], [one, two, two]]) {
      expect(await refusal(Buffer.concat([head, ...blocks, tail]))).not.toBe('it was read');
    }
  });

  it('of a newer version, in so many words', async () => {
    const newer = Buffer.from(whole);
    newer.writeUInt16LE(2, 8);
    expect(await refusal(newer)).toBe('it has version 2 of the format, and only 1 is known here');
  });

  it('of another program, or empty, or a folder', async () => {
    expect(await refusal(Buffer.alloc(1000, '{}'))).toBe('it is no snapshot');
    expect(await refusal(Buffer.alloc(0))).toBe('it has 0 bytes, and none is so short');
    await expect(openSnapshot(folder)).rejects.toThrow('it is no file');
  });

  it('and a length in it that is a lie takes no memory', async () => {
    const bytes = Buffer.from(whole);
    bytes.writeUInt32LE(0xffff_ffff, HEADER_BYTES);
    const before = process.memoryUsage().arrayBuffers;
    expect(await refusal(bytes)).toBe(`the block at byte ${HEADER_BYTES} reaches beyond the end`);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1024 * 1024);
  });
});
