/**
 * Bytes <-> value: what lies in Redis under a key, and what it means.
 *
 * Text is stored as its own bytes, and so are bytes: a Redis client sees exactly what was written, and what a Redis
 * client wrote is read as text. Everything else is put into an envelope:
 *
 *   ┌──────────┬─────────┬───────┬─────────┐   flags  bit 0  the payload is JSON text
 *   │ fe 72 63 │ version │ flags │ payload │          bit 7  the payload is sealed; bit 0 speaks of what it seals
 *   │ magic    │ 01      │ 1 byte│         │          others must be 0
 *   └──────────┴─────────┴───────┴─────────┘
 *
 * fe never occurs in UTF-8, so no text can be taken for an envelope; bytes that happen to begin with the magic are
 * enveloped too, with flags 0. A sealed payload holds the value's own bytes or JSON text, never another envelope;
 * the five bytes in front and the key are authenticated with it, so neither a flag nor the key can be exchanged.
 */
import { constants, isUtf8 } from 'node:buffer';
import { Json, type Key, type Value } from './command';
import { CacheError } from './errors';
import type { Cipher } from './ports';

/** The first bytes of an envelope. */
export const MAGIC = Buffer.of(0xfe, 0x72, 0x63);

const HEADER_BYTES = 5;
const VERSION = 1;
const FLAG_JSON = 0x01;
const FLAG_SEALED = 0x80;

const BYTES_HEADER = headerOf(0);
const JSON_HEADER = headerOf(FLAG_JSON);
const SEALED_HEADER = headerOf(FLAG_SEALED);
const SEALED_JSON_HEADER = headerOf(FLAG_SEALED | FLAG_JSON);

/** Header, key id, nonce and tag, generously. */
const ENVELOPE_BYTES_MAX = 128;

/** The most bytes that a value of so many can become: text full of lone surrogates doubles as JSON. */
export function storedBytesMax(valueBytesMax: number): number {
  return 2 * valueBytesMax + ENVELOPE_BYTES_MAX;
}

/** @throws CacheError `bad_request` when it is to be encrypted, and there are no keys for that */
export function cipherFor(isEncrypted: boolean, cipher: Cipher | undefined): Cipher | undefined {
  if (!isEncrypted) return undefined;
  if (cipher !== undefined) return cipher;
  throw new CacheError('bad_request', 'This service has no encryption keys, so it cannot encrypt.');
}

/**
 * The bytes that a node stores for this value. `cipher` given: encrypted, bound to the key. Bytes that need no
 * envelope are given back as they came, not copied.
 */
export function encodeValue(key: Key, value: Value, cipher: Cipher | undefined): Buffer {
  let flags = 0;
  let payload: Buffer;
  if (typeof value === 'string') {
    // A lone surrogate has no UTF-8; JSON can escape it.
    if (!value.isWellFormed()) flags = FLAG_JSON;
    payload = Buffer.from(plainText(value), 'utf8');
  } else if (value instanceof Json) {
    flags = FLAG_JSON;
    payload = Buffer.from(value.text, 'utf8');
  } else {
    payload = value;
  }

  if (cipher !== undefined) {
    return cipher.seal(payload, flags === 0 ? SEALED_HEADER : SEALED_JSON_HEADER, key);
  }
  if (flags === 0 && !hasMagic(payload)) return payload;
  const enveloped = Buffer.allocUnsafe(HEADER_BYTES + payload.length);
  enveloped.set(flags === 0 ? BYTES_HEADER : JSON_HEADER);
  enveloped.set(payload, HEADER_BYTES);
  return enveloped;
}

/**
 * What the stored bytes mean: text where they are valid UTF-8, else the bytes, which may be a view of `stored`.
 * @throws CacheError `corrupt_value`: a truncated or unknown envelope, one that does not decrypt, or an encrypted one
 * while no cipher is given.
 */
