/**
 * What Node's parser lets through although two readers of the same bytes could understand them differently, or
 * although this door has no use for it (`security.md`, HTTP). All of it is refused before anything acts on the
 * request, since requests that are read in two ways are how one client speaks in another's name ("smuggling").
 */
import { CacheError } from '../../core/errors';

/** Fields of a request's head as Node has them; `rawHeaders` is its flat list of names and values. */
interface Head {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  readonly httpVersionMajor: number;
  readonly httpVersionMinor: number;
  readonly rawHeaders: readonly string[];
}

/** Header fields of one request. Their bytes are limited by the parser. */
const HEADERS_MAX = 64;

/** Methods that some route of this door knows, for the `Allow` of those that no route ever will. */
export const METHODS = 'GET, HEAD, POST, PUT, DELETE, OPTIONS';

/**
 * Checks the head of a request and returns its target in origin form (RFC 9112 3.2.1): path and query.
 * @throws CacheError `bad_request`, `too_large` or, for TRACE, `method_not_allowed`
 */
export function parseTarget(head: Head): string {
  const { method, rawHeaders, url = '' } = head;
  if (head.httpVersionMajor !== 1)
    throw new CacheError('bad_request', 'Only HTTP/1.1 and HTTP/1.0 are spoken here.');
  if (rawHeaders.length > 2 * HEADERS_MAX) {
    throw new CacheError('too_large', `A request has at most ${HEADERS_MAX} header fields.`);
  }
  if (method === 'TRACE') throw new CacheError('method_not_allowed', 'TRACE is not supported.');

  let host: string | undefined;
  let hasBody = false;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? '';
    // The length tells nearly all other fields apart without making a lower-case copy of each name.
    switch (name.length) {
      case 4:
        if (name.toLowerCase() !== 'host') break;
        if (host !== undefined) throw new CacheError('bad_request', 'There is more than one Host header.');
        host = rawHeaders[at + 1] ?? '';
        break;
      case 7:
        // Node's parser stops reading after such a request and would leave what follows unanswered.
        if (name.toLowerCase() !== 'upgrade') break;
        throw new CacheError('bad_request', 'Upgrading to another protocol is not supported.');
      case 14:
        // The parser has checked that it is one number. A few zeros are zero, too.
        if (name.toLowerCase() === 'content-length') hasBody ||= Number(rawHeaders[at + 1]) > 0;
        break;
      case 17:
        if (name.toLowerCase() !== 'transfer-encoding') break;
        checkTransferEncoding(head, rawHeaders[at + 1] ?? '');
        hasBody = true;
    }
  }
  if (host === undefined && head.httpVersionMinor === 1) {
    throw new CacheError('bad_request', 'There is no Host header.');
  }
  if (hasBody && (method === 'GET' || method === 'HEAD')) {
    throw new CacheError('bad_request', 'A GET or HEAD request must not have a body.');
  }
  return url.startsWith('/') ? url : parseAbsoluteForm(url, host);
}

function checkTransferEncoding(head: Head, value: string): void {
  if (head.httpVersionMinor === 0) {
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
