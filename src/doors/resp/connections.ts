/**
 * All connections of the RESP door, and how many there may be. A TCP connection counts from its first moment, so those
 * that never finish their TLS handshake take up places too.
 */
import type { Socket } from 'node:net';
import { Connection, type ConnectionOptions } from './connection';
import { encodeError } from './encoder';
import type { RespDeps, SessionState } from './session-state';

const CHECK_INTERVAL_MS = 500;
/** Time in which this process stood still is nobody else's slowness. */
const ELAPSED_MS_MAX = 2 * CHECK_INTERVAL_MS;
const TOO_MANY = encodeError('ERR max number of clients reached');
/** For those who are told so to hear it. */
const SURPLUS_MS = 1000;

export interface ConnectionsOptions extends Pick<ConnectionOptions, 'createSession'> {
  readonly deps: Omit<RespDeps, 'sessions'>;
  readonly maxConnections: number;
}

interface Accepted {
  readonly transport: Socket;
  readonly isSurplus: boolean;
}

export class Connections {
  readonly #accepted = new Map<string, Accepted>();
  readonly #open = new Set<Connection>();
  readonly #sessions = new Set<SessionState>();
  readonly #deps: RespDeps;
  #lastId = 0;
  #isEnding = false;
  #timer: NodeJS.Timeout | undefined;
  /** Connections beyond the limit since the last check: one line in the log for all of them. */
  #turnedAway = 0;

  constructor(private readonly options: ConnectionsOptions) {
    this.#deps = { ...options.deps, sessions: this.#sessions };
  }

  /** TCP connections, those in the handshake included. */
  get size(): number {
    return this.#accepted.size;
  }

  /** Of requests. */
  get heldBytes(): number {
    let bytes = 0;
    for (const { heldBytes } of this.#open) bytes += heldBytes;
    return bytes;
  }

  accept(transport: Socket): void {
    const ends = endsOf(transport);
    const isSurplus = this.#accepted.size >= this.options.maxConnections;
    if (isSurplus) this.#turnedAway++;
    this.#accepted.set(ends, { transport, isSurplus });
    // Without a listener an error ends the process. 'close' follows.
    transport.on('error', () => undefined);
    transport.on('close', () => this.#accepted.delete(ends));
  }

  /** `socket`: of an accepted connection, ready to be spoken on. */
  open(socket: Socket): void {
    socket.on('error', () => undefined);
    const accepted = this.#accepted.get(endsOf(socket));
    if (accepted === undefined || this.#isEnding) {
      socket.destroy();
    } else if (accepted.isSurplus) {
      socket.resume();
      socket.end(TOO_MANY);
      setTimeout(() => socket.destroy(), SURPLUS_MS).unref();
    } else {
      this.#serve(socket, accepted.transport);
    }
  }

  #serve(socket: Socket, transport: Socket): void {
    const { createSession } = this.options;
    const id = ++this.#lastId;
    const connection = new Connection({ socket, transport, id, deps: this.#deps, createSession });
    this.#open.add(connection);
    this.#sessions.add(connection.state);
    socket.on('close', () => {
      this.#open.delete(connection);
      this.#sessions.delete(connection.state);
    });
  }

  /** From now on no requests are taken: each connection ends when it is owed nothing, new ones at once. */
  finishAll(): void {
    this.#isEnding = true;
    for (const connection of this.#open) connection.finish();
  }

  /** Ends all connections at once, those in the handshake included. */
  destroyAll(): void {
    for (const { transport } of this.#accepted.values()) transport.destroy();
  }

  /** From now on closes slow connections; one timer for all of them. */
  startChecks(): void {
    const { clock, log } = this.#deps;
    let checkedMs = clock.now();
    this.#timer = setInterval(() => {
      const nowMs = clock.now();
      const elapsedMs = Math.min(nowMs - checkedMs, ELAPSED_MS_MAX);
      checkedMs = nowMs;
      for (const connection of this.#open) connection.check(elapsedMs);
      if (this.#turnedAway === 0) return;
      const limit = this.options.maxConnections;
      log.warn({ door: 'resp', limit, turned_away: this.#turnedAway }, 'too many connections');
      this.#turnedAway = 0;
    }, CHECK_INTERVAL_MS).unref();
  }

  stopChecks(): void {
    clearInterval(this.#timer);
  }
}

/** What both the TCP and the TLS socket of one connection know of it, and no two open connections share. */
function endsOf({ remoteAddress, remotePort, localAddress }: Socket): string {
  return `${remoteAddress ?? ''} ${remotePort ?? ''} ${localAddress ?? ''}`;
}
