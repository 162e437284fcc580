/**
 * What several workers have counted, as one exposition. Counters never fall while a worker that was counted dies or
 * does not answer: a reader would take a sum that falls for one that began anew, and count all of it again. So what a
 * worker told last stays in the sums.
 */
import { AggregatorRegistry, type Registry } from 'prom-client';
import type { Sample } from './sampled-metric';

/** One metric as prom-client hands it over: plain data. Its own types do not know it. */
interface PlainMetric {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly aggregator: string;
  readonly values: readonly Sample[];
}

export type MetricSamples = readonly PlainMetric[];

export class CombinedMetrics {
  readonly #told = new Map<number, MetricSamples>();
  /** Of workers that are gone. */
  #former: MetricSamples = [];

  /** What that worker has counted by now. To be called as it answers, so never behind `retire`. */
  tell(worker: number, samples: MetricSamples): void {
    this.#told.set(worker, samples);
  }

  /** The sums: of those in `answered` all, of the others what only grows; and `others`. */
  exposition(answered: ReadonlySet<number>, others: MetricSamples): Promise<string> {
    const told = [...this.#told].map(([worker, samples]) => ({ isSilent: !answered.has(worker), samples }));
    const workers: PlainMetric = {
      name: 'ringcache_workers',
      help: 'Workers that answered; the gauges are of these.',
      type: 'gauge',
      aggregator: 'sum',
      values: [{ labels: {}, value: told.filter(({ isSilent }) => !isSilent).length }],
    };
    const parts = told.map(({ isSilent, samples }) => (isSilent ? countersOf(samples) : samples));
    return combined([...parts, this.#former, others, [workers]]).metrics();
  }

  /** That worker is gone; the next one of its number counts from 0. */
  retire(worker: number): void {
    const last = this.#told.get(worker);
    if (last === undefined) return;
    this.#told.delete(worker);
    const sums = combined([this.#former, countersOf(last)]).getMetricsAsArray();
    this.#former = sums as unknown as MetricSamples;
  }
}

/** What a registry has now. */
export async function samplesOf(registry: Registry): Promise<MetricSamples> {
  return (await registry.getMetricsAsJSON()) as unknown as MetricSamples;
}

function combined(parts: readonly MetricSamples[]): Registry {
  return AggregatorRegistry.aggregate([...parts]);
}

/** What only ever grows. */
function countersOf(samples: MetricSamples): MetricSamples {
  return samples.filter(({ type }) => type === 'counter' || type === 'histogram');
}
