/**
 * What is counted and measured while the service runs, as Prometheus reads it (`GET /metrics`) and in short for people
 * (`GET /status`). Everything is gathered when somebody looks: between looks, a request costs a few additions
 * (`door-counts.ts`).
 */
import { Registry } from 'prom-client';
import type { NearCacheStatus } from '../core/near-cache';
import type {
  DoorLoad,
  NodeStatus,
  Observer,
  SavedSnapshot,
  ShardStatus,
  Telemetry,
  TelemetryFigures,
} from '../core/ports';
import type { Clock } from '../lib/clock';
import type { Closable } from '../lib/closers';
import { DoorCounts, LATENCY_BOUNDS_MS, type OutcomeCounts } from './door-counts';
import { openEventLoopMonitor } from './event-loop-delay';
import { type MetricSamples, samplesOf } from './combined-metrics';
import { processMetrics, processSamples } from './process-metrics';
import { addSampledMetric, histogramSamples, type Sample } from './sampled-metric';

export interface MetricsOptions {
  readonly clock: Clock;
  readonly engine: { status(): readonly ShardStatus[] };
  readonly near: { status(): NearCacheStatus };
  /** undefined: nothing is saved. */
  readonly snapshots?: { last(): SavedSnapshot | undefined } | undefined;
}

export interface Metrics extends Telemetry, Closable {
  /** Who counts for a door of that name: `http`, `resp`, `grpc`. Once for each door. */
  observerFor(door: string): Observer;
  /** Everything, to be combined with what other workers have. */
  samples(): Promise<MetricSamples>;
  close(): void;
}

const MS_PER_SECOND = 1000;

/** Begins to count. */
export function openMetrics({ clock, engine, near, snapshots }: MetricsOptions): Metrics {
  const startedMs = clock.now();
  const doors: DoorCounts[] = [];
  const eventLoop = openEventLoopMonitor();
  const ofProcess = processMetrics();
  const registry = new Registry();
  addDoorMetrics(registry, doors);
  addNearMetrics(registry, () => near.status());
  addNodeMetrics(registry, () => engine.status());
  addSnapshotMetrics(registry, () => snapshots?.last());
  addSampledMetric(registry, {
    name: 'ringcache_event_loop_delay_seconds',
    help: 'How late the event loop was over the last 10 to 20 s; quantile 1 is the worst of it.',
    type: 'gauge',
    together: 'max',
    read() {
      const { p50, p99, max } = eventLoop.read();
      return Object.entries({ '0.5': p50, '0.99': p99, '1': max }).map(([quantile, delayMs]) => ({
        labels: { quantile },
        value: delayMs / MS_PER_SECOND,
      }));
    },
  });

  return {
    contentType: registry.contentType,
    observerFor(door) {
      const counts = new DoorCounts(door);
      doors.push(counts);
      return counts;
    },
    async exposition() {
      return (await Promise.all([registry.metrics(), ofProcess.metrics()])).join('\n');
    },
    async samples() {
      return (await Promise.all([samplesOf(registry), processSamples()])).flat();
    },
    figures: () => ({
      uptimeMs: clock.now() - startedMs,
      ...doorFigures(doors),
      eventLoopDelayMs: eventLoop.read(),
    }),
    close: () => eventLoop.close(),
  };
}

function doorFigures(doors: readonly DoorCounts[]): Pick<TelemetryFigures, 'requests' | 'latency'> {
  const counts = LATENCY_BOUNDS_MS.map(() => 0).concat(0);
  const requests = { total: 0, failed: 0, inFlight: 0, inFlightMax: 0 };
  for (const { total, failed, load, latency } of doors) {
    requests.total += total;
    requests.failed += failed;
    requests.inFlight += load.inFlight;
    requests.inFlightMax += load.inFlightMax;
    for (const { counts: more } of latency.values()) {
      more.forEach((count, at) => (counts[at] = (counts[at] ?? 0) + count));
    }
  }
  return { requests, latency: { boundsMs: LATENCY_BOUNDS_MS, counts } };
}

