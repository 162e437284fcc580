/**
 * A metric whose values are asked for when somebody looks. prom-client's own classes keep the values themselves, and
 * have no way to set what a counter or a histogram has come to elsewhere.
 */
import type { Metric, Registry } from 'prom-client';

export type Labels = Readonly<Record<string, string | number>>;

export interface Sample {
  readonly labels: Labels;
  readonly value: number;
  /** Where it is not the metric's own: `…_bucket`, `…_sum`, `…_count` of a histogram. */
  readonly metricName?: string;
}

export interface SampledMetric {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  /** What the values of one series in several workers come to; unset: their sum. */
  readonly together?: 'min' | 'max';
  /** All values there are now; a series that is not among them is gone. */
  readonly read: () => readonly Sample[];
}

/** Makes it part of what the registry exposes. @throws Error when the name is taken */
export function addSampledMetric(registry: Registry, metric: SampledMetric): void {
  const { name, help, type, together: aggregator = 'sum', read } = metric;
  const get = () => Promise.resolve({ name, help, type, aggregator, values: read() });
  // All that the registry asks of a metric; its types know its own classes only.
  const registered = { name, help, type, get };
  registry.registerMetric(registered as unknown as Metric);
}

/**
 * The series of one histogram: buckets summed up from below, their sum and count.
 * @param counts one for each bound, not summed up, and one for what is beyond them
 */
export function histogramSamples(
  name: string,
  labels: Labels,
  bounds: readonly number[],
  counts: readonly number[],
  sum: number,
): Sample[] {
  let count = 0;
  const buckets = counts.map((added, at) => {
    count += added;
    return { metricName: `${name}_bucket`, labels: { ...labels, le: bounds[at] ?? '+Inf' }, value: count };
  });
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels, value: sum },
    { metricName: `${name}_count`, labels, value: count },
  ];
}
