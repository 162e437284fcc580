/**
 * The workers as Node's cluster has them: the first process listens, and hands each connection to the next worker that
 * is free, so they have as many each. Workers say `listen` as if they were alone.
 */
import cluster, { type Worker } from 'node:cluster';
import { fstatSync } from 'node:fs';
import type { ToSupervisor, ToWorker } from './messages';
import type { WorkerEvents, WorkerProcess } from './worker-process';
import type { WorkerChannel } from './worker-link';

/** Of a line that has not ended; what is longer is no line of ours. */
const LINE_BYTES_MAX = 1024 * 1024;
const LINE_FEED = 0x0a;
const STANDARD_OUTPUT = 1;

/**
 * Starts this program once more, as a worker; one for which the system has no room ends. A connection that is being handed to
 * it when it dies is closed.
 */
export function forkWorker(events: WorkerEvents): WorkerProcess {
  cluster.schedulingPolicy = cluster.SCHED_RR;
  // What it writes to standard output is its log; what it says before it has a log is for whoever looks.
  cluster.setupPrimary({
    stdio: ['ignore', takesWholeWrites(STANDARD_OUTPUT) ? 'inherit' : 'pipe', 'inherit', 'ipc'],
  });
  const sayWhy = ({ code = 'no more is known' }: NodeJS.ErrnoException): void =>
    events.onMessage({ kind: 'failed', reason: `The system starts no more processes. (${code})` });
  let worker: Worker;
  try {
    worker = cluster.fork();
  } catch (error) {
    // Where there is no memory; where there are no descriptors, it is a child that has never been, and says that it has ended.
    setImmediate(() => {
      sayWhy(error as NodeJS.ErrnoException);
      events.onEnd({ exitCode: null, signal: null });
    });
    return { pid: 0, send: () => undefined, kill: () => undefined };
  }
  const { process: child } = worker;
  // Before all else, for this is how it says that it could not be started; its end follows.
  worker.on('error', (error: NodeJS.ErrnoException) => {
    if (child.pid !== undefined) return;
    sayWhy(error);
    // Node forgets those that exit, which this one does not.
    delete cluster.workers?.[worker.id];
  });
  if (child.pid !== undefined) closeUntaken(worker);
  const log = new WholeLines(events.onLines);
  child.stdout?.on('data', (bytes: Buffer) => log.add(bytes));
  // A worker that dies in the middle of a message is one that has ended.
  child.stdout?.on('error', () => undefined);
  worker.on('message', (message: ToSupervisor) => events.onMessage(message));
  child.on('close', (exitCode, signal) => events.onEnd({ exitCode, signal }));
  return {
    pid: child.pid ?? 0,
    send(message) {
      if (worker.isConnected()) worker.send(message, () => undefined);
    },
    kill: () => void child.kill('SIGKILL'),
  };
}

/**
 * Whether several processes can write lines to it without a torn one. A write to a file or a device is one piece (write(2):
 * those who share it take turns); of a pipe or a socket it takes what there is room for, and then others have their turn.
 */
function takesWholeWrites(fd: number): boolean {
  try {
    const stats = fstatSync(fd);
    return stats.isFile() || stats.isCharacterDevice();
  } catch {
    return false;
  }
}

interface Handed {
  readonly close: () => void;
}

/**
 * Closes connections that a worker leaves behind: Node forgets them, open.
 *
 *   1. a worker dies; a connection comes, and is handed to it before its end is noticed,
 *   2. nobody takes it, and Node goes on waiting to hear that somebody did: whoever opened it would wait for ever,
 *   3. since it waits, it does not say either that the worker is disconnected, and loses what it hands to it from then on.
 *
 * They are not handed to another worker: where none has the port open any more, Node keeps them in a line that nobody
 * looks at. It hands over one at a time for each port, so there are as few as that.
 */
function closeUntaken(worker: Worker): void {
  const { process: child } = worker;
  /** By the number under which the worker says whether it takes the connection. */
  const handed = new Map<unknown, Handed>();
  const send = child.send.bind(child) as (...words: unknown[]) => boolean;
  child.send = (message: unknown, ...rest: unknown[]): boolean => {
    const { act, seq } = message as { act?: unknown; seq?: unknown };
    if (act === 'newconn') handed.set(seq, rest[0] as Handed);
    return send(message, ...rest);
  };
  child.on('internalMessage', ({ ack }: { ack?: unknown }) => handed.delete(ack));
  const disconnect = child.disconnect.bind(child);
  // Node calls it when the line has ended.
  child.disconnect = () => {
    disconnect();
    for (const connection of handed.values()) connection.close();
    handed.clear();
    // Whoever listens does so once.
    child.emit('disconnect');
  };
}

/** undefined: this process is no worker. */
export function workerChannel(): WorkerChannel | undefined {
  const { worker } = cluster;
  if (worker === undefined || !cluster.isWorker) return undefined;
  worker.on('error', () => undefined);
  return {
    send: (message) =>
      new Promise((resolve) => {
        if (worker.isConnected()) worker.send(message, () => resolve());
        else resolve();
      }),
    onMessage: (listener) => worker.on('message', (message: ToWorker) => listener(message)),
    onEnd(listener) {
      worker.on('disconnect', () => {
        // Else Node ends the process on the spot, with exit code 0, and whoever is being answered hears nothing.
        worker.exitedAfterDisconnect = listener();
      });
    },
    close() {
      if (worker.isConnected()) worker.process.disconnect();
    },
  };
}

/** Hands on what ends with a line feed; the rest waits for its end, and is dropped where none comes. */
export class WholeLines {
  #rest: Buffer = Buffer.alloc(0);

  constructor(private readonly onLines: (bytes: Buffer) => void) {}

  add(bytes: Buffer): void {
    const all = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    const end = all.lastIndexOf(LINE_FEED) + 1;
    if (end > 0) this.onLines(all.subarray(0, end));
    this.#rest = all.length - end > LINE_BYTES_MAX ? Buffer.alloc(0) : all.subarray(end);
  }
}
