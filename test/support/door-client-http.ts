/** The forms of the HTTP door as clients. An answer that is none of theirs is thrown. */
import { isUtf8 } from 'node:buffer';
import type { OutgoingHttpHeaders } from 'node:http';
import type { ErrorCode } from '../../src/core/errors';
import { HTTP_STATUS } from '../../src/doors/http/respond';
import type { Answer, CallOptions, DoorAddress, DoorForm, DoorValue, PutOptions } from './door-client';
import { exchange, type HttpReply } from './gateway';

/** `POST /cache`. */
export const HTTP_COMMANDS: DoorForm = {
  name: 'HTTP commands',
  lacks: [],
  connect(address, token) {
    const send = createSender(address, token);
    const command = (fields: object, options: CallOptions): Promise<HttpReply> =>
      send('POST', '/cache', JSON.stringify(fields), { ...JSON_TYPE, ...sessionOf(options) });
    return {
      async put(key, value, options = {}) {
        const fields = { command: 'WRITE', key, ...valueFields(value), ...ttlOf(options) };
        return toAnswer(await command(fields, options), {
          200: (reply) => (reply.json().status === 'SUCCESS' ? DONE : undefined),
        });
      },
      async get(key, options = {}) {
        return toAnswer(await command({ command: 'READ', key }, options), {
          200: (reply) => (reply.json().status === 'NOT_FOUND' ? MISSED : foundIn(reply)),
        });
      },
      async remove(key, options = {}) {
        const outcomes = { SUCCESS: DONE, NOT_FOUND: MISSED };
        return toAnswer(await command({ command: 'DELETE', key }, options), {
          200: (reply) => outcomes[reply.json().status as keyof typeof outcomes],
        });
      },
    };
  },
};

/** `/cache/{key}` with the value as the body. */
const REST_BYTES: DoorForm = {
  name: 'REST, bytes',
  lacks: ['json'],
  connect: (address, token) =>
    connectRest(address, token, {
      encode: (value) => ({ type: 'application/octet-stream', body: bytesOf(value) }),
      accept: 'application/octet-stream',
      decode: ({ body }) => body,
    }),
};

/** `/cache/{key}` with the value in JSON. */
const REST_JSON: DoorForm = {
  name: 'REST, JSON',
  lacks: [],
  connect: (address, token) =>
    connectRest(address, token, {
      encode: (value) => ({ type: 'application/json', body: JSON.stringify(valueFields(value)) }),
      accept: 'application/json',
      decode: valueIn,
    }),
};

/** `POST /set` and `GET /?key=`. */
const PAIRS: DoorForm = {
  name: '/set and /?key=',
  lacks: ['bytes', 'ttl'],
  connect(address, token) {
    const send = createSender(address, token);
    return {
      async put(key, value, options = {}) {
        // Computed, so that `__proto__` is a field like any other.
        const body = JSON.stringify({ [key]: valueFields(value).value });
        const reply = await send('POST', '/set', body, { ...JSON_TYPE, ...sessionOf(options) });
        return toAnswer(reply, {
          200: () => (reply.json().Key === key && reply.json().status === 'successful' ? DONE : undefined),
        });
      },
      async get(key, options = {}) {
        const reply = await send('GET', `/?key=${encodeURIComponent(key)}`, undefined, sessionOf(options));
        return toAnswer(reply, {
          200: () => {
            const { Key, Value, message, status } = reply.json();
            const sources: Readonly<Record<string, boolean>> = {
              'Key found in local cache.': true,
              'Key not found in local cache. Key found in redis cache.': false,
            };
            if (Key !== key || status !== 'successful' || !Object.hasOwn(sources, message)) return undefined;
            return { outcome: 'found', value: toValue(Value), isNear: sources[message] };
          },
          404: () => (reply.json().status === 'not found' ? MISSED : undefined),
        });
      },
      remove: undefined,
    };
  },
};

/** `GET /getval/{key}`. */
const GETVAL: DoorForm = {
  name: '/getval',
  lacks: ['bytes', 'json', 'ttl'],
  connect(address, token) {
    const send = createSender(address, token);
    return {
      put: undefined,
      async get(key, options = {}) {
        const reply = await send('GET', `/getval/${encodeURIComponent(key)}`, undefined, sessionOf(options));
        return toAnswer(reply, {
          200: () => {
            for (const [isNear, source] of [
              [true, 'From cache'],
              [false, 'From Redis'],
            ] as const) {
              const start = Buffer.from(`${source}: ${key} => `);
              if (!reply.body.subarray(0, start.length).equals(start)) continue;
              return { outcome: 'found', value: reply.body.subarray(start.length), isNear };
            }
            return undefined;
          },
          404: () => (reply.body.toString() === `Not found: ${key}` ? MISSED : undefined),
        });
      },
      remove: undefined,
    };
  },
};

/** `POST /v1/cache/set` and `GET /v1/cache/get/{key}`. */
const V1: DoorForm = {
  name: '/v1/cache',
  // It reads JSON as its text.
  lacks: ['json'],
  connect(address, token) {
    const send = createSender(address, token);
    return {
      async put(key, value, options = {}) {
        const body = JSON.stringify({ key, ...valueFields(bytesOf(value)), ...ttlOf(options) });
        const reply = await send('POST', '/v1/cache/set', body, { ...JSON_TYPE, ...sessionOf(options) });
        return toAnswer(reply, {
          200: () => (reply.json().key === key && reply.json().status === 'SUCCESS' ? DONE : undefined),
        });
      },
      async get(key, options = {}) {
        const target = `/v1/cache/get/${encodeURIComponent(key)}`;
        const reply = await send('GET', target, undefined, sessionOf(options));
        return toAnswer(reply, {
          200: () => (reply.json().key === key ? foundIn(reply) : undefined),
          404: missedIn,
        });
      },
      remove: undefined,
    };
  },
};

