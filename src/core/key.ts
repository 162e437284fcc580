/** Text and bytes to keys and back. See `Key` in `command.ts` for why a key is a byte string. */
import { isUtf8 } from 'node:buffer';
import type { Key } from './command';

/** Only ASCII: then the text is its own byte string. */
const ASCII = /^[\0-\x7f]*$/;

/** The UTF-8 bytes of well-formed text. The caller has refused lone surrogates (`isWellFormed`). */
export function keyFromText(text: string): Key {
  if (ASCII.test(text)) return text as Key;
  return Buffer.from(text, 'utf8').toString('latin1') as Key;
}

export function keyFromBytes(bytes: Buffer): Key {
  return bytes.toString('latin1') as Key;
}

/** The key that is in there, from the byte `from` to the one before `to`: no view of them is made for it. */
export function keyWithin(bytes: Buffer, from: number, to: number): Key {
  return bytes.toString('latin1', from, to) as Key;
}

function keyToBytes(key: Key): Buffer {
  return Buffer.from(key, 'latin1');
}

/**
 * The key for an interface that codes strings as UTF-8: itself where that gives its bytes, else the bytes. Names on
 * the ring, which are byte strings too, may go the same way.
 */
export function keyArgument(key: string): string | Buffer {
  return ASCII.test(key) ? key : Buffer.from(key, 'latin1');
}

/** For people: the text where the bytes are UTF-8, else the byte string itself. */
export function keyToText(key: Key): string {
  if (ASCII.test(key)) return key;
  const bytes = keyToBytes(key);
  return isUtf8(bytes) ? bytes.toString('utf8') : key;
}
