/** Bytes and text as they are kept: what came in is not held by them, and what comes out is what was put in. */
import * as fc from 'fast-check';
import { holdBytes, openBytes, TEXT_BYTES_MAX } from '../../src/lib/held-bytes';
import { ownMemory, ownText } from '../../src/lib/own-memory';

const anyBytes = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc
    .integer({ min: TEXT_BYTES_MAX - 1, max: TEXT_BYTES_MAX + 1 })
    .map((length) => new Uint8Array(length).fill(0xe9)),
);

it('every byte comes out as it was put in, few and many', () => {
  fc.assert(
    fc.property(anyBytes, (bytes) => {
      expect(openBytes(holdBytes(Buffer.from(bytes)))).toEqual(Buffer.from(bytes));
    }),
  );
});

it.each([
  [TEXT_BYTES_MAX, 'string'],
  [TEXT_BYTES_MAX + 1, 'object'],
])('%i bytes are kept as %s, and are no view of the packet that they came in', (length, kind) => {
  const packet = Buffer.alloc(length + 20, 'v');
  const held = holdBytes(packet.subarray(10, length + 10));
  packet.fill('x');
  expect(typeof held).toBe(kind);
  expect(openBytes(held)).toEqual(Buffer.alloc(length, 'v'));
  expect(openBytes(held).buffer).not.toBe(packet.buffer);
});

it('a long block is kept as it is, not copied', () => {
  const block = Buffer.alloc(TEXT_BYTES_MAX + 1);
  expect(holdBytes(block)).toBe(block);
  expect(ownMemory(block)).toBe(block);
  expect(openBytes(block)).toBe(block);
});

it.each(['', 'key', '\x00\x80\xff', 'é'.repeat(300)])(
  'text of one byte a character is copied as it is: %j',
  (text) => {
    expect(ownText(text)).toBe(text);
  },
);
