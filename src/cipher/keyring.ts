/**
 * The keyring: several named keys, of which the first seals and all open, so that a key can be replaced while
 * values under the old one are still stored.
 *
 * A sealed record:
 *
 *   ┌──────────┬────────┬───────────┬────────────┬─────────┐
 *   │ idLength │ key id │ nonce     │ ciphertext │ tag     │
 *   │ 1 byte   │ 1–32   │ 24, random│            │ 16      │
 *   └──────────┴────────┴───────────┴────────────┴─────────┘
 *
 * What is authenticated beside the ciphertext is `idLength ‖ key id ‖ header ‖ cache key`: the length in front says where the
 * id ends, and headers are of one length, so that nothing else spells the same bytes.
 */
import { randomFillSync } from 'node:crypto';
import type { Key } from '../core/command';
import { CacheError } from '../core/errors';
import type { Cipher } from '../core/ports';
import { copyFew, KEY_BYTES, MESSAGE_KEY_BYTES, NONCE_BYTES, TAG_BYTES, Xaes256Gcm } from './xaes-256-gcm';

const KEY_ID = /^[A-Za-z0-9._-]{1,32}$/;

/**
 * A nonce and its message key, fetched by themselves, cost 3 µs, as much as the encryption that they serve; 170 at a time
 * cost 0.1 µs each.
 */
const NONCES = 170;

interface NamedKey {
  readonly aead: Xaes256Gcm;
  /** `idLength ‖ key id`, as it opens each record. */
  readonly prefix: Buffer;
}

/**
 * A cipher over these keys; the first seals, all open. The bytes are not kept.
 * @throws RangeError no key at all, an id that is not 1–32 of `A-Z a-z 0-9 . _ -`, a repeated id, not 32 bytes.
 */
export function createKeyring(keys: readonly { readonly id: string; readonly bytes: Buffer }[]): Cipher {
  const [first] = keys;
  if (first === undefined) throw new RangeError('a keyring needs at least one key');
  const byId = new Map<string, NamedKey>();
  for (const { id, bytes } of keys) {
    if (!KEY_ID.test(id)) {
      throw new RangeError('an encryption key id is 1 to 32 characters of A-Z a-z 0-9 . _ -');
    }
    if (byId.has(id)) throw new RangeError(`encryption key ${id} is given twice`);
    if (bytes.length !== KEY_BYTES) {
      throw new RangeError(`encryption key ${id} has ${bytes.length} bytes, not ${KEY_BYTES}`);
    }
    const prefix = Buffer.concat([Buffer.of(id.length), Buffer.from(id, 'latin1')]);
    byId.set(id, { aead: new Xaes256Gcm(bytes), prefix });
  }
  return new Keyring(first.id, byId);
}

class Keyring implements Cipher {
  readonly currentKeyId: string;
  readonly #byId: ReadonlyMap<string, NamedKey>;
  readonly #sealing: NamedKey;
  readonly #nonces: NoncePool;

  constructor(currentKeyId: string, byId: ReadonlyMap<string, NamedKey>) {
    const sealing = byId.get(currentKeyId);
    if (sealing === undefined) throw new RangeError('the key that seals is not on the ring');
    this.currentKeyId = currentKeyId;
    this.#byId = byId;
    this.#sealing = sealing;
    this.#nonces = new NoncePool(sealing.aead);
  }

  seal(plain: Buffer, header: Buffer, key: Key): Buffer {
    const { aead, prefix } = this.#sealing;
    const nonces = this.#nonces;
    nonces.next();
    const aad = authenticated(prefix, header, header.length, key);
    const [ciphertext, tag] = aead.seal(nonces.nonce, plain, aad, nonces.messageKey);
    const nonceAt = header.length + prefix.length;
    const ciphertextAt = nonceAt + NONCE_BYTES;
    const tagAt = ciphertextAt + ciphertext.length;
    const sealed = Buffer.allocUnsafe(tagAt + TAG_BYTES);
    sealed.set(header);
    sealed.set(prefix, header.length);
    sealed.set(nonces.nonce, nonceAt);
    sealed.set(ciphertext, ciphertextAt);
    sealed.set(tag, tagAt);
    return sealed;
  }

