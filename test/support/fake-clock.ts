/** Time that only moves when a test moves it. */
import type { Clock } from '../../src/lib/clock';

export interface FakeClock extends Clock {
  /** Moves both times forward. */
  advance(ms: number): void;
}

export function createFakeClock(startMs = 1_000_000): FakeClock {
  let elapsedMs = 0;
  return {
    now: () => startMs + elapsedMs,
    wallMs: () => Date.UTC(2030, 0, 1) + elapsedMs,
    advance: (ms) => {
      elapsedMs += ms;
    },
  };
}
