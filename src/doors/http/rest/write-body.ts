/** The body of `PUT /cache/{key}` to a value: any bytes, or JSON that has the value as one of its fields. */
import { Json, type Value } from '../../../core/command';
import { CacheError } from '../../../core/errors';
import type { Limits } from '../../../core/limits';
import { checkNumbers } from '../../../core/check-numbers';
import { parseBase64Value, parseValue } from '../../../core/command-fields';
import { textOrBytes } from '../../../core/value';
import { parseObject } from '../parse-object';
import type { Exchange } from '../exchange';
import { NAME_LENGTH_MAX } from '../query';
import { bodyBytesMax, decodeText, isJson, readBody, readJsonBody } from '../read-body';
import type { Form } from './representation';

/** JSON by its media type, whatever its parameters: it must not be taken for bytes because one of them is not known. */
const JSON_MEDIA_TYPE = /^application\/json[ \t]*(?:[;,]|$)/i;

/** The value lies in the body's object. */
const DEPTH_OF_BODY = 1;

/**
 * Hands over the value and the form it came in, once the body has arrived as a whole; see `readBody`.
 * @throws CacheError `unsupported_media_type`, `too_large`: before anything is read
 */
export function readValue(
  exchange: Exchange,
  limits: Limits,
  onBody: (parse: () => { readonly value: Value; readonly form: Form }) => unknown,
): void {
  const { head } = exchange;
  if (isJson(head) || JSON_MEDIA_TYPE.test(head.contentType ?? '')) {
    readJsonBody(exchange, bodyBytesMax(limits.valueBytesMax), (bytes) =>
      onBody(() => ({ value: parseJsonBody(decodeText(bytes), limits), form: 'json' })),
    );
  } else {
    readBody(exchange, limits.valueBytesMax, (bytes) =>
      onBody(() => ({ value: textOrBytes(bytes), form: 'raw' })),
    );
  }
}

/**
 * The value of `{"value":…}` or `{"value_base64":…}`, by the rules that a WRITE has.
 * @throws CacheError `bad_request`, `too_large`: names the field
 */
function parseJsonBody(text: string, limits: Limits): Value {
  const body = parseObject(text, limits.depthMax + DEPTH_OF_BODY);
  const fields = new Map(Object.entries(body));
  for (const name of fields.keys()) {
    if (name !== 'value' && name !== 'value_base64') {
      throw new CacheError('bad_request', `"${name.slice(0, NAME_LENGTH_MAX)}" is not allowed.`);
    }
  }
  if (fields.size !== 1) {
    throw new CacheError('bad_request', 'One of "value" and "value_base64" is needed, and only one.');
  }
  if (fields.has('value')) {
    const value = parseValue(fields.get('value'), limits);
    // A string holds no numbers; anything else may.
    if (value instanceof Json) checkNumbers(text);
    return value;
  }
  const base64 = fields.get('value_base64');
  if (typeof base64 !== 'string') throw new CacheError('bad_request', '"value_base64" must be a string.');
  return parseBase64Value(base64, limits);
}
