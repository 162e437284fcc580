/** Bounded waiting: no promise from outside this process is awaited without an end of our own. */

/**
 * `work`, or the error that `onTimeout` makes when it has not settled within `waitMs`. The work itself is not
 * undone: its late result, a failure included, is dropped.
 */
export function withDeadline<T>(work: Promise<T>, waitMs: number, onTimeout: () => Error): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const timer = setTimeout(
      () => {
        // Timers run before sockets are read: when it was this process that stood still, the answer may lie in the
        // socket already. An immediate runs after the sockets, so such an answer still counts.
        setImmediate(() => {
          reject(onTimeout());
        });
      },
      Math.max(0, waitMs),
    );
    work.then(
      (result) => {
        clearTimeout(timer);
        resolve(result);
      },
      (error: unknown) => {
        clearTimeout(timer);
        reject(error instanceof Error ? error : new Error(String(error)));
      },
    );
  });
}
