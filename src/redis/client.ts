/**
 * The only `new Redis` of the house, set so that a command is sent once, now, or not at all:
 *
 * - no offline queue: a command for a node that is away fails at once. ioredis would otherwise still send it later,
 *   after its caller was told that it had timed out. No automatic pipelining either, which queues in the same way
 *   behind a node that is slow (`redis-node.ts`).
 * - no automatic resend after a reconnect: it ran an INCR twice.
 * - `maxRetriesPerRequest: 0`: whatever was under way when a connection ends is rejected then. Each caller has a
 *   deadline of its own before that, and a silent connection is ended by us; so no command needs a timer of ioredis.
 */
import { isIP } from 'node:net';
import { Redis } from 'ioredis';
import type { Clock } from '../lib/clock';

export interface NodeAddress {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  readonly username: string | undefined;
  readonly password: string | undefined;
}

/** Where the nodes of a shard are. */
export interface ShardNodes {
  /** undefined: none is known to be the master. */
  readonly master: NodeAddress | undefined;
  readonly replicas: readonly NodeAddress[];
}

/** For a connection and its handshake. */
export const CONNECT_TIMEOUT_MS = 1000;
/** What a connection holds of commands that have not left this process; beyond it, more of them are refused. */
export const UNSENT_BYTES_MAX = 64 * 1024 * 1024;
/** How long a closing connection waits for the other end's goodbye; a frozen node says none. */
const DISCONNECT_TIMEOUT_MS = 100;
/** A node that comes back is found within a quarter of a second. */
const RECONNECT_MS_MAX = 250;

/**
 * A client that is not yet connected. `readOnly`: tells a replica of a cluster that reads are wanted from it, which
 * it would redirect to its master otherwise.
 */
export function createClient(address: NodeAddress, readOnly = false): Redis {
  return new Redis({
    host: address.host,
    port: address.port,
    ...(address.username === undefined ? {} : { username: address.username }),
    ...(address.password === undefined ? {} : { password: address.password }),
    // Node verifies the certificate against the host by itself; a name is told to the server too, which may have
    // several certificates. NODE_EXTRA_CA_CERTS names a private authority.
    ...(address.tls ? { tls: isIP(address.host) === 0 ? { servername: address.host } : {} } : {}),
    readOnly,
    lazyConnect: true,
    protocol: 2,
    connectionName: 'ringcache',
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    maxRetriesPerRequest: 0,
    maxLoadingRetryTime: RECONNECT_MS_MAX,
    connectTimeout: CONNECT_TIMEOUT_MS,
    disconnectTimeout: DISCONNECT_TIMEOUT_MS,
    keepAlive: 10_000,
    retryStrategy: (attempt) => Math.min(25 * 2 ** Math.min(attempt, 8), RECONNECT_MS_MAX),
  });
}

/** `host:port` for people and logs; credentials stay out of it. */
export function nameOfAddress(address: NodeAddress): string {
  const host = address.host.includes(':') ? `[${address.host}]` : address.host;
  return `${host}:${String(address.port)}`;
}

/**
 * ioredis has no deadline for the handshake of a connection whose other end is silent. The function that this gives
 * is to be called at a steady pace: it ends a handshake that takes too long, and another one begins.
 */
export function watchHandshake(client: Redis, clock: Clock): () => void {
  let sinceMs: number | undefined;
  return () => {
    const nowMs = clock.now();
    if (client.status !== 'connect') sinceMs = undefined;
    else if (nowMs - (sinceMs ??= nowMs) >= CONNECT_TIMEOUT_MS) {
      // By the next call another handshake may be under way.
      sinceMs = undefined;
      client.disconnect(true);
    }
  };
}
