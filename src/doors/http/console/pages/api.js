/**
 * Talking to the service. The token lives in this module's memory and nowhere else: no cookie, no storage. Where the
 * service refuses it, the session ends, whoever asked.
 */

const TIMEOUT_MS = 15_000;
const SESSION_HEADER = 'Ringcache-Session';

/**
 * A request that came to nothing, in words for the reader. `status` undefined: there was no answer; `requestId` undefined:
 * none of the service's, so that nobody knows whether it was carried out.
 */
export class Trouble extends Error {
  constructor({ code, message, status, requestId, retryAfterSeconds }) {
    super(message);
    Object.assign(this, { code, status, requestId, retryAfterSeconds });
  }
}

/** The session went away while the answer was on its way: nobody is to see it any more. */
export class SessionEnded extends Error {}

let session;
let tellEnd = () => undefined;

/** `listener` hears why each session ended: `expired` or `left`. */
export function onSessionEnd(listener) {
  tellEnd = listener;
}

/** Begins a session. @throws Trouble */
export async function signIn(apiKey) {
  const { body } = await send('login', { method: 'POST', body: JSON.stringify({ api_key: apiKey }) });
  session = {
    token: body.access_token,
    scopes: body.scope.split(' '),
    endsAtMs: Date.now() + body.expires_in * 1000,
    // What this session's writes ask of its reads: the service's words, given back as they came.
    writes: '',
    controller: new AbortController(),
  };
  return session;
}

export function endSession(why) {
  if (session === undefined) return;
  const { controller } = session;
  session = undefined;
  controller.abort();
  tellEnd(why);
}

/**
 * Sends a request of this session. Paths are relative to the page, so that a proxy may serve it under a prefix.
 * `seesWrites`: it takes part in a session of the service's (`Ringcache-Session`), whose reads see its own writes.
 * @returns `{ body, headers, tookMs }`
 * @throws Trouble, or SessionEnded
 */
export async function call(path, options = {}) {
  const mine = session;
  if (mine === undefined) throw new SessionEnded();
  let reply;
  try {
    reply = await send(path, options, mine);
  } catch (trouble) {
    if (session === mine && trouble.status === 401) endSession('expired');
    if (session === mine) throw trouble;
  }
  // An answer that was overtaken by the end of its session is nobody's.
  if (session !== mine) throw new SessionEnded();
  return reply;
}

async function send(path, { method = 'GET', body, headers = {}, seesWrites = false }, mine) {
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  const startedMs = performance.now();
  let response;
  let text;
  try {
    response = await fetch(path, {
      method,
      body,
      headers: {
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
        ...(mine === undefined ? {} : { Authorization: `Bearer ${mine.token}` }),
        ...(seesWrites ? { [SESSION_HEADER]: mine.writes } : {}),
        ...headers,
      },
      signal: mine === undefined ? timeout : AbortSignal.any([timeout, mine.controller.signal]),
    });
    text = await response.text();
  } catch {
    throw new Trouble({ code: 'no answer', message: 'The service does not answer.' });
  }
  const tookMs = performance.now() - startedMs;
  if (seesWrites) mine.writes = writesAfter(response, mine);
  const reply = parse(text, response);
  if (!response.ok) throw troubleOf(response, reply);
  return { body: reply, headers: response.headers, tookMs };
}

/** A conflict stays until the session begins anew; an answer without the header leaves it as it was. */
function writesAfter({ status, headers }, { writes }) {
  return status === 409 ? '' : (headers.get(SESSION_HEADER) ?? writes);
}

/** All answers are JSON; one that is not comes from something between us and the service. */
function parse(text, { status }) {
  try {
    return JSON.parse(text);
  } catch {
    const message = `The answer with status ${status} is not one of the service's.`;
    throw new Trouble({ code: 'strange answer', message, status });
  }
}

function troubleOf({ status, headers }, { code, message, request_id: requestId }) {
  const retryAfter = Number.parseInt(headers.get('Retry-After') ?? '', 10);
  return new Trouble({
    code: String(code),
    message: String(message),
    status,
    requestId,
    retryAfterSeconds: Number.isNaN(retryAfter) ? undefined : retryAfter,
  });
}
