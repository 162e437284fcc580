import { cappedScan } from '../../src/doors/resp/scan-command';
import { nextCursor, parseCursor } from '../../src/doors/resp/scan-cursor';

test('with one shard cursors are those of Redis', () => {
  for (const cursor of [0n, 1n, 640n, 2n ** 63n, 2n ** 64n - 1n]) {
    expect(parseCursor(String(cursor), 1)).toEqual({ shard: 0, cursor });
    expect(nextCursor(0, cursor, 1)).toBe(cursor);
  }
});

test.each([2, 3, 7, 16])('with %i shards a cursor comes back as what it was made of', (shardCount) => {
  for (let shard = 0; shard < shardCount; shard += 1) {
    for (const cursor of [1n, 5n, 2n ** 40n + 3n]) {
      const next = nextCursor(shard, cursor, shardCount);
      expect(parseCursor(String(next), shardCount)).toEqual({ shard, cursor });
    }
  }
});

test('each shard is gone through from its beginning, and the last one ends it', () => {
  expect(parseCursor('0', 3)).toEqual({ shard: 0, cursor: 0n });
  expect(nextCursor(0, 0n, 3)).toBe(1n);
  expect(parseCursor('1', 3)).toEqual({ shard: 1, cursor: 0n });
  expect(nextCursor(1, 0n, 3)).toBe(2n);
  expect(parseCursor('2', 3)).toEqual({ shard: 2, cursor: 0n });
  expect(nextCursor(2, 0n, 3)).toBe(0n);
});

test('a cursor that does not fit into 64 bits is told, not cut', () => {
  expect(nextCursor(0, 2n ** 63n, 3)).toBeUndefined();
  expect(nextCursor(1, 2n ** 62n, 3)).toBe(3n * 2n ** 62n + 1n);
});

test('what Redis takes for a cursor is taken, and nothing else', () => {
  expect(parseCursor('', 3)).toEqual({ shard: 0, cursor: 0n });
  expect(parseCursor('+4', 3)).toEqual({ shard: 1, cursor: 1n });
  expect(parseCursor('-1', 1)).toEqual({ shard: 0, cursor: 2n ** 64n - 1n });
  for (const text of ['-', '+', ' 1', '1 ', '0x1', '1.5', 'a', '18446744073709551616', '9'.repeat(500)]) {
    expect(parseCursor(text, 3)).toBeUndefined();
  }
});

it.each([
  ['SCAN 0 COUNT 1000', 'SCAN 0 COUNT 1000'],
  ['SCAN 0 COUNT 1001', 'SCAN 0 COUNT 1000'],
  ['SCAN 0 MATCH count count 9223372036854775807', 'SCAN 0 MATCH count count 1000'],
  ['SCAN 0 COUNT 5000 COUNT 6000', 'SCAN 0 COUNT 1000 COUNT 1000'],
  ['SCAN 0 MATCH COUNT 5000', 'SCAN 0 MATCH COUNT 5000'],
  // What Redis refuses it is to refuse here too.
  ['SCAN 0 COUNT 9223372036854775808', 'SCAN 0 COUNT 9223372036854775808'],
  ['SCAN 0 COUNT 05000', 'SCAN 0 COUNT 05000'],
])('%s is sent as %s', (line, sent) => {
  const words = line.split(' ').map((word) => Buffer.from(word));
  expect(cappedScan(words).join(' ')).toBe(sent);
});
