/** `GET /status`: what an operator looks at first; for clients with the scope `admin`. */
import type { Access } from '../../../auth/access';
import { type CacheStatus, checkAdmin } from '../../../core/cache';
import type { NodeStatus, TelemetryFigures } from '../../../core/ports';
import type { WholeReport } from '../../../core/whole-report';
import type { Exchange } from '../exchange';

/** The handler of `GET /status`. `report`: of all processes that share the port. */
export function createStatusRoute(
  report: () => WholeReport | Promise<WholeReport>,
  access: Pick<Access, 'verify'>,
): (exchange: Exchange) => Promise<void> {
  return async (exchange) => {
    checkAdmin(exchange.authenticate(access));
    exchange.beginWork();
    const { status, figures, workers } = await report();
    const fields = { ...cacheFields(status), ...telemetryFields(figures), workers };
    exchange.answer(200, JSON.stringify(fields), 'SUCCESS');
  };
}

function cacheFields({ engine, ready, coherence, shards, near }: CacheStatus): object {
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

/**
 * `counts[i]`: requests that took longer than `bounds_ms[i - 1]` and at most `bounds_ms[i]`; the last one: longer
 * than all.
 */
function telemetryFields(figures: TelemetryFigures): object {
  const { uptimeMs, requests, latency, eventLoopDelayMs } = figures;
  return {
    uptime_seconds: Math.floor(uptimeMs) / 1000,
    requests: {
      total: requests.total,
      failed: requests.failed,
      in_flight: requests.inFlight,
      in_flight_max: requests.inFlightMax,
    },
    latency: { bounds_ms: latency.boundsMs, counts: latency.counts },
    event_loop_delay_ms: eventLoopDelayMs,
  };
}

/** null: not known, or not a thing that a master has. */
function nodeFields({ address, role, healthy, linkUp, lagBytes, inFlight, announces }: NodeStatus): object {
  return {
    address,
    role,
    healthy,
    link_up: linkUp ?? null,
    lag_bytes: lagBytes ?? null,
    in_flight: inFlight ?? null,
    announces: announces ?? null,
  };
}
