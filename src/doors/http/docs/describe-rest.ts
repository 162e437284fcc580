/** `/cache/{key}`, described. */
import type { Limits } from '../../../core/limits';
import { bodyBytesMax } from '../read-body';
import { dataFailures, failureSchema, failureWith, readFailures } from './failures';
import {
  type Header,
  jsonAnswer,
  objectOf,
  type Parameter,
  type Paths,
  type Response,
  type Schema,
  schemaRef,
} from './open-api';
import {
  ACK_IN,
  ANY_VALUE,
  BASE64_VALUE,
  CACHE_STATUS_OUT,
  CONSISTENCY_IN,
  ETAG_OUT,
  KEY,
  KEY_IN_PATH,
  needs,
  SESSION_IN,
  SESSION_OUT,
  STORED_BASE64,
  STORED_VALUE,
  TTL,
} from './shared-parts';

const IF_MATCH: Parameter = {
  name: 'If-Match',
  in: 'header',
  description:
    'Only if the value has one of these tags; not met: 412. Without a value it is 404 all the same.',
  schema: { type: 'string', minLength: 1 },
};

const IF_NONE_MATCH: Parameter = { ...IF_MATCH, name: 'If-None-Match', description: '' };

const FOUND_HEADERS: Readonly<Record<string, Header>> = {
  ETag: ETAG_OUT,
  Vary: { description: 'Names `Accept`: it chooses the form.', required: true, schema: { type: 'string' } },
  'Cache-Status': { ...CACHE_STATUS_OUT, required: true },
  'Ringcache-Session': SESSION_OUT,
};

const SESSION_HEADERS = { 'Ringcache-Session': SESSION_OUT };

/** 404 for a key without a value; `headers` in it. */
export function keyNotFound(headers: Readonly<Record<string, Header>>): Response {
  return jsonAnswer('The key has no value.', failureSchema(['not_found']), headers);
}

export function describeRest({ valueBytesMax }: Limits): Paths {
  return {
    '/cache/{key}': {
      get: {
        operationId: 'getValue',
        tags: ['REST'],
        summary: 'The value of a key',
        description:
          'As JSON, or as its bytes alone where `Accept` asks for `application/octet-stream`. Conditions are ' +
          'judged on the form that is asked for.',
        security: needs('read'),
        parameters: [
          KEY_IN_PATH,
          CONSISTENCY_IN,
          SESSION_IN,
          IF_MATCH,
          {
            ...IF_NONE_MATCH,
            description: 'The tags that the caller has: 304 where the value has one of them.',
          },
        ],
        responses: {
          '200': {
            description: 'The value.',
            headers: FOUND_HEADERS,
            content: {
              'application/json': { schema: schemaRef('Entry') },
              'application/octet-stream': {
                schema: { description: 'Its bytes; of JSON that is no string, the JSON text.' },
              },
            },
          },
          '304': { description: 'The value has one of the tags in `If-None-Match`.', headers: FOUND_HEADERS },
          '404': keyNotFound({
            'Cache-Status': { ...CACHE_STATUS_OUT, required: true },
            'Ringcache-Session': SESSION_OUT,
          }),
          ...readFailures(),
          '412': failureWith('precondition_failed', FOUND_HEADERS),
        },
      },
      put: {
        operationId: 'putValue',
        tags: ['REST'],
        summary: 'Write a value',
        description: 'A condition on a tag asks for the scope `read`, too.',
        security: needs('write'),
        parameters: [
          KEY_IN_PATH,
          {
            name: 'ttl',
            in: 'query',
            description: 'Digits with or without a fraction.',
            schema: TTL,
            example: 60,
          },
          ACK_IN,
          {
            name: 'encrypt',
            in: 'query',
            description:
              'Otherwise as the deployment says. `true` is refused where it has no encryption keys.',
            schema: { type: 'boolean' },
          },
          SESSION_IN,
          {
            ...IF_MATCH,
            description:
              'Only if the value has one of these tags; `*`: only if there is a value. Not met: 412. Not together with ' +
              '`If-None-Match`.',
          },
          {
            ...IF_NONE_MATCH,
            description:
              '`*`: only if there is no value. Tags: only if the value has none of them. Not met: 412.',
          },
        ],
        requestBody: {
          required: false,
          description:
            'Bytes of any type but JSON are the value as they are; without a body it is empty. ' +
            `At most ${valueBytesMax} bytes; as JSON ${bodyBytesMax(valueBytesMax)}.`,
          content: {
            'application/octet-stream': {
              schema: { description: 'Any bytes; any other media type is taken, too.' },
              examples: { text: { summary: 'A text', value: 'my_value' } },
            },
            'application/json': {
              schema: {
                oneOf: [
                  { ...objectOf({ value: ANY_VALUE }), additionalProperties: false },
                  { ...objectOf({ value_base64: BASE64_VALUE }), additionalProperties: false },
                ],
              },
              examples: { json: { summary: 'Any JSON', value: { value: { name: 'Ada', visits: 3 } } } },
            },
          },
        },
        responses: {
          '200': written('A value was replaced.', false),
          '201': written('The key had no value.', true),
          ...dataFailures('precondition_failed', 'unsupported_media_type', 'corrupt_value', 'out_of_memory'),
        },
      },
      delete: {
        operationId: 'deleteValue',
        tags: ['REST'],
        summary: 'Delete a value',
        description: 'A condition on a tag asks for the scope `read`, too.',
        security: needs('delete'),
        parameters: [
          KEY_IN_PATH,
          ACK_IN,
          SESSION_IN,
          { ...IF_MATCH, description: `${IF_MATCH.description} Not together with \`If-None-Match\`.` },
          {
            ...IF_NONE_MATCH,
            description:
              'Tags: only if the value has none of them. Not met: 412. `*` would leave nothing to delete: 400.',
          },
        ],
        responses: {
          '200': jsonAnswer(
            'It is deleted.',
            objectOf({ key: KEY, deleted: { const: true } }),
            SESSION_HEADERS,
          ),
          '404': keyNotFound(SESSION_HEADERS),
          ...dataFailures('precondition_failed', 'corrupt_value'),
        },
      },
    },
  };
}

/** The components of this part. */
export function restSchemas(): Readonly<Record<string, Schema>> {
  return {
    Entry: {
      oneOf: [
        objectOf({ key: KEY, value: STORED_VALUE }),
        objectOf({ key: KEY, value_base64: STORED_BASE64 }),
      ],
      description: 'Bytes that are no text come as `value_base64`.',
    },
  };
}

function written(description: string, created: boolean): Response {
  return jsonAnswer(description, objectOf({ key: KEY, created: { const: created } }), {
    ETag: ETAG_OUT,
    ...SESSION_HEADERS,
  });
}
