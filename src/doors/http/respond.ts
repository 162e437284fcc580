/**
 * Writing answers. Every answer of the HTTP door leaves through `respond`, with the same security headers: helmet
 * decides them once, at load, instead of on each response (that alone costs a fifth of the throughput).
 */
import helmet from 'helmet';
import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import type { Command } from '../../core/command';
import type { CacheError, ErrorCode } from '../../core/errors';
import { PlainResponse } from './fast/plain-messages';

/** A new code does not compile until it has its status here. */
export const HTTP_STATUS = {
  bad_request: 400,
  unauthenticated: 401,
  forbidden: 403,
  not_found: 404,
  method_not_allowed: 405,
  conflict: 409,
  precondition_failed: 412,
  too_large: 413,
  unsupported_media_type: 415,
  throttled: 429,
  corrupt_value: 500,
  internal: 500,
  unavailable: 503,
  timeout: 504,
  out_of_memory: 507,
} as const satisfies Record<ErrorCode, number>;

/** What helmet sets, as a flat list; decided once and not for each answer. */
export function helmetHeaders(contentSecurityPolicy: CspDirectives): readonly string[] {
  const response = new ServerResponse(new IncomingMessage(new Socket()));
  const middleware = helmet({
    contentSecurityPolicy: { useDefaults: false, directives: contentSecurityPolicy },
    frameguard: { action: 'deny' },
    crossOriginOpenerPolicy: false,
    originAgentCluster: false,
    dnsPrefetchControl: false,
    ieNoOpen: false,
    permittedCrossDomainPolicies: false,
    xXssProtection: false,
  });
  middleware(response.req, response, () => undefined);
  return Object.entries(response.getHeaders()).flatMap(([name, value]) => [name, String(value)]);
}

export type CspDirectives = Record<string, readonly string[]>;

/** An answer that is data is never a document. */
const DATA_POLICY: CspDirectives = { defaultSrc: ["'none'"], frameAncestors: ["'none'"] };

/** The headers of an answer that is data, by what kind of data it is; `none` has no body at all. */
export const DATA_HEADERS = {
  none: dataHeaders(),
  json: dataHeaders('application/json; charset=utf-8'),
  text: dataHeaders('text/plain; charset=utf-8'),
  bytes: dataHeaders('application/octet-stream'),
} as const satisfies Record<string, readonly string[]>;

/** The headers of data of one more media type; to be called once for each, not for each answer. */
export function dataHeaders(contentType?: string): readonly string[] {
  const common = [...helmetHeaders(DATA_POLICY), 'Cache-Control', 'no-store'];
  return contentType === undefined ? common : [...common, 'Content-Type', contentType];
}

export type Body = string | Buffer;

/** An answer that leaves at the end of this turn of the event loop. */
interface Departure {
  readonly response: ServerResponse | PlainResponse;
  readonly status: number;
  readonly headers: readonly string[];
  readonly extra: readonly string[];
  readonly body: Body | undefined;
}

const NO_FIELDS: readonly string[] = [];

/** The answers of this turn, of all connections. It is empty between turns, so nothing is shared for longer. */
let departures: Departure[] = [];

/**
 * Answers with `headers`, a flat list of names and values, and then `extra`, another one. `body` undefined: the answer
 * has none, and no length (304). Does nothing on a dead connection, nor where an answer was given before.
 *
 * The answers of one turn of the event loop are written together at its end: encrypting each as soon as it is ready
 * takes turns with all that makes answers, and the two throw each other's code out of the processor's cache. Written
 * together, near hits were a third cheaper.
 */
export function respond(
  response: ServerResponse | PlainResponse,
  status: number,
  headers: readonly string[],
  body: Body | undefined,
  extra: readonly string[] = NO_FIELDS,
): void {
  if (response.headersSent || response.destroyed) return;
  if (departures.length === 0) setImmediate(writeAnswers);
  if (response instanceof PlainResponse) response.isDeparting = true;
  departures.push({ response, status, headers, extra, body });
}

/**
 * What all answers vary by was set before (`cors.ts`), and `writeHead` would put what this one varies by in its
 * place.
 */
function joinVary(headers: string[], varyOfAll: string): void {
  const at = headers.indexOf('Vary') + 1;
  if (at > 0) headers[at] = `${headers[at] ?? ''}, ${varyOfAll}`;
}

function writeAnswers(): void {
  const leaving = departures;
  departures = [];
  for (const { response, status, headers, extra, body } of leaving) {
    // Answered twice in one turn: the first one counts.
    if (response.headersSent || response.destroyed) continue;
    if (response instanceof PlainResponse) response.write(status, headers, extra, String(body ?? ''));
    else writeAnswer(response, status, [...headers, ...extra], body);
  }
}

function writeAnswer(
  response: ServerResponse,
  status: number,
  headers: string[],
  body: Body | undefined,
): void {
  const varyOfAll = response.getHeader('Vary');
  if (varyOfAll !== undefined) joinVary(headers, String(varyOfAll));
  if (body !== undefined) headers.push('Content-Length', String(Buffer.byteLength(body)));
  const { socket } = response;
  if (socket !== null && socket.writableLength + (body?.length ?? 0) >= socket.writableHighWaterMark) {
    parseOutsideTheSocket(socket);
  }
  response.writeHead(status, headers);
  response.end(body);
}

/** Connections whose requests are parsed from their stream, not inside the socket. */
const parsedOutside = new WeakSet<Socket>();

/**
 * While an answer that is longer than the socket's buffer waits to be written, Node pauses the parser of the same
 * connection. Where the parser sits inside the TLS socket, as it does unless somebody listens to its data, it is
 * fed the next record all the same, and takes a good request for a broken one (HPE_PAUSED, Node 20): 1. the end of
 * a long answer reaches the client, and the next request comes back  2. its head and its body are two records that
 * arrive together, before Node has seen the answer drain. A listener takes the parser out of the socket. That is
 * not free, so only connections that have had such an answer get one.
 */
function parseOutsideTheSocket(socket: Socket): void {
  if (parsedOutside.has(socket)) return;
  parsedOutside.add(socket);
  socket.on('data', () => undefined);
}

/** The JSON of a failure; `command` where it belongs to one. The cause stays out of it. */
export function errorBody(error: CacheError, requestId: string, command?: Command['command']): string {
  return JSON.stringify({
    ...(command === undefined ? {} : { command }),
    status: 'ERROR',
    code: error.code,
    message: error.message,
    request_id: requestId,
  });
}

/** The headers that an error's code owes by HTTP's rules (RFC 9110: 401, 405, 429, 503), but for 405's `Allow`. */
function errorHeaders(error: CacheError): readonly string[] {
  switch (error.code) {
    case 'unauthenticated':
      return ['WWW-Authenticate', 'Bearer'];
    case 'throttled':
    case 'unavailable':
      return ['Retry-After', String(error.retryAfterSeconds ?? 1)];
    default:
      return [];
  }
}

/** Answers a failure of the whole request; `extra` as in `respond`. */
export function respondError(
  response: ServerResponse | PlainResponse,
  error: CacheError,
  requestId: string,
  details: { command?: Command['command']; extra?: readonly string[] } = {},
): void {
  const { command, extra = [] } = details;
  const body = errorBody(error, requestId, command);
  respond(response, HTTP_STATUS[error.code], DATA_HEADERS.json, body, [...errorHeaders(error), ...extra]);
}
