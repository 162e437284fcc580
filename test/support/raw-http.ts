/**
 * A TLS client that says exactly the bytes it is given, for requests that no decent client would send, and sees
 * exactly what comes back, the end of the connection included.
 */
import { once } from 'node:events';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';

export interface RawAnswer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
}

export interface RawClient {
  readonly socket: TLSSocket;
  /** Sends bytes; a string is taken as latin1. */
  send(bytes: string | Buffer): void;
  /**
   * The next whole answer. Rejects when the connection ends before, or after `withinMs`. `hasBody` is false for the
   * answer to a HEAD.
   */
  answer(options?: { readonly hasBody?: boolean; readonly withinMs?: number }): Promise<RawAnswer>;
  /** Whether the server has ended the connection, in any way. */
  hasEnded(): boolean;
  /** Settles when the server ends the connection; rejects after `withinMs`. */
  ended(withinMs?: number): Promise<void>;
  destroy(): void;
}

const WITHIN_MS = 5000;

/** Settles when the handshake is done; the certificate is not checked. */
export async function openRaw(port: number, options: ConnectionOptions = {}): Promise<RawClient> {
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...options });
  let received: Buffer[] = [];
  let hasEnded = false;
  let failure: Error | undefined;
  socket.on('data', (bytes: Buffer) => received.push(bytes));
  socket.on('end', () => (hasEnded = true));
  socket.on('close', () => (hasEnded = true));
  socket.on('error', (error) => (failure = error));
  await once(socket, 'secureConnect');

  async function until<T>(what: string, withinMs: number, check: () => T | undefined): Promise<T> {
    const deadlineMs = performance.now() + withinMs;
    for (;;) {
      const result = check();
      if (result !== undefined) return result;
      if (performance.now() > deadlineMs) throw new Error(`no ${what} within ${withinMs} ms`);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }

  function takeAnswer(hasBody: boolean): RawAnswer | undefined {
    const bytes = Buffer.concat(received);
    const parsed = parseAnswer(bytes, hasBody);
    if (parsed !== undefined) {
      received = [bytes.subarray(parsed.length)];
      return parsed.answer;
    }
    received = [bytes];
    if (!hasEnded) return undefined;
    throw new Error(`ended after ${bytes.length} bytes of an answer`, { cause: failure });
  }

  return {
    socket,
    send: (bytes) => {
      if (socket.writable) socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
    },
    answer: ({ hasBody = true, withinMs = WITHIN_MS } = {}) =>
      until('answer', withinMs, () => takeAnswer(hasBody)),
    hasEnded: () => hasEnded,
    ended: async (withinMs = WITHIN_MS) => {
      await until('end', withinMs, () => (hasEnded ? true : undefined));
    },
    destroy: () => socket.destroy(),
  };
}

/** The first answer in `bytes`, with its length there; undefined while it is not whole. 1xx answers have no body. */
function parseAnswer(bytes: Buffer, hasBody: boolean): { answer: RawAnswer; length: number } | undefined {
  const headLength = bytes.indexOf('\r\n\r\n');
  if (headLength < 0) return undefined;
  const [statusLine = '', ...lines] = bytes.subarray(0, headLength).toString('latin1').split('\r\n');
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(statusLine)?.[1]);
  if (Number.isNaN(status)) throw new Error(`not an HTTP status line: ${statusLine}`);
  const headers = new Map(
    lines.map((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    }),
  );
  const start = headLength + 4;
  if (!hasBody || status < 200 || status === 204 || status === 304) {
    return { answer: { status, headers, body: Buffer.alloc(0) }, length: start };
  }
  if (headers.get('transfer-encoding') === 'chunked') return parseChunks(bytes, start, status, headers);
  const length = start + Number(headers.get('content-length'));
  if (bytes.length < length) return undefined;
  return { answer: { status, headers, body: bytes.subarray(start, length) }, length };
}

function parseChunks(
  bytes: Buffer,
  start: number,
  status: number,
  headers: RawAnswer['headers'],
): { answer: RawAnswer; length: number } | undefined {
  const chunks: Buffer[] = [];
  for (let at = start; ;) {
    const lineEnd = bytes.indexOf('\r\n', at);
    if (lineEnd < 0) return undefined;
    const size = parseInt(bytes.subarray(at, lineEnd).toString('latin1'), 16);
    const end = lineEnd + 2 + size;
    if (bytes.length < end + 2) return undefined;
    if (size === 0) return { answer: { status, headers, body: Buffer.concat(chunks) }, length: end + 2 };
    chunks.push(bytes.subarray(lineEnd + 2, end));
    at = end + 2;
  }
}
