/** The pace of one caller: one thing after the other, with chance in between. */
import type { Random } from './random';

/**
 * Acts about every `intervalMs` until `isOver`. Who was held up does not catch up: the load would otherwise come down on a
 * service that has just recovered, and hide how long it took.
 */
export async function repeat(
  intervalMs: number,
  random: Random,
  isOver: () => boolean,
  act: () => Promise<void>,
): Promise<void> {
  let dueMs = performance.now() + random.next() * intervalMs;
  while (!isOver()) {
    const waitMs = dueMs - performance.now();
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    dueMs = Math.max(dueMs, performance.now()) + intervalMs * random.between(0.5, 1.5);
    await act();
  }
}
