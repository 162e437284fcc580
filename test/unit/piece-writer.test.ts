import { execFile } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { PieceWriter } from '../../src/telemetry/piece-writer';
import { makeFolder } from '../support/child';
import { eventually } from '../support/eventually';

const BUILT = path.join(__dirname, '../../dist/telemetry/piece-writer.js');

const linesOf = (from: number, count: number): Buffer =>
  Buffer.from(Array.from({ length: count }, (_, at) => `{"n":${from + at}}\n`).join(''));

async function withFile(use: (fd: number, text: () => string) => Promise<void>): Promise<void> {
  const file = path.join(await makeFolder(), 'log');
  const fd = openSync(file, 'w');
  try {
    await use(fd, () => readFileSync(file, 'latin1'));
  } finally {
    closeSync(fd);
  }
}

it('writes what was added, in order, when it is flushed', () =>
  withFile(async (fd, text) => {
    const writer = new PieceWriter(fd, 1e9);
    for (let from = 0; from < 100_000; from += 1000) {
      writer.add(linesOf(from, 1000));
      if (from % 7000 === 0) writer.flush();
      if (from % 20_000 === 0) await new Promise(setImmediate);
    }
    const all = linesOf(0, 100_000).toString();
    await eventually(() => {
      writer.flush();
      return text() === all;
    });
  }));

it('at the end writes what waits, and takes nothing more', () =>
  withFile(async (fd, text) => {
    const writer = new PieceWriter(fd, 1e9);
    for (let from = 0; from < 3000; from += 1000) writer.add(linesOf(from, 1000));
    writer.close();
    writer.add(linesOf(0, 1));
    writer.flush();
    writer.close();
    expect(text()).toBe(linesOf(0, 3000).toString());
    await Promise.resolve();
  }));

it('drops what there is no room for, and goes on with what there is', () =>
  withFile(async (fd, text) => {
    const [few, many] = [linesOf(0, 10), linesOf(10, 100)];
    const writer = new PieceWriter(fd, few.length + 5);
    writer.add(few);
    writer.add(many);
    writer.flush();
    await eventually(() => text() === few.toString());
    // It may be taken more than once until it is seen.
    await eventually(() => {
      writer.add(few);
      writer.flush();
      return text().length > few.length;
    });
    writer.close();
    await eventually(() => text() === few.toString().repeat(text().length / few.length));
  }));

it('ends where nothing is taken: a full disk, a reader that has gone', () => {
  const full = openSync('/dev/full', 'w');
  for (const fd of [full, 1_000_000]) {
    const writer = new PieceWriter(fd, 1e6);
    writer.add(linesOf(0, 10));
    writer.close();
  }
  closeSync(full);
});

it('a part of a line that a full disk took is a line of its own, and all that come behind it are whole', async () => {
  const file = path.join(await makeFolder(), 'log');
  // No file may become longer than 1 KiB, which the process then takes back.
  const program = `
    const { PieceWriter } = require(${JSON.stringify(BUILT)});
    const { execFileSync } = require('node:child_process');
    const writer = new PieceWriter(1, 1e6);
    for (let n = 0; n < 200; n += 50) {
      writer.add(Buffer.from(Array.from({ length: 50 }, (_, at) => JSON.stringify({ n: n + at }) + '\\n').join('')));
    }
    writer.flush();
    setTimeout(() => {
      execFileSync('prlimit', ['--pid', String(process.pid), '--fsize=unlimited']);
      writer.close();
    }, 300);`;
  await promisify(execFile)('bash', [
    '-c',
    `trap '' XFSZ; ulimit -Sf 1; exec "$0" -e "$1" > "$2"`,
    ...[process.execPath, program, file],
  ]);
  const text = readFileSync(file, 'latin1');
  expect(text.endsWith('\n')).toBe(true);
  const lines = text.split('\n').slice(0, -1);
  const broken = lines.filter((line) => !/^{"n":\d+}$/.test(line));
  const numbers = lines.flatMap((line) => /^{"n":(\d+)}$/.exec(line)?.[1] ?? []).map(Number);
  expect(broken).toHaveLength(1);
  expect(numbers).toHaveLength(199);
  expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
});
