/**
 * A fresh clone: a folder with what a commit of this tree would hold, nothing built, no settings, and `npm start` in
 * it as its user calls it.
 */
import { execFile } from 'node:child_process';
import { cp, lstat, mkdir } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { SETTINGS } from '../../src/config/settings';
import { type Child, makeFolder, startChild } from './child';
import { eventually } from './eventually';
import { findFreePort } from './free-port';

const run = promisify(execFile);
const ROOT = path.join(__dirname, '../..');

export type CloneSettings = Readonly<Record<string, string>>;

export interface Started {
  readonly child: Child;
  /** All that it said so far. */
  readonly said: () => string;
  /** Waits until it has printed its session; all that it said until then. @throws at once when it ended instead. */
  ready(withinMs: number): Promise<string>;
}

export interface FreshClone {
  readonly folder: string;
  /** Where its service listens. */
  readonly port: number;
  /** The environment of a user who has set nothing but the port and these. */
  environment(settings?: CloneSettings): NodeJS.ProcessEnv;
  start(settings?: CloneSettings): Started;
  /** Ends what was started last, if anything, and waits for it. */
  stop(): Promise<void>;
}

export interface FreshCloneOptions {
  /** Has the packages of this tree, as if `npm ci` had been run in it; without unless told otherwise. */
  readonly installed?: boolean;
}

/** It is gone after the file's tests. */
export async function makeFreshClone({ installed = false }: FreshCloneOptions = {}): Promise<FreshClone> {
  const folder = await makeFolder();
  const port = await findFreePort();
  await copyTree(folder);
  if (installed) await copyPackages(folder);

  const environment = (settings: CloneSettings = {}): NodeJS.ProcessEnv => {
    const inherited = Object.entries(process.env).filter(
      ([name]) => !Object.hasOwn(SETTINGS, name) && !/^(RINGCACHE_|npm_|NODE_|JEST_)/.test(name),
    );
    return {
      ...Object.fromEntries(inherited),
      PORT: String(port),
      npm_config_prefer_offline: 'true',
      ...settings,
    };
  };

  let started: Started | undefined;
  return {
    folder,
    port,
    environment,
    start: (settings) => (started = startIn(folder, environment(settings))),
    stop: async () => {
      started?.child.signal('SIGTERM');
      await started?.child.exited;
      started = undefined;
    },
  };
}

async function copyTree(folder: string): Promise<void> {
  const { stdout } = await run('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: ROOT,
  });
  for (const file of new Set(stdout.split('\0').filter(Boolean))) {
    // Never a link: `npm ci` in the copy would reach through one to somebody's real node_modules and empty it.
    const isFile = await lstat(path.join(ROOT, file)).then(
      (found) => found.isFile(),
      () => false,
    );
    if (!isFile) continue;
    await mkdir(path.join(folder, path.dirname(file)), { recursive: true });
    await cp(path.join(ROOT, file), path.join(folder, file));
  }
}

/** After the tree: what is installed must be newer than package-lock.json, or `npm start` installs it again. */
async function copyPackages(folder: string): Promise<void> {
  const packages = path.join(folder, 'node_modules');
  await mkdir(packages);
  // Some ten thousand files: the command takes a third of the time of Node's own `cp`. The dot goes through a link.
  await run('cp', ['-R', `${ROOT}/node_modules/.`, packages]);
}

/** What `npm start` runs, without npm: killed hard, npm would leave it running. */
function startIn(folder: string, env: NodeJS.ProcessEnv): Started {
  const child = startChild(process.execPath, ['scripts/start.mjs'], { folder, env });
  let text = '';
  const hear = (chunk: Buffer): void => void (text += chunk.toString());
  child.stdout.on('data', hear);
  child.stderr.on('data', hear);
  return {
    child,
    said: () => text,
    ready: async (withinMs) => {
      await eventually(() => child.hasExited() || text.includes('DELETE'), withinMs);
      if (child.hasExited()) throw new Error(`it ended:\n${text}`);
      return text;
    },
  };
}
