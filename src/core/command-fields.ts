/**
 * The rules of single fields that go beyond a type: from what JSON.parse gave to what the core understands. Each
 * throws a CacheError that names the field.
 */
import { Json, type Key, type Value } from './command';
import { CacheError } from './errors';
import { keyFromText } from './key';
import { type Limits, TTL_MS_MAX } from './limits';
import { textOrBytes } from './value';

export const TTL_SECONDS_MAX = TTL_MS_MAX / 1000;

/** @throws CacheError `bad_request`, `too_large` */
export function parseKey(text: string, limits: Limits): Key {
  if (text.length === 0) throw new CacheError('bad_request', '"key" must not be empty.');
  // A character is at least one byte, so a text that is too long need not be looked at.
  if (text.length <= limits.keyBytesMax) {
    if (!text.isWellFormed()) {
      throw new CacheError('bad_request', '"key" has half of a surrogate pair, which UTF-8 cannot spell.');
    }
    const key = keyFromText(text);
    if (key.length <= limits.keyBytesMax) return key;
  }
  throw new CacheError('too_large', `"key" is longer than ${limits.keyBytesMax} bytes.`);
}

/** @throws CacheError `too_large` */
export function parseTextValue(text: string, limits: Limits): string {
  checkSize(text, 'value', limits);
  return text;
}

/**
 * Any JSON value. A nested one becomes its JSON text, after its depth was checked: JSON.stringify is recursive.
 * @throws CacheError `bad_request`, `too_large`
 */
export function parseValue(value: unknown, limits: Limits): string | Json {
  if (typeof value === 'string') return parseTextValue(value, limits);
  checkDepth(value, limits.depthMax, limits);
  const text = JSON.stringify(value);
  checkSize(text, 'value', limits);
  return new Json(text);
}

/**
 * Bytes. `Buffer.from` skips what is not base64; only the one canonical spelling (RFC 4648 3.5) is taken here.
 * @throws CacheError `bad_request`, `too_large`
 */
export function parseBase64Value(text: string, limits: Limits): Value {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.length > limits.valueBytesMax) throw tooLarge('value_base64', limits);
  if (bytes.toString('base64') !== text) {
    throw new CacheError('bad_request', '"value_base64" must be base64 with its padding (RFC 4648).');
  }
  return textOrBytes(bytes);
}

/** Seconds to whole milliseconds, upwards, so that a short life never becomes 0, which means without end. */
export function ttlMsOf(seconds: number): number {
  if (seconds === 0) return 0;
  // By way of microseconds: 16.1 * 1000 is a little more than 16100, and would be rounded up.
  return Math.max(1, Math.ceil(Math.round(seconds * 1e6) / 1000));
}

/** Recursive itself, but never deeper than the limit that it checks. */
function checkDepth(value: unknown, depthLeft: number, limits: Limits): void {
  if (typeof value !== 'object' || value === null) return;
  if (depthLeft === 0) {
    throw new CacheError('bad_request', `"value" is nested deeper than ${limits.depthMax} levels.`);
  }
  for (const part of Object.values(value)) checkDepth(part, depthLeft - 1, limits);
}

function checkSize(text: string, field: string, limits: Limits): void {
  // A UTF-16 unit is at most three bytes of UTF-8, so short texts need not be counted.
  if (text.length * 3 <= limits.valueBytesMax) return;
  if (Buffer.byteLength(text) > limits.valueBytesMax) throw tooLarge(field, limits);
}

function tooLarge(field: string, limits: Limits): CacheError {
  return new CacheError('too_large', `"${field}" is longer than ${limits.valueBytesMax} bytes.`);
}
