/**
 * The two forms in which `/cache/{key}` shows a value: JSON with the key beside it, or the value's bytes alone. They
 * differ in their bytes, so their strong entity tags must differ (RFC 9110 8.8.3); both name the same value.
 */
import type { Request } from 'express';
import type { Value } from '../../../core/command';
import { etagOf } from '../../../core/etag';
import { plainText } from '../../../core/value';
import type { Body } from '../respond';
import { valueText } from '../value-text';

export type Form = 'json' | 'raw';

const JSON_TYPE = 'application/json';
const RAW_TYPE = 'application/octet-stream';

/** A value's own tag has no dot in it. */
const RAW_SUFFIX = '.raw';

/** What is longer no program sends for two types, and sorting it would take milliseconds. */
const ACCEPT_LENGTH_MAX = 1000;

/** The form that `Accept` asks for; JSON where it names neither. */
export function preferredForm(request: Request): Form {
  const { accept } = request.headers;
  if (accept === undefined || accept === '*/*' || accept === JSON_TYPE) return 'json';
  if (accept.length > ACCEPT_LENGTH_MAX) return 'json';
  if (accept === RAW_TYPE) return 'raw';
  return request.accepts([JSON_TYPE, RAW_TYPE]) === RAW_TYPE ? 'raw' : 'json';
}

/** The value in this form; `key` as the caller spells it. */
export function bodyOf(form: Form, key: string, value: Value): Body {
  if (form === 'json') return `{"key":${JSON.stringify(key)},${valueText(value, false)}}`;
  return Buffer.isBuffer(value) ? value : plainText(value);
}

/** The entity tag of the value in this form, without quotation marks. */
export function tagOf(form: Form, value: Value): string {
  return form === 'json' ? etagOf(value) : etagOf(value) + RAW_SUFFIX;
}

/** The value's own tag (`core/etag.ts`), which the tag of either form names. */
export function etagNamedBy(tag: string): string {
  return tag.endsWith(RAW_SUFFIX) ? tag.slice(0, -RAW_SUFFIX.length) : tag;
}
