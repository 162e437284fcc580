/** `GET /status`: what an operator looks at first. The core refuses clients without the scope `admin`. */
import type { Access } from '../../../auth/access';
import type { CacheService, CacheStatus } from '../../../core/cache';
import type { NodeStatus, Telemetry, TelemetryFigures } from '../../../core/ports';
import type { WholeReport } from '../../../core/whole-report';
import type { Exchange } from '../exchange';

export interface StatusSources {
  readonly telemetry: Pick<Telemetry, 'figures'>;
  /** All processes that share the port; undefined: this is the only one. */
  readonly workers?: { report(): Promise<WholeReport> } | undefined;
}

/** The handler of `GET /status`. */
export function createStatusRoute(
  cache: Pick<CacheService, 'status'>,
  access: Pick<Access, 'verify'>,
  { telemetry, workers }: StatusSources,
): (exchange: Exchange) => Promise<void> {
  return async (exchange) => {
    const principal = exchange.authenticate(access);
    exchange.beginWork();
    const status = cache.status(principal);
    const report = (await workers?.report()) ?? {
      workers: { configured: 1, answered: 1 },
      status,
      figures: telemetry.figures(),
    };
    const fields = {
      ...cacheFields(report.status),
      ...telemetryFields(report.figures),
      workers: report.workers,
    };
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
