// The Redis protocol by hand, for a few commands one after the other: what is filled in, and what replies are held to.
import { once } from 'node:events';
import { connect } from 'node:net';
import { failureOf } from './exchange.mjs';

/** A command as it goes over the wire. */
export function commandBytes(...words) {
  return Buffer.from(
    `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`,
  );
}

/**
 * The replies to these commands: the text of a status, a bulk string, or `null` for none.
 * @throws Error when a reply is an error, or does not come
 */
export async function askResp(port, commands) {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  try {
    const failed = failureOf(socket, port);
    await Promise.race([once(socket, 'connect'), failed]);
    const all = new Promise((resolve, reject) => {
      let bytes = Buffer.alloc(0);
      socket.on('data', (packet) => {
        bytes = Buffer.concat([bytes, packet]);
        try {
          const replies = parseReplies(bytes, commands.length);
          if (replies !== undefined) resolve(replies);
        } catch (error) {
          reject(error);
        }
      });
    });
    socket.write(Buffer.concat(commands));
    return await Promise.race([all, failed]);
  } finally {
    socket.destroy();
  }
}

/** undefined: not all are there yet. */
function parseReplies(bytes, count) {
  const replies = [];
  let at = 0;
  const parse = () => {
    const lineEnd = bytes.indexOf('\r\n', at);
    if (lineEnd < 0) return undefined;
    const [type, text] = [String.fromCharCode(bytes[at]), bytes.toString('utf8', at + 1, lineEnd)];
    if (type === '-') throw new Error(`an error: ${text}`);
    at = lineEnd + 2;
    if (type !== '$') return text;
    if (text === '-1') return null;
    const end = at + Number(text);
    if (bytes.length < end + 2) return undefined;
    const value = bytes.toString('utf8', at, end);
    at = end + 2;
    return value;
  };
  while (replies.length < count) {
    const reply = parse();
    if (reply === undefined) return undefined;
    replies.push(reply);
  }
  return replies;
}
