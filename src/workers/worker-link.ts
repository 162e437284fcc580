/** A worker's end of the line to its supervisor: what it is to be, when it is to stop, and what all workers have together. */
import type { SharedThrottle } from '../auth/login-throttle';
import type { SnapshotResult } from '../core/ports';
import { type Answering, Dialogue } from './dialogue';
import type { Begin, Ports, ToSupervisor, ToWorker, WholeAnswers, WorkerAnswers } from './messages';
import type { WholeReport } from '../core/whole-report';

/** The message channel of this process. */
export interface WorkerChannel {
  /** Resolves when it has been handed over; a line that is gone takes it without a word. */
  send(message: ToSupervisor): Promise<void>;
  onMessage(listener: (message: ToWorker) => void): void;
  /** The supervisor is gone. The listener says whether this process ends in order; else it ends at once. */
  onEnd(listener: () => boolean): void;
  /** Nothing is said or heard any more, and the process may end. */
  close(): void;
}

/** What the composition root sees of the other workers. */
export interface Fellows {
  /** Of this worker, from 1. */
  readonly number: number;
  readonly throttle: SharedThrottle;
  /** From now on this worker answers for itself. */
  answer(answering: Answering<WorkerAnswers>): void;
  /** Of all workers that answer in time. @throws CacheError `unavailable` */
  metrics(): Promise<string>;
  report(): Promise<WholeReport>;
  /** Has the first worker save one. @throws CacheError `unavailable` */
  saveSnapshot(): Promise<SnapshotResult>;
}

/** Longer than the supervisor waits for all the others. */
const ASK_MS = 2000;
/** Longer than a snapshot may take (`snapshot/`). */
const SNAPSHOT_MS = 620_000;

export class WorkerLink {
  readonly #channel: WorkerChannel;
  readonly #dialogue: Dialogue<WholeAnswers>;
  readonly #begin: Promise<Begin>;
  readonly #stop = new AbortController();
  /** Else it ends at once when the line does: it has nobody to answer, and waits for what nobody will say any more. */
  #endsInOrder = false;
  #answering: Answering<WorkerAnswers> | undefined;
  #onNews: Parameters<SharedThrottle['listen']>[0] = () => undefined;

  constructor(channel: WorkerChannel) {
    this.#channel = channel;
    this.#dialogue = new Dialogue(
      (exchanged) => void channel.send(exchanged),
      () => this.#answering,
    );
    this.#begin = new Promise((resolve) => {
      channel.onMessage((message) => {
        if (message.kind === 'begin') resolve(message);
        else this.#hear(message);
      });
    });
    channel.onEnd(() => {
      this.#dialogue.end();
      this.#stop.abort();
      return this.#endsInOrder;
    });
  }

  /** Aborts when the supervisor says stop, or is gone. */
  get stop(): AbortSignal {
    return this.#stop.signal;
  }

  /** What this worker is to be. */
  begun(): Promise<Begin> {
    return this.#begin;
  }

  fellows(number: number): Fellows {
    return {
      number,
      throttle: {
        number,
        tell: (news) => void this.#channel.send({ kind: 'news', news }),
        listen: (listener) => (this.#onNews = listener),
      },
      answer: (answering) => (this.#answering = answering),
      metrics: () => this.#dialogue.ask('metrics', ASK_MS),
      report: () => this.#dialogue.ask('report', ASK_MS),
      saveSnapshot: () => this.#dialogue.ask('snapshot', SNAPSHOT_MS),
    };
  }

  serving(ports: Ports): Promise<void> {
    // Before anybody is told: its doors are open, and they have taken what came.
    this.#endsInOrder = true;
    return this.#channel.send({ kind: 'serving', ports });
  }

  failed(reason: string): Promise<void> {
    return this.#channel.send({ kind: 'failed', reason });
  }

  close(): void {
    // Its exit code is its own.
    this.#endsInOrder = true;
    this.#channel.close();
  }

  #hear(message: Exclude<ToWorker, Begin>): void {
    switch (message.kind) {
      case 'stop':
        this.#stop.abort();
        return;
      case 'news':
        this.#onNews(message.news);
        return;
      default:
        this.#dialogue.hear(message);
    }
  }
}
