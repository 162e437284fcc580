/**
 * Answers that are failures, from the one list of codes and the one table of their statuses: a new
 * code does not compile until it is explained here.
 */
import type { ErrorCode } from '../../../core/errors';
import { HTTP_STATUS } from '../respond';
import { type Header, objectOf, type Response, type Responses, type Schema } from './open-api';
import { SESSION_OUT } from './shared-parts';

const WHEN = {
  bad_request: 'The request is not what this page says; the message names the field.',
  unauthenticated: 'No bearer token, or not a good one; at the login: not a good API key.',
  forbidden: 'The client has no right to that command or key, whether the key exists or not.',
  not_found: 'There is no such route.',
  method_not_allowed: 'The path has other methods: see `Allow`.',
  conflict: 'What the session of the request wrote was lost by a failover: begin anew with an empty one.',
  precondition_failed: 'What is stored does not meet `If-Match` or `If-None-Match`; nothing was changed.',
  too_large: 'A key, value, batch, body or header is over its limit.',
  unsupported_media_type: 'The body is of a type that is not listed here, or it is compressed.',
  throttled: 'Too many wrong keys came from that address or for that client.',
  corrupt_value: 'What is stored does not decrypt, is damaged, or is no string.',
  internal: 'A fault of ringcache; its cause is in the log under the `request_id`.',
  unavailable: 'The shard cannot be used, or the service is at a limit.',
  timeout:
    'The shard did not answer in time, or others were changing the key. A change may stand, unless the message says otherwise.',
  out_of_memory: "The shard's Redis is full.",
} as const satisfies Record<ErrorCode, string>;

const CODES = Object.keys(WHEN) as ErrorCode[];

/** What can happen to every request: bad framing, headers that are too long, too many connections, a fault of ours. */
const ALWAYS: readonly ErrorCode[] = ['bad_request', 'too_large', 'internal', 'unavailable'];

/** What else can happen to a request with a token. */
const WITH_TOKEN: readonly ErrorCode[] = ['unauthenticated', 'forbidden'];

/** What else can happen to a request that reads or changes a value. */
const WITH_DATA: readonly ErrorCode[] = [...WITH_TOKEN, 'timeout'];

/** What else can happen to a request that reads one, and in a session. */
const WITH_READ: readonly ErrorCode[] = [...WITH_DATA, 'conflict', 'corrupt_value'];

/** Never met by a route that carries out commands, or not once it has accepted the token. */
const WITHOUT_SESSION: readonly ErrorCode[] = [
  'unauthenticated',
  'not_found',
  'method_not_allowed',
  'throttled',
];

/** Met by nobody else. */
const WITH_COMMAND: readonly ErrorCode[] = [
  'conflict',
  'precondition_failed',
  'corrupt_value',
  'out_of_memory',
];

const RETRY_AFTER: Readonly<Record<string, Header>> = {
  'Retry-After': {
    description: 'Seconds after which trying again makes sense.',
    required: true,
    schema: { type: 'string', pattern: '^[1-9][0-9]*$' },
  },
};

/** What HTTP's rules ask of an answer with that code (RFC 9110). */
const HEADERS: Partial<Readonly<Record<ErrorCode, Readonly<Record<string, Header>>>>> = {
  unauthenticated: {
    'WWW-Authenticate': {
      description: 'The scheme that is asked for.',
      required: true,
      schema: { const: 'Bearer' },
    },
  },
  method_not_allowed: {
    Allow: {
      description: 'The methods of the path, divided by commas.',
      required: true,
      schema: { type: 'string' },
    },
  },
  throttled: RETRY_AFTER,
  unavailable: RETRY_AFTER,
};

/** What every failure says, with one of these codes. */
export function failureSchema(codes: readonly ErrorCode[]): Schema {
  return objectOf({
    status: { const: 'ERROR' },
    code: codes.length === 1 && codes[0] !== undefined ? { const: codes[0] } : { enum: codes },
    message: { type: 'string', description: 'For the caller; not to be parsed.' },
    request_id: { type: 'string', description: 'The log knows the request under it.' },
  });
}

