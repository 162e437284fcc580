/** What is behind an `internal` error, which no caller is told. */
import type { CacheError } from './errors';
import type { Log } from './ports';

/** Tells the log, and only the log, under the id that the caller was given; says nothing of errors of any other code. */
export function reportInternal(log: Log, error: CacheError, requestId: string): void {
  if (error.code !== 'internal') return;
  const cause = error.cause ?? error;
  log.error(
    // Not the error itself: errors of libraries carry the arguments they failed on, and those are values.
    { request_id: requestId, cause: cause instanceof Error ? cause.stack : typeof cause },
    'internal error',
  );
}
