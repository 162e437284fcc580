// HTTP/1.1 over TLS by hand: requests as the bytes that go over the wire, so that every contender and both load
// generators are given the same ones, and replies cut out of the stream by their Content-Length.
import { once } from 'node:events';
import { connect } from 'node:tls';

const REPLY_TIMEOUT_MS = 5_000;
const HEAD_END = Buffer.from('\r\n\r\n');

/** The bytes of one request. */
export function requestBytes(method, path, headers = {}, body = '') {
  const lines = [`${method} ${path} HTTP/1.1`, 'Host: localhost'];
  for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`);
  if (body !== '') lines.push(`Content-Length: ${Buffer.byteLength(body)}`);
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n${body}`);
}

/** Cuts a stream into replies. All servers here answer with a Content-Length; one that does not is an error. */
export class ReplyReader {
  #rest = Buffer.alloc(0);

  /** Takes a packet; calls `onReply({ status, head, body, bytes })` for each reply that is whole with it. */
  push(packet, onReply) {
    let data = this.#rest.length === 0 ? packet : Buffer.concat([this.#rest, packet]);
    for (;;) {
      const headEnd = data.indexOf(HEAD_END);
      if (headEnd < 0) break;
      const head = data.latin1Slice(0, headEnd);
      const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
      if (length === undefined) throw new Error(`a reply without Content-Length: ${head.slice(0, 200)}`);
      const bytes = headEnd + HEAD_END.length + Number(length);
      if (data.length < bytes) break;
      const body = data.subarray(headEnd + HEAD_END.length, bytes);
      onReply({ status: Number(head.slice(9, 12)), head, body, bytes });
      data = data.subarray(bytes);
    }
    this.#rest = data;
  }
}

/** Rejects when the socket ends, or is silent for too long: to race against what is waited for. */
export function failureOf(socket, port) {
  const failed = new Promise((_resolve, reject) => {
    socket.setTimeout(REPLY_TIMEOUT_MS, () => reject(new Error(`port ${port} does not answer`)));
    socket.on('error', reject);
    socket.on('close', () => reject(new Error(`port ${port} closed the connection`)));
  });
  // Without this the loser of a finished race would count as unhandled.
  failed.catch(() => undefined);
  return failed;
}

/** The replies to these requests, asked one after the other on one connection. */
export async function ask({ port, ca }, requests) {
  const socket = connect({ port, host: '127.0.0.1', servername: 'localhost', ca });
  const replies = [];
  try {
    const reader = new ReplyReader();
    const failed = failureOf(socket, port);
    await Promise.race([once(socket, 'secureConnect'), failed]);
    for (const request of requests) {
      const reply = new Promise((resolve, reject) => {
        socket.removeAllListeners('data');
        socket.on('data', (packet) => {
          try {
            reader.push(packet, resolve);
          } catch (error) {
            reject(error);
          }
        });
      });
      socket.write(request);
      replies.push(await Promise.race([reply, failed]));
    }
    return replies;
  } finally {
    socket.destroy();
  }
}
