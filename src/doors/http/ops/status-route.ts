/** `GET /status`: what an operator looks at first. The core refuses clients without the scope `admin`. */
import type { Access } from '../../../auth/access';
import type { CacheService, CacheStatus } from '../../../core/cache';
import type { NodeStatus } from '../../../core/ports';
import type { Exchange } from '../exchange';

/** The handler of `GET /status`. */
export function createStatusRoute(
  cache: Pick<CacheService, 'status'>,
  access: Pick<Access, 'verify'>,
): (exchange: Exchange) => void {
  return (exchange) => {
    const principal = exchange.authenticate(access);
    exchange.beginWork();
    exchange.answer(200, JSON.stringify(statusFields(cache.status(principal))), 'SUCCESS');
  };
}

function statusFields({ engine, ready, coherence, shards, near }: CacheStatus): object {
  return {
    engine,
    ready,
    coherence,
    shards: shards.map(({ name, nodes }) => ({ name, nodes: nodes.map(nodeFields) })),
    near: {
      enabled: near.enabled,
      entries: near.entries,
      bytes: near.bytes,
      entries_max: near.entriesMax,
      bytes_max: near.bytesMax,
      ttl_seconds: near.ttlSeconds,
      hits: near.hits,
      misses: near.misses,
      evictions: near.evictions,
    },
  };
}

/** null: not known, or not a thing that a master has. */
function nodeFields({ address, role, healthy, linkUp, lagBytes, announces }: NodeStatus): object {
  return {
    address,
    role,
    healthy,
    link_up: linkUp ?? null,
    lag_bytes: lagBytes ?? null,
    announces: announces ?? null,
  };
}
