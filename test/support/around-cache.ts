/** The core with some of its methods taken over by a test, to make it fail, wait, or tell what reaches it. */
import type { CacheService } from '../../src/core/cache';

export function aroundCache(cache: CacheService, changed: Partial<CacheService>): CacheService {
  return {
    execute: (...given) => cache.execute(...given),
    executeBatch: (...given) => cache.executeBatch(...given),
    watch: (...given) => cache.watch(...given),
    locate: (...given) => cache.locate(...given),
    placement: (...given) => cache.placement(...given),
    isNear: (...given) => cache.isNear(...given),
    snapshot: (...given) => cache.snapshot(...given),
    ready: () => cache.ready(),
    hasNear: cache.hasNear,
    relay: cache.relay,
    ...changed,
  };
}
