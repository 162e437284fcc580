/** The other gateways on the bus, as their heartbeats tell of them. */
import type { Log } from '../core/ports';
import type { Message } from './messages';

/** Who was not heard for so long cannot be counted on. */
export const HEARD_MS = 1000;
/** Who was not heard for so long has gone: what it alone knew is lost, unless it comes back after all. */
export const GONE_MS = 5000;
/** More are not looked at; a bus that carries so many heartbeats has other troubles. */
const PEERS_MAX = 256;

export type Heartbeat = Extract<Message, { type: 'heartbeat' }>;

export interface Peer {
  readonly id: string;
  /** Monotonic. */
  heardMs: number;
  /** The last one. */
  heartbeat: Heartbeat;
  /** Up to which number it has what this gateway announced. */
  reached: number;
  /** Heartbeats running that tell of other data than there is here, though nothing is on its way. */
  mismatches: number;
  /** Everything that it had at some moment since this gateway began to catch up is here. */
  isPulled: boolean;
  /** It is not to be asked before (monotonic), and how often it was in vain. */
  askableMs: number;
  failures: number;
}

export class Peers {
  readonly #id: string;
  readonly #log: Log;
  readonly #peers = new Map<string, Peer>();

  constructor(id: string, log: Log) {
    this.#id = id;
    this.#log = log;
  }

  /** Takes a heartbeat. undefined: it is an old one that came late, or one too many. */
  heard(origin: string, heartbeat: Heartbeat, nowMs: number): Peer | undefined {
    const reached = heartbeat.vector.find((each) => each.origin === this.#id)?.seq ?? 0;
    const known = this.#peers.get(origin);
    if (known === undefined) {
      if (this.#peers.size >= PEERS_MAX) return undefined;
      const peer: Peer = {
        ...{ id: origin, heardMs: nowMs, heartbeat, reached },
        ...{ mismatches: 0, isPulled: false, askableMs: 0, failures: 0 },
      };
      this.#peers.set(origin, peer);
      this.#log.debug({ peer: origin }, 'a gateway has joined');
      return peer;
    }
    if (heartbeat.number <= known.heartbeat.number) return undefined;
    known.heardMs = nowMs;
    known.heartbeat = heartbeat;
    known.reached = Math.max(known.reached, reached);
    return known;
  }

  /** The gateway has everything up to this number. */
  reached(origin: string, seq: number): void {
    const peer = this.#peers.get(origin);
    if (peer !== undefined) peer.reached = Math.max(peer.reached, seq);
  }

  /** Forgets who has gone. */
  tick(nowMs: number): void {
    for (const [id, { heardMs }] of this.#peers) {
      if (nowMs - heardMs <= GONE_MS) continue;
      this.#peers.delete(id);
      this.#log.debug({ peer: id }, 'a gateway has left');
    }
  }

  get(id: string): Peer | undefined {
    return this.#peers.get(id);
  }

  all(): readonly Peer[] {
    return [...this.#peers.values()];
  }

  /** Those that were heard within the last second. */
  present(nowMs: number): readonly Peer[] {
    return this.all().filter(({ heardMs }) => nowMs - heardMs <= HEARD_MS);
  }
}