  open(sealed: Buffer, headerBytes: number, key: Key): Buffer {
    const { aead, prefix } = this.#keyOf(sealed, headerBytes);
    try {
      return aead.open(sealed, headerBytes + prefix.length, authenticated(prefix, sealed, headerBytes, key));
    } catch (error) {
      throw notDecrypted(error);
    }
  }

  #keyOf(sealed: Buffer, headerBytes: number): NamedKey {
    if (isUnder(this.#sealing, sealed, headerBytes)) return this.#sealing;
    const id = this.keyIdOf(sealed, headerBytes);
    if (id === undefined) throw notDecrypted(new Error('not a sealed record'));
    const key = this.#byId.get(id);
    if (key === undefined) throw notDecrypted(new Error(`sealed under the unknown key ${id}`));
    return key;
  }

  keyIdOf(sealed: Buffer, headerBytes: number): string | undefined {
    const idAt = headerBytes + 1;
    const idLength = sealed[headerBytes] ?? 0;
    if (sealed.length < idAt + idLength + NONCE_BYTES + TAG_BYTES) return undefined;
    const id = sealed.toString('latin1', idAt, idAt + idLength);
    return this.#byId.has(id) || KEY_ID.test(id) ? id : undefined;
  }
}

/** Whether a whole record begins as that key's do: most do, so no id is read and looked up for them. */
function isUnder({ prefix }: NamedKey, sealed: Buffer, headerBytes: number): boolean {
  if (sealed.length < headerBytes + prefix.length + NONCE_BYTES + TAG_BYTES) return false;
  for (let at = 0; at < prefix.length; at++) if (sealed[headerBytes + at] !== prefix[at]) return false;
  return true;
}

/** What is authenticated; the header is the beginning of `headed`. Byte by byte: a view of so few costs more. */
function authenticated(prefix: Buffer, headed: Buffer, headerBytes: number, key: Key): Buffer {
  const keyAt = prefix.length + headerBytes;
  const bytes = Buffer.allocUnsafe(keyAt + key.length);
  bytes.set(prefix);
  for (let at = 0; at < headerBytes; at++) bytes[prefix.length + at] = headed[at] ?? 0;
  bytes.write(key, keyAt, 'latin1');
  return bytes;
}

/** One message for every reason: what exactly was wrong helps only the one who tampered, and the log. */
function notDecrypted(cause: unknown): CacheError {
  return new CacheError('corrupt_value', 'The stored value cannot be decrypted.', { cause });
}

/** Random nonces and the message keys under them, made many at a time, each given out once. */
class NoncePool {
  /** Of one message, until `next`: whoever uses them is done with them before it gives way. */
  readonly nonce = Buffer.alloc(NONCE_BYTES);
  readonly messageKey = Buffer.alloc(MESSAGE_KEY_BYTES);
  readonly #aead: Xaes256Gcm;
  readonly #nonces = Buffer.alloc(NONCES * NONCE_BYTES);
  #messageKeys: Buffer = Buffer.alloc(0);
  #taken = NONCES;

  constructor(aead: Xaes256Gcm) {
    this.#aead = aead;
  }

  next(): void {
    if (this.#taken === NONCES) {
      // Filled first, marked as fresh after: should the system refuse, no old nonce comes out a second time.
      randomFillSync(this.#nonces);
      this.#messageKeys = this.#aead.messageKeys(this.#nonces);
      this.#taken = 0;
    }
    const at = this.#taken++;
    copyFew(this.#nonces, at * NONCE_BYTES, this.nonce);
    const keyAt = at * MESSAGE_KEY_BYTES;
    copyFew(this.#messageKeys, keyAt, this.messageKey);
    // What memory may be seen of later opens no message that was sealed under it.
    this.#messageKeys.fill(0, keyAt, keyAt + MESSAGE_KEY_BYTES);
  }
}
