/** What several routes have in common: keys, values, lives, and the headers of requests and answers. */
import { SESSION_TOKEN_CHARS_MAX } from '../../../auth/session-tokens';
import type { Limits } from '../../../core/limits';
import { TTL_SECONDS_MAX } from '../../../core/command-fields';
import { type Header, type Parameter, type Schema, schemaRef } from './open-api';

/** Canonical base64 with its padding (RFC 4648 3.5), the only spelling that is taken. */
const BASE64 = '^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$';

/** The bytes that so many characters of base64 hold, the other way round. */
const base64Length = (bytes: number) => 4 * Math.ceil(bytes / 3);

export const KEY = schemaRef('Key');
export const ANY_VALUE = schemaRef('Value');
export const BASE64_VALUE = schemaRef('Base64Value');
/** In answers: whoever else writes to Redis knows nothing of our limits. */
export const STORED_VALUE = schemaRef('StoredValue');
export const STORED_BASE64 = schemaRef('StoredBase64');
export const TTL = schemaRef('Ttl');
export const ACK = schemaRef('Ack');

/** The components that more than one part refers to. */
export function sharedSchemas({
  keyBytesMax,
  valueBytesMax,
  depthMax,
}: Limits): Readonly<Record<string, Schema>> {
  return {
    Key: {
      type: 'string',
      minLength: 1,
      maxLength: keyBytesMax,
      description: `1 to ${keyBytesMax} bytes of UTF-8; bytes count, not characters. Half of a surrogate pair is no text.`,
    },
    Value: {
      description:
        `Any JSON value, of at most ${valueBytesMax} bytes (of its UTF-8, or of its JSON text) and ${depthMax} levels. ` +
        'A number that a double cannot hold exactly is refused: send it as a string.',
    },
    Base64Value: {
      type: 'string',
      contentEncoding: 'base64',
      pattern: BASE64,
      maxLength: base64Length(valueBytesMax),
      description: `At most ${valueBytesMax} bytes, as base64 with its padding.`,
    },
    StoredValue: {
      description:
        'Any JSON value. What others have put into Redis is a string, and may be longer than what is taken here.',
    },
    StoredBase64: {
      type: 'string',
      contentEncoding: 'base64',
      pattern: BASE64,
      description:
        'Bytes, as base64 with its padding. What others have put into Redis may be longer than what is taken here.',
    },
    Ttl: {
      type: 'number',
      minimum: 0,
      maximum: TTL_SECONDS_MAX,
      description: 'Life in seconds, fractions allowed; 0: until deleted or evicted.',
    },
    Ack: {
      enum: [0, 1, 2],
      default: 0,
      description:
        'Replicas that must have it before the success is told. Too few in time: `unavailable`, and it may stand.',
    },
  };
}

export const CONSISTENCY: Schema = { enum: ['eventual', 'session', 'strong'], default: 'eventual' };

export const KEY_IN_PATH: Parameter = {
  name: 'key',
  in: 'path',
  required: true,
  description: 'Percent-decoded once: `%2F` is data.',
  schema: KEY,
  example: 'my_key',
};

const SESSION_TEXT: Schema = {
  type: 'string',
  maxLength: SESSION_TOKEN_CHARS_MAX,
  pattern: '^[A-Za-z0-9_-]*$',
};

export const SESSION_IN: Parameter = {
  name: 'Ringcache-Session',
  in: 'header',
  description:
    'What the last answer gave, empty to begin with: reads then see all that the session wrote, through whichever gateway.',
  schema: SESSION_TEXT,
};

export const SESSION_OUT: Header = {
  description:
    'The session renewed, on every answer to a request that has one and whose token was accepted, failures included. A ' +
    'request that is too broken to be looked at has none, nor has one with a session that is not ours.',
  schema: SESSION_TEXT,
};

/** RFC 9211: where the value was found. */
export const CACHE_STATUS_OUT: Header = {
  description:
    'Where the value was found (RFC 9211): in this process, on a replica, on the master, or nowhere.',
  schema: {
    enum: [
      'ringcache; hit; detail=near',
      'ringcache; hit; detail=replica',
      'ringcache; hit; detail=master',
      'ringcache; fwd=miss',
    ],
  },
};

export const CONSISTENCY_IN: Parameter = {
  name: 'consistency',
  in: 'query',
  description:
    '`session` and `strong` ask the master, past the near cache; `session` less often in a session.',
  schema: CONSISTENCY,
};

export const ACK_IN: Parameter = {
  name: 'ack',
  in: 'query',
  description: 'How many replicas must have it.',
  schema: ACK,
};

export const ETAG_OUT: Header = {
  description:
    'Names this form of the value (RFC 9110 8.8.3): another value, or the other form, has another one.',
  required: true,
  schema: { type: 'string', pattern: '^"[A-Za-z0-9_.-]+"$' },
};

/** Of what is the same for everybody. */
export const PAGE_ETAG_OUT: Header = {
  description: 'For `If-None-Match` of the next request.',
  schema: { type: 'string', pattern: '^"[A-Za-z0-9_-]+"$' },
};

export const IF_NONE_MATCH_OF_PAGE: Parameter = {
  name: 'If-None-Match',
  in: 'header',
  description: 'The tags that the caller has: 304 where the page has one of them.',
  schema: { type: 'string', minLength: 1 },
};

/** For operations that ask for a token whose client has these scopes. */
export function needs(...scopes: readonly string[]) {
  return [{ bearer: scopes }] as const;
}

export const OPEN_TO_ALL = [] as const;
