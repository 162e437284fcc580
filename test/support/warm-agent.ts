/** Connections on which something was asked before: the first request of a connection never takes the fast path. */
import { Agent, type RequestOptions } from 'node:https';
import type { Duplex } from 'node:stream';
import { connect, type ConnectionOptions } from 'node:tls';

/** Asked without a token and of nothing, so it is the same at every door. */
export const WARM_ROUTE = 'GET /livez';
const FIRST = `${WARM_ROUTE} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
const FIRST_MS = 5000;

/** Keeps its connections. What is asked through it is the second request of its connection, or a later one. */
export class WarmAgent extends Agent {
  constructor(ca: Buffer) {
    super({ keepAlive: true, ca });
  }

  override createConnection(
    options: RequestOptions,
    callback?: (error: Error | null, connection: Duplex) => void,
  ): undefined {
    const socket = connect({ ...(options as ConnectionOptions), servername: 'localhost' });
    let answer = '';
    const take = (bytes: Buffer): void => {
      answer += bytes.toString('latin1');
      if (isWhole(answer)) done(null);
    };
    const end = (): void => done(new Error('the first request ended the connection'));
    const late = (): void => void socket.destroy(new Error('the first request had no answer'));
    const done = (error: Error | null): void => {
      socket.off('data', take).off('end', end).off('error', done).off('timeout', late);
      socket.setTimeout(0);
      if (error) socket.destroy();
      callback?.(error, socket);
    };
    socket.on('data', take).once('end', end).once('error', done).once('timeout', late);
    socket.setTimeout(FIRST_MS);
    socket.write(FIRST);
    return undefined;
  }
}

function isWhole(answer: string): boolean {
  const head = answer.indexOf('\r\n\r\n');
  const length = /^content-length: (\d+)\r$/im.exec(answer)?.[1];
  return head > 0 && answer.length === head + 4 + Number(length);
}
