/** The other gateways that write to the topic, as their heartbeats tell of them. */
import type { Clock } from '../lib/clock';
import type { Heartbeat } from './kafka-records';
import { GONE_MS, HEARD_MS } from './peers';
import type { PeerStatus } from './replication-log';

/** Sessions bring positions of gateways that have ended; the oldest of more than these are forgotten. */
const PEERS_MAX = 256;

interface Peer {
  heardMs: number;
  told: number;
}

export class KafkaPeers {
  readonly #id: string;
  readonly #clock: Clock;
  /** The one that was heard last comes last. */
  readonly #peers = new Map<string, Peer>();

  constructor(id: string, clock: Clock) {
    this.#id = id;
    this.#clock = clock;
  }

  heard({ origin, told }: Heartbeat): void {
    if (origin === this.#id) return;
    const before = this.#peers.get(origin);
    this.#peers.delete(origin);
    this.#peers.set(origin, { heardMs: this.#clock.now(), told: Math.max(told, before?.told ?? 0) });
    const [oldest] = this.#peers.keys();
    if (this.#peers.size > PEERS_MAX && oldest !== undefined) this.#peers.delete(oldest);
  }

  /** All changes of that gateway up to this number are in what has been read. */
  toldBy(origin: string): number {
    return this.#peers.get(origin)?.told ?? 0;
  }

  /** Not heard for so long that it will hardly come back. */
  isGone(origin: string): boolean {
    if (origin === this.#id) return false;
    const peer = this.#peers.get(origin);
    return peer === undefined || this.#clock.now() - peer.heardMs > GONE_MS;
  }

  /** Whether this gateway is the one that does what any could do. */
  get isFirst(): boolean {
    return ![...this.#peers.keys()].some((origin) => origin < this.#id && !this.isGone(origin));
  }

  /** Those that are there, or were a moment ago. */
  statuses(): readonly PeerStatus[] {
    const nowMs = this.#clock.now();
    return [...this.#peers]
      .filter(([id]) => !this.isGone(id))
      .map(([id, { heardMs }]) => ({ id, isHeard: nowMs - heardMs <= HEARD_MS }));
  }
}