/** A failure that may belong to one command: it then says to which. */
function commandFailureSchema(codes: readonly ErrorCode[]): Schema {
  const { properties = {}, ...rest } = failureSchema(codes);
  return { ...rest, properties: { command: { enum: ['READ', 'WRITE', 'DELETE'] }, ...properties } };
}

/** The failures of a route, by status: those that every request can meet, and `codes`. */
export function failures(...codes: readonly ErrorCode[]): Responses {
  return byStatus(codes, (together) => ({ $ref: `#/components/responses/${nameOf(together)}` }));
}

/** As `failures`, of a route that asks for a token. */
export function tokenFailures(...codes: readonly ErrorCode[]): Responses {
  return failures(...WITH_TOKEN, ...codes);
}

/** As `failures`, of a route that carries out a command on one key, and gives the session back. */
export function dataFailures(...codes: readonly ErrorCode[]): Responses {
  return byStatus([...WITH_DATA, ...codes], (together) => ({
    $ref: `#/components/responses/${hasSession(together) ? sessionNameOf(together) : nameOf(together)}`,
  }));
}

/** As `dataFailures`, of a READ. */
export function readFailures(): Responses {
  return dataFailures(...WITH_READ);
}

/** As `readFailures`, of the route that carries out any command. */
export function commandFailures(...codes: readonly ErrorCode[]): Responses {
  return byStatus([...WITH_READ, ...codes], (together) =>
    withSession(together, responseOf(together, commandFailureSchema(together))),
  );
}

/** The components that `failures` and `dataFailures` refer to. */
export function failureResponses(): Readonly<Record<string, Response>> {
  const responses: Record<string, Response> = {};
  for (const together of groupsOf(CODES.filter((code) => !WITH_COMMAND.includes(code))).values()) {
    responses[nameOf(together)] = responseOf(together, failureSchema(together));
  }
  const inSession = groupsOf(CODES.filter((code) => !WITHOUT_SESSION.includes(code)));
  // Who reads nothing that is stored cannot meet the other code of its status.
  for (const together of [...inSession.values(), ['internal'] as const]) {
    const response = responseOf(together, failureSchema(together));
    responses[sessionNameOf(together)] = withSession(together, response);
  }
  return responses;
}

/** A failure with that code alone, and with these headers beside its own. */
export function failureWith(code: ErrorCode, headers: Readonly<Record<string, Header>>): Response {
  const response = responseOf([code], failureSchema([code]));
  return { ...response, headers: { ...response.headers, ...headers } };
}

function byStatus<T>(
  codes: readonly ErrorCode[],
  describe: (together: readonly ErrorCode[]) => T,
): Record<string, T> {
  const all = CODES.filter((code) => ALWAYS.includes(code) || codes.includes(code));
  return Object.fromEntries([...groupsOf(all)].map(([status, together]) => [status, describe(together)]));
}

function groupsOf(codes: readonly ErrorCode[]): Map<string, ErrorCode[]> {
  const groups = new Map<string, ErrorCode[]>();
  for (const code of codes) {
    const status = String(HTTP_STATUS[code]);
    groups.set(status, [...(groups.get(status) ?? []), code]);
  }
  return groups;
}

function hasSession(together: readonly ErrorCode[]): boolean {
  return !together.some((code) => WITHOUT_SESSION.includes(code));
}

function withSession(together: readonly ErrorCode[], response: Response): Response {
  if (!hasSession(together)) return response;
  return { ...response, headers: { ...response.headers, 'Ringcache-Session': SESSION_OUT } };
}

function sessionNameOf(together: readonly ErrorCode[]): string {
  return `${nameOf(together)}_with_session`;
}

function nameOf(together: readonly ErrorCode[]): string {
  return together.join('_or_');
}

function responseOf(together: readonly ErrorCode[], schema: Schema): Response {
  return {
    description: together.map((code) => WHEN[code]).join(' Or: '),
    headers: Object.assign({}, ...together.map((code) => HEADERS[code] ?? {})) as Record<string, Header>,
    content: { 'application/json': { schema } },
  };
}
