/**
 * Time, handed in. Nothing below `start.ts` reads a clock of its own but the log and HTTP's `Date`, which keep
 * no rule by it: so every rule about time can be tested by moving time instead of waiting for it.
 */

/** The two times a cache needs; both in milliseconds, fractions allowed. */
export interface Clock {
  /** Monotonic: never jumps, has no meaning outside this process. For deadlines, leases and expiry. */
  now(): number;
  /** Wall time since 1970. For what leaves the process: tokens, certificates, files. */
  wallMs(): number;
}

/** Read once: the global of that name is a getter, which each reading of the time would call. */
const stopwatch = performance;

export const systemClock: Clock = {
  now: () => stopwatch.now(),
  wallMs: () => Date.now(),
};
