/**
 * A Redis that answers some commands as a test tells it to, and carries the others out: a proxy in front of a real one
 * that knows where requests and replies end. Replies keep the order of the requests, so what is sent in place of one
 * arrives where that would have.
 */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import type { NodeAddress } from '../../src/redis/client';
import { stopAfterTests } from './leftovers';
import { elementsOf, replyEnd } from './resp-wire';

/** Sends bytes in place of a reply, at once or for as long as the socket lives. */
export type Lie = (socket: Socket) => void;

export interface LyingNode {
  readonly address: NodeAddress;
  /** From now on; names in capitals, as gateways send them. */
  lie(names: readonly string[], lie: Lie): void;
  /** How often a lie was told since `lie`. */
  readonly told: number;
  /** No lies any more. The connections stay, with whatever was begun on them. */
  beSane(): void;
  /** Resets those there are; new ones are served. */
  killConnections(): void;
  close(): Promise<void>;
}

/** Of one connection, in the order of its requests. */
interface Owed {
  /** undefined: the real reply, once it is here. */
  readonly lie: Lie | undefined;
}

const PUSH = '>'.charCodeAt(0);

/** `bytes`, and nothing more. */
export function saying(bytes: string): Lie {
  return (socket) => socket.write(bytes, 'latin1');
}

/** `first`, and then the letter x for ever. */
export function sayingForEver(first: string): Lie {
  return (socket) => {
    socket.write(first, 'latin1');
    const timer = setInterval(() => socket.write('x'.repeat(1000)), 10);
    socket.once('close', () => clearInterval(timer));
  };
}

export async function startLyingNode(target: NodeAddress): Promise<LyingNode> {
  const sockets = new Set<Socket>();
  let names = new Set<string>();
  let lie: Lie | undefined;
  let told = 0;

  function serve(client: Socket): void {
    const redis = connect(target.port, target.host);
    const owed: Owed[] = [];
    const replies: Buffer[] = [];
    let asked: Buffer = Buffer.alloc(0);
    let answered: Buffer = Buffer.alloc(0);
    // A subscriber is sent what it did not ask for.
    let isSubscriber = false;

    const settle = (): void => {
      for (let [next] = owed; next !== undefined; [next] = owed) {
        if (next.lie !== undefined) next.lie(client);
        else {
          const reply = replies.shift();
          if (reply === undefined) return;
          client.write(reply);
        }
        owed.shift();
      }
    };
    client.on('data', (chunk: Buffer) => {
      asked = Buffer.concat([asked, chunk]);
      for (let end = requestEnd(asked); end !== undefined; end = requestEnd(asked)) {
        const request = asked.subarray(0, end);
        asked = asked.subarray(end);
        const name = nameOf(request);
        isSubscriber ||= name === 'SUBSCRIBE';
        const isLie = names.has(name);
        if (isLie) told += 1;
        else redis.write(request);
        if (!isSubscriber) owed.push({ lie: isLie ? lie : undefined });
      }
      settle();
    });
    redis.on('data', (chunk: Buffer) => {
      answered = Buffer.concat([answered, chunk]);
      for (let end = requestEnd(answered); end !== undefined; end = requestEnd(answered)) {
        const reply = answered.subarray(0, end);
        answered = answered.subarray(end);
        if (reply[0] === PUSH || (isSubscriber && owed.length === 0)) client.write(reply);
        else replies.push(reply);
        settle();
      }
    });
    for (const [socket, other] of [
      [client, redis],
      [redis, client],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
  }

  const killConnections = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  const server = createServer({ noDelay: true }, serve).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    address: { ...target, host: '127.0.0.1', port: (server.address() as AddressInfo).port },
    lie: (about, how) => {
      names = new Set(about);
      lie = how;
      told = 0;
    },
    get told() {
      return told;
    },
    beSane: () => {
      names = new Set();
    },
    killConnections,
    close: stopAfterTests(async () => {
      server.close();
      killConnections();
      await once(server, 'close');
    }),
  };
}

/** A request has the form of a reply, an array of strings. */
function requestEnd(bytes: Buffer): number | undefined {
  return bytes.length === 0 ? undefined : replyEnd(bytes);
}

function nameOf(request: Buffer): string {
  const [name = Buffer.alloc(0)] = elementsOf(request).elements;
  return name.toString('latin1', name.indexOf('\n') + 1, name.length - 2).toUpperCase();
}
