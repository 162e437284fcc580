/**
 * The session that a request carries in the header `Ringcache-Session`. A request without the header
 * costs one look at the head and nothing else.
 */
import { RequestSession } from '../../auth/request-session';
import type { SessionTokens } from '../../auth/session-tokens';
import { CacheError } from '../../core/errors';
import { type AnyExchange, isPlain } from './exchange';

const HEADER = 'Ringcache-Session';

/**
 * undefined: the request has no such header; one of the fast path never has it.
 * @throws CacheError `bad_request` when it has two, or one that is no token of ours
 */
export function openRequestSession(exchange: AnyExchange, tokens: SessionTokens): RequestSession | undefined {
  if (!exchange.head.hasSession || isPlain(exchange)) return undefined;
  const { request, response } = exchange;
  const [token = '', ...others] = request.headersDistinct[HEADER.toLowerCase()] ?? [];
  if (others.length > 0) throw new CacheError('bad_request', `There is more than one ${HEADER} field.`);
  return new RequestSession(tokens, (sealed) => response.setHeader(HEADER, sealed), tokens.open(token));
}
