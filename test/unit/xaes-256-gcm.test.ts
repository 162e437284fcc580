import { createHash } from 'node:crypto';
import { Xaes256Gcm } from '../../src/cipher/xaes-256-gcm';

/** https://c2sp.org/XAES-256-GCM, "Test vectors": the first doubles a block without carry, the second with one. */
const VECTORS = [
  { keyByte: 0x01, aad: '', sealed: 'ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271' },
  {
    keyByte: 0x03,
    aad: 'c2sp.org/XAES-256-GCM',
    sealed: '986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d',
  },
];

const NONCE = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWX');
const PLAIN = Buffer.from('XAES-256-GCM');

/** Nonce, ciphertext and tag behind so many bytes of something else. */
function messageOf(nonce: Buffer, sealed: readonly Buffer[], start = 0): Buffer {
  return Buffer.concat([Buffer.alloc(start, 'x'), nonce, ...sealed]);
}

/** Seals, changes something of what `open` needs, and opens. */
function openAfter(
  change: (parts: [nonce: Buffer, ciphertext: Buffer, tag: Buffer, aad: Buffer]) => void,
): Buffer {
  const aead = new Xaes256Gcm(Buffer.alloc(32, 7));
  const parts: Parameters<typeof change>[0] = [
    Buffer.from(NONCE),
    ...aead.seal(NONCE, PLAIN, Buffer.from('aad')),
    Buffer.from('aad'),
  ];
  change(parts);
  const [nonce, ciphertext, tag, aad] = parts;
  return aead.open(messageOf(nonce, [ciphertext, tag], 3), 3, aad);
}

describe('XAES-256-GCM', () => {
  it.each(VECTORS)('gives the published ciphertext for the key of $keyByte', ({ keyByte, aad, sealed }) => {
    const aead = new Xaes256Gcm(Buffer.alloc(32, keyByte));
    const [ciphertext, tag] = aead.seal(NONCE, PLAIN, Buffer.from(aad));
    expect(Buffer.concat([ciphertext, tag]).toString('hex')).toBe(sealed);
    expect(aead.open(messageOf(NONCE, [ciphertext, tag]), 0, Buffer.from(aad))).toEqual(PLAIN);
  });

  it('gives the published hash over 10,000 random keys, nonces, lengths and additional data', () => {
    const stream = createHash('shake128', { outputLength: 10_000 * (32 + 24 + 2 * 256) }).digest();
    expect(stream.toString('hex', 0, 16)).toBe('7f9c2ba4e88f827d616045507605853e');
    let at = 0;
    const take = (length: number): Buffer => stream.subarray(at, (at += length));
    const takeVector = (): Buffer => take(take(1).readUInt8(0));

    const sealed = createHash('shake128', { outputLength: 32 });
    for (let i = 0; i < 10_000; i++) {
      const aead = new Xaes256Gcm(take(32));
      const nonce = take(24);
      const plain = takeVector();
      const aad = takeVector();
      const [ciphertext, tag] = aead.seal(nonce, plain, aad);
      sealed.update(ciphertext).update(tag);
      const opened = aead.open(messageOf(nonce, [ciphertext, tag]), 0, aad);
      if (!opened.equals(plain)) throw new Error(`round trip ${i}`);
    }
    expect(sealed.digest('hex')).toBe('e6b9edf2df6cec60c8cbd864e2211b597fb69a529160cd040d56c0c210081939');
  });

  it('gives each message its own key although one object serves them all', () => {
    const aead = new Xaes256Gcm(Buffer.alloc(32, 1));
    const other = Buffer.from('abcdefghijklMNOPQRSTUVWX');
    const first = aead.seal(NONCE, PLAIN, Buffer.alloc(0));
    const second = aead.seal(other, PLAIN, Buffer.alloc(0));
    expect(second[0]).not.toEqual(first[0]);
    expect(aead.open(messageOf(NONCE, first), 0, Buffer.alloc(0))).toEqual(PLAIN);
    expect(aead.open(messageOf(other, second), 0, Buffer.alloc(0))).toEqual(PLAIN);
  });

  it('opens what it sealed', () => {
    expect(openAfter(() => undefined)).toEqual(PLAIN);
  });

  it.each([
    ['first half of the nonce', 0, 0],
    ['second half of the nonce', 0, 23],
    ['ciphertext', 1, 0],
    ['tag', 2, 15],
    ['additional data', 3, 0],
  ])('refuses an altered %s', (_what, part, at) => {
    expect(() => openAfter((parts) => (parts[part]![at]! ^= 1))).toThrow('unable to authenticate');
  });

  it('refuses a shortened tag, although its bytes are right', () => {
    expect(() => openAfter((parts) => (parts[2] = parts[2].subarray(0, 12)))).toThrow(
      'unable to authenticate',
    );
  });

  it('seals alike under a message key that was made with many others', () => {
    const aead = new Xaes256Gcm(Buffer.alloc(32, 3));
    const nonces = Buffer.concat([Buffer.alloc(24, 9), NONCE, Buffer.alloc(24, 8)]);
    const messageKeys = aead.messageKeys(nonces);
    for (const [index, at] of [0, 24, 48].entries()) {
      const nonce = nonces.subarray(at, at + 24);
      const messageKey = messageKeys.subarray(32 * index, 32 * index + 32);
      expect(aead.seal(nonce, PLAIN, PLAIN, messageKey)).toEqual(aead.seal(nonce, PLAIN, PLAIN));
    }
  });
});
