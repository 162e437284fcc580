/** `PUT` and `DELETE` on `/cache/{key}`. A condition is judged and the change made as one step, by the core. */
import type { EtagCondition } from '../../../core/command';
import { CacheError } from '../../../core/errors';
import { parseKey } from '../../../core/command-fields';
import { identify, perform, type RouteDeps } from '../perform';
import { parseQuery } from '../query';
import { parseAck } from '../query-options';
import type { Handler } from '../routes';
import { createWriteParameters, keyTextOf } from './parameters';
import { parseChangeCondition } from './preconditions';
import { answerAbsent } from './read-route';
import { tagOf } from './representation';
import { readValue } from './write-body';

/**
 * The handler of PUT: 201 where the key was absent, 200 where a value was replaced. The `ETag` is that of the form
 * that was sent; as a condition of the next change it is as good as the other one.
 */
export function createPutRoute(deps: RouteDeps): Handler {
  const parseParameters = createWriteParameters(deps.limits, deps.encryptionConfigured);
  return (exchange) => {
    const { request } = exchange;
    const caller = identify(exchange, deps);
    const parameters = parseParameters(request);
    const condition = parseChangeCondition(request);
    // A part of a value must not be taken for all of it (RFC 9110 14.5).
    if (request.headers['content-range'] !== undefined) {
      throw new CacheError('bad_request', 'Content-Range is not supported: send the whole value.');
    }
    readValue(exchange, deps.limits, (parse) => {
      exchange.beginWork();
      const { value, form } = parse();
      const command = { command: 'WRITE', ...parameters, value, condition, tellsExisted: true } as const;
      perform(deps, exchange, caller, command, (reply) => {
        if (reply.command !== 'WRITE' || reply.status !== 'SUCCESS') {
          exchange.fail(notMet(condition));
          return;
        }
        const created = reply.existed === false;
        const body = JSON.stringify({ key: keyTextOf(request), created });
        exchange.answer(created ? 201 : 200, body, 'SUCCESS', ['ETag', `"${tagOf(form, value)}"`]);
      });
    });
  };
}

/**
 * The handler of DELETE. What is absent is 404 under a condition too, since it would be without (RFC 9110 13.2.1); so
 * `If-Match: *` asks for nothing that DELETE does not ask for itself.
 */
export function createDeleteRoute(deps: RouteDeps): Handler {
  return (exchange) => {
    const { request } = exchange;
    const caller = identify(exchange, deps);
    const { ack } = parseQuery(request, ['ack']);
    const condition = parseChangeCondition(request);
    if (condition === 'NX') {
      throw new CacheError('bad_request', 'If-None-Match: * leaves nothing to delete.');
    }
    const command = {
      command: 'DELETE',
      key: parseKey(keyTextOf(request), deps.limits),
      condition: condition === 'XX' ? undefined : condition,
      ack: parseAck(ack),
    } as const;
    exchange.beginWork();
    perform(deps, exchange, caller, command, (reply) => {
      if (reply.status === 'SUCCESS') {
        exchange.answer(200, JSON.stringify({ key: keyTextOf(request), deleted: true }), 'SUCCESS');
      } else if (reply.status === 'NOT_DELETED') {
        exchange.fail(notMet(condition));
      } else {
        answerAbsent(exchange);
      }
    });
  };
}

function notMet(condition: 'NX' | 'XX' | EtagCondition | undefined): CacheError {
  const isMatch = condition === 'XX' || (typeof condition === 'object' && condition.isMatch);
  return new CacheError(
    'precondition_failed',
    `The condition in ${isMatch ? 'If-Match' : 'If-None-Match'} was not met; nothing was changed.`,
  );
}
