/**
 * A client of the Redis protocol for tests: sends words or bytes as they are, and gives replies decoded or as the bytes
 * that came. Pushes of RESP3 are kept apart from replies; the messages of RESP2 are replies like all others.
 */
import type { Socket } from 'node:net';
import { elementsOf, openSocket, replyEnd, requestBytes, type WireAddress, type Word } from './resp-wire';

const REPLY_MS_MAX = 20_000;

/** What a server refused with. A reply like any other here: nothing is thrown. */
export class ReplyError extends Error {
  override readonly name = 'ReplyError';
}

/** Statuses and strings are text (latin1: a character is a byte), maps are Maps, sets are arrays. */
export type Decoded =
  string | number | bigint | boolean | null | ReplyError | readonly Decoded[] | ReadonlyMap<Decoded, Decoded>;

function decodeReply(reply: Buffer): Decoded {
  const type = String.fromCharCode(reply[0]!);
  const lineEnd = reply.indexOf('\r\n');
  const line = reply.toString('latin1', 1, lineEnd);
  switch (type) {
    case '+':
      return line;
    case '-':
      return new ReplyError(reply.toString('utf8', 1, lineEnd));
    case '!':
      return new ReplyError(reply.toString('utf8', lineEnd + 2, reply.length - 2));
    case ':':
      return Number.isSafeInteger(Number(line)) ? Number(line) : BigInt(line);
    case '(':
      return BigInt(line);
    case ',':
      return line === 'inf' ? Infinity : line === '-inf' ? -Infinity : Number(line);
    case '#':
      return line === 't';
    case '_':
      return null;
    case '$':
      return line === '-1' ? null : reply.toString('latin1', lineEnd + 2, reply.length - 2);
    case '=':
      return reply.toString('latin1', lineEnd + 6, reply.length - 2);
    default: {
      if (line === '-1') return null;
      const elements = elementsOf(reply).elements.map(decodeReply);
      if (type !== '%') return elements;
      return new Map(elements.flatMap((key, at) => (at % 2 === 0 ? [[key, elements[at + 1]!]] : [])));
    }
  }
}

/** Frames of one kind, for those who wait for them in the order in which they asked. */
class Frames {
  readonly #arrived: Buffer[] = [];
  readonly #waiters: { resolve(frame: Buffer): void; reject(error: Error): void }[] = [];

  get waiting(): number {
    return this.#arrived.length;
  }

  give(frame: Buffer): void {
    const waiter = this.#waiters.shift();
    if (waiter === undefined) this.#arrived.push(frame);
    else waiter.resolve(frame);
  }

  take(): Promise<Buffer> {
    const frame = this.#arrived.shift();
    if (frame !== undefined) return Promise.resolve(frame);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('nothing arrived')), REPLY_MS_MAX);
      const settled = <Arg>(settle: (arg: Arg) => void) => {
        return (arg: Arg): void => {
          clearTimeout(timer);
          settle(arg);
        };
      };
      this.#waiters.push({ resolve: settled(resolve), reject: settled(reject) });
    });
  }

  end(error: Error): void {
    for (const waiter of this.#waiters.splice(0)) waiter.reject(error);
  }
}

export class RespClient {
  readonly #replies = new Frames();
  readonly #pushes = new Frames();
  #rest: Buffer = Buffer.alloc(0);
  #hasEnded = false;

  private constructor(readonly socket: Socket) {
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    socket.on('error', (error) => this.#end(error));
    socket.on('close', () => this.#end(new Error('the connection was closed')));
  }

  static async connect(address: WireAddress): Promise<RespClient> {
    return new RespClient(await openSocket(address));
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** Replies that have come and that nobody has asked for. */
  get unasked(): number {
    return this.#replies.waiting;
  }

  async send(...words: readonly Word[]): Promise<Decoded> {
    return decodeReply(await this.sendRaw(...words));
  }

  /** The reply's bytes. */
  sendRaw(...words: readonly Word[]): Promise<Buffer> {
    this.socket.write(requestBytes(words));
    return this.#replies.take();
  }

  /** All in one packet, with a reply for each. */
  async pipeline(...commands: readonly (readonly Word[])[]): Promise<Decoded[]> {
    const replies = commands.map(() => this.#replies.take());
    this.socket.write(Buffer.concat(commands.map(requestBytes)));
    return (await Promise.all(replies)).map(decodeReply);
  }

  /** Sends bytes, and waits for nothing. */
  write(bytes: Word): void {
    this.socket.write(bytes);
  }

  async next(): Promise<Decoded> {
    return decodeReply(await this.#replies.take());
  }

  async nextPush(): Promise<Decoded> {
    return decodeReply(await this.#pushes.take());
  }

  close(): void {
    this.socket.destroy();
  }

  #read(chunk: Buffer): void {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    while (at < this.#rest.length) {
      const end = replyEnd(this.#rest, at);
      if (end === undefined) break;
      const frame = this.#rest.subarray(at, end);
      (frame[0] === '>'.charCodeAt(0) ? this.#pushes : this.#replies).give(frame);
      at = end;
    }
    this.#rest = this.#rest.subarray(at);
  }

  #end(error: Error): void {
    this.#hasEnded = true;
    this.#replies.end(error);
    this.#pushes.end(error);
  }
}
