import { createKeyring } from '../../src/cipher/keyring';
import { CacheError } from '../../src/core/errors';

const OLD = { id: 'old', bytes: Buffer.alloc(32, 1) };
const NEW = { id: 'new-2026.1_b', bytes: Buffer.alloc(32, 2) };
const CONTEXT = Buffer.from('context');
const PLAIN = Buffer.from('plain text of some length');

function errorOf(action: () => unknown): CacheError {
  try {
    action();
  } catch (error) {
    if (error instanceof CacheError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('keyring', () => {
  it('writes a record of id length, id, nonce, ciphertext and tag', () => {
    const sealed = createKeyring([OLD]).seal(PLAIN, CONTEXT);
    expect(sealed.toString('latin1', 0, 4)).toBe('\x03old');
    expect(sealed.length).toBe(4 + 24 + PLAIN.length + 16);
    expect(sealed.includes(PLAIN.subarray(0, 4))).toBe(false);
  });

  it('seals with the first key and opens with all', () => {
    const before = createKeyring([OLD]).seal(PLAIN, CONTEXT);
    const ring = createKeyring([NEW, OLD]);
    const after = ring.seal(PLAIN, CONTEXT);
    expect(ring.currentKeyId).toBe(NEW.id);
    expect(ring.keyIdOf(after)).toBe(NEW.id);
    expect(ring.keyIdOf(before)).toBe(OLD.id);
    expect(ring.open(before, CONTEXT)).toEqual(PLAIN);
    expect(ring.open(after, CONTEXT)).toEqual(PLAIN);
  });

  it.each([0, 1, 100_000])('seals and opens %d bytes', (length) => {
    const ring = createKeyring([OLD]);
    const plain = Buffer.alloc(length, 0xa5);
    expect(ring.open(ring.seal(plain, CONTEXT), CONTEXT).equals(plain)).toBe(true);
  });

  it('does not keep the bytes of the keys: wiping them afterwards harms nothing', () => {
    const bytes = Buffer.from(OLD.bytes);
    const ring = createKeyring([{ id: 'old', bytes }]);
    bytes.fill(0);
    expect(ring.open(createKeyring([OLD]).seal(PLAIN, CONTEXT), CONTEXT)).toEqual(PLAIN);
  });

  it('never gives a nonce twice, across refills of the pool and across keyrings', () => {
    const rings = [createKeyring([OLD]), createKeyring([OLD])];
    const nonces = new Set<string>();
    for (let i = 0; i < 1000; i++) {
      for (const ring of rings) nonces.add(ring.seal(PLAIN, CONTEXT).toString('hex', 4, 28));
    }
    expect(nonces.size).toBe(2000);
  });

  it('records stay as they were made when the pool is refilled', () => {
    const ring = createKeyring([OLD]);
    const records = Array.from({ length: 400 }, () => ring.seal(PLAIN, CONTEXT));
    for (const record of records) expect(ring.open(record, CONTEXT).equals(PLAIN)).toBe(true);
  });

  describe('answers corrupt_value, in one wording, for', () => {
    const ring = createKeyring([NEW, OLD]);
    const sealed = ring.seal(PLAIN, CONTEXT);
    const twin = createKeyring([{ id: NEW.id, bytes: OLD.bytes }]).seal(PLAIN, CONTEXT);
    const unknown = createKeyring([{ id: 'unknown', bytes: OLD.bytes }]).seal(PLAIN, CONTEXT);
    const renamed = Buffer.concat([Buffer.from('\x03old'), sealed.subarray(1 + NEW.id.length)]);

    it.each([
      ['a key id that is not on the ring', unknown, CONTEXT],
      ['other key bytes under the same id', twin, CONTEXT],
      ['a record renamed to another key of the ring', renamed, CONTEXT],
      ['another context', sealed, Buffer.from('contexT')],
      ['no context', sealed, Buffer.alloc(0)],
      ['an empty record', Buffer.alloc(0), CONTEXT],
      ['an id length of 0', Buffer.alloc(100), CONTEXT],
      ['an id length beyond the end', Buffer.alloc(100, 255), CONTEXT],
      ['a record one byte short', sealed.subarray(0, -1), CONTEXT],
      ['a record one byte long', Buffer.concat([sealed, Buffer.alloc(1)]), CONTEXT],
    ])('%s', (_what, record, context) => {
      const error = errorOf(() => ring.open(record, context));
      expect(error.code).toBe('corrupt_value');
      expect(error.message).toBe('The stored value cannot be decrypted.');
      expect(error.cause).toHaveProperty('stack');
    });

    it('each bit flipped', () => {
      for (let bit = 0; bit < sealed.length * 8; bit++) {
        const altered = Buffer.from(sealed);
        altered[bit >> 3]! ^= 1 << (bit & 7);
        expect(errorOf(() => ring.open(altered, CONTEXT)).code).toBe('corrupt_value');
      }
    });
  });

  it('the border between key id and context is authenticated: the same bytes cut elsewhere do not open', () => {
    const [a, ab] = [
      { id: 'a', bytes: OLD.bytes },
      { id: 'ab', bytes: OLD.bytes },
    ];
    const sealed = createKeyring([a]).seal(PLAIN, Buffer.from('bc'));
    const recut = Buffer.concat([Buffer.from('\x02ab'), sealed.subarray(2)]);
    expect(errorOf(() => createKeyring([a, ab]).open(recut, Buffer.from('c'))).code).toBe('corrupt_value');
  });

  it('names no key id for bytes that are no record', () => {
    const ring = createKeyring([OLD]);
    expect(ring.keyIdOf(Buffer.alloc(0))).toBeUndefined();
    expect(ring.keyIdOf(Buffer.alloc(200))).toBeUndefined();
    expect(ring.keyIdOf(Buffer.concat([Buffer.from('\x03a\nb'), Buffer.alloc(40)]))).toBeUndefined();
    expect(ring.keyIdOf(Buffer.concat([Buffer.from('\x03xyz'), Buffer.alloc(39)]))).toBeUndefined();
    expect(ring.keyIdOf(Buffer.concat([Buffer.from('\x03xyz'), Buffer.alloc(40)]))).toBe('xyz');
  });

  it.each([
    ['no keys', [], 'at least one key'],
    ['an empty id', [{ id: '', bytes: OLD.bytes }], '1 to 32 characters'],
    ['an id of 33 characters', [{ id: 'x'.repeat(33), bytes: OLD.bytes }], '1 to 32 characters'],
    ['an id with a colon', [{ id: 'a:b', bytes: OLD.bytes }], '1 to 32 characters'],
    ['an id with a line break at its end', [{ id: 'a\n', bytes: OLD.bytes }], '1 to 32 characters'],
    ['one id twice', [OLD, NEW, OLD], 'old is given twice'],
    ['31 bytes', [OLD, { id: 'short', bytes: Buffer.alloc(31) }], 'short has 31 bytes, not 32'],
    ['33 bytes', [{ id: 'long', bytes: Buffer.alloc(33) }], 'long has 33 bytes, not 32'],
  ])('is refused: %s', (_what, keys, message) => {
    expect(() => createKeyring(keys)).toThrow(message);
  });

  it('takes ids of 1 and of 32 characters', () => {
    const ring = createKeyring([
      { id: 'x'.repeat(32), bytes: OLD.bytes },
      { id: 'y', bytes: NEW.bytes },
    ]);
    expect(ring.open(ring.seal(PLAIN, CONTEXT), CONTEXT)).toEqual(PLAIN);
  });
});
