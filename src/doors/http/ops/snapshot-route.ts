/** `POST /snapshot`: saves what this process keeps. The core refuses clients without the scope `admin`. */
import type { Access } from '../../../auth/access';
import type { CacheService } from '../../../core/cache';
import type { Exchange } from '../exchange';

/** The handler of `POST /snapshot`. It answers when the file is there, which bounds itself (`snapshot/`). */
export function createSnapshotRoute(
  cache: Pick<CacheService, 'snapshot'>,
  access: Pick<Access, 'verify'>,
): (exchange: Exchange) => Promise<void> {
  return async (exchange) => {
    const principal = exchange.authenticate(access);
    exchange.beginWork();
    const { entries, bytes, durationMs } = await cache.snapshot(principal);
    const fields = { status: 'SUCCESS', entries, bytes, seconds: Math.round(durationMs) / 1000 };
    exchange.answer(200, JSON.stringify(fields), 'SUCCESS');
  };
}
