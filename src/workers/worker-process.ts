/** The port of what a supervisor asks of the system: processes that run this program as workers. */
import type { ToSupervisor, ToWorker } from './messages';

/** A process that was started. */
export interface WorkerProcess {
  readonly pid: number;
  /** A worker that is gone takes it without a word. */
  send(message: ToWorker): void;
  /** Ends it at once. */
  kill(): void;
}

export interface WorkerEvents {
  readonly onMessage: (message: ToSupervisor) => void;
  /** Whole lines of its log, where it does not write them to standard output itself. */
  readonly onLines: (bytes: Buffer) => void;
  /** It has ended, and all of its lines were told or written. */
  readonly onEnd: (how: WorkerEnd) => void;
}

export interface WorkerEnd {
  readonly exitCode: number | null;
  readonly signal: string | null;
}

/** Starts one. Never throws: what cannot be started ends, in a later turn. */
export type Fork = (events: WorkerEvents) => WorkerProcess;

/** A start that came to nothing; the message is for whoever started it. */
export class StartFailure extends Error {
  override readonly name = 'StartFailure';
}