export const HTTP_FORMS: readonly DoorForm[] = [HTTP_COMMANDS, REST_BYTES, REST_JSON, PAIRS, GETVAL, V1];

interface RestCoding {
  readonly encode: (value: DoorValue) => { readonly type: string; readonly body: string | Buffer };
  readonly accept: string;
  readonly decode: (reply: HttpReply) => DoorValue;
}

function connectRest(
  address: DoorAddress,
  token: string | undefined,
  { encode, accept, decode }: RestCoding,
): ReturnType<DoorForm['connect']> {
  const send = createSender(address, token);
  const targetOf = (key: string): string => `/cache/${encodeURIComponent(key)}`;
  return {
    async put(key, value, options = {}) {
      const { ttlSeconds } = options;
      const { type, body } = encode(value);
      const query = ttlSeconds === undefined ? '' : `?ttl=${ttlSeconds}`;
      const headers = { 'Content-Type': type, ...sessionOf(options) };
      const reply = await send('PUT', targetOf(key) + query, body, headers);
      return toAnswer(reply, { 200: () => DONE, 201: () => DONE });
    },
    async get(key, options = {}) {
      const headers = { Accept: accept, ...sessionOf(options) };
      const reply = await send('GET', targetOf(key), undefined, headers);
      return toAnswer(reply, {
        200: () => ({ outcome: 'found', value: decode(reply), isNear: isNear(reply) }),
        404: missedIn,
      });
    },
    async remove(key, options = {}) {
      const reply = await send('DELETE', targetOf(key), undefined, sessionOf(options));
      return toAnswer(reply, {
        200: () => (reply.json().key === key && reply.json().deleted === true ? DONE : undefined),
        404: missedIn,
      });
    },
  };
}

const JSON_TYPE = { 'Content-Type': 'application/json' } as const;
const SESSION = 'ringcache-session';
const DONE = { outcome: 'done' } as const;
const MISSED = { outcome: 'missed' } as const;

type Send = (
  method: string,
  target: string,
  body: string | Buffer | undefined,
  headers: OutgoingHttpHeaders,
) => Promise<HttpReply>;

/** The target goes out as it is: what a URL parser would make of `..` is none of the door's business. */
function createSender({ port, agent }: DoorAddress, token: string | undefined): Send {
  return (method, path, body, headers) => {
    const length = body === undefined ? {} : { 'Content-Length': Buffer.byteLength(body) };
    const bearer = token === undefined ? {} : { Authorization: `Bearer ${token}` };
    const all = { ...length, ...bearer, ...headers };
    return exchange({ agent, host: '127.0.0.1', port, method, path, headers: all }, body);
  };
}

type Outcome = Answer extends infer Each ? (Each extends Answer ? Omit<Each, 'session'> : never) : never;

/** What the reply says, by its HTTP status; all other replies must be failures, with the fields that those have. */
function toAnswer(
  reply: HttpReply,
  byStatus: Readonly<Record<number, (reply: HttpReply) => Outcome | undefined>>,
): Answer {
  const outcome = byStatus[reply.status]?.(reply) ?? failureIn(reply);
  if (outcome === undefined) throw new Error(`not an answer of this door: ${reply.status} ${shown(reply)}`);
  const session = reply.headers[SESSION];
  return { ...outcome, session: typeof session === 'string' ? session : undefined };
}

function failureIn(reply: HttpReply): Outcome | undefined {
  if (!reply.headers['content-type']?.startsWith('application/json')) return undefined;
  const { status, code, message, request_id } = reply.json();
  const isWhole = status === 'ERROR' && typeof message === 'string' && typeof request_id === 'string';
  if (!isWhole || HTTP_STATUS[code as ErrorCode] !== reply.status) return undefined;
  return { outcome: 'failed', code, message };
}

function missedIn(reply: HttpReply): Outcome | undefined {
  return failureIn(reply) === undefined ? undefined : MISSED;
}

function foundIn(reply: HttpReply): Outcome {
  return { outcome: 'found', value: valueIn(reply), isNear: isNear(reply) };
}

function valueIn(reply: HttpReply): DoorValue {
  const { value, value_base64: base64 } = reply.json();
  return typeof base64 === 'string' ? Buffer.from(base64, 'base64') : toValue(value);
}

function toValue(value: unknown): DoorValue {
  if (value === undefined) throw new Error('the answer has no value');
  return typeof value === 'string' ? Buffer.from(value) : { json: value };
}

function isNear(reply: HttpReply): boolean | undefined {
  const status = reply.headers['cache-status'];
  return status === undefined ? undefined : /^ringcache; hit; detail=near$/.test(String(status));
}

/** A value as the fields of a JSON object. */
function valueFields(value: DoorValue): { value?: unknown; value_base64?: string } {
  if (!Buffer.isBuffer(value)) return { value: value.json };
  return isUtf8(value) ? { value: value.toString() } : { value_base64: value.toString('base64') };
}

function bytesOf(value: DoorValue): Buffer {
  if (Buffer.isBuffer(value)) return value;
  throw new Error('this form has no JSON');
}

function ttlOf({ ttlSeconds }: PutOptions): { ttl?: number } {
  return ttlSeconds === undefined ? {} : { ttl: ttlSeconds };
}

function sessionOf({ session }: CallOptions): Record<string, string> {
  return session === undefined ? {} : { [SESSION]: session };
}

function shown({ body }: HttpReply): string {
  return body.toString('utf8', 0, 300);
}
