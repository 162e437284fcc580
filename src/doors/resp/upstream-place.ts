/** A place among the connections to the store that sessions have for themselves. */
import { CacheError } from '../../core/errors';
import type { Budget } from '../../lib/budget';

/** Gives what gives it back, which may be called more than once. @throws CacheError `throttled` */
export function takeUpstream(upstreams: Budget): () => void {
  if (!upstreams.take(1)) {
    throw new CacheError(
      'throttled',
      'Too many callers block, watch keys or are subscribed. Try again later.',
    );
  }
  let isHeld = true;
  return () => {
    if (isHeld) upstreams.release(1);
    isHeld = false;
  };
}
