/**
 * What is the same for everybody who asks: the files of the console, the description. Held in memory, open to all.
 * `no-cache` lets a browser keep it and ask each time whether it is still the one.
 */
import { etagOf } from '../../core/etag';
import { type CspDirectives, helmetHeaders } from './respond';
import { judge, parseReadConditions } from './rest/preconditions';
import type { Handler } from './routes';

/**
 * The handler that answers `body`, and 304 to who has it (RFC 9110 13.1.2). `policy` is what the page may load, run
 * and be shown in.
 */
export function createPage(body: Buffer, contentType: string, policy: CspDirectives): Handler {
  const etag = etagOf(body);
  // Without the content's type: these are 304's headers too.
  const headers = [...helmetHeaders(policy), 'Cache-Control', 'no-cache', 'ETag', `"${etag}"`];
  return (exchange) => {
    const { ifNoneMatch } = parseReadConditions(exchange.request);
    if (judge({ ifMatch: undefined, ifNoneMatch }, etag) === 'not_modified') {
      exchange.answerWith(headers, 304, undefined, 'NOT_MODIFIED');
    } else {
      exchange.answerWith(headers, 200, body, 'SUCCESS', ['Content-Type', contentType]);
    }
  };
}
