/** The parser of the door and nothing else of it: what it reads goes on to a Redis, whose replies come back as they are. */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { protocolErrorReply } from '../../../src/doors/resp/errors';
import { ProtocolError, RequestParser, type RequestLimits } from '../../../src/doors/resp/request-parser';
import { encodeInline, encodeRequest } from './fuzz-case';

const LIMITS = {
  inlineBytesMax: 65_536,
  wordsMax: 16_384,
  bulkBytesMax: 8_388_608,
  requestBytesMax: 67_108_864,
};

/** Redis reads nothing behind them. */
const LAST: ReadonlySet<string> = new Set(['quit', 'post', 'host:']);

export interface ParserDoor {
  readonly port: number;
  close(): Promise<void>;
}

export async function openParserDoor(redisPort: number, password: string): Promise<ParserDoor> {
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (client) =>
    relay(client, redisPort, password),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      server.close();
      await once(server, 'close');
    },
  };
}

function relay(client: Socket, redisPort: number, password: string): void {
  const redis = connect({ host: '127.0.0.1', port: redisPort, noDelay: true, allowHalfOpen: true });
  const limits = (isAuthenticated: boolean): RequestLimits => ({ ...LIMITS, isAuthenticated });
  const parser = new RequestParser(limits(false));
  let lastWords: Buffer = Buffer.alloc(0);
  let isLast = false;

  client.on('data', (chunk: Buffer) => {
    parser.push(chunk);
    try {
      while (!isLast) {
        const words = parser.next();
        if (words === undefined) return;
        redis.write(
          isForAll(words) ? encodeRequest(words) : encodeInline(words.map((word) => word.toString('latin1'))),
        );
        const [name = '', ...rest] = words.map((word) => word.toString('latin1').toLowerCase());
        isLast = LAST.has(name);
        if (name === 'reset') parser.limits = limits(false);
        if (name === 'auth' && rest.at(-1) === password) parser.limits = limits(true);
      }
    } catch (thrown) {
      if (!(thrown instanceof ProtocolError)) throw thrown;
      lastWords = protocolErrorReply(thrown.message);
      redis.end();
    }
  });
  client.on('end', () => redis.end());
  redis.on('data', (chunk: Buffer) => client.write(chunk));
  redis.on('end', () => client.end(lastWords, () => client.destroySoon()));
  client.on('error', () => redis.destroy());
  redis.on('error', () => client.destroy());
  client.on('close', () => redis.destroy());
}

/** Whether a stranger, too, may send it as an array; lines may be longer. */
function isForAll(words: readonly Buffer[]): boolean {
  return words.length <= 10 && words.every((word) => word.length <= 16_384);
}
