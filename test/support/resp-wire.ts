/**
 * The Redis protocol as a client of the tests speaks it: requests as bytes, and replies cut out of the stream as the
 * bytes that came. Nothing is decoded on the way, so what two servers say can be compared to the letter.
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect as connectPlain, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

export type Word = string | Buffer;

const REPLY_MS_MAX = 20_000;
const CRLF = '\r\n';

/** A command as an array of bulk strings. */
export function requestBytes(words: readonly Word[]): Buffer {
  const parts = words.flatMap((word) => [`$${Buffer.byteLength(word)}${CRLF}`, word, CRLF]);
  return Buffer.concat([`*${words.length}${CRLF}`, ...parts].map((part) => Buffer.from(part)));
}

/** The byte behind the reply that begins at `from`; undefined: it is not whole yet. @throws when it is no reply */
export function replyEnd(bytes: Buffer, from = 0): number | undefined {
  const lineEnd = bytes.indexOf(CRLF, from);
  if (lineEnd < 0) return undefined;
  const type = String.fromCharCode(bytes[from]!);
  const line = bytes.toString('latin1', from + 1, lineEnd);
  const behind = lineEnd + 2;
  if ('+-:_,#('.includes(type)) return behind;
  const count = Number(line);
  if (!Number.isInteger(count)) throw new Error(`no reply: ${type}${line}`);
  if ('$!='.includes(type)) {
    const end = count < 0 ? behind : behind + count + 2;
    return end <= bytes.length ? end : undefined;
  }
  if (!'*%~>|'.includes(type)) throw new Error(`no reply: ${type}${line}`);
  // An attribute stands in front of the reply that it is about.
  let left = type === '%' ? 2 * count : type === '|' ? 2 * count + 1 : count;
  let at: number | undefined = behind;
  for (; left > 0 && at !== undefined; left -= 1) at = at < bytes.length ? replyEnd(bytes, at) : undefined;
  return at;
}

/** The replies within an array, set, map or push, and what stands in front of them; of a map, keys and values. */
export function elementsOf(reply: Buffer): { readonly head: Buffer; readonly elements: readonly Buffer[] } {
  let at = reply.indexOf(CRLF) + 2;
  const head = reply.subarray(0, at);
  const elements: Buffer[] = [];
  while (at < reply.length) {
    const end = replyEnd(reply, at);
    if (end === undefined) throw new Error('a torn reply');
    elements.push(reply.subarray(at, end));
    at = end;
  }
  return { head, elements };
}

/** The bytes of a bulk string, the text of a status, or undefined for null. @throws when it is neither */
export function bulkOf(reply: Buffer): Buffer | undefined {
  if (reply.equals(Buffer.from('$-1\r\n')) || reply.equals(Buffer.from('_\r\n'))) return undefined;
  const lineEnd = reply.indexOf(CRLF);
  if (reply[0] === '$'.charCodeAt(0)) return reply.subarray(lineEnd + 2, -2);
  if (reply[0] === '+'.charCodeAt(0)) return reply.subarray(1, lineEnd);
  throw new Error(`no string: ${reply.toString('latin1', 0, 200)}`);
}

/** The text of an error; undefined where the reply is none. */
export function errorOf(reply: Buffer): string | undefined {
  return reply[0] === '-'.charCodeAt(0) ? reply.toString('utf8', 1, reply.length - 2) : undefined;
}

export interface WireAddress {
  readonly host?: string;
  readonly port: number;
  /** TLS, trusting this certificate. */
  readonly certFile?: string | undefined;
}

/** A socket that is connected, its certificate verified where it has one. */
export async function openSocket({ host = '127.0.0.1', port, certFile }: WireAddress): Promise<Socket> {
  const ca = certFile === undefined ? undefined : readFileSync(certFile);
  const socket =
    ca === undefined
      ? connectPlain({ host, port, noDelay: true })
      : connectTls({ host, port, servername: 'localhost', ca });
  await once(socket, ca === undefined ? 'connect' : 'secureConnect');
  return socket;
}

interface Waiter {
  resolve(reply: Buffer): void;
  reject(error: Error): void;
}

/** One connection; every wait on it ends after `REPLY_MS_MAX`. */
export class WireConnection {
  #rest: Buffer = Buffer.alloc(0);
  readonly #replies: Buffer[] = [];
  readonly #waiters: Waiter[] = [];
  #ended: Error | undefined;

  private constructor(readonly socket: Socket) {
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('error', (error) => this.#end(error));
    socket.on('close', () => this.#end(new Error('the connection was closed')));
  }

  static async open(address: WireAddress): Promise<WireConnection> {
    return new WireConnection(await openSocket(address));
  }

  get hasEnded(): boolean {
    return this.#ended !== undefined;
  }

  write(bytes: Word): void {
    this.socket.write(bytes);
  }

  /** The next reply. @throws when the connection ends before it is whole, or it is late */
  next(): Promise<Buffer> {
    const reply = this.#replies.shift();
    if (reply !== undefined) return Promise.resolve(reply);
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('no reply')), REPLY_MS_MAX);
      this.#waiters.push({
        resolve: (bytes) => {
          clearTimeout(timer);
          resolve(bytes);
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      });
    });
  }

  ask(...words: readonly Word[]): Promise<Buffer> {
    this.write(requestBytes(words));
    return this.next();
  }

  /** All in one packet; the replies, one for each. */
  async askTogether(requests: readonly (readonly Word[])[]): Promise<Buffer[]> {
    this.write(Buffer.concat(requests.map(requestBytes)));
    const replies: Buffer[] = [];
    for (let count = 0; count < requests.length; count += 1) replies.push(await this.next());
    return replies;
  }

  close(): void {
    this.socket.destroy();
  }

  #take(chunk: Buffer): void {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    try {
      for (let end = replyEnd(this.#rest); end !== undefined; end = replyEnd(this.#rest, at)) {
        this.#give(this.#rest.subarray(at, end));
        at = end;
        if (at === this.#rest.length) break;
      }
    } catch (error) {
      this.socket.destroy(error as Error);
    }
    this.#rest = this.#rest.subarray(at);
  }

  #give(reply: Buffer): void {
    const waiter = this.#waiters.shift();
    if (waiter === undefined) this.#replies.push(reply);
    else waiter.resolve(reply);
  }

  #end(error: Error): void {
    this.#ended ??= error;
    for (const waiter of this.#waiters.splice(0)) waiter.reject(this.#ended);
  }
}
