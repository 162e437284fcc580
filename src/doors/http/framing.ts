/**
 * What Node's parser lets through although two readers of the same bytes could understand them differently, or
 * although this door has no use for it. All of it is refused before anything acts on the
 * request, since requests that are read in two ways are how one client speaks in another's name ("smuggling").
 */
import type { IncomingMessage } from 'node:http';
import { CacheError } from '../../core/errors';
import { headOf } from './messages';
import type { RequestHead } from './request-head';

/** Header fields of one request. Their bytes are limited by the parser. */
const HEADERS_MAX = 64;

/** The methods that the routes of this door take (`app.ts`), for the `Allow` of those that no route ever will. */
export const METHODS = 'GET, HEAD, POST, PUT, DELETE';

/** Their routes act at once, and nothing may act before a body has ended. */
const WITHOUT_BODY = new Set(['GET', 'HEAD', 'DELETE']);

/**
 * Checks the head of a request and returns its target in origin form (RFC 9112 3.2.1): path and query.
 * @throws CacheError `bad_request`, `too_large` or, for TRACE, `method_not_allowed`
 */
export function parseTarget(request: IncomingMessage): string {
  const { method = '', rawHeaders, url = '', httpVersionMinor } = request;
  if (request.httpVersionMajor !== 1)
    throw new CacheError('bad_request', 'Only HTTP/1.1 and HTTP/1.0 are spoken here.');
  if (rawHeaders.length > 2 * HEADERS_MAX) {
    throw new CacheError('too_large', `A request has at most ${HEADERS_MAX} header fields.`);
  }
  if (method === 'TRACE') throw new CacheError('method_not_allowed', 'TRACE is not supported.');

  const head = headOf(request);
  if (head.hosts > 1) throw new CacheError('bad_request', 'There is more than one Host header.');
  if (head.hosts === 0 && httpVersionMinor === 1) {
    throw new CacheError('bad_request', 'There is no Host header.');
  }
  // Node's parser stops reading after such a request and would leave what follows unanswered.
  if (head.hasUpgrade) {
    throw new CacheError('bad_request', 'Upgrading to another protocol is not supported.');
  }
  if (head.transferEncoding !== undefined) checkTransferEncoding(head.transferEncoding, httpVersionMinor);
  if (hasBody(head) && WITHOUT_BODY.has(method)) {
    throw new CacheError('bad_request', `A ${method} request must not have a body.`);
  }
  return url.startsWith('/') ? url : parseAbsoluteForm(url, head.host);
}

/** A few zeros are zero, too. */
function hasBody({ contentLength = 0, transferEncoding }: RequestHead): boolean {
  return contentLength > 0 || transferEncoding !== undefined;
}

function checkTransferEncoding(value: string, httpVersionMinor: number): void {
  if (httpVersionMinor === 0) {
    throw new CacheError('bad_request', 'HTTP/1.0 has no Transfer-Encoding.');
  }
  if (value !== 'chunked' && value.toLowerCase() !== 'chunked') {
    throw new CacheError('bad_request', 'The only Transfer-Encoding is chunked.');
  }
}

/** `https://host/path` (RFC 9112 3.2.2), which proxies send and servers must accept, if it speaks of the same host. */
function parseAbsoluteForm(url: string, host: string | undefined): string {
  const [, authority, rest] = /^https:\/\/([^/?#]*)(.*)$/i.exec(url) ?? [];
  if (authority === undefined || rest === undefined) {
    throw new CacheError('bad_request', 'The request target is neither a path nor an https address.');
  }
  if (authority.toLowerCase() !== host?.toLowerCase()) {
    throw new CacheError('bad_request', 'The request target and the Host header name different hosts.');
  }
  return rest.startsWith('/') ? rest : `/${rest}`;
}
