/** Waiting for something that another process will do soon: polls instead of sleeping for a guessed time. */

const FIRST_PAUSE_MS = 5;
const PAUSE_MS_MAX = 100;

/**
 * Calls `check` until it passes (throws nothing, and gives neither false nor undefined) and returns what it gave.
 * @throws an Error that names the time waited, with the last failure as its cause.
 */
export async function eventually<T>(
  check: () => T | Promise<T>,
  withinMs = 5000,
): Promise<Exclude<T, false | undefined>> {
  const startedMs = performance.now();
  let lastFailure: unknown;
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, PAUSE_MS_MAX)) {
    try {
      const result = await check();
      if (result !== false && result !== undefined) return result as Exclude<T, false | undefined>;
      lastFailure = new Error(`the check gave ${String(result)}`);
    } catch (failure) {
      lastFailure = failure;
    }
    if (performance.now() - startedMs >= withinMs) break;
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
  const reason = lastFailure instanceof Error ? lastFailure.message : String(lastFailure);
  throw new Error(`not within ${withinMs} ms: ${reason}`, { cause: lastFailure });
}
