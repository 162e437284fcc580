/**
 * `GET /livez` and `GET /readyz`: open to all, so they say nothing but the state. They never take a place among the
 * requests at work: full is neither dead nor out of order.
 */
import type { CacheService } from '../../../core/cache';
import { CacheError } from '../../../core/errors';
import type { Exchange } from '../exchange';

/** Answers as long as the process can. */
export function answerLive(exchange: Exchange): void {
  exchange.answer(200, '{"status":"live"}', 'SUCCESS');
}

/** The handler of `GET /readyz`: 503 while draining, or while no shard can be used. */
export function createReadyRoute(
  cache: Pick<CacheService, 'ready'>,
  isDraining: () => boolean,
): (exchange: Exchange) => void {
  return (exchange) => {
    if (isDraining() || !cache.ready()) throw new CacheError('unavailable', 'Not ready.');
    exchange.answer(200, '{"status":"ready"}', 'SUCCESS');
  };
}
