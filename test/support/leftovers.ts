/**
 * What a failed test did not stop. A server, process or reconnecting client that is left open would keep jest from
 * ending, so whoever opens one registers how to stop it, and what is still there after the file's tests is stopped.
 */

const leftovers = new Set<() => Promise<unknown>>();

// Outside jest (benchmarks) there is no such hook; there the guards of `child.ts` clean up.
if (typeof afterAll === 'function') {
  afterAll(async () => {
    await Promise.allSettled([...leftovers].map((stop) => stop()));
  });
}

/**
 * Gives back `stop` for the caller's use, registered for the end of the test file. It runs once, whoever asks: this
 * hook is older than the file's own, so those may come second.
 */
export function stopAfterTests<T>(stop: () => Promise<T>): () => Promise<T> {
  let stopping: Promise<T> | undefined;
  const stopOnce = (): Promise<T> => {
    leftovers.delete(stopOnce);
    return (stopping ??= stop());
  };
  leftovers.add(stopOnce);
  return stopOnce;
}
