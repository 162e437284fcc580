import fc from 'fast-check';
import { createKeyring } from '../../src/cipher/keyring';
import { Json, type Key, type Value } from '../../src/core/command';
import { CacheError } from '../../src/core/errors';
import { keyFromBytes } from '../../src/core/key';
import type { Cipher } from '../../src/core/ports';
import { decodeValue, encodeValue, sealedKeyId, valueBytes } from '../../src/core/value';

const cipher = createKeyring([{ id: 'k1', bytes: Buffer.alloc(32, 1) }]);
const MAGIC = Buffer.from([0xfe, 0x72, 0x63]);

/** A fixed seed: a failure is the same on every machine, and fast-check prints the smallest case. */
const RUNS = { seed: 20_260_101, numRuns: 2000 };

const anyBytes = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes));
/** Bytes near the border: the magic, cut off or whole, then versions, flags and payloads that exist or do not. */
const nearEnvelope = fc
  .tuple(
    fc.integer({ min: 0, max: 3 }),
    fc.array(fc.constantFrom(0, 1, 2, 0x80, 0x81), { maxLength: 3 }),
    fc.oneof(
      anyBytes,
      fc.json().map((jsonText) => Buffer.from(jsonText)),
      fc.constant(MAGIC),
    ),
  )
  .map(([length, head, rest]) => Buffer.concat([MAGIC.subarray(0, length), Buffer.from(head), rest]));
const bytes = fc.oneof(anyBytes, nearEnvelope);
const key = fc.uint8Array({ minLength: 1, maxLength: 40 }).map((raw) => keyFromBytes(Buffer.from(raw)));
/** One UTF-16 unit in or beside the surrogates: strings of these are full of lone halves. */
const surrogate = fc.integer({ min: 0xd7f0, max: 0xe00f }).map((unit) => String.fromCharCode(unit));
const text = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.string({ unit: surrogate }));
const json = fc.json({ stringUnit: 'binary' }).filter((jsonText) => !jsonText.startsWith('"'));
const value: fc.Arbitrary<Value> = fc.oneof(
  text,
  bytes,
  json.map((jsonText) => new Json(jsonText)),
);

/** Bytes and the text they spell are one value; this is the spelling that `decodeValue` chooses. */
function spelled(given: Value): Value {
  if (!Buffer.isBuffer(given)) return given;
  const spelling = given.toString('utf8');
  return Buffer.from(spelling, 'utf8').equals(given) ? spelling : given;
}

const CORRUPT = Symbol('corrupt_value');

/** The value, or `CORRUPT`; any other error fails the test. */
function decoded(under: Key, stored: Buffer, used: Cipher | undefined): Value | typeof CORRUPT {
  try {
    return decodeValue(under, stored, used);
  } catch (error) {
    if (error instanceof CacheError && error.code === 'corrupt_value') return CORRUPT;
    throw error;
  }
}

describe('any value under any key', () => {
  it('comes back as it was, plain or encrypted', () => {
    fc.assert(
      fc.property(key, value, fc.boolean(), (under, given, encrypted) => {
        const used = encrypted ? cipher : undefined;
        const stored = encodeValue(under, given, used);
        expect(decodeValue(under, stored, cipher)).toEqual(spelled(given));
        expect(sealedKeyId(stored, cipher)).toBe(encrypted ? 'k1' : undefined);
      }),
      RUNS,
    );
  });

  it('has the size of its own bytes, however it is stored', () => {
    fc.assert(
      fc.property(value, (given) => {
        const own = given instanceof Json ? given.text : given;
        expect(valueBytes(given)).toBe(Buffer.from(own as string).length);
      }),
      RUNS,
    );
  });
});

describe('any bytes found in Redis', () => {
  it('are a value or corrupt_value; outside an envelope always the bytes themselves', () => {
    fc.assert(
      fc.property(key, bytes, (under, stored) => {
        const result = decoded(under, stored, cipher);
        if (!stored.subarray(0, 3).equals(MAGIC)) expect(result).toEqual(spelled(stored));
        else if (result instanceof Json) JSON.parse(result.text);
      }),
      RUNS,
    );
  });
});

describe('a sealed record', () => {
  it('with any one bit flipped is corrupt_value, unless the magic is gone: then it is bytes', () => {
    fc.assert(
      fc.property(key, value, fc.nat(), (under, given, anyBit) => {
        const stored = encodeValue(under, given, cipher);
        const bit = anyBit % (stored.length * 8);
        stored[bit >> 3]! ^= 1 << (bit & 7);
        const result = decoded(under, stored, cipher);
        if (bit < MAGIC.length * 8) expect(result).toEqual(spelled(stored));
        else expect(result).toBe(CORRUPT);
      }),
      RUNS,
    );
  });

  it('cut off at any length is corrupt_value, or the one or two bytes left of the magic', () => {
    fc.assert(
      fc.property(key, value, (under, given) => {
        const stored = encodeValue(under, given, cipher);
        for (let length = 0; length < stored.length; length++) {
          const cut = stored.subarray(0, length);
          expect(decoded(under, cut, cipher)).toEqual(length < MAGIC.length ? spelled(cut) : CORRUPT);
        }
      }),
      { ...RUNS, numRuns: 50 },
    );
  });

  it('opens under no other key and with no other secret', () => {
    const stranger = createKeyring([{ id: 'k1', bytes: Buffer.alloc(32, 2) }]);
    fc.assert(
      fc.property(key, key, value, (under, other, given) => {
        const stored = encodeValue(under, given, cipher);
        if (other !== under) expect(decoded(other, stored, cipher)).toBe(CORRUPT);
        expect(decoded(under, stored, stranger)).toBe(CORRUPT);
        expect(decoded(under, stored, undefined)).toBe(CORRUPT);
      }),
      RUNS,
    );
  });
});
