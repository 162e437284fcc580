/** What the path and the query of `/cache/{key}` say, by the rules of the fields of a command. */
import type { Request } from 'express';
import type { WriteCommand } from '../../../core/command';
import type { Limits } from '../../../core/limits';
import { ttlMsOf } from '../../../core/command-fields';
import { checkFields, createCommandSchemas } from '../commands/command-schemas';
import { parseQuery } from '../query';
import { parseAck } from '../query-options';

/** No sign, no exponent, no blanks. */
const DECIMAL = /^\d+(?:\.\d+)?$/;

/** The key as the caller means it: Express has percent-decoded it, once. */
export function keyTextOf(request: Request): string {
  return String(request.params['key']);
}

/** What a PUT says beside its body and its conditions. */
export type WriteParameters = Pick<WriteCommand, 'key' | 'ttlMs' | 'encrypt' | 'ack'>;

/**
 * The parser for these. A parameter that is not spelled as its field would be in JSON stays text, and the field's rule
 * refuses it by name: the parser throws CacheError `bad_request` or `too_large`.
 */
export function createWriteParameters(
  limits: Limits,
  encryptionConfigured: boolean,
): (request: Request) => WriteParameters {
  const schema = createCommandSchemas(limits, encryptionConfigured).WRITE;
  return (request) => {
    const query = parseQuery(request, ['ttl', 'ack', 'encrypt']);
    const { key, ttl, encrypt } = checkFields(schema, {
      key: keyTextOf(request),
      ttl: query.ttl !== undefined && DECIMAL.test(query.ttl) ? Number(query.ttl) : query.ttl,
      encrypt: query.encrypt === 'true' ? true : query.encrypt === 'false' ? false : query.encrypt,
    });
    return { key, ttlMs: ttl === undefined ? undefined : ttlMsOf(ttl), encrypt, ack: parseAck(query.ack) };
  };
}
