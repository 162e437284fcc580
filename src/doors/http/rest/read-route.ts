/**
 * `GET /cache/{key}`, and HEAD, of which Node leaves the body out. The way of a near hit has no promise in it, as on
 * `POST /cache`.
 */
import type { Source, Value } from '../../../core/command';
import { CacheError } from '../../../core/errors';
import { CACHE_STATUS, CACHE_STATUS_MISS } from '../cache-status';
import { parseKey } from '../../../core/command-fields';
import type { Exchange } from '../exchange';
import { identify, perform, type RouteDeps } from '../perform';
import { parseQuery } from '../query';
import { parseConsistency } from '../query-options';
import { DATA_HEADERS, errorBody } from '../respond';
import type { Handler } from '../routes';
import { keyTextOf } from './parameters';
import { judge, parseReadConditions, type ReadConditions } from './preconditions';
import { bodyOf, type Form, preferredForm, tagOf } from './representation';

const HEADERS_OF = { json: DATA_HEADERS.json, raw: DATA_HEADERS.bytes } as const satisfies Record<
  Form,
  readonly string[]
>;

/** The handler. Conditions are judged on the form that is asked for; where there is nothing, that is the answer. */
export function createReadRoute(deps: RouteDeps): Handler {
  return (exchange) => {
    const { request } = exchange;
    const caller = identify(exchange, deps);
    const { consistency } = parseQuery(request, ['consistency']);
    const command = {
      command: 'READ',
      key: parseKey(keyTextOf(request), deps.limits),
      consistency: parseConsistency(consistency),
    } as const;
    const conditions = parseReadConditions(request);
    const form = preferredForm(request);
    exchange.beginWork();
    perform(deps, exchange, caller, command, (reply) => {
      if (reply.command === 'READ' && reply.status === 'SUCCESS') {
        answerValue(exchange, form, conditions, reply);
      } else {
        answerAbsent(exchange, CACHE_STATUS_MISS);
      }
    });
  };
}

/**
 * 404 for a key that is not there; `extra` as in `Exchange.answer`. It is no failure, and the log does not call it
 * one.
 */
export function answerAbsent(exchange: Exchange, extra?: readonly string[]): void {
  const error = new CacheError('not_found', `${keyTextOf(exchange.request)} Key not found`);
  exchange.answer(404, errorBody(error, exchange.requestId), 'NOT_FOUND', extra);
}

function answerValue(
  exchange: Exchange,
  form: Form,
  conditions: ReadConditions,
  { value, source }: { readonly value: Value; readonly source: Source },
): void {
  const tag = tagOf(form, value);
  const extra = ['ETag', `"${tag}"`, 'Vary', 'Accept', ...CACHE_STATUS[source]];
  switch (judge(conditions, tag)) {
    case 'due':
      exchange.answerWith(
        HEADERS_OF[form],
        200,
        bodyOf(form, keyTextOf(exchange.request), value),
        'SUCCESS',
        extra,
      );
      break;
    case 'not_modified':
      exchange.answerWith(DATA_HEADERS.none, 304, undefined, 'NOT_MODIFIED', extra);
      break;
    case 'precondition_failed':
      exchange.fail(new CacheError('precondition_failed', 'The value has none of the tags in If-Match.'), {
        extra,
      });
  }
}