function addDoorMetrics(registry: Registry, doors: readonly DoorCounts[]): void {
  const outcomes = (of: (counts: DoorCounts) => OutcomeCounts) => () =>
    doors.flatMap((counts) =>
      [...of(counts).entries()].map(({ command, outcome, count }) => ({
        labels: { door: counts.door, command, outcome },
        value: count,
      })),
    );
  const perDoor = (of: (counts: DoorCounts) => number) => () =>
    doors.map((counts) => ({ labels: { door: counts.door }, value: of(counts) }));
  const load = (name: string, help: string, of: (load: DoorLoad) => number) =>
    addSampledMetric(registry, { name, help, type: 'gauge', read: perDoor((counts) => of(counts.load)) });

  addSampledMetric(registry, {
    name: 'ringcache_requests_total',
    help: 'Requests by command (BATCH: many in one; none: not for the cache, or refused before it was read) and outcome.',
    type: 'counter',
    read: outcomes(({ requests }) => requests),
  });
  addSampledMetric(registry, {
    name: 'ringcache_commands_total',
    help: 'Commands inside batches, and those of the RESP door, by command (OTHER: neither reads nor changes keys) and outcome.',
    type: 'counter',
    read: outcomes(({ batched }) => batched),
  });
  addSampledMetric(registry, {
    name: 'ringcache_requests_failed_total',
    help: 'Requests that were answered with a fault of the service: HTTP 500 and above, or what says so over gRPC.',
    type: 'counter',
    read: perDoor(({ failed }) => failed),
  });
  const duration = 'ringcache_request_duration_seconds';
  const boundsSeconds = LATENCY_BOUNDS_MS.map((boundMs) => boundMs / MS_PER_SECOND);
  addSampledMetric(registry, {
    name: duration,
    help: 'Time from when a request with a command in it was there as a whole to its answer.',
    type: 'histogram',
    read: () =>
      doors.flatMap(({ door, latency }) =>
        [...latency].flatMap(([command, { counts, sumMs }]) =>
          histogramSamples(duration, { door, command }, boundsSeconds, counts, sumMs / MS_PER_SECOND),
        ),
      ),
  });
  load('ringcache_requests_in_flight', 'Requests at work.', ({ inFlight }) => inFlight);
  load('ringcache_requests_in_flight_max', 'Requests that may be at work.', ({ inFlightMax }) => inFlightMax);
  load('ringcache_body_bytes', 'Bytes of request bodies that are held.', ({ bodyBytes }) => bodyBytes);
}

function addNearMetrics(registry: Registry, status: () => NearCacheStatus): void {
  const add = (
    type: 'counter' | 'gauge',
    name: string,
    help: string,
    of: (near: NearCacheStatus) => number,
  ) => addSampledMetric(registry, { name, help, type, read: () => [{ labels: {}, value: of(status()) }] });

  add('counter', 'ringcache_near_hits_total', 'READs that the near cache answered.', ({ hits }) => hits);
  add(
    'counter',
    'ringcache_near_misses_total',
    'READs that it was asked for and had to pass on.',
    ({ misses }) => misses,
  );
  add(
    'counter',
    'ringcache_near_evictions_total',
    'Entries that gave way to others.',
    ({ evictions }) => evictions,
  );
  add('gauge', 'ringcache_near_entries', 'Entries in the near cache.', ({ entries }) => entries);
  add('gauge', 'ringcache_near_entries_max', 'NEAR_ENTRIES; 0: it is off.', ({ enabled, entriesMax }) =>
    enabled ? entriesMax : 0,
  );
  add('gauge', 'ringcache_near_bytes', 'Bytes of the near cache, overhead included.', ({ bytes }) => bytes);
  add('gauge', 'ringcache_near_bytes_max', 'NEAR_BYTES; 0: it is off.', ({ enabled, bytesMax }) =>
    enabled ? bytesMax : 0,
  );
}

/** No series before there is one. */
function addSnapshotMetrics(registry: Registry, last: () => SavedSnapshot | undefined): void {
  const add = (name: string, help: string, of: (saved: SavedSnapshot) => number) =>
    addSampledMetric(registry, {
      name,
      help,
      type: 'gauge',
      read: () => {
        const saved = last();
        return saved === undefined ? [] : [{ labels: {}, value: of(saved) }];
      },
    });
  add(
    'ringcache_snapshot_timestamp_seconds',
    'When the last snapshot was begun that was saved.',
    ({ savedAtMs }) => savedAtMs / MS_PER_SECOND,
  );
  add('ringcache_snapshot_bytes', 'Of the file of that one.', ({ bytes }) => bytes);
}

/** A node that the engine does not name any more has no series any more. */
function addNodeMetrics(registry: Registry, status: () => readonly ShardStatus[]): void {
  /** `of`: undefined where it is not known, or not a thing that this node has: then there is no such series. */
  const add = (
    name: string,
    help: string,
    of: (node: NodeStatus) => number | boolean | undefined,
    together?: 'min' | 'max',
  ) => {
    const read = () => nodeSamples(status(), of);
    addSampledMetric(registry, { name, help, type: 'gauge', ...(together && { together }), read });
  };

  add('ringcache_node_up', '1 while the node takes reads or writes.', ({ healthy }) => healthy, 'min');
  add(
    'ringcache_node_lag_bytes',
    'How far a replica is behind its master.',
    ({ lagBytes }) => lagBytes,
    'max',
  );
  add(
    'ringcache_node_link_up',
    '1 while a replica has its link to its master.',
    ({ linkUp }) => linkUp,
    'min',
  );
  add(
    'ringcache_node_in_flight',
    'Commands whose callers wait for it, but for those with ack.',
    ({ inFlight }) => inFlight,
  );
  add(
    'ringcache_node_announces',
    '1 while what is read from it may be kept in the near cache.',
    ({ announces }) => announces,
    'min',
  );
}

function nodeSamples(
  shards: readonly ShardStatus[],
  of: (node: NodeStatus) => number | boolean | undefined,
): Sample[] {
  return shards.flatMap(({ name, nodes }) =>
    nodes.flatMap((node) => {
      const value = of(node);
      const labels = { shard: name, node: node.address, role: node.role };
      return value === undefined ? [] : [{ labels, value: Number(value) }];
    }),
  );
}
