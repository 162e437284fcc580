/** `POST /cache`, described: commands, their replies, and batches of them. */
import type { ErrorCode } from '../../../core/errors';
import type { Limits } from '../../../core/limits';
import { bodyBytesMax } from '../read-body';
import { commandFailures, failureSchema } from './failures';
import { jsonAnswer, jsonBody, objectOf, type Paths, type Schema, schemaRef } from './open-api';
import {
  ACK,
  ANY_VALUE,
  BASE64_VALUE,
  CACHE_STATUS_OUT,
  CONSISTENCY,
  CONSISTENCY_IN,
  KEY,
  needs,
  SESSION_IN,
  SESSION_OUT,
  STORED_BASE64,
  STORED_VALUE,
  TTL,
} from './shared-parts';

/** What may become of a command within a batch. */
const COMMAND_CODES: readonly ErrorCode[] = [
  'bad_request',
  'forbidden',
  'conflict',
  'too_large',
  'corrupt_value',
  'internal',
  'unavailable',
  'timeout',
  'out_of_memory',
];

export function describeCommands({ batchMax, valueBytesMax }: Limits): Paths {
  return {
    '/cache': {
      post: {
        operationId: 'execute',
        tags: ['Commands'],
        summary: 'Carry out one command, or a batch of them',
        description:
          'The status of the answer speaks of the request, `status` in a reply of its command: a miss is 200 with ' +
          '`NOT_FOUND`. A batch gets one reply each, in order; commands on different keys run in parallel, those on ' +
          'one key keep their order. A batch with a malformed command is refused whole. READ needs the scope `read`, ' +
          `WRITE \`write\`, DELETE \`delete\`. The body is at most ${bodyBytesMax(valueBytesMax)} bytes long.`,
        security: needs(),
        parameters: [
          SESSION_IN,
          {
            name: 'Prefer',
            in: 'header',
            description: '`return=minimal` leaves the value out of replies to WRITE (RFC 7240).',
            schema: { type: 'string' },
            example: 'return=minimal',
          },
        ],
        requestBody: jsonBody(
          {
            oneOf: [
              schemaRef('Command'),
              { type: 'array', items: schemaRef('Command'), minItems: 1, maxItems: batchMax },
            ],
          },
          {
            write: { summary: 'WRITE', value: { command: 'WRITE', key: 'my_key', value: 'my_value' } },
            read: { summary: 'READ', value: { command: 'READ', key: 'my_key' } },
            delete: { summary: 'DELETE', value: { command: 'DELETE', key: 'my_key' } },
            batch: {
              summary: 'Several at once',
              value: [
                { command: 'WRITE', key: 'user:1', value: { name: 'Ada', visits: 3 }, ttl: 60 },
                { command: 'READ', key: 'user:1' },
              ],
            },
          },
        ),
        responses: {
          '200': jsonAnswer(
            'The reply, or those of a batch.',
            {
              oneOf: [
                schemaRef('Reply'),
                {
                  type: 'array',
                  items: { oneOf: [schemaRef('Reply'), schemaRef('CommandFailure')] },
                  minItems: 1,
                  maxItems: batchMax,
                },
              ],
            },
            { 'Cache-Status': CACHE_STATUS_OUT, 'Ringcache-Session': SESSION_OUT },
          ),
          ...commandFailures('unsupported_media_type', 'out_of_memory'),
        },
      },
    },
  };
}

/** The components of this part. */
export function commandSchemas(): Readonly<Record<string, Schema>> {
  return {
    Command: { oneOf: ['ReadCommand', 'WriteCommand', 'DeleteCommand'].map(schemaRef) },
    ReadCommand: {
      ...objectOf(
        {
          command: { const: 'READ' },
          key: KEY,
          encoding: { const: 'base64', description: 'The reply is to have `value_base64`.' },
          consistency: { ...CONSISTENCY, description: CONSISTENCY_IN.description },
        },
        ['encoding', 'consistency'],
      ),
      additionalProperties: false,
    },
    WriteCommand: {
      ...objectOf(
        {
          command: { const: 'WRITE', default: 'WRITE', description: 'May be left out.' },
          key: KEY,
          value: ANY_VALUE,
          value_base64: BASE64_VALUE,
          ttl: TTL,
          expire: { ...TTL, description: 'Another name for `ttl`.' },
          condition: { enum: ['NX', 'XX'], description: '`NX`: only if absent; `XX`: only if present.' },
          encrypt: {
            type: 'boolean',
            description:
              'Otherwise as the deployment says. `true` is refused where it has no encryption keys.',
          },
          ack: ACK,
        },
        ['command', 'value', 'value_base64', 'ttl', 'expire', 'condition', 'encrypt', 'ack'],
      ),
      description: 'One of `value` and `value_base64`, and at most one of `ttl` and `expire`.',
      oneOf: [{ required: ['value'] }, { required: ['value_base64'] }],
      not: { required: ['ttl', 'expire'] },
      additionalProperties: false,
    },
    DeleteCommand: {
      ...objectOf({ command: { const: 'DELETE' }, key: KEY, ack: ACK }, ['ack']),
      additionalProperties: false,
    },
    Reply: { oneOf: ['ReadReply', 'WriteReply', 'DeleteReply'].map(schemaRef) },
    ReadReply: {
      oneOf: [
        objectOf({ command: { const: 'READ' }, status: { const: 'SUCCESS' }, value: STORED_VALUE }),
        objectOf({ command: { const: 'READ' }, status: { const: 'SUCCESS' }, value_base64: STORED_BASE64 }),
        messageReply('READ', 'NOT_FOUND'),
      ],
      description: 'Bytes that are no text come as `value_base64`, asked for or not.',
    },
    WriteReply: {
      oneOf: [
        {
          // One choice, since each that is open would let the others pass too.
          ...objectOf(
            {
              command: { const: 'WRITE' },
              status: { const: 'SUCCESS' },
              value: STORED_VALUE,
              value_base64: STORED_BASE64,
            },
            ['value', 'value_base64'],
          ),
          not: { required: ['value', 'value_base64'] },
        },
        messageReply('WRITE', 'NOT_STORED'),
      ],
      description: 'The value as it was sent, unless `Prefer: return=minimal` leaves it out.',
    },
    DeleteReply: { oneOf: [messageReply('DELETE', 'SUCCESS'), messageReply('DELETE', 'NOT_FOUND')] },
    CommandFailure: {
      ...withCommand(failureSchema(COMMAND_CODES)),
      description: 'What became of one command of a batch.',
    },
  };
}

function messageReply(command: string, status: string): Schema {
  return objectOf({ command: { const: command }, status: { const: status }, message: { type: 'string' } });
}

function withCommand({ properties = {}, required = [], ...rest }: Schema): Schema {
  return {
    ...rest,
    properties: { command: { enum: ['READ', 'WRITE', 'DELETE'] }, ...properties },
    required: ['command', ...required],
  };
}
