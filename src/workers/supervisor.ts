/**
 * The process above the workers. It opens no engine and no door: it starts `count` workers, which share the ports,
 * starts another one for each that dies, tells them of each other, and ends them.
 *
 * 1. The first worker starts alone: what is wrong with the settings, the certificate or a port is found once, and
 *    said once. The others follow together. Until all serve, a worker that cannot start is the end of them all.
 * 2. From then on a worker that ends is replaced: after 100 ms, and twice as long each time that it did not serve for
 *    a minute, 30 s at most. The others serve meanwhile.
 * 3. A stop is told to all; who has not ended after `stopMs` is killed.
 */
import { CacheError } from '../core/errors';
import type { Log, SnapshotResult } from '../core/ports';
import { aborted } from '../lib/aborted';
import type { Clock } from '../lib/clock';
import type { ClosableLog } from '../telemetry/log';
import { CombinedMetrics, type MetricSamples } from '../telemetry/combined-metrics';
import type { Begin, Ports, WorkerAnswers } from './messages';
import { type Report, wholeReport, type WholeReport } from '../core/whole-report';
import { type Fork, StartFailure } from './worker-process';
import { WorkerSlot } from './worker-slot';

export interface SupervisorOptions {
  readonly count: number;
  readonly environment: Begin['environment'];
  readonly fork: Fork;
  /** Who has not ended so long after a stop is killed. */
  readonly stopMs: number;
  /** What this process adds to the sums of what workers use. */
  readonly ownMetrics: () => Promise<MetricSamples>;
  readonly clock: Clock;
  readonly log: Log & Pick<ClosableLog, 'lines'>;
}

/** For a worker to say what it has counted. One that is busy for longer is left out. */
const ASK_MS = 1000;
/** Longer than a snapshot may take (`snapshot/`). */
const SNAPSHOT_MS = 610_000;

export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #slots: readonly WorkerSlot[];
  readonly #metrics = new CombinedMetrics();
  /** Of the first worker that served, and so of all. */
  #ports: Ports | undefined;
  /** What workers ask for from now on; undefined: what the settings say. */
  #askedPorts: Ports | undefined;
  #phase: 'starting' | 'serving' | 'stopping' = 'starting';

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#slots = Array.from(
      { length: options.count },
      (_, at) =>
        new WorkerSlot({
          ...options,
          number: at + 1,
          answering: {
            metrics: () => this.#exposition(),
            report: () => this.#report(),
            snapshot: () => this.#saveSnapshot(),
          },
          onServing: (served, ports) => this.#hearPorts(served, ports),
          onNews: (news, from) => {
            for (const slot of this.#slots) if (slot !== from) slot.send(news);
          },
          onEnd: (slot, end) => {
            this.#metrics.retire(slot.number);
            if (this.#phase === 'stopping' || (this.#phase === 'starting' && !end.hadServed)) return;
            const { hadServed, ...fields } = end;
            const afterMs = slot.openLater(() => this.#open(slot));
            options.log.error(
              { worker: slot.number, ...fields, restart_after_ms: afterMs },
              hadServed ? 'a worker has ended' : 'a worker could not start',
            );
          },
        }),
    );
  }

  /**
   * Serves until `stop` aborts; resolves when all workers have ended. `onServing` is called once, when all serve.
   * @throws StartFailure
   */
  async run(stop: AbortSignal, onServing: (ports: Ports) => void): Promise<void> {
    const stopAsked = aborted(stop).then(() => undefined);
    const opened = this.#openAll();
    // Who is stopped while he starts may well end.
    opened.catch(() => undefined);
    try {
      const ports = await Promise.race([opened, stopAsked]);
      if (ports !== undefined) {
        this.#phase = 'serving';
        onServing(ports);
        await stopAsked;
      }
    } finally {
      await this.#stopAll();
    }
  }

  /** Ends all at once. */
  kill(): void {
    for (const slot of this.#slots) slot.kill();
  }

  async #openAll(): Promise<Ports> {
    const [first, ...others] = this.#slots;
    if (first === undefined) throw new StartFailure('There is no worker to start.');
    const ports = await this.#open(first);
    if (this.#phase === 'starting') await Promise.all(others.map((slot) => this.#open(slot)));
    return ports;
  }

  /**
   * The port that was got for port 0 belongs to those who asked for port 0, and asking for it by its number would find
   * it taken by them. It is free only when none of them is left, and then it is asked for by its number.
   */
  #open(slot: WorkerSlot): Promise<Ports> {
    if (this.#slots.every(({ isThere }) => !isThere)) this.#askedPorts = this.#ports;
    return slot.open(this.#askedPorts);
  }

  /**
   * All have the ports of the first one, for as long as this process lives.
   *
   *   1. a worker that takes the place of another starts, and is to ask for port 0 as the others did,
   *   2. these die before it has: the port is given up, and port 0 is another one now.
   *
   * Nobody knows that other port. The worker has to go, and who comes next asks by number.
   */
  #hearPorts(slot: WorkerSlot, ports: Ports): void {
    const wanted = (this.#ports ??= ports);
    if (
      wanted.port === ports.port &&
      wanted.respPort === ports.respPort &&
      wanted.grpcPort === ports.grpcPort
    )
      return;
    this.#askedPorts = wanted;
    slot.kill();
  }

  async #stopAll(): Promise<void> {
    this.#phase = 'stopping';
    const timer = setTimeout(() => {
      const left = this.#slots.filter(({ isThere }) => isThere).map(({ number }) => number);
      this.#options.log.warn({ workers: left }, 'killed workers that did not end');
      this.kill();
    }, this.#options.stopMs);
    await Promise.all(this.#slots.map((slot) => slot.stop()));
    clearTimeout(timer);
  }

  /**
   * 1. a worker has answered, and another one is waited for,
   * 2. the first one dies: what it has told stays in the sums, and its successor counts from 0.
   *
   * So an answer is taken when it comes, and not when all are there.
   */
  async #exposition(): Promise<string> {
    const answered = new Set<number>();
    const asked = this.#askAll('metrics', (slot, samples) => {
      this.#metrics.tell(slot.number, samples);
      answered.add(slot.number);
    });
    const [own] = await Promise.all([this.#options.ownMetrics(), asked]);
    return this.#metrics.exposition(answered, own);
  }

  async #report(): Promise<WholeReport> {
    const told: Report[] = [];
    await this.#askAll('report', (_slot, each) => told.push(each));
    const report = wholeReport(told, this.#options.count);
    if (report === undefined) throw new CacheError('unavailable', 'No worker answers; try again soon.');
    return report;
  }

  async #saveSnapshot(): Promise<SnapshotResult> {
    const [first] = this.#slots;
    if (first?.isServing !== true) throw new CacheError('unavailable', 'The worker that saves is not there.');
    return first.ask('snapshot', SNAPSHOT_MS);
  }

  /** Asks those that serve; settles when each has answered, or its time is over. Each answer is handed on as it comes. */
  async #askAll<T extends keyof WorkerAnswers>(
    about: T,
    onAnswer: (slot: WorkerSlot, answer: WorkerAnswers[T]) => void,
  ): Promise<void> {
    const serving = this.#slots.filter(({ isServing }) => isServing);
    await Promise.allSettled(serving.map(async (slot) => onAnswer(slot, await slot.ask(about, ASK_MS))));
  }
}
