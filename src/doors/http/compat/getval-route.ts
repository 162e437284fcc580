/** `GET /getval/{key}`: a READ that is answered as one line of text, without an end of line. */
import { plainText } from '../../../core/value';
import { CACHE_STATUS, CACHE_STATUS_MISS } from '../cache-status';
import type { RouteDeps } from '../perform';
import { type Body, DATA_HEADERS } from '../respond';
import type { Handler } from '../routes';
import { readKeyOfPath } from './read-key';

/**
 * The handler. The value stands as it is: JSON that is no string as its JSON text, and bytes that are not UTF-8 as
 * these bytes, although the line is announced as UTF-8: whoever stored them knows what they are.
 */
export function createGetvalRoute(deps: RouteDeps): Handler {
  return (exchange) =>
    readKeyOfPath(deps, exchange, (key, reply) => {
      if (reply.status === 'NOT_FOUND') {
        const body = `Not found: ${key}`;
        exchange.answerWith(DATA_HEADERS.text, 404, body, reply.status, CACHE_STATUS_MISS);
        return;
      }
      const { value, source } = reply;
      const start = `${source === 'near' ? 'From cache' : 'From Redis'}: ${key} => `;
      const body: Body = Buffer.isBuffer(value)
        ? Buffer.concat([Buffer.from(start), value])
        : start + plainText(value);
      exchange.answerWith(DATA_HEADERS.text, 200, body, reply.status, CACHE_STATUS[source]);
    });
}
