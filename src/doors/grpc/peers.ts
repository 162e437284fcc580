/**
 * All connections of the gRPC door. A TCP connection counts from its first moment; it is a `Peer` when TLS and the
 * protocol have been agreed on.
 */
import type { Http2SecureServer, Http2Session } from 'node:http2';
import type { Socket } from 'node:net';
import type { Log } from '../../core/ports';
import type { Clock } from '../../lib/clock';
import { endsOf } from '../../lib/socket-ends';
import { Peer } from './peer';

const CHECK_INTERVAL_MS = 500;
/** Where this process stood still, the others were not slow. */
const ELAPSED_MS_MAX = 2 * CHECK_INTERVAL_MS;

export class Peers {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #transports = new Map<string, Socket>();
  readonly #peers = new Map<Http2Session, Peer>();
  readonly #timer: NodeJS.Timeout;

  constructor(server: Http2SecureServer, clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
    server.on('session', (session) => this.#agreed(session));
    let checkedMs = clock.now();
    this.#timer = setInterval(() => {
      const nowMs = clock.now();
      this.#check(nowMs, Math.min(nowMs - checkedMs, ELAPSED_MS_MAX));
      checkedMs = nowMs;
    }, CHECK_INTERVAL_MS).unref();
  }

  /** Open TCP connections. */
  get size(): number {
    return this.#transports.size;
  }

  accept(transport: Socket): void {
    const ends = endsOf(transport);
    this.#transports.set(ends, transport);
    transport.once('close', () => this.#transports.delete(ends));
  }

  /** The connection's state; undefined after its end. */
  peerOf(session: Http2Session | undefined): Peer | undefined {
    return session && this.#peers.get(session);
  }

  /** Ends all at once. */
  destroyAll(): void {
    for (const transport of this.#transports.values()) transport.destroy();
  }

  stopChecks(): void {
    clearInterval(this.#timer);
  }

  #agreed(session: Http2Session): void {
    const transport = this.#transports.get(endsOf(session.socket));
    if (transport === undefined) {
      session.destroy();
      return;
    }
    this.#peers.set(session, new Peer(session, transport, this.#clock.now()));
    session.once('close', () => this.#peers.delete(session));
  }

  #check(nowMs: number, elapsedMs: number): void {
    for (const peer of this.#peers.values()) {
      const reason = peer.checkPace(nowMs, elapsedMs);
      if (reason !== undefined) this.#log.info({ reason }, 'cut a connection of gRPC');
    }
  }
}
