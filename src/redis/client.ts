/**
 * The only `new Redis` of the house, set so that a command is sent once or not at all, and none waits for ever:
 *
 * - no offline queue: a command for a node that is away fails at once. ioredis would otherwise still send it later,
 *   after its caller was told that it had timed out.
 * - no automatic resend after a reconnect: it ran an INCR twice.
 * - `maxRetriesPerRequest: 0` and a command timeout: with resend off, the promises of a lost connection would
 *   otherwise never settle. Callers put deadlines of their own before that.
 */
import { Redis } from 'ioredis';
import { REPLACE_VALUE_SCRIPT } from './commands';

export interface NodeAddress {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  readonly username: string | undefined;
  readonly password: string | undefined;
}

const CONNECT_TIMEOUT_MS = 1000;
/** A backstop behind the deadlines of the callers; it also frees ioredis's pipeline of a node that froze. */
const COMMAND_TIMEOUT_MS = 3000;
/** How long a closing connection waits for the other end's goodbye; a frozen node says none. */
const DISCONNECT_TIMEOUT_MS = 100;
/** A node that comes back is found within a quarter of a second. */
const RECONNECT_MS_MAX = 250;

/**
 * A client that is not yet connected. `pipelining` collects the commands of one turn of the event loop into one
 * packet; a connection that blocks on purpose (WAIT) does without.
 */
export function createClient(address: NodeAddress, options: { pipelining: boolean }): Redis {
  return new Redis({
    host: address.host,
    port: address.port,
    ...(address.username === undefined ? {} : { username: address.username }),
    ...(address.password === undefined ? {} : { password: address.password }),
    // Node verifies the certificate against the host by itself; NODE_EXTRA_CA_CERTS names a private authority.
    ...(address.tls ? { tls: {} } : {}),
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
    commandTimeout: COMMAND_TIMEOUT_MS,
    keepAlive: 10_000,
    retryStrategy: (attempt) => Math.min(25 * 2 ** Math.min(attempt, 8), RECONNECT_MS_MAX),
    enableAutoPipelining: options.pipelining,
    scripts: { replaceValue: { lua: REPLACE_VALUE_SCRIPT, numberOfKeys: 1 } },
  });
}

/** `host:port` for people and logs; credentials stay out of it. */
export function nameOfAddress(address: NodeAddress): string {
  const host = address.host.includes(':') ? `[${address.host}]` : address.host;
  return `${host}:${String(address.port)}`;
}
