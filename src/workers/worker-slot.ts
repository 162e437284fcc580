/** The place of one worker: the process that has it now, when it may have another one, and how it ends. */
import type { Clock } from '../lib/clock';
import type { ClosableLog } from '../telemetry/log';
import { type Answering, Dialogue } from './dialogue';
import type { Begin, News, Ports, ToSupervisor, WholeAnswers, WorkerAnswers } from './messages';
import { type Fork, StartFailure, type WorkerEnd, type WorkerProcess } from './worker-process';

export interface WorkerSlotOptions {
  readonly environment: Begin['environment'];
  readonly fork: Fork;
  /** From 1. */
  readonly number: number;
  readonly answering: Answering<WholeAnswers>;
  readonly onServing: (slot: WorkerSlot, ports: Ports) => void;
  readonly onNews: (news: News, from: WorkerSlot) => void;
  readonly onEnd: (slot: WorkerSlot, end: SlotEnd) => void;
  readonly clock: Clock;
  readonly log: Pick<ClosableLog, 'lines'>;
}

/** How a process ended that had the place; the names are those of the log. */
export interface SlotEnd {
  readonly hadServed: boolean;
  readonly pid: number;
  readonly exit_code: number | null;
  readonly signal: string | null;
  /** Why its start failed, in its own words. */
  readonly reason: string | undefined;
}

const PAUSE_MS_MIN = 100;
const PAUSE_MS_MAX = 30_000;
/** Who has served for so long did not die of what it began with. */
const STEADY_MS = 60_000;

interface Present {
  readonly worker: WorkerProcess;
  readonly dialogue: Dialogue<WorkerAnswers>;
  /** Why its start failed, in its own words. */
  reason: string | undefined;
  servingSinceMs: number | undefined;
}

export class WorkerSlot {
  readonly number: number;
  readonly #options: WorkerSlotOptions;
  #present: Present | undefined;
  #pauseMs = PAUSE_MS_MIN;
  #timer: NodeJS.Timeout | undefined;
  #onceEmpty: () => void = () => undefined;

  constructor(options: WorkerSlotOptions) {
    this.number = options.number;
    this.#options = options;
  }

  get isThere(): boolean {
    return this.#present !== undefined;
  }

  get isServing(): boolean {
    return this.#present?.servingSinceMs !== undefined;
  }

  /** Starts a process; resolves when it serves. @throws StartFailure when it ends instead */
  open(ports: Ports | undefined): Promise<Ports> {
    const { number, environment, fork, onServing, onNews, clock, log } = this.#options;
    return new Promise((resolve, reject) => {
      const hear = (message: ToSupervisor): void => {
        switch (message.kind) {
          case 'serving':
            present.servingSinceMs = clock.now();
            onServing(this, message.ports);
            resolve(message.ports);
            return;
          case 'failed':
            present.reason = message.reason;
            return;
          case 'news':
            onNews(message, this);
            return;
          default:
            present.dialogue.hear(message);
        }
      };
      const worker = fork({
        onMessage: hear,
        onLines: (bytes) => log.lines(bytes),
        onEnd: (how) => {
          reject(new StartFailure(present.reason ?? `Worker ${number} ended while it started.`));
          this.#ended(present, how);
        },
      });
      const present: Present = {
        worker,
        dialogue: new Dialogue(
          (exchanged) => worker.send(exchanged),
          () => this.#options.answering,
        ),
        reason: undefined,
        servingSinceMs: undefined,
      };
      this.#present = present;
      worker.send({ kind: 'begin', number, environment, ports });
    });
  }

  /** After a pause, which grows from time to time; gives how long it is. */
  openLater(open: () => Promise<unknown>): number {
    const pauseMs = this.#pauseMs;
    this.#pauseMs = Math.min(2 * pauseMs, PAUSE_MS_MAX);
    // What comes of it is told where it ends.
    this.#timer = setTimeout(() => void open().catch(() => undefined), pauseMs);
    return pauseMs;
  }

  ask<T extends keyof WorkerAnswers>(about: T, waitMs: number): Promise<WorkerAnswers[T]> {
    if (this.#present === undefined) throw new Error('nobody is there to be asked');
    return this.#present.dialogue.ask(about, waitMs);
  }

  send(news: News): void {
    this.#present?.worker.send(news);
  }

  /** Has it end in order; resolves when nobody is there. */
  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    const present = this.#present;
    if (present === undefined) return;
    await new Promise<void>((resolve) => {
      this.#onceEmpty = resolve;
      present.worker.send({ kind: 'stop' });
    });
  }

  kill(): void {
    this.#present?.worker.kill();
  }

  #ended(present: Present, { exitCode, signal }: WorkerEnd): void {
    const { clock, onEnd } = this.#options;
    const { servingSinceMs, reason, worker } = present;
    this.#present = undefined;
    present.dialogue.end();
    const hadServed = servingSinceMs !== undefined;
    if (hadServed && clock.now() - servingSinceMs >= STEADY_MS) this.#pauseMs = PAUSE_MS_MIN;
    onEnd(this, { hadServed, pid: worker.pid, exit_code: exitCode, signal, reason });
    this.#onceEmpty();
  }
}
