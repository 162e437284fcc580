/** The forms of earlier systems, described; with `GET /`, which is the console, too. */
import type { Limits } from '../../../core/limits';
import { keyNotFound } from './describe-rest';
import { dataFailures, readFailures } from './failures';
import { jsonAnswer, jsonBody, objectOf, type Parameter, type Paths, type Schema } from './open-api';
import {
  ACK_IN,
  ANY_VALUE,
  BASE64_VALUE,
  CACHE_STATUS_OUT,
  CONSISTENCY_IN,
  IF_NONE_MATCH_OF_PAGE,
  KEY,
  KEY_IN_PATH,
  needs,
  PAGE_ETAG_OUT,
  SESSION_IN,
  SESSION_OUT,
  STORED_BASE64,
  STORED_VALUE,
  TTL,
} from './shared-parts';

const READ_HEADERS = {
  'Cache-Status': { ...CACHE_STATUS_OUT, required: true },
  'Ringcache-Session': SESSION_OUT,
};
const WRITE_HEADERS = { 'Ringcache-Session': SESSION_OUT };

const TEXT_VALUE: Schema = {
  type: 'string',
  description: 'What is stored as other JSON is given as its text.',
};

export function describeCompat({ batchMax, valueBytesMax }: Limits): Paths {
  return {
    '/': { get: describeRoot() },
    '/set': {
      post: {
        operationId: 'setPairs',
        tags: ['Other forms'],
        summary: 'Write pairs',
        description: 'The answer tells of the first pair. When one fails, the others may have been written.',
        security: needs('write'),
        parameters: [ACK_IN, SESSION_IN],
        requestBody: jsonBody(
          {
            type: 'object',
            propertyNames: KEY,
            additionalProperties: ANY_VALUE,
            minProperties: 1,
            maxProperties: batchMax,
          },
          { pair: { summary: 'One pair', value: { my_key: 'my_value' } } },
        ),
        responses: {
          '200': jsonAnswer(
            'All are written.',
            objectOf({
              Key: KEY,
              Value: STORED_VALUE,
              message: { type: 'string', description: 'For each level, whether it is set or overwritten.' },
              status: { const: 'successful' },
            }),
            WRITE_HEADERS,
          ),
          ...dataFailures('unsupported_media_type', 'out_of_memory'),
        },
      },
    },
    '/getval/{key}': {
      get: {
        operationId: 'getvalText',
        tags: ['Other forms'],
        summary: 'A value, and where it was found, as a line of text',
        security: needs('read'),
        parameters: [KEY_IN_PATH, CONSISTENCY_IN, SESSION_IN],
        responses: {
          '200': {
            description: '`From cache: K => V` or `From Redis: K => V`.',
            headers: READ_HEADERS,
            content: { 'text/plain': { schema: { type: 'string', pattern: '^From (?:cache|Redis): ' } } },
          },
          '404': {
            description: '`Not found: K`.',
            headers: READ_HEADERS,
            content: { 'text/plain': { schema: { type: 'string', pattern: '^Not found: ' } } },
          },
          ...readFailures(),
        },
      },
    },
    '/v1/cache/set': {
      post: {
        operationId: 'setV1',
        tags: ['Other forms'],
        summary: 'Write a value (the gRPC call as JSON)',
        security: needs('write'),
        parameters: [ACK_IN, SESSION_IN],
        requestBody: jsonBody(
          {
            ...objectOf(
              {
                key: KEY,
                value: { type: 'string', maxLength: valueBytesMax },
                value_base64: BASE64_VALUE,
                ttl: TTL,
              },
              ['value', 'value_base64', 'ttl'],
            ),
            description: 'One of `value` and `value_base64`.',
            oneOf: [{ required: ['value'] }, { required: ['value_base64'] }],
            additionalProperties: false,
          },
          { set: { summary: 'Set', value: { key: 'my_key', value: 'my_value', ttl: 60 } } },
        ),
        responses: {
          '200': jsonAnswer('It is written.', v1Entry({ status: { const: 'SUCCESS' } }), WRITE_HEADERS),
          ...dataFailures('unsupported_media_type', 'out_of_memory'),
        },
      },
    },
    '/v1/cache/get/{key}': {
      get: {
        operationId: 'getV1',
        tags: ['Other forms'],
        summary: 'Read a value (the gRPC call as JSON)',
        security: needs('read'),
        parameters: [KEY_IN_PATH, CONSISTENCY_IN, SESSION_IN],
        responses: {
          '200': jsonAnswer('The value.', v1Entry({}), READ_HEADERS),
          '404': keyNotFound(READ_HEADERS),
          ...readFailures(),
        },
      },
    },
  };
}

/** With and without a key it is two things, which OpenAPI has no two places for. */
function describeRoot(): NonNullable<Paths[string]['get']> {
  const key: Parameter = {
    name: 'key',
    in: 'query',
    description: 'The key to look up. Without one the answer is the console, open to all.',
    schema: KEY,
    example: 'my_key',
  };
  return {
    operationId: 'lookUp',
    tags: ['Other forms'],
    summary: 'The value of a key with the levels it was found at; without `key` the console, a page',
    description: 'With a `key` it asks for a token.',
    security: [{}, { bearer: ['read'] }],
    parameters: [
      key,
      CONSISTENCY_IN,
      SESSION_IN,
      {
        ...IF_NONE_MATCH_OF_PAGE,
        description: 'Of the console: 304 where it has one of these tags. With a `key` it is ignored.',
      },
    ],
    responses: {
      '200': {
        description: 'The value; or the console.',
        headers: {
          'Cache-Status': CACHE_STATUS_OUT,
          'Ringcache-Session': SESSION_OUT,
          ETag: CONSOLE_ETAG,
        },
        content: {
          'application/json': {
            schema: {
              oneOf: [
                objectOf({ Key: KEY, Value: STORED_VALUE, ...FOUND }),
                objectOf({ Key: KEY, Value_base64: STORED_BASE64, ...FOUND }),
              ],
            },
          },
          'text/html': { schema: { type: 'string' } },
        },
      },
      '304': {
        description: 'The console, where `If-None-Match` names it.',
        headers: { ETag: { ...CONSOLE_ETAG, required: true } },
      },
      '404': jsonAnswer(
        'The key has no value.',
        objectOf({
          Key: KEY,
          message: { const: 'Key not found in local cache. Key not found in redis cache.' },
          status: { const: 'not found' },
        }),
        READ_HEADERS,
      ),
      ...readFailures(),
    },
  };
}

const CONSOLE_ETAG = { ...PAGE_ETAG_OUT, description: 'Of the console.' };

const FOUND: Readonly<Record<string, Schema>> = {
  message: {
    enum: ['Key found in local cache.', 'Key not found in local cache. Key found in redis cache.'],
  },
  status: { const: 'successful' },
};

/** A key and its value as string or bytes, with `more` behind them. */
function v1Entry(more: Readonly<Record<string, Schema>>): Schema {
  return {
    oneOf: [
      objectOf({ key: KEY, value: TEXT_VALUE, ...more }),
      objectOf({ key: KEY, value_base64: STORED_BASE64, ...more }),
    ],
  };
}
