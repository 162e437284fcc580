/**
 * `GET /ring/{key}`: where a key lives, and `GET /ring`: what the whole ring looks like. The core refuses clients
 * without the scope `admin`.
 */
import type { Access } from '../../../auth/access';
import type { CacheService, KeyLocation } from '../../../core/cache';
import type { Limits } from '../../../core/limits';
import type { Clock } from '../../../lib/clock';
import { parseKey } from '../../../core/command-fields';
import type { Exchange } from '../exchange';

export interface RingRouteDeps {
  readonly cache: Pick<CacheService, 'locate'>;
  readonly access: Pick<Access, 'verify'>;
  readonly limits: Limits;
  readonly clock: Clock;
}

/**
 * The handler of `GET /ring/{key}`. Express has percent-decoded the key, once; what does not decode to UTF-8 it has
 * refused, since a key is text over HTTP.
 */
export function createRingRoute(deps: RingRouteDeps): (exchange: Exchange) => Promise<void> {
  const { cache, access, limits, clock } = deps;
  return async (exchange) => {
    const principal = exchange.authenticate(access);
    exchange.beginWork();
    const text = String(exchange.request.params['key']);
    const key = parseKey(text, limits);
    const location = await cache.locate(principal, key, clock.now() + limits.requestTimeoutMs);
    exchange.answer(200, JSON.stringify({ key: text, ...locationFields(location) }), 'SUCCESS');
  };
}

/** `hash` and `node`: null where there is none. `ttl`: seconds; null for a key without end, or without existence. */
function locationFields({ hash, shard, node, near, remainingMs }: KeyLocation): object {
  return {
    hash: hash ?? null,
    shard,
    node: node ?? null,
    near,
    exists: remainingMs !== undefined,
    ttl: remainingMs === undefined || remainingMs === Infinity ? null : remainingMs / 1000,
  };
}

/**
 * The handler of `GET /ring`: the circle on which keys have their points (`hash` of `GET /ring/{key}`), as arcs
 * `[last point, index into shards]`, each from behind the one before it. −1: nobody has it. `size` null: there is no
 * ring.
 */
export function createPlacementRoute(
  cache: Pick<CacheService, 'placement'>,
  access: Pick<Access, 'verify'>,
): (exchange: Exchange) => void {
  return (exchange) => {
    const principal = exchange.authenticate(access);
    exchange.beginWork();
    const placement = cache.placement(principal);
    const { size, arcs } = placement ?? { size: null, arcs: [] };
    const names = new Map<string, number>();
    const pairs = arcs.map(({ lastPoint, shard }) => {
      if (shard === undefined) return [lastPoint, -1];
      const index = names.get(shard) ?? names.size;
      names.set(shard, index);
      return [lastPoint, index];
    });
    exchange.answer(200, JSON.stringify({ size, shards: [...names.keys()], arcs: pairs }), 'SUCCESS');
  };
}
