/** A name for a value: equal for equal values, another for any other, whoever stored it and however it is encrypted. */
import { hash } from 'node:crypto';
import { Json, type EtagCondition, type Value } from './command';

/** 144 bits: no two values that anybody finds share one. */
const DIGEST_CHARACTERS = 24;

/**
 * The value's entity tag without quotes (RFC 9110 8.8.3): letters, digits, `-` and `_`, behind a `j` for JSON that is
 * no string, which may have the same bytes as a string.
 */
export function etagOf(value: Value): string {
  if (value instanceof Json) return `j${digest(value.text)}`;
  if (typeof value !== 'string') return digest(value);
  // A string that UTF-8 cannot spell is JSON, in Redis too.
  return value.isWellFormed() ? digest(value) : `j${digest(JSON.stringify(value))}`;
}

/** `value` undefined: the key is absent, and has no tag. */
export function isMet(condition: EtagCondition, value: Value | undefined): boolean {
  const isAmong = value !== undefined && condition.etags.includes(etagOf(value));
  return isAmong === condition.isMatch;
}

function digest(bytes: string | Buffer): string {
  return hash('sha256', bytes, 'base64url').slice(0, DIGEST_CHARACTERS);
}
