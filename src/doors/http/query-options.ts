/** What the fields `consistency` and `ack` of a command are in `POST /cache`, as query parameters. */
import type { Ack, Consistency } from '../../core/command';
import { CacheError } from '../../core/errors';

/** `text` undefined: the parameter is not given. @throws CacheError `bad_request` */
export function parseConsistency(text: string | undefined): Consistency {
  switch (text) {
    case undefined:
      return 'eventual';
    case 'eventual':
    case 'session':
    case 'strong':
      return text;
    default:
      throw new CacheError('bad_request', '"consistency" must be one of [eventual, session, strong].');
  }
}

/** `text` undefined: the parameter is not given. @throws CacheError `bad_request` */
export function parseAck(text: string | undefined): Ack {
  switch (text) {
    case undefined:
    case '0':
      return 0;
    case '1':
      return 1;
    case '2':
      return 2;
    default:
      throw new CacheError('bad_request', '"ack" must be one of [0, 1, 2].');
  }
}
