/**
 * What prom-client knows of the process: CPU, memory, garbage collection. Its collectors cannot be stopped, so there
 * is one set of them in a process. They keep no process alive.
 */
import { collectDefaultMetrics, Registry } from 'prom-client';
import { type MetricSamples, samplesOf } from './combined-metrics';

/** What is not exposed. */
const LEFT_OUT: readonly RegExp[] = [
  // Reset by each reader, so that several see a part each: `event-loop-delay.ts` is in its place.
  /^nodejs_eventloop_lag/,
  // List every connection on each scrape: with 8,000 of them that holds up the event loop for 40 ms.
  /^nodejs_active_/,
  /^process_(open|max)_fds$/,
  // No answer tells a version.
  /^nodejs_version_info$/,
];

/** In effect never: a monitor of its own that nobody reads need not look. */
const SELDOM_MS = 2 ** 31 - 1;

let registry: Registry | undefined;

/** Counts from the first call on. */
export function processMetrics(): Registry {
  if (registry !== undefined) return registry;
  registry = new Registry();
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: SELDOM_MS });
  for (const { name } of registry.getMetricsAsArray()) {
    if (LEFT_OUT.some((pattern) => pattern.test(name))) registry.removeSingleMetric(name);
  }
  return registry;
}

/** The same, to be combined with those of other processes; prom-client would leave out when the first of them began. */
export async function processSamples(): Promise<MetricSamples> {
  const samples = await samplesOf(processMetrics());
  return samples.map((metric) =>
    metric.name === 'process_start_time_seconds' ? { ...metric, aggregator: 'min' } : metric,
  );
}
