/**
 * What a failed test did not stop. A server, process or reconnecting client that is left open would keep jest from
 * ending, so whoever starts one registers how to stop it, and what is still there after the file's tests is stopped.
 */

const leftovers = new Set<() => unknown>();

// Outside jest (benchmarks) there is no such hook; there the guards of `child.ts` clean up.
if (typeof afterAll === 'function') {
  afterAll(async () => {
    await Promise.allSettled([...leftovers].map((stop) => stop()));
  });
}

/** Registers `stop` for the end of the test file; call what is returned once it has been stopped. */
export function stopAfterTests(stop: () => unknown): () => void {
  leftovers.add(stop);
  return () => leftovers.delete(stop);
}