export function decodeValue(key: Key, stored: Buffer, cipher: Cipher | undefined): Value {
  if (!hasMagic(stored)) return textOrBytes(stored);

  const flags = flagsOf(stored);
  if (flags === undefined) throw corrupt('truncated envelope, or one of an unknown version');
  let payload: Buffer;
  if ((flags & FLAG_SEALED) !== 0) {
    if (cipher === undefined) throw corrupt('encrypted, but no encryption keys are configured');
    payload = cipher.open(stored, HEADER_BYTES, key);
  } else {
    payload = stored.subarray(HEADER_BYTES);
    if (flags === 0 && !hasMagic(payload)) throw corrupt('an envelope around bytes that need none');
  }
  return (flags & FLAG_JSON) !== 0 ? parseJson(payload) : textOrBytes(payload);
}

/**
 * The value's own bytes of what is stored: JSON as its text, everything that is in no envelope as it lies there, not
 * copied.
 * @throws CacheError `corrupt_value` as `decodeValue`
 */
export function openValue(key: Key, stored: Buffer, cipher: Cipher | undefined): Buffer {
  if (!hasMagic(stored)) return stored;
  const value = decodeValue(key, stored, cipher);
  return Buffer.isBuffer(value) ? value : Buffer.from(plainText(value), 'utf8');
}

/** A value that is no bytes, as text alone: a string itself where UTF-8 can spell it, JSON text for all else. */
export function plainText(value: string | Json): string {
  if (value instanceof Json) return value.text;
  return value.isWellFormed() ? value : JSON.stringify(value);
}

/** Size for limits and accounting: the value's own bytes, before any envelope. */
export function valueBytes(value: Value): number {
  if (typeof value === 'string') return Buffer.byteLength(value, 'utf8');
  return value instanceof Json ? Buffer.byteLength(value.text, 'utf8') : value.length;
}

/**
 * For rotation: the id of the key that sealed these stored bytes; undefined when they are not encrypted, or so
 * damaged that no key could open them.
 */
export function sealedKeyId(stored: Buffer, cipher: Cipher): string | undefined {
  const flags = hasMagic(stored) ? flagsOf(stored) : undefined;
  if (flags === undefined || (flags & FLAG_SEALED) === 0) return undefined;
  return cipher.keyIdOf(stored, HEADER_BYTES);
}

/** Whether stored bytes are in an envelope. */
export function hasMagic(bytes: Buffer): boolean {
  return bytes[0] === 0xfe && bytes[1] === 0x72 && bytes[2] === 0x63;
}

function headerOf(flags: number): Buffer {
  return Buffer.of(...MAGIC, VERSION, flags);
}

/** The flags of something that has the magic; undefined for an envelope that this program cannot have made. */
function flagsOf(stored: Buffer): number | undefined {
  const flags = stored[4];
  if (stored[3] !== VERSION || flags === undefined) return undefined;
  return (flags & ~(FLAG_JSON | FLAG_SEALED)) === 0 ? flags : undefined;
}

/** What bytes are as a value, wherever they come from: the text that they spell, else themselves, not copied. */
export function textOrBytes(bytes: Buffer): Value {
  return isText(bytes) ? bytes.toString('utf8') : bytes;
}

/** Redis holds values that are some bytes longer than V8's longest string; those stay bytes. */
function isText(bytes: Buffer): boolean {
  return bytes.length <= constants.MAX_STRING_LENGTH && isUtf8(bytes);
}

/**
 * The text is parsed although only the text is kept: anyone who can write to Redis can write an envelope, and a door
 * that puts `Json` into its answer relies on its being JSON, and one value.
 */
function parseJson(bytes: Buffer): Value {
  if (!isText(bytes)) throw corrupt('JSON that is not UTF-8');
  const text = bytes.toString('utf8');
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    // The parser's own error quotes the text, and a value must not reach the log.
    throw corrupt('JSON that does not parse');
  }
  return typeof parsed === 'string' ? parsed : new Json(text);
}

function corrupt(reason: string): CacheError {
  return new CacheError('corrupt_value', 'The stored value cannot be read.', { cause: new Error(reason) });
}
