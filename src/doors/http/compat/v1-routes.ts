/**
 * `POST /v1/cache/set` and `GET /v1/cache/get/{key}`: the gRPC calls as JSON. There a value is a string or bytes and
 * nothing else, and so it is here: a `value` that is no string is refused, and what was stored as other JSON through
 * another route is given as a string, its JSON text, so that a typed client can decode every answer. Whoever cares for
 * the difference between `"[1]"` and `[1]` reads through `/cache`.
 */
import { Json, type Value } from '../../../core/command';
import { keyToText } from '../../../core/key';
import { CACHE_STATUS, CACHE_STATUS_MISS } from '../cache-status';
import { ttlMsOf } from '../../../core/command-fields';
import { checkFields, createSetSchema } from '../commands/command-schemas';
import { identify, perform, type RouteDeps } from '../perform';
import { parseQuery } from '../query';
import { parseAck } from '../query-options';
import { bodyBytesMax, decodeText, readJsonBody } from '../read-body';
import { answerAbsent } from '../rest/read-route';
import type { Handler } from '../routes';
import { valueText } from '../value-text';
import { parseObject } from '../parse-object';
import { readKeyOfPath } from './read-key';

/** The body of a set is one flat object. */
const DEPTH_OF_SET = 1;

/** The handler of the set; the answer repeats the value in the form in which it came. */
export function createV1SetRoute(deps: RouteDeps): Handler {
  const { limits } = deps;
  const schema = createSetSchema(limits);
  const bytesMax = bodyBytesMax(limits.valueBytesMax);

  return (exchange) => {
    const caller = identify(exchange, deps);
    const ack = parseAck(parseQuery(exchange.request, ['ack']).ack);
    readJsonBody(exchange, bytesMax, (bytes) => {
      exchange.beginWork();
      const fields = checkFields(schema, parseObject(decodeText(bytes), DEPTH_OF_SET));
      const { key, value: text, value_base64: decoded, ttl } = fields;
      const value = text ?? decoded;
      if (value === undefined) throw new Error('the schema asks for one of the two');
      const ttlMs = ttl === undefined ? undefined : ttlMsOf(ttl);
      const write = {
        command: 'WRITE',
        key,
        value,
        ttlMs,
        condition: undefined,
        encrypt: undefined,
        ack,
      } as const;
      perform(deps, exchange, caller, write, (reply) => {
        const echo = fieldsText(keyToText(key), value, text === undefined);
        exchange.answer(200, `{${echo},"status":"SUCCESS"}`, reply.status);
      });
    });
  };
}

/** The handler of the get. A miss is a 404 in the shape of an error; for the log it is a miss as any other. */
export function createV1GetRoute(deps: RouteDeps): Handler {
  return (exchange) =>
    readKeyOfPath(deps, exchange, (key, reply) => {
      if (reply.status === 'NOT_FOUND') {
        answerAbsent(exchange, CACHE_STATUS_MISS);
        return;
      }
      const { value, source } = reply;
      const text = fieldsText(key, value instanceof Json ? value.text : value, false);
      exchange.answer(200, `{${text}}`, reply.status, CACHE_STATUS[source]);
    });
}

function fieldsText(key: string, value: Value, base64: boolean): string {
  return `"key":${JSON.stringify(key)},${valueText(value, base64)}`;
}
