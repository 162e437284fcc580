// Right answers: what a contender is given before a measurement, and what its replies are held to.
import { ask, requestBytes } from './exchange.mjs';
import { commandOf, keysOf, requestCount, valueOf } from './workload.mjs';

export const JSON_TYPE = { 'Content-Type': 'application/json' };
/** Of requests that are checked before and after a measurement. */
const SAMPLE = 25;

/** The requests of an operation, for those that speak `POST /cache`. */
export function postRequests(operation, headers) {
  return Array.from({ length: requestCount(operation) }, (_, number) => {
    const commands = keysOf(operation, number).map((index) => commandOf(operation, index));
    return requestBytes(
      'POST',
      '/cache',
      headers,
      JSON.stringify(operation === 'BATCH' ? commands : commands[0]),
    );
  });
}

/** A token for each of these API keys. */
export async function login(endpoint, apiKeys) {
  const replies = await ask(
    endpoint,
    apiKeys.map((apiKey) => requestBytes('POST', '/login', JSON_TYPE, JSON.stringify({ api_key: apiKey }))),
  );
  return replies.map(({ body }) => JSON.parse(body).access_token);
}

/** Writes all values. */
export async function fill(endpoint, writes) {
  const replies = await ask(endpoint, writes);
  const refused = replies.find(({ status }) => status !== 200);
  if (refused !== undefined) throw new Error(`a value was not stored: ${refused.head} ${refused.body}`);
}

/** Whether a reply to a READ has the value, from where it should come from; that is anywhere unless told. */
export function isReadRight(cameFrom = () => true) {
  return (reply, index) =>
    reply.json.status === 'SUCCESS' && reply.json.value === valueOf(index) && cameFrom(reply);
}

/** Gives a function that tells how many READs the near cache has answered. */
export function nearHitsReader(endpoint, token) {
  const request = requestBytes('GET', '/metrics', { Authorization: `Bearer ${token}` });
  return async () => {
    const [metrics] = await ask(endpoint, [request]);
    return Number(/^ringcache_near_hits_total (\d+)/m.exec(metrics.body.toString())?.[1]);
  };
}

/** `checkSample` for those that speak `POST /cache`. */
export async function checkPosts(endpoint, requests, operation, cameFrom) {
  if (operation === 'BATCH') {
    return checkSample(endpoint, requests('BATCH'), ({ json }, number) =>
      keysOf('BATCH', number).every((index, at) => json[at].value === valueOf(index)),
    );
  }
  if (operation === 'WRITE') {
    // What was written is read back too; wherever it comes from.
    await checkSample(endpoint, requests('READ'), isReadRight());
    return checkSample(endpoint, requests('WRITE'), isReadRight());
  }
  return checkSample(endpoint, requests('READ'), isReadRight(cameFrom));
}

/** Asks some of the requests and holds the replies to what they must be; the size of one, in bytes. */
export async function checkSample(endpoint, requests, isRight) {
  const step = Math.max(1, Math.floor(requests.length / SAMPLE));
  const numbers = requests.map((_, number) => number).filter((number) => number % step === 0);
  const replies = await ask(
    endpoint,
    numbers.map((number) => requests[number]),
  );
  replies.forEach((reply, at) => {
    const judged = { ...reply, json: JSON.parse(reply.body) };
    if (reply.status === 200 && isRight(judged, numbers[at])) return;
    throw new Error(`a wrong answer: ${reply.head}\n${reply.body.toString().slice(0, 500)}`);
  });
  return replies[0].bytes;
}

/** Asks all of them, again while replicas are still catching up. */
export async function untilRight(endpoint, requests, isRight) {
  for (let attemptsLeft = 20; ; attemptsLeft--) {
    const replies = await ask(endpoint, requests);
    const areRight = replies.every((reply, index) =>
      isRight({ ...reply, json: JSON.parse(reply.body) }, index),
    );
    if (areRight) return;
    if (attemptsLeft === 0) throw new Error('the values that were written cannot be read back');
  }
}
