/**
 * What `GET /status` tells: of one process, and of several workers together. What is counted is summed up; of what is
 * a state the worse one counts, so that no trouble of one worker hides behind the others.
 */
import type { CacheStatus } from './cache';
import type { NearCacheStatus } from './near-cache';
import type { NodeStatus, ShardStatus, TelemetryFigures } from './ports';

/** Of one process. */
export interface Report {
  readonly status: CacheStatus;
  readonly figures: TelemetryFigures;
}

export interface WholeReport extends Report {
  /** Processes that share the ports: how many there are to be, and how many have answered, whose report this is. */
  readonly workers: { readonly configured: number; readonly answered: number };
}

/** undefined: nobody has answered. Of what is set and cannot differ, it has the first one's. */
export function wholeReport(reports: readonly Report[], configured: number): WholeReport | undefined {
  const [first] = reports;
  if (first === undefined) return undefined;
  const statuses = reports.map(({ status }) => status);
  const figures = reports.map(({ figures: each }) => each);
  return {
    workers: { configured, answered: reports.length },
    status: {
      ...first.status,
      ready: statuses.every(({ ready }) => ready),
      shards: wholeShards(statuses.map(({ shards }) => shards)),
      near: wholeNear(
        first.status.near,
        statuses.map(({ near }) => near),
      ),
    },
    figures: wholeFigures(first.figures, figures),
  };
}

function wholeNear(first: NearCacheStatus, all: readonly NearCacheStatus[]): NearCacheStatus {
  const sum = (of: (near: NearCacheStatus) => number): number => sumOf(all.map(of));
  return {
    ...first,
    entries: sum(({ entries }) => entries),
    bytes: sum(({ bytes }) => bytes),
    entriesMax: sum(({ entriesMax }) => entriesMax),
    bytesMax: sum(({ bytesMax }) => bytesMax),
    hits: sum(({ hits }) => hits),
    misses: sum(({ misses }) => misses),
    evictions: sum(({ evictions }) => evictions),
  };
}

function wholeFigures(first: TelemetryFigures, all: readonly TelemetryFigures[]): TelemetryFigures {
  const sum = (of: (figures: TelemetryFigures) => number): number => sumOf(all.map(of));
  const worst = (of: (figures: TelemetryFigures) => number): number => Math.max(...all.map(of));
  return {
    // Since when all of it counts.
    uptimeMs: Math.min(...all.map(({ uptimeMs }) => uptimeMs)),
    requests: {
      total: sum(({ requests }) => requests.total),
      failed: sum(({ requests }) => requests.failed),
      inFlight: sum(({ requests }) => requests.inFlight),
      inFlightMax: sum(({ requests }) => requests.inFlightMax),
    },
    latency: {
      boundsMs: first.latency.boundsMs,
      counts: first.latency.counts.map((_, at) => sum(({ latency }) => latency.counts[at] ?? 0)),
    },
    eventLoopDelayMs: {
      p50: worst(({ eventLoopDelayMs }) => eventLoopDelayMs.p50),
      p99: worst(({ eventLoopDelayMs }) => eventLoopDelayMs.p99),
      max: worst(({ eventLoopDelayMs }) => eventLoopDelayMs.max),
    },
  };
}

/** Every shard and node that any of them names, in the order in which the first ones name them. */
function wholeShards(all: readonly (readonly ShardStatus[])[]): ShardStatus[] {
  return grouped(all.flat(), ({ name }) => name).map(({ first, group }) => ({
    ...first,
    nodes: grouped(
      group.flatMap(({ nodes }) => nodes),
      ({ address, role }) => `${role} ${address}`,
    ).map(({ first: node, group: views }) => wholeNode(node, views)),
  }));
}

function wholeNode(first: NodeStatus, views: readonly NodeStatus[]): NodeStatus {
  const known = <T>(of: (node: NodeStatus) => T | undefined): T[] =>
    views.map(of).filter((value) => value !== undefined);
  const all = (of: (node: NodeStatus) => boolean | undefined): boolean | undefined =>
    known(of).length === 0 ? undefined : known(of).every(Boolean);
  const lags = known(({ lagBytes }) => lagBytes);
  const inFlight = known((node) => node.inFlight);
  return {
    ...first,
    healthy: views.every(({ healthy }) => healthy),
    linkUp: all(({ linkUp }) => linkUp),
    lagBytes: lags.length === 0 ? undefined : Math.max(...lags),
    inFlight: inFlight.length === 0 ? undefined : sumOf(inFlight),
    announces: all(({ announces }) => announces),
  };
}

function grouped<T>(items: readonly T[], nameOf: (item: T) => string): { first: T; group: T[] }[] {
  const groups = new Map<string, { first: T; group: T[] }>();
  for (const item of items) {
    const name = nameOf(item);
    const known = groups.get(name);
    if (known === undefined) groups.set(name, { first: item, group: [item] });
    else known.group.push(item);
  }
  return [...groups.values()];
}

function sumOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0);
}
