/**
 * Reading the clients file, and changing it so that no reader ever sees half of it and no two writers lose one
 * another's change.
 */
import { randomBytes } from 'node:crypto';
import { promises as fs } from 'node:fs';
import { dirname } from 'node:path';
import { CacheError } from '../core/errors';
import { createClientsFile, parseClientsFile, type ClientsFile } from './clients-file';
import { LEEWAY_SECONDS } from './tokens';

const LOCK_ATTEMPTS_MAX = 200;
const LOCK_PAUSE_MS = 25;
/** A change takes milliseconds: a lock this old belongs to a process that died. */
const LOCK_STALE_MS = 10_000;

/**
 * The file's present content; undefined when there is none.
 * @throws CacheError `internal` with the fault, when it cannot be understood.
 */
export async function readClientsFile(file: string): Promise<ClientsFile | undefined> {
  try {
    return parseClientsFile(await fs.readFile(file));
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/**
 * Puts `change(present content)` in place of the file, alone among all who call this, and drops revocations of
 * tokens that have expired anyway. What `change` throws leaves the file as it was.
 * @throws CacheError `conflict` when others held the lock for five seconds.
 */
export async function updateClientsFile(
  file: string,
  wallMs: () => number,
  change: (present: ClientsFile) => ClientsFile,
): Promise<void> {
  const lock = await openLock(`${file}.lock`, wallMs);
  try {
    const next = change((await readClientsFile(file)) ?? createClientsFile());
    const expiredBefore = wallMs() / 1000 - LEEWAY_SECONDS;
    const revoked = next.revoked_tokens.filter((token) => token.exp >= expiredBefore);
    await replaceFile(file, `${JSON.stringify({ ...next, revoked_tokens: revoked }, undefined, 2)}\n`, lock);
  } finally {
    await lock.close();
  }
}

interface Lock {
  /** @throws CacheError `conflict` when somebody took the lock for stale and broke it. */
  check(): Promise<void>;
  close(): Promise<void>;
}

/**
 * A lock file, made with O_EXCL. One that a dead process left is broken after `LOCK_STALE_MS`, and that is a race:
 *
 *   1. A and B both find the same stale lock.
 *   2. A deletes it and makes its own.
 *   3. B deletes what it takes for the stale lock, but it is A's, and makes its own.
 *
 * Therefore the lock holds a random mark, and A looks for its mark once more just before it renames (`check`).
 */
async function openLock(path: string, wallMs: () => number): Promise<Lock> {
  const mark = randomBytes(16).toString('hex');
  const isMine = async () => (await fs.readFile(path, 'utf8').catch(() => '')) === mark;
  for (let attempt = 0; attempt < LOCK_ATTEMPTS_MAX; attempt += 1) {
    try {
      await fs.writeFile(path, mark, { flag: 'wx', mode: 0o600 });
      return {
        check: async () => {
          if (!(await isMine()))
            throw new CacheError('conflict', `${path} was taken by another call; try again`);
        },
        close: async () => {
          if (await isMine()) await fs.rm(path, { force: true });
        },
      };
    } catch (error) {
      if (!isErrno(error, 'EEXIST')) throw error;
    }
    const takenAtMs = await fs.stat(path).then(
      (stat) => stat.mtimeMs,
      () => undefined,
    );
    if (takenAtMs !== undefined && wallMs() - takenAtMs > LOCK_STALE_MS) await fs.rm(path, { force: true });
    else await new Promise((resume) => setTimeout(resume, LOCK_PAUSE_MS));
  }
  throw new CacheError('conflict', `${path} is held by another call; try again`);
}

/** Whole or not at all, also across a power cut: written beside, synced, renamed, and the folder synced too. */
async function replaceFile(file: string, text: string, lock: Lock): Promise<void> {
  const beside = `${file}.${randomBytes(8).toString('hex')}.tmp`;
  try {
    await fs.writeFile(beside, text, { flag: 'wx', mode: 0o600, flush: true });
    await lock.check();
    await fs.rename(beside, file);
  } catch (error) {
    await fs.rm(beside, { force: true });
    throw error;
  }
  const folder = await fs.open(dirname(file), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Whether a file-system call failed with this code. */
export function isErrno(error: unknown, code: string): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === code;
}
