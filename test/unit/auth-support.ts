/** What the tests of src/auth share: secrets, hand-made tokens, a folder of their own. */
import { createHmac } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CacheError } from '../../src/core/errors';
import { runClientCommand } from '../../src/auth/client-command';

export const SECRET = 'a-secret-of-the-tests-that-is-long-enough';
export const OTHER_SECRET = 'another-secret-of-the-tests-also-long-enough';

export function base64url(text: string): string {
  return Buffer.from(text).toString('base64url');
}

/** A token of exactly these segments, correctly signed: whatever is wrong with it, it is not the signature. */
export function signSegments(header: string, payload: string, secret = SECRET, hash = 'sha256'): string {
  const input = `${header}.${payload}`;
  return `${input}.${createHmac(hash, secret).update(input).digest('base64url')}`;
}

/** The same for the texts inside the segments. */
export function signRaw(header: string, payload: string, secret?: string, hash?: string): string {
  return signSegments(base64url(header), base64url(payload), secret, hash);
}

/** The header and payload texts of a token. */
export function textsOf(token: string): { header: string; payload: string } {
  const [header = '', payload = ''] = token.split('.');
  return {
    header: Buffer.from(header, 'base64url').toString(),
    payload: Buffer.from(payload, 'base64url').toString(),
  };
}

/** What `act` throws, which must be a CacheError. */
export function failureOf(act: () => unknown): CacheError {
  try {
    act();
  } catch (error) {
    if (error instanceof CacheError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

export interface Folder {
  readonly clientsFile: string;
  remove(): Promise<void>;
}

export async function openFolder(): Promise<Folder> {
  const path = await mkdtemp(join(tmpdir(), 'ringcache-auth-'));
  return {
    clientsFile: join(path, 'clients.json'),
    remove: () => rm(path, { recursive: true, force: true }),
  };
}

export interface CommandResult {
  readonly exitCode: number;
  readonly lines: readonly string[];
  readonly errors: readonly string[];
}

export async function runClient(
  clientsFile: string,
  args: readonly string[],
  wallMs: () => number = Date.now,
): Promise<CommandResult> {
  const lines: string[] = [];
  const errors: string[] = [];
  const exitCode = await runClientCommand(args, {
    clientsFile,
    wallMs,
    print: (line) => lines.push(line),
    printError: (line) => errors.push(line),
  });
  return { exitCode, lines, errors };
}

/** Adds a client and gives its API key. */
export async function addClient(
  clientsFile: string,
  args: readonly string[],
  wallMs?: () => number,
): Promise<string> {
  const { exitCode, lines, errors } = await runClient(clientsFile, ['add', ...args], wallMs);
  if (exitCode !== 0) throw new Error(errors.join('\n'));
  return lines.at(-1) ?? '';
}
