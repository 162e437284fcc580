/** A value as a field of a JSON answer, put together by hand: what is stored as JSON goes in as it is. */
import { Json, type Value } from '../../core/command';
import { quoted } from '../../core/json-text';
import { plainText } from '../../core/value';

/**
 * `"value":…`, or `"value_base64":"…"` where base64 is asked for, and for bytes that are not UTF-8, which have no other
 * form; `name` in place of `value`. Of a value that is JSON and no text, base64 gives the JSON text.
 */
export function valueText(value: Value, base64: boolean, name: 'value' | 'Value' = 'value'): string {
  if (Buffer.isBuffer(value)) return base64Text(value, name);
  if (base64) return base64Text(Buffer.from(plainText(value)), name);
  return `"${name}":${value instanceof Json ? value.text : quoted(value)}`;
}

function base64Text(bytes: Buffer, name: string): string {
  return `"${name}_base64":"${bytes.toString('base64')}"`;
}
