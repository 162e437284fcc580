/**
 * What came through one door, counted in plain objects and arrays: prom-client's own `inc` and `observe` make and
 * compare strings on each call, 3 µs for a request, which cost here 0.05 µs. `metrics.ts` hands the sums over when
 * somebody looks.
 *
 * Labels are bounded by types: commands and outcomes are closed unions, and nothing else of a request is kept.
 */
import type { CountedCommand, DoorLoad, Observer, Outcome, RequestLine } from '../core/ports';

/** Upper ends, in milliseconds; what takes longer than the last one is counted behind it. */
export const LATENCY_BOUNDS_MS: readonly number[] = [
  0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000,
];

/** `none`: not a request for the cache, or refused before it was read. */
export type CommandLabel = CountedCommand | 'BATCH' | 'none';

/** How often each command came to each outcome. */
export class OutcomeCounts {
  readonly #byCommand = new Map<CommandLabel, Map<Outcome, { count: number }>>();

  add(command: CommandLabel, outcome: Outcome, count: number): void {
    let byOutcome = this.#byCommand.get(command);
    if (byOutcome === undefined) {
      byOutcome = new Map<Outcome, { count: number }>();
      this.#byCommand.set(command, byOutcome);
    }
    const tally = byOutcome.get(outcome);
    if (tally === undefined) byOutcome.set(outcome, { count });
    else tally.count += count;
  }

  *entries(): Iterable<{ command: CommandLabel; outcome: Outcome; count: number }> {
    for (const [command, byOutcome] of this.#byCommand) {
      for (const [outcome, { count }] of byOutcome) yield { command, outcome, count };
    }
  }
}

/** How long requests took, from when they were there as a whole. */
export class Latency {
  /** One for each bound and one for what is beyond them; each request is in one of them. */
  readonly counts: number[] = new Array<number>(LATENCY_BOUNDS_MS.length + 1).fill(0);
  sumMs = 0;

  add(workMs: number): void {
    const beyond = LATENCY_BOUNDS_MS.length;
    let at = 0;
    while (at < beyond && workMs > (LATENCY_BOUNDS_MS[at] ?? Infinity)) at++;
    this.counts[at] = (this.counts[at] ?? 0) + 1;
    this.sumMs += workMs;
  }
}

const IDLE: DoorLoad = { inFlight: 0, inFlightMax: 0, bodyBytes: 0 };

export class DoorCounts implements Observer {
  readonly requests = new OutcomeCounts();
  /** Of batches, and of doors that know commands only. */
  readonly batched = new OutcomeCounts();
  /** Of requests with a command: health checks and those who watch would drown what the cache's callers see. */
  readonly latency = new Map<Exclude<CommandLabel, 'none'>, Latency>();
  total = 0;
  /** Answered with a fault of the service. */
  failed = 0;
  #load: () => DoorLoad = () => IDLE;

  constructor(readonly door: string) {}

  request({ command, outcome, isFault, workMs }: RequestLine): void {
    this.total++;
    if (isFault) this.failed++;
    this.requests.add(command ?? 'none', outcome, 1);
    if (command === undefined || workMs === undefined) return;
    let latency = this.latency.get(command);
    if (latency === undefined) this.latency.set(command, (latency = new Latency()));
    latency.add(workMs);
  }

  commands(command: CountedCommand, outcome: Outcome, count: number): void {
    this.batched.add(command, outcome, count);
  }

  watchLoad(load: () => DoorLoad): void {
    this.#load = load;
  }

  get load(): DoorLoad {
    return this.#load();
  }
}
