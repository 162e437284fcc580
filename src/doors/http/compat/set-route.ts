/**
 * `POST /set`: an object of pairs to be written, answered with its first pair and, in words, with what became of that
 * key at each level.
 *
 * The words must be true, and a WRITE alone cannot make them so: it forgets the key in the near cache, whose next
 * READ fills it (`core/cache.ts` tells why a write installs nothing). So the near cache is asked before, the WRITE
 * tells whether the key existed, one READ fills the near cache, and that is asked again; it may have refused the
 * value: it is turned off, the value is longer than all of it, the key was changed meanwhile, or the announcements
 * are interrupted. To a client that may not read nothing is said of the near cache, and no READ is made.
 */
import { type Command, Json, type Key, type Reply, type Value } from '../../../core/command';
import { CacheError } from '../../../core/errors';
import type { Limits } from '../../../core/limits';
import { checkNumbers } from '../../../core/check-numbers';
import { parseKey, parseValue } from '../../../core/command-fields';
import { endOfString } from '../../../core/json-text';
import { identify, performBatch, type RouteDeps } from '../perform';
import { parseQuery } from '../query';
import { parseAck } from '../query-options';
import { bodyBytesMax, decodeText, parseJson, readJsonBody } from '../read-body';
import type { Handler } from '../routes';
import { valueText } from '../value-text';
import { parseObject } from '../parse-object';

interface Pair {
  readonly name: string;
  readonly key: Key;
  readonly value: Value;
}

/** What is said of the near cache and of what lies behind it, each before and after. */
interface Levels {
  /** undefined: not shown to who may not read. */
  readonly wasNear: boolean | undefined;
  readonly isNear: boolean | undefined;
  readonly existed: boolean;
}

/** A value lies in the object of the pairs. */
const DEPTH_OF_PAIRS = 1;

/** The handler. When a pair fails the answer is that failure: there is no form for a part of them. */
export function createSetRoute(deps: RouteDeps): Handler {
  const { cache, limits } = deps;
  const bytesMax = bodyBytesMax(limits.valueBytesMax);

  return (exchange) => {
    const caller = identify(exchange, deps);
    const { principal } = caller;
    const ack = parseAck(parseQuery(exchange.request, ['ack']).ack);
    readJsonBody(exchange, bytesMax, (bytes) => {
      exchange.beginWork();
      const [first, ...others] = parsePairs(decodeText(bytes), limits);
      const writes = [first, ...others].map(({ key, value }): Command => ({
        command: 'WRITE',
        key,
        value,
        ttlMs: undefined,
        condition: undefined,
        tellsExisted: key === first.key,
        encrypt: undefined,
        ack,
      }));
      const wasNear = cache.isNear(principal, first.key);

      performBatch(deps, exchange, caller, writes, async (replies, deadlineMs) => {
        const existed = checkAll(replies);
        if (wasNear !== undefined) {
          // Outside the caller's session, whose reads pass the near cache by. When it fails, the pairs stand all the same.
          await cache.execute(
            principal,
            { command: 'READ', key: first.key, consistency: 'eventual' },
            deadlineMs,
          );
        }
        const isNear = cache.isNear(principal, first.key);
        exchange.answer(200, answerText(first, { wasNear, isNear, existed }), 'SUCCESS');
      });
    });
  };
}

/**
 * The pairs, the first of the text in front; of two with one key the last one counts.
 * @throws CacheError `bad_request`, `too_large`
 */
function parsePairs(text: string, limits: Limits): readonly [Pair, ...Pair[]] {
  const { depthMax, batchMax } = limits;
  const object = parseObject(text, depthMax + DEPTH_OF_PAIRS);
  const names = Object.keys(object);
  if (names.length === 0) throw new CacheError('bad_request', 'The body needs at least one pair.');
  if (names.length > batchMax) throw new CacheError('too_large', `The body has at most ${batchMax} pairs.`);
  const toPair = (name: string): Pair => ({
    name,
    key: parseKey(name, limits),
    value: parseValue(object[name], limits),
  });
  const firstName = firstNameOf(text);
  const first = toPair(firstName);
  const others = names.filter((name) => name !== firstName).map(toPair);
  if ([first, ...others].some(({ value }) => value instanceof Json)) checkNumbers(text);
  return [first, ...others];
}

/** From the text, which is an object with a field: the parsed one has names that look like indices in front. */
function firstNameOf(text: string): string {
  const start = text.indexOf('"');
  return String(parseJson(text.slice(start, endOfString(text, start + 1))));
}

/** Whether the first key existed. @throws CacheError the first failure */
function checkAll(replies: readonly Reply[]): boolean {
  for (const reply of replies) {
    if (reply.status !== 'ERROR') continue;
    const { code, message, cause, retryAfterSeconds } = reply.error;
    throw new CacheError(
      code,
      replies.length === 1 ? message : `${message} Other pairs may have been written.`,
      { cause, ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }) },
    );
  }
  const [first] = replies;
  return first?.command === 'WRITE' && first.status !== 'ERROR' && first.existed === true;
}

function answerText({ name, value }: Pair, levels: Levels): string {
  const key = JSON.stringify(name);
  return `{"Key":${key},${valueText(value, false, 'Value')},"message":"${messageOf(levels)}","status":"successful"}`;
}

function messageOf({ wasNear, isNear, existed }: Levels): string {
  const behind = existed
    ? 'Key found in redis cache. Overwriting key in redis cache.'
    : 'Key not found in redis cache. Setting key in redis cache.';
  if (wasNear === undefined) return behind;
  const before = wasNear ? 'Key found in local cache.' : 'Key not found in local cache.';
  const after = wasNear ? 'Overwriting key in local cache.' : 'Setting key in local cache.';
  return `${before} ${isNear === true ? after : 'Key is not kept in local cache.'} ${behind}`;
}
