/**
 * All connections of the HTTP door, and how many there may be. A TCP connection counts from its first moment, so
 * those that never finish their TLS handshake take up places too; it can be asked something once that is done, and
 * is a `Peer` from then on.
 */
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import type { Log } from '../../core/ports';
import type { Clock } from '../../lib/clock';
import { endsOf } from '../../lib/socket-ends';
import { Peer } from './peer';

const CHECK_INTERVAL_MS = 500;

interface Accepted {
  readonly transport: Socket;
  readonly isSurplus: boolean;
  readonly openedMs: number;
}

export class Connections {
  readonly #accepted = new Map<string, Accepted>();
  readonly #peers = new Map<Duplex, Peer>();
  #timer: NodeJS.Timeout | undefined;
  /** Connections beyond the limit since the last check: one line in the log for all of them. */
  #turnedAway = 0;

  constructor(
    private readonly connectionsMax: number,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  /** Open TCP connections. */
  get size(): number {
    return this.#accepted.size;
  }

  /** Answers that are owed on all connections. */
  get owed(): number {
    let owed = 0;
    for (const { pending } of this.#peers.values()) owed += pending;
    return owed;
  }

  accept(transport: Socket): void {
    const ends = endsOf(transport);
    const isSurplus = this.#accepted.size >= this.connectionsMax;
    if (isSurplus) this.#turnedAway++;
    this.#accepted.set(ends, { transport, isSurplus, openedMs: this.clock.now() });
    transport.on('close', () => this.#accepted.delete(ends));
  }

  /** The TLS handshake is done. */
  secure(socket: TLSSocket): void {
    const accepted = this.#accepted.get(endsOf(socket));
    if (accepted === undefined) {
      socket.destroy();
      return;
    }
    const { transport, isSurplus, openedMs } = accepted;
    const peer = new Peer(socket, transport, isSurplus, openedMs, this.log);
    this.#peers.set(socket, peer);
    // Without a listener an error ends the process, and Node takes its own away on CONNECT. 'close' follows.
    socket.on('error', () => undefined);
    socket.on('close', () => this.#peers.delete(socket));
  }

  /** The connection's state; undefined before its handshake and after its end. */
  peerOf(socket: Duplex): Peer | undefined {
    return this.#peers.get(socket);
  }

  /** Every connection that is in the middle of something is told that this answer is its last. */
  announceEnd(): void {
    for (const peer of this.#peers.values()) if (peer.pending > 0) peer.announceEnd();
  }

  /** Closes those that owe nothing; one that has not asked anything yet may do so for `graceMs` after it came. */
  closeIdle(graceMs: number): void {
    const beforeMs = this.clock.now() - graceMs;
    for (const peer of this.#peers.values()) {
      if (peer.pending === 0 && (peer.hasAsked || peer.openedMs < beforeMs)) peer.close();
    }
  }

  /** Ends all connections at once, those in the handshake included. */
  destroyAll(): void {
    for (const { transport } of this.#accepted.values()) transport.destroy();
  }

  /** From now on closes slow connections; one timer for all of them. */
  startChecks(): void {
    let checkedMs = this.clock.now();
    this.#timer = setInterval(() => {
      const nowMs = this.clock.now();
      for (const peer of this.#peers.values()) peer.checkPace(nowMs, nowMs - checkedMs);
      checkedMs = nowMs;
      if (this.#turnedAway === 0) return;
      this.log.warn({ limit: this.connectionsMax, turned_away: this.#turnedAway }, 'too many connections');
      this.#turnedAway = 0;
    }, CHECK_INTERVAL_MS).unref();
  }

  stopChecks(): void {
    clearInterval(this.#timer);
  }
}
