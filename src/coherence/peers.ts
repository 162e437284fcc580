/**
 * The other gateways, as far as their announcements tell of them. One that goes without a goodbye may have changed
 * something that it announced to nobody:
 *
 *   1. gateway A changes K on the master  2. A is killed before K is announced  3. gateway B has the old value near
 *
 * Nobody was acked, but B's value would stay for ever (C4). So when A has been silent for a while, everything read before
 * that is void. A changes nothing that late: it stops when its records have not been taken for a second (`outbox.ts`).
 *
 * Silence is counted in records of our own, in the order of the topic, not in time: while Kafka is away nobody is heard.
 */

import { BEAT_MS } from './outbox';

/** So much lies between the last record of a gateway and the moment at which it counts as gone: three seconds, since ours count at their pace. */
const SILENT_BEATS_MAX = 15;
/** Gateways at once; what has so many is not ours. */
const PEERS_MAX = 10_000;

export class Peers {
  /** How many beats there had been when it was heard last. */
  readonly #heard = new Map<string, number>();
  #beats = 0;
  #beatMs = -Infinity;

  get size(): number {
    return this.#heard.size;
  }

  /** A record of that gateway came. */
  heard(origin: string): void {
    if (this.#heard.size < PEERS_MAX || this.#heard.has(origin)) this.#heard.set(origin, this.#beats);
  }

  /** It has said goodbye: what it changed was announced. */
  left(origin: string): void {
    this.#heard.delete(origin);
  }

  /** Our own record came back that left at `sentMs` (monotonic). Gives those that have gone without a word. */
  beat(sentMs: number): readonly string[] {
    if (sentMs - this.#beatMs < BEAT_MS) return [];
    this.#beatMs = sentMs;
    this.#beats += 1;
    const gone: string[] = [];
    for (const [origin, beats] of this.#heard) {
      if (this.#beats - beats > SILENT_BEATS_MAX) gone.push(origin);
    }
    for (const origin of gone) this.#heard.delete(origin);
    return gone;
  }
}
