/**
 * Compaction keeps the record with the last offset of a key, not the one with the latest version. Whoever reads a record that
 * loses against what it holds therefore knows that a gateway that starts later would read the loser alone, and has the
 * winner written again, behind it.
 *
 * Interleavings:
 * 1. K in version 9 has offset 100; K in version 5, from a gateway whose write was under way, gets offset 101. Each gateway that
 *    holds 9 waits for a random time of up to a second, and writes 9 again unless it has been read by then.
 * 2. Two of them do so at once: the second record is of the same version as the first, and answers nothing.
 * 3. A gateway reads the topic from its beginning, and holds more than what it reads at first (from a snapshot, or from before):
 *    every older record loses. None is answered before the end is reached, and what was read again until then needs no answer.
 * 4. The winner is a write of this gateway that is under way: its record comes behind the loser and is the answer.
 */
import type { Key } from '../core/command';
import { Alarm } from '../lib/alarm';
import type { Clock } from '../lib/clock';

const WAIT_MS_MAX = 1000;

export class KafkaAnswers {
  readonly #clock: Clock;
  readonly #onDue: (key: Key) => void;
  readonly #alarm: Alarm;
  readonly #dueMs = new Map<Key, number>();
  #isPaused = true;

  /** `onDue`: the winner of the key is to be written again. */
  constructor(clock: Clock, onDue: (key: Key) => void) {
    this.#clock = clock;
    this.#onDue = onDue;
    this.#alarm = new Alarm(clock, () => this.#ring());
  }

  /** A record of the key lost against what is held. */
  lost(key: Key): void {
    if (this.#dueMs.has(key)) return;
    const dueMs = this.#clock.now() + Math.random() * WAIT_MS_MAX;
    this.#dueMs.set(key, dueMs);
    if (!this.#isPaused) this.#alarm.setBy(dueMs);
  }

  /** A record of the key is what is held. */
  won(key: Key): void {
    this.#dueMs.delete(key);
  }

  /** More records are there than were read. */
  pause(): void {
    this.#isPaused = true;
    this.#alarm.cancel();
  }

  /** All records have been read that were there. */
  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    if (this.#dueMs.size > 0) this.#alarm.setBy(this.#clock.now() + Math.random() * WAIT_MS_MAX);
  }

  #ring(): void {
    if (this.#isPaused) return;
    const nowMs = this.#clock.now();
    let nextMs = Infinity;
    for (const [key, dueMs] of this.#dueMs) {
      if (dueMs > nowMs) {
        nextMs = Math.min(nextMs, dueMs);
        continue;
      }
      this.#dueMs.delete(key);
      this.#onDue(key);
    }
    this.#alarm.setBy(nextMs);
  }
}
