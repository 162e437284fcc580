/** The bytes of entries on the bus. */
import fc from 'fast-check';
import type { Key } from '../../src/core/command';
import {
  encodedSize,
  MalformedMessage,
  readEntries,
  writeEntry,
  type VersionedEntry,
} from '../../src/replication/versioned-entry';

const latin1 = (bytes: Uint8Array): Key => Buffer.from(bytes).toString('latin1') as Key;

const entry: fc.Arbitrary<VersionedEntry> = fc.record({
  key: fc.uint8Array({ minLength: 1, maxLength: 40 }).map(latin1),
  bytes: fc.option(
    fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
    { nil: undefined },
  ),
  time: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  origin: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map((id) => id.toString(16).padStart(16, '0')),
  expiresAtMs: fc.oneof(fc.constant(Infinity), fc.double({ min: 1, max: 1e15, noNaN: true })),
});

/** With `at` bytes of something else before them. */
function encode(entries: readonly VersionedEntry[], at = 0): Buffer {
  const bytes = Buffer.alloc(entries.reduce((sum, one) => sum + encodedSize(one), at));
  let next = at;
  for (const one of entries) next = writeEntry(one, bytes, next);
  expect(next).toBe(bytes.length);
  return bytes;
}

it('entries come back as they were written, any number of them behind anything', () => {
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 5 }), fc.nat(9), (entries, at) => {
      expect(readEntries(encode(entries, at), at)).toEqual(entries);
    }),
  );
});

it('an entry lies on the bus as the picture says', () => {
  const bytes = encode([
    {
      key: 'ab' as Key,
      bytes: Buffer.from('xyz'),
      time: 4096,
      origin: '0123456789abcdef',
      expiresAtMs: Infinity,
    },
    { key: 'c' as Key, bytes: undefined, time: 1, origin: 'ffffffffffffffff', expiresAtMs: 2 },
  ]);
  const value = '210000000000000000' + '00b0400123456789abcdef000000000000f07f' + '020000006162' + '78797a';
  const tombstone = '1d000080' + '000000000000f03f' + 'ffffffffffffffff' + '0000000000000040' + '0100000063';
  expect(bytes.toString('hex')).toBe(value + tombstone);
});

it('an empty value is not a tombstone', () => {
  const empty = { key: 'k' as Key, bytes: Buffer.alloc(0), time: 1, origin: '0'.repeat(16), expiresAtMs: 1 };
  expect(readEntries(encode([empty]), 0)[0]?.bytes).toEqual(Buffer.alloc(0));
});

it('what is cut off anywhere within an entry is refused', () => {
  fc.assert(
    fc.property(entry, entry, fc.nat(), (first, second, cut) => {
      const bytes = encode([first, second]);
      const length = encodedSize(first) + 1 + (cut % (encodedSize(second) - 1));
      expect(() => readEntries(bytes.subarray(0, length), 0)).toThrow(MalformedMessage);
    }),
  );
});

it('any bytes are read or refused as malformed, and nothing else happens', () => {
  const flipped = fc.tuple(entry, fc.nat(), fc.nat(255)).map(([one, at, byte]) => {
    const bytes = encode([one]);
    bytes[at % bytes.length] = byte;
    return bytes;
  });
  const noise = fc.uint8Array({ maxLength: 80 }).map((bytes) => Buffer.from(bytes));
  fc.assert(
    fc.property(fc.oneof(flipped, noise), (bytes) => {
      try {
        for (const { key, time, expiresAtMs } of readEntries(bytes, 0)) {
          expect(key.length).toBeGreaterThan(0);
          expect(Number.isSafeInteger(time) && time > 0).toBe(true);
          expect(expiresAtMs).toBeGreaterThan(0);
        }
      } catch (thrown) {
        expect(thrown).toBeInstanceOf(MalformedMessage);
      }
    }),
    { numRuns: 1000 },
  );
});

it.each([
  ['a time of 0', { time: 0 }],
  ['a time with a fraction', { time: 1.5 }],
  ['a time that is no number', { time: NaN }],
  ['an expiry that is no number', { expiresAtMs: NaN }],
  ['an expiry of 0', { expiresAtMs: 0 }],
  ['no key', { key: '' as Key }],
])('%s is refused', (_, wrong) => {
  const right = { key: 'k' as Key, bytes: undefined, time: 1, origin: '0'.repeat(16), expiresAtMs: 1 };
  expect(readEntries(encode([right]), 0)).toHaveLength(1);
  expect(() => readEntries(encode([{ ...right, ...wrong }]), 0)).toThrow(MalformedMessage);
});

it('a tombstone with something behind its key is refused', () => {
  const bytes = encode([
    { key: 'key' as Key, bytes: undefined, time: 1, origin: '0'.repeat(16), expiresAtMs: 1 },
  ]);
  bytes.writeUInt32LE(2, 28);
  expect(() => readEntries(bytes, 0)).toThrow(MalformedMessage);
});
