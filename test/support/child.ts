/**
 * Child processes that never outlive the test that started them, however it ends. An exit hook cannot promise that:
 * it does not run after SIGKILL, and jest gives tests a copy of `process` whose hooks are never called. So each
 * child gets a guard, a tiny shell that reads a pipe we hold: when the pipe closes without a word, we are gone, and
 * the guard kills the child and removes its folder.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { stopAfterTests } from './leftovers';

/** Ctrl-C reaches the guard too; it must outlive that to do its work. SIGCONT is for a child that was frozen. */
const GUARD = `trap '' INT TERM HUP; read -r word && exit; kill -CONT "$0"; kill -KILL "$0"; [ -z "$1" ] || rm -rf "$1"`;

/** Only these are ever removed, whatever folder a child is started in. */
const madeHere = new Set<string>();

export interface Child {
  readonly pid: number;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Settles when it has ended, and all that it said has been heard: its exit code, null after a signal. */
  readonly exited: Promise<number | null>;
  hasExited(): boolean;
  signal(name: NodeJS.Signals): void;
}

/** A folder of its own below the system's folder for such things; it is gone after the file's tests. */
export async function makeFolder(): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'ringcache-test-'));
  madeHere.add(folder);
  stopAfterTests(() => removeFolder(folder));
  return folder;
}

export function removeFolder(folder: string): Promise<void> {
  return rm(folder, { recursive: true, force: true });
}

/** Starts `command` in `folder`. Its environment is `env` and nothing else. */
export function startChild(
  command: string,
  args: readonly string[],
  options: {
    readonly folder: string;
    readonly env: NodeJS.ProcessEnv;
    readonly stdoutFd?: number | undefined;
  },
): Child {
  const { folder, env, stdoutFd = 'pipe' } = options;
  const child = spawn(command, args, { cwd: folder, env, stdio: ['ignore', stdoutFd, 'pipe'] });
  const { pid } = child;
  if (pid === undefined) {
    child.on('error', () => undefined);
    throw new Error(`cannot start ${command}: is it installed?`);
  }
  const releaseGuard = startGuard(pid, madeHere.has(folder) ? folder : '');
  const exited = exitOf(child).finally(releaseGuard);
  return {
    pid,
    stdout: child.stdout ?? Readable.from([]),
    stderr: child.stderr!,
    exited,
    hasExited: () => child.exitCode !== null || child.signalCode !== null,
    signal: (name) => void child.kill(name),
  };
}

async function exitOf(child: ChildProcess): Promise<number | null> {
  // Not at `exit`: what it said last may still be in the pipe.
  const [code] = (await once(child, 'close')) as [number | null];
  return code;
}

function startGuard(pid: number, folder: string): () => void {
  const guard = spawn('/bin/sh', ['-c', GUARD, String(pid), folder], { stdio: ['pipe', 'ignore', 'ignore'] });
  guard.stdin.on('error', () => undefined);
  guard.unref();
  return () => guard.stdin.end('done\n');
}
