/**
 * One caller's way through the HTTPS door: a kept-alive connection to each gateway, and what an answer means for a
 * history. Whatever happens, an answer comes: by the caller's own patience at the latest.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { Agent, request } from 'node:https';
import type { Answer, Op } from './history';

/** Where a gateway listens, for as long as the run lasts: one that is started again takes the same port. */
export interface DoorAddress {
  readonly port: number;
}

export interface Question {
  readonly op: Op;
  readonly body: string;
  readonly authorization: string;
  /** Empty: a session begins. undefined: none is asked for. */
  readonly session: string | undefined;
}

export interface Heard extends Answer {
  /** The session's new token, where the answer has one. */
  readonly session?: string | undefined;
}

/** Longer than the service's own deadline: who waits so long was left hanging. */
const PATIENCE_MS = 5000;

/** Refusals of a change whose words say that it was not made. All other failures leave that open. */
const SAYS_NOT_DONE = /was not made|nothing was changed|does not take commands|try again soon/;

export class Door {
  readonly #address: DoorAddress;
  readonly #agent: Agent;

  constructor(address: DoorAddress) {
    this.#address = address;
    // Each process comes with a new certificate, and this speaks to it before anybody can tell which.
    this.#agent = new Agent({ keepAlive: true, maxSockets: 1, rejectUnauthorized: false });
  }

  /** `POST /cache` with one command. Never rejects. */
  async ask({ op, body, authorization, session }: Question): Promise<Heard> {
    const came = await this.#post(body, authorization, session);
    if ('lost' in came) return answerWithout(op, came.lost);
    const renewed = came.headers['ringcache-session'];
    return {
      ...answerOf(op, came.status, parseReply(came.text), came.headers['cache-status']),
      ...(typeof renewed === 'string' && { session: renewed }),
    };
  }

  /** `POST /cache` with an array of commands; an answer for each. Never rejects. */
  async askAll(ops: readonly Op[], body: string, authorization: string): Promise<readonly Heard[]> {
    const came = await this.#post(body, authorization, undefined);
    if ('lost' in came) return ops.map((op) => answerWithout(op, came.lost));
    const replies = parseReply(came.text);
    return ops.map((op, at) =>
      answerOf(op, came.status, Array.isArray(replies) ? (replies as unknown[])[at] : replies, undefined),
    );
  }

  #post(body: string, authorization: string, session: string | undefined): Promise<Came> {
    const { port } = this.#address;
    return new Promise((resolve) => {
      const outgoing = request(
        {
          ...{ agent: this.#agent, host: '127.0.0.1', port },
          ...{ method: 'POST', path: '/cache' },
          headers: {
            authorization,
            'content-type': 'application/json',
            'content-length': Buffer.byteLength(body),
            ...(session === undefined ? {} : { 'ringcache-session': session }),
          },
        },
        (incoming) => {
          const chunks: Buffer[] = [];
          incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
          incoming.on('end', () => {
            const { statusCode = 0, headers } = incoming;
            settle({ status: statusCode, text: Buffer.concat(chunks).toString(), headers });
          });
          incoming.on('error', failed);
        },
      );
      const timer = setTimeout(() => outgoing.destroy(new Error('patience')), PATIENCE_MS);
      function settle(came: Came): void {
        clearTimeout(timer);
        resolve(came);
      }
      let isConnected = false;
      outgoing.on('socket', (socket) => {
        if (outgoing.reusedSocket) isConnected = true;
        else socket.once('secureConnect', () => (isConnected = true));
      });
      function failed(error: NodeJS.ErrnoException): void {
        // Only a connection that never was is certain to have carried nothing.
        if (!isConnected) settle({ lost: 'refused' });
        else settle({ lost: error.message === 'patience' ? 'patience' : 'lost' });
      }
      outgoing.on('error', failed);
      outgoing.end(body);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** What came back, or why nothing did. */
type Came =
  | { readonly status: number; readonly text: string; readonly headers: IncomingHttpHeaders }
  | { readonly lost: 'refused' | 'patience' | 'lost' };

interface ReplyBody {
  readonly status?: string;
  readonly value?: unknown;
  readonly code?: string;
  readonly message?: string;
}

/** undefined: not JSON. */
function parseReply(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function answerWithout(op: Op, code: 'refused' | 'patience' | 'lost'): Answer {
  return code === 'refused' ? { outcome: 'failed', code } : unclear(op, code);
}

function answerOf(op: Op, status: number, parsed: unknown, cacheStatus: unknown): Answer {
  if (typeof parsed !== 'object' || parsed === null) return unclear(op, `not JSON, ${status}`);
  const reply = parsed as ReplyBody;
  if (status === 200 && reply.status === 'NOT_FOUND') return { outcome: 'not_found' };
  if (status === 200 && reply.status === 'SUCCESS') {
    if (op !== 'READ') return { outcome: 'ok' };
    // What is no string was written by nobody here: the check of C0 is to see it.
    const value = typeof reply.value === 'string' ? reply.value : JSON.stringify(reply.value ?? null);
    return { outcome: 'ok', value, source: sourceOf(cacheStatus) };
  }
  const { code = `status ${status}`, message = '' } = reply;
  if (code === 'conflict') return { outcome: 'conflict', code };
  const isRefusal = (status >= 400 && status < 500) || status === 507 || SAYS_NOT_DONE.test(message);
  return isRefusal ? { outcome: 'failed', code } : unclear(op, code);
}

/** A READ that failed changed nothing, whatever became of it. */
function unclear(op: Op, code: string): Answer {
  return { outcome: op === 'READ' && code !== 'patience' ? 'failed' : 'unknown', code };
}

function sourceOf(cacheStatus: unknown): Answer['source'] {
  const detail = /detail=(near|replica|master)/.exec(String(cacheStatus))?.[1];
  return detail as Answer['source'];
}
