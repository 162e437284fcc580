import type { Key } from '../../src/core/command';
import { createKeyring } from '../../src/cipher/keyring';
import { CacheError } from '../../src/core/errors';

const OLD = { id: 'old', bytes: Buffer.alloc(32, 1) };
const NEW = { id: 'new-2026.1_b', bytes: Buffer.alloc(32, 2) };
const HEADER = Buffer.from('header');
const KEY = 'key' as Key;
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
  it('writes the header, and a record of id length, id, nonce, ciphertext and tag', () => {
    const sealed = createKeyring([OLD]).seal(PLAIN, HEADER, KEY);
    expect(sealed.toString('latin1', 0, 10)).toBe('header\x03old');
    expect(sealed.length).toBe(10 + 24 + PLAIN.length + 16);
    expect(sealed.includes(PLAIN.subarray(0, 4))).toBe(false);
  });

  it('seals with the first key and opens with all', () => {
    const before = createKeyring([OLD]).seal(PLAIN, HEADER, KEY);
    const ring = createKeyring([NEW, OLD]);
    const after = ring.seal(PLAIN, HEADER, KEY);
    expect(ring.currentKeyId).toBe(NEW.id);
    expect(ring.keyIdOf(after, HEADER.length)).toBe(NEW.id);
    expect(ring.keyIdOf(before, HEADER.length)).toBe(OLD.id);
    expect(ring.open(before, HEADER.length, KEY)).toEqual(PLAIN);
    expect(ring.open(after, HEADER.length, KEY)).toEqual(PLAIN);
  });

  it.each([0, 1, 100_000])('seals and opens %d bytes', (length) => {
    const ring = createKeyring([OLD]);
    const plain = Buffer.alloc(length, 0xa5);
    expect(ring.open(ring.seal(plain, HEADER, KEY), HEADER.length, KEY).equals(plain)).toBe(true);
  });

  it('does not keep the bytes of the keys: wiping them afterwards harms nothing', () => {
    const bytes = Buffer.from(OLD.bytes);
    const ring = createKeyring([{ id: 'old', bytes }]);
    bytes.fill(0);
    expect(ring.open(createKeyring([OLD]).seal(PLAIN, HEADER, KEY), HEADER.length, KEY)).toEqual(PLAIN);
  });

  it('never gives a nonce twice, across refills of the pool and across keyrings', () => {
    const rings = [createKeyring([OLD]), createKeyring([OLD])];
    const nonces = new Set<string>();
    for (let i = 0; i < 1000; i++) {
      for (const ring of rings) nonces.add(ring.seal(PLAIN, HEADER, KEY).toString('hex', 10, 34));
    }
    expect(nonces.size).toBe(2000);
  });

  it('records stay as they were made when the pool is refilled', () => {
    const ring = createKeyring([OLD]);
    const records = Array.from({ length: 400 }, () => ring.seal(PLAIN, HEADER, KEY));
    for (const record of records) expect(ring.open(record, HEADER.length, KEY).equals(PLAIN)).toBe(true);
  });

  describe('answers corrupt_value, in one wording, for', () => {
    const ring = createKeyring([NEW, OLD]);
    const sealed = ring.seal(PLAIN, HEADER, KEY);
    const twin = createKeyring([{ id: NEW.id, bytes: OLD.bytes }]).seal(PLAIN, HEADER, KEY);
    const unknown = createKeyring([{ id: 'unknown', bytes: OLD.bytes }]).seal(PLAIN, HEADER, KEY);
    const [header, record] = [sealed.subarray(0, HEADER.length), sealed.subarray(HEADER.length)];
    const headed = (behind: Buffer) => Buffer.concat([header, behind]);
    const renamed = headed(Buffer.concat([Buffer.from('\x03old'), record.subarray(1 + NEW.id.length)]));

    it.each([
      ['a key id that is not on the ring', unknown, KEY],
      ['other key bytes under the same id', twin, KEY],
      ['a record renamed to another key of the ring', renamed, KEY],
      ['another cache key', sealed, 'keY' as Key],
      ['no cache key', sealed, '' as Key],
      ['nothing at all', Buffer.alloc(0), KEY],
      ['nothing behind the header', header, KEY],
      ['an id length of 0', headed(Buffer.alloc(100)), KEY],
      ['an id length beyond the end', headed(Buffer.alloc(100, 255)), KEY],
      ['a record one byte short', sealed.subarray(0, -1), KEY],
      ['a record one byte long', Buffer.concat([sealed, Buffer.alloc(1)]), KEY],
    ])('%s', (_what, altered, key) => {
      const error = errorOf(() => ring.open(altered, HEADER.length, key));
      expect(error.code).toBe('corrupt_value');
      expect(error.message).toBe('The stored value cannot be decrypted.');
      expect(error.cause).toHaveProperty('stack');
    });

    it('each bit flipped', () => {
      for (let bit = 0; bit < sealed.length * 8; bit++) {
        const altered = Buffer.from(sealed);
        altered[bit >> 3]! ^= 1 << (bit & 7);
        expect(errorOf(() => ring.open(altered, HEADER.length, KEY)).code).toBe('corrupt_value');
      }
    });
  });

  it('the border between key id and header is authenticated: the same bytes cut elsewhere do not open', () => {
    const [a, ab] = [
      { id: 'a', bytes: OLD.bytes },
      { id: 'ab', bytes: OLD.bytes },
    ];
    const sealed = createKeyring([a]).seal(PLAIN, Buffer.from('bc'), KEY);
    const recut = Buffer.concat([Buffer.from('c\x02ab'), sealed.subarray(4)]);
    expect(errorOf(() => createKeyring([a, ab]).open(recut, 1, KEY)).code).toBe('corrupt_value');
  });

  it('names no key id for bytes that are no record', () => {
    const ring = createKeyring([OLD]);
    const idIn = (record: string, padding: number): string | undefined =>
      ring.keyIdOf(Buffer.concat([HEADER, Buffer.from(record), Buffer.alloc(padding)]), HEADER.length);
    expect(ring.keyIdOf(Buffer.alloc(0), HEADER.length)).toBeUndefined();
    expect(idIn('', 200)).toBeUndefined();
    expect(idIn('\x03a\nb', 40)).toBeUndefined();
    expect(idIn('\x03xyz', 39)).toBeUndefined();
    expect(idIn('\x03xyz', 40)).toBe('xyz');
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
    expect(ring.open(ring.seal(PLAIN, HEADER, KEY), HEADER.length, KEY)).toEqual(PLAIN);
  });
});
