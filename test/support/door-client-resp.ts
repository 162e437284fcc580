/**
 * The RESP door as a client, in both versions of the protocol. A client is one connection, which is its session; one
 * that the door closed is opened anew. An answer that is none of the door's is thrown.
 */
import type { Answer, DoorClient, DoorForm, DoorValue } from './door-client';
import { type HttpDoor, type HttpDoorOptions, openHttpDoor } from './http-door';
import { openRespListener } from '../../src/doors/resp/listener';
import { createSession } from '../../src/doors/resp/session';
import { bulkOf, errorOf, type Word, WireConnection } from './resp-wire';
import { HAS_SHORT_WAY } from './short-way';

const MAX_CONNECTIONS = 1000;

/** A service with its HTTP door and its RESP door open. */
export async function openRespDoorService(options: HttpDoorOptions = {}): Promise<HttpDoor> {
  const service = await openHttpDoor(options);
  const { observerFor, ...parts } = service.parts;
  const listener = await openRespListener({
    ...parts,
    host: '127.0.0.1',
    port: 0,
    tls: undefined,
    maxConnections: MAX_CONNECTIONS,
    observer: observerFor('resp'),
    hasShortWay: HAS_SHORT_WAY,
    createSession,
  });
  return {
    ...service,
    respPort: listener.port,
    close: async () => {
      await listener.close();
      await service.close();
    },
  };
}

export const RESP_FORMS: readonly DoorForm[] = [2, 3].map((protocol) => ({
  name: `RESP${protocol}`,
  lacks: ['json', 'source', 'session'],
  connect: ({ respPort = 0 }, token) => connectResp(respPort, protocol, token),
}));

function connectResp(port: number, protocol: number, token: string | undefined): DoorClient {
  let opening: Promise<WireConnection> | undefined;
  const ask = async (...words: readonly Word[]): Promise<Buffer> => {
    if (opening === undefined || (await opening).hasEnded) opening = openConnection(port, protocol, token);
    const reply = await (await opening).ask(...words);
    // The door ends the connection behind such a reply, a moment later.
    if (errorOf(reply)?.includes('Protocol error') === true) opening = undefined;
    return reply;
  };
  return {
    async put(key, value, { ttlSeconds } = {}) {
      const life = ttlSeconds === undefined ? [] : ['PX', String(Math.round(ttlSeconds * 1000))];
      return toAnswer(await ask('SET', key, bytesOf(value), ...life), { '+OK\r\n': DONE });
    },
    async get(key) {
      const reply = await ask('GET', key);
      const failure = failureIn(reply);
      if (failure !== undefined) return failure;
      const value = bulkOf(reply);
      return value === undefined
        ? MISSED
        : { outcome: 'found', value, isNear: undefined, session: undefined };
    },
    async remove(key) {
      return toAnswer(await ask('DEL', key), { ':1\r\n': DONE, ':0\r\n': MISSED });
    },
  };
}

/** What AUTH says of a token that is no good shows in the commands behind it. */
async function openConnection(
  port: number,
  protocol: number,
  token: string | undefined,
): Promise<WireConnection> {
  const connection = await WireConnection.open({ port });
  if (token !== undefined) await connection.ask('AUTH', token);
  if (protocol === 3) await connection.ask('HELLO', '3');
  return connection;
}

const DONE: Answer = { outcome: 'done', session: undefined };
const MISSED: Answer = { outcome: 'missed', session: undefined };

function toAnswer(reply: Buffer, byReply: Readonly<Record<string, Answer>>): Answer {
  const answer = failureIn(reply) ?? byReply[reply.toString('latin1')];
  if (answer === undefined) throw new Error(`not an answer of this door: ${reply.toString('latin1')}`);
  return answer;
}

/** Codes by what an error's line begins with. `ERR` is the word for several: their sentences tell them apart. */
const CODES: readonly (readonly [RegExp, string])[] = [
  [/^(NOAUTH|WRONGPASS) /, 'unauthenticated'],
  [/^NOPERM /, 'forbidden'],
  [/^OOM /, 'out_of_memory'],
  [/^ERR .*(has at most|longer than|too large|invalid bulk length)/, 'too_large'],
  [/^ERR The stored value cannot be (read|decrypted)\./, 'corrupt_value'],
  [/^ERR .*shard .*(cannot|did not|is not|no )/, 'unavailable'],
];

function failureIn(reply: Buffer): Answer | undefined {
  const message = errorOf(reply);
  if (message === undefined) return undefined;
  const code = CODES.find(([pattern]) => pattern.test(message))?.[1];
  if (code === undefined) throw new Error(`an error of no known kind: ${message}`);
  return { outcome: 'failed', code, message, session: undefined };
}

function bytesOf(value: DoorValue): Buffer {
  if (Buffer.isBuffer(value)) return value;
  throw new Error('this form has no JSON');
}
