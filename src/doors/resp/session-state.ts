/** What is known of one connection of the door, for all who carry out its commands. */
import type { Socket } from 'node:net';
import type { Access, Credential } from '../../auth/access';
import type { CacheService } from '../../core/cache';
import type { Limits } from '../../core/limits';
import type { Log, Observer, Protocol } from '../../core/ports';
import type { Budget } from '../../lib/budget';
import type { Clock } from '../../lib/clock';
import type { StoreFacts } from './local/store-facts';
import type { ReplyLine } from './reply-line';
import type { UnreadReplies } from './unread-replies';

export interface RespDeps {
  readonly cache: CacheService;
  readonly access: Pick<Access, 'admit'>;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly log: Log;
  readonly observer: Observer;
  /** GETs may go by `short-way.ts`; what they come to is the same without it. */
  readonly hasShortWay: boolean;
  /** Places for sessions that have commands at work (MAX_IN_FLIGHT). */
  readonly places: Budget;
  /** Bytes of long requests of which a part is still to come. */
  readonly requestBytes: Budget;
  /** Of all connections. */
  readonly unread: UnreadReplies;
  /** Connections to the store that sessions have for themselves: what blocks them, what they watch or listen to. */
  readonly upstreams: Budget;
  /** All open sessions, for CLIENT LIST. */
  readonly sessions: ReadonlySet<SessionState>;
  /** What the store tells of itself, for INFO and HELLO. */
  readonly facts: StoreFacts;
  /** When the door was opened; monotonic. */
  readonly startedMs: number;
}

export interface SessionState {
  readonly deps: RespDeps;
  /** As CLIENT ID says it; grows. */
  readonly id: number;
  /** The other end's, as the socket names it: the throttle of failed logins counts by it. */
  readonly host: string;
  /** `host:port` of the other end and of this one. */
  readonly address: string;
  readonly localAddress: string;
  readonly openedMs: number;
  /** Where replies go; another one while what the door answers itself becomes a part of EXEC's reply. */
  replies: ReplyLine;
  protocol: Protocol;
  /** CLIENT SETNAME; empty: none. */
  name: string;
  libName: string;
  libVersion: string;
  /** undefined: nobody has shown who it is. */
  credential: Credential | undefined;
  /** Attempts to show who it is that failed on this connection. */
  failedLogins: number;
  /** Channels and patterns, for CLIENT LIST and for what RESP2 allows meanwhile. */
  subscriptions: number;
  /** Queued in a transaction; undefined: there is none. */
  queued: number | undefined;
  /** It waits for what may never come, on a connection of its own: it is not waited for when the other end is gone. */
  isBlocked: boolean;
  /** Ends what the session has under way beside its requests, for RESET: transaction, watched keys, subscriptions. */
  abandon: () => void;
  lastCommand: string;
  lastCommandMs: number;
  /** Ends the connection when what was replied has left. */
  close(): void;
  /** Ends the connection: something went wrong where there is nobody to throw it at, such as in a timer. */
  fail(thrown: unknown): void;
}

/** Of a connection of which nothing is known yet. */
export function createState(
  deps: RespDeps,
  id: number,
  ends: Pick<Socket, 'remoteAddress' | 'remotePort' | 'localAddress' | 'localPort'>,
  replies: ReplyLine,
  { close, fail }: Pick<SessionState, 'close' | 'fail'>,
): SessionState {
  const nowMs = deps.clock.now();
  const { remoteAddress: host = 'unknown', remotePort, localAddress = 'unknown', localPort } = ends;
  return {
    deps,
    id,
    host,
    address: addressOf(host, remotePort),
    localAddress: addressOf(localAddress, localPort),
    openedMs: nowMs,
    replies,
    protocol: 2,
    name: '',
    libName: '',
    libVersion: '',
    credential: undefined,
    failedLogins: 0,
    subscriptions: 0,
    queued: undefined,
    isBlocked: false,
    abandon: () => undefined,
    lastCommand: '',
    lastCommandMs: nowMs,
    close,
    fail,
  };
}

function addressOf(host: string, port: number | undefined): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port ?? 0}`;
}
