/** `GET /?key=K`: a READ whose answer tells in words at which level the key was found. */
import { CACHE_STATUS, CACHE_STATUS_MISS } from '../cache-status';
import type { Exchange } from '../exchange';
import type { RouteDeps } from '../perform';
import type { Handler } from '../routes';
import { valueText } from '../value-text';
import { readKeyOfQuery, type ReadReply } from './read-key';

const FOUND_NEAR = 'Key found in local cache.';
const FOUND_BEHIND = 'Key not found in local cache. Key found in redis cache.';
const NOT_FOUND = 'Key not found in local cache. Key not found in redis cache.';

/** The handler of `GET /` where its query has a `key`; a miss is a 404 of the same shape, without a value. */
export function createLookupRoute(deps: RouteDeps): Handler {
  return (exchange) => readKeyOfQuery(deps, exchange, (key, reply) => answer(exchange, key, reply));
}

function answer(exchange: Exchange, key: string, reply: ReadReply): void {
  const name = JSON.stringify(key);
  if (reply.status === 'NOT_FOUND') {
    const body = `{"Key":${name},"message":"${NOT_FOUND}","status":"not found"}`;
    exchange.answer(404, body, reply.status, CACHE_STATUS_MISS);
    return;
  }
  const message = reply.source === 'near' ? FOUND_NEAR : FOUND_BEHIND;
  const value = valueText(reply.value, false, 'Value');
  const body = `{"Key":${name},${value},"message":"${message}","status":"successful"}`;
  exchange.answer(200, body, reply.status, CACHE_STATUS[reply.source]);
}
