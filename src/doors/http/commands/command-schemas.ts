/**
 * The fields of each command as joi schemas, compiled once, and the words in which a breach of it
 * is told.
 */
import Joi from 'joi';
import type { Ack, Consistency, Key, Value } from '../../../core/command';
import { CacheError } from '../../../core/errors';
import type { Limits } from '../../../core/limits';
import {
  parseBase64Value,
  parseKey,
  parseTextValue,
  parseValue,
  TTL_SECONDS_MAX,
} from '../../../core/command-fields';

/** What each schema leaves of an accepted object. */
export interface ReadFields {
  readonly command?: 'READ';
  readonly key: Key;
  readonly encoding?: 'base64';
  readonly consistency?: Consistency;
}
export interface WriteFields {
  readonly command?: 'WRITE';
  readonly key: Key;
  readonly value?: Value;
  /** Decoded. */
  readonly value_base64?: Value;
  readonly ttl?: number;
  readonly expire?: number;
  readonly condition?: 'NX' | 'XX';
  readonly encrypt?: boolean;
  readonly ack?: Ack;
}
export interface DeleteFields {
  readonly command?: 'DELETE';
  readonly key: Key;
  readonly ack?: Ack;
}

export type SetFields = Pick<WriteFields, 'key' | 'value' | 'value_base64' | 'ttl'>;

export interface CommandSchemas {
  readonly READ: Joi.ObjectSchema<ReadFields>;
  readonly WRITE: Joi.ObjectSchema<WriteFields>;
  readonly DELETE: Joi.ObjectSchema<DeleteFields>;
}

/** Nothing is converted: "5" is no number. The first breach ends it, so that an answer cannot grow with the body. */
const OPTIONS: Joi.ValidationOptions = {
  convert: false,
  abortEarly: true,
  messages: { 'object.oxor': 'only one of {{#peersWithLabels}} may be given' },
};

/** The name of an unknown field is the caller's text; an answer repeats this much of it. */
const MESSAGE_LENGTH_MAX = 200;

export function createCommandSchemas(limits: Limits, encryptionConfigured: boolean): CommandSchemas {
  const { key, value_base64, ttl } = createFieldRules(limits);
  const ack = Joi.valid(0, 1, 2);
  const encrypt = Joi.boolean().custom((wanted: boolean) => {
    if (!wanted || encryptionConfigured) return wanted;
    throw new CacheError('bad_request', '"encrypt" is true, but this deployment has no encryption keys.');
  });

  return {
    READ: Joi.object<ReadFields>({
      command: Joi.valid('READ'),
      key,
      encoding: Joi.valid('base64'),
      consistency: Joi.valid('eventual', 'session', 'strong'),
    }).prefs(OPTIONS),
    WRITE: Joi.object<WriteFields>({
      command: Joi.valid('WRITE'),
      key,
      value: Joi.any().custom((value: unknown) => parseValue(value, limits)),
      value_base64,
      ttl,
      expire: ttl,
      condition: Joi.valid('NX', 'XX'),
      encrypt,
      ack,
    })
      .oxor('value', 'value_base64')
      .oxor('ttl', 'expire')
      .prefs(OPTIONS),
    DELETE: Joi.object<DeleteFields>({ command: Joi.valid('DELETE'), key, ack }).prefs(OPTIONS),
  };
}

/** A WRITE of a string or of bytes, and nothing else that a WRITE can say. */
export function createSetSchema(limits: Limits): Joi.ObjectSchema<SetFields> {
  const value = Joi.string()
    .allow('')
    .custom((text: string) => parseTextValue(text, limits));
  return Joi.object<SetFields>({ ...createFieldRules(limits), value })
    .xor('value', 'value_base64')
    .prefs(OPTIONS);
}

/** A rule of ours throws its CacheError; joi keeps it in the report, and `checkFields` throws it on. */
function createFieldRules(limits: Limits) {
  return {
    key: Joi.string()
      .required()
      .custom((text: string) => parseKey(text, limits)),
    value_base64: Joi.string()
      .allow('')
      .custom((text: string) => parseBase64Value(text, limits)),
    ttl: Joi.number().min(0).max(TTL_SECONDS_MAX),
  };
}

/**
 * The object's fields, by the schema.
 * @throws CacheError `bad_request`, `too_large`: names the field.
 */
export function checkFields<Fields>(schema: Joi.ObjectSchema<Fields>, object: object): Fields {
  // joi copies the object field by field, and copying this one would set the copy's prototype: it would not be seen
  // as unknown, and its fields would pass for the command's own.
  if (Object.hasOwn(object, '__proto__')) throw new CacheError('bad_request', '"__proto__" is not allowed.');
  const result = schema.validate(object);
  if (result.error === undefined) return result.value;
  const [detail] = result.error.details;
  const ours: unknown = detail?.context?.['error'];
  if (ours instanceof CacheError) throw ours;
  throw new CacheError('bad_request', `${(detail?.message ?? '').slice(0, MESSAGE_LENGTH_MAX)}.`);
}
