import { CacheError } from '../../src/core/errors';
import { errorReply } from '../../src/doors/resp/errors';
import { OutputLine, type ReplyPlace } from '../../src/doors/resp/reply-line';
import { chunkText } from '../support/chunk-text';

const LARGE_BYTES = 20_000;

function openLine() {
  let heard = 0;
  const counted: string[] = [];
  const line = new OutputLine(() => heard++, {
    commands: (command, outcome, count) =>
      counted.push(...Array<string>(count).fill(`${command} ${outcome}`)),
  });
  const text = () => chunkText(line.takeOutput());
  return { line, counted, text, heard: () => heard };
}

const bytes = (text: string) => Buffer.from(text, 'latin1');

it('replies leave in the order of their requests, in whatever order they come', () => {
  const { line, text } = openLine();
  const places = Array.from({ length: 5 }, () => line.take());
  for (const at of [3, 1, 4]) places[at]?.settle(bytes(`:${at}\r\n`));
  expect(text()).toBe('');
  places[0]?.settle(bytes(':0\r\n'));
  expect(text()).toBe(':0\r\n:1\r\n');
  places[2]?.settle(bytes(':2\r\n'));
  expect(text()).toBe(':2\r\n:3\r\n:4\r\n');
});

it('a reply that is there at once waits behind those that are owed', () => {
  const { line, text } = openLine();
  line.write(bytes('+A\r\n'));
  const place = line.take();
  line.write(bytes('+C\r\n'));
  line.writeBulk('d');
  line.writeBulk(bytes('e'));
  expect(line.owed).toBe(4);
  expect(text()).toBe('+A\r\n');
  place.settle(bytes('+B\r\n'));
  expect(line.owed).toBe(0);
  expect(text()).toBe('+B\r\n+C\r\n$1\r\nd\r\n$1\r\ne\r\n');
});

it.each([
  ['', '$0\r\n\r\n'],
  ['a', '$1\r\na\r\n'],
  ['x'.repeat(9), `$9\r\n${'x'.repeat(9)}\r\n`],
  ['x'.repeat(10), `$10\r\n${'x'.repeat(10)}\r\n`],
  ['x'.repeat(LARGE_BYTES), `$${LARGE_BYTES}\r\n${'x'.repeat(LARGE_BYTES)}\r\n`],
  ['ü€😀', `$9\r\n${bytes(Buffer.from('ü€😀').toString('latin1')).toString('latin1')}\r\n`],
])('writes a bulk of whatever length, as text and as bytes, owed or not (%#)', (value, expected) => {
  for (const given of [value, Buffer.from(value)]) {
    const { line, text } = openLine();
    line.writeBulk(given);
    expect(text()).toBe(expected);
    const place = line.take();
    line.writeBulk(given);
    place.settle(bytes('+\r\n'));
    expect(text()).toBe(`+\r\n${expected}`);
  }
});

it('the replies of one turn are one chunk, and a large one is not copied', () => {
  const { line } = openLine();
  for (let n = 0; n < 10; n++) line.write(bytes('+OK\r\n'));
  expect(line.takeOutput()).toHaveLength(1);
  const large = Buffer.alloc(LARGE_BYTES, 'x');
  line.write(bytes('+A\r\n'));
  line.writeBulk(large);
  line.write(bytes('+B\r\n'));
  const chunks = line.takeOutput();
  expect(chunks).toHaveLength(3);
  expect(chunks[1]).toBe(large);
  expect(chunkText(chunks)).toBe(`+A\r\n$${LARGE_BYTES}\r\n${large.toString()}\r\n+B\r\n`);
});

it('what was taken out is never written to again', () => {
  const { line } = openLine();
  line.write(bytes('+FIRST\r\n'));
  const [first] = line.takeOutput();
  for (let n = 0; n < 5000; n++) line.write(bytes('+LATER\r\n'));
  line.takeOutput();
  expect(first?.toString()).toBe('+FIRST\r\n');
});

it('counts what has come and not left, before its turn as well', () => {
  const { line } = openLine();
  expect(line.bytes).toBe(0);
  const first = line.take();
  const second = line.take();
  second.settle(Buffer.alloc(LARGE_BYTES));
  expect(line.bytes).toBe(LARGE_BYTES);
  first.settle(bytes('+OK\r\n'));
  expect(line.bytes).toBe(LARGE_BYTES + 5);
  line.takeOutput();
  expect(line.bytes).toBe(0);
});

it('expects replies that are owed to be large until it is known that they are small', () => {
  const { line } = openLine();
  const place = line.take();
  expect(line.expectedBytes).toBeGreaterThan(500_000);
  place.settle(Buffer.alloc(5));
  for (let n = 0; n < 300; n++) line.write(Buffer.alloc(5));
  line.take();
  expect(line.expectedBytes).toBeLessThan(10);
  line.take().settle(Buffer.alloc(1_000_000));
  expect(line.expectedBytes / line.owed).toBe(1_000_000);
});

it('says that there is something to do for each reply, also for one before its turn', () => {
  const { line, heard } = openLine();
  line.take();
  const early = line.take();
  expect(heard()).toBe(0);
  early.settle(bytes('+OK\r\n'));
  expect(heard()).toBe(1);
});

it('whoever waits is called when nothing is owed any more, and at once if nothing is', async () => {
  const { line } = openLine();
  await line.settled();
  const places = [line.take(), line.take()];
  let isSettled = false;
  const settled = line.settled().then(() => (isSettled = true));
  places[1]?.settle(bytes('+OK\r\n'));
  await Promise.resolve();
  expect(isSettled).toBe(false);
  places[0]?.settle(bytes('+OK\r\n'));
  await settled;
});

it('after the end of the connection nothing is kept, and nobody waits', async () => {
  const { line, text } = openLine();
  const place: ReplyPlace = line.take();
  const settled = line.settled();
  line.close();
  await settled;
  place.settle(Buffer.alloc(LARGE_BYTES));
  line.write(bytes('+OK\r\n'));
  line.writeBulk('v');
  line.take().settle(bytes('+OK\r\n'));
  await line.settled();
  expect({ bytes: line.bytes, owed: line.owed, text: text() }).toEqual({ bytes: 0, owed: 0, text: '' });
});

it('counts each reply as what its request was, and messages not at all', () => {
  const { line, counted } = openLine();
  line.label = 'READ';
  line.writeBulk('v');
  line.write(bytes('$-1\r\n'));
  const late = line.take();
  line.label = 'WRITE';
  line.write(bytes('+OK\r\n'));
  line.write(bytes('_\r\n'));
  line.write(bytes('-OOM command not allowed\r\n'));
  line.write(errorReply(new CacheError('unavailable', 'The shard is away.')));
  line.label = 'OTHER';
  line.write(bytes('-ERR syntax error\r\n'));
  line.writeBulk('v');
  line.push(bytes('>1\r\n+message\r\n'));
  late.settle(errorReply(new CacheError('timeout', 'It took too long.')));
  line.takeOutput();
  expect(counted.sort()).toEqual([
    'OTHER SUCCESS',
    'OTHER bad_request',
    'READ NOT_FOUND',
    'READ SUCCESS',
    'READ timeout',
    'WRITE NOT_STORED',
    'WRITE SUCCESS',
    'WRITE out_of_memory',
    'WRITE unavailable',
  ]);
});
