/** `POST /login`: an API key for a token that lives for a while. */
import type { Access } from '../../../auth/access';
import { CacheError } from '../../../core/errors';
import type { Exchange } from '../exchange';
import { decodeText, parseJson, readJsonBody } from '../read-body';

/** The longest body of `POST /login`. */
export const LOGIN_BODY_BYTES_MAX = 16 * 1024;

/** The handler of `POST /login`. Failures are throttled by the address that the connection came from. */
export function createLoginRoute(access: Pick<Access, 'login'>): (exchange: Exchange) => void {
  return (exchange) => {
    const { request } = exchange;
    const address = request.socket.remoteAddress ?? '';
    exchange.address = address;
    readJsonBody(exchange, LOGIN_BODY_BYTES_MAX, (bytes) => {
      exchange.beginWork();
      const apiKey = parseApiKey(bytes);
      const login = access.login(apiKey, address);
      exchange.client = login.client;
      const body = {
        access_token: login.accessToken,
        token_type: 'Bearer',
        expires_in: login.expiresInSeconds,
        scope: login.scope,
      };
      exchange.answer(200, JSON.stringify(body), 'SUCCESS');
    });
  };
}

/** Other fields are let pass: real callers send `client_id` and `grant_type`. */
function parseApiKey(bytes: Buffer): string {
  const body = parseJson(decodeText(bytes));
  const apiKey: unknown =
    typeof body === 'object' && body !== null && 'api_key' in body ? body.api_key : undefined;
  if (typeof apiKey === 'string' && apiKey !== '') return apiKey;
  throw new CacheError('bad_request', 'The body must be a JSON object with a string "api_key".');
}
