// Commands that npm cannot install, from the system's package manager: by ourselves only as root (a container, CI)
// and only when not forbidden; otherwise in words.
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setImmediate } from 'node:timers/promises';

const INSTALL_TIMEOUT_MS = 5 * 60_000;

const MANAGERS = [
  {
    command: 'apt-get',
    packages: { redis: ['redis-server', 'valkey-server'], openssl: ['openssl'], chromium: ['chromium'] },
    prepare: [['update', '-qq']],
    install: ['install', '-y', '-qq', '--no-install-recommends'],
  },
  {
    command: 'dnf',
    packages: { redis: ['redis', 'valkey'], openssl: ['openssl'], chromium: ['chromium'] },
    prepare: [],
    install: ['install', '-y', '-q'],
  },
  {
    command: 'apk',
    packages: { redis: ['redis', 'valkey'], openssl: ['openssl'], chromium: ['chromium'] },
    prepare: [],
    install: ['add', '-q', '--no-cache'],
  },
];

/** Software that a manager's systems do not all have as a package of it. */
const EXCEPTIONS = {
  'apt-get': { chromium: ' (Debian), or the package google-chrome-stable from google.com/chrome (Ubuntu)' },
};

/** Debian starts a service as soon as its package is installed, unless this program ends with 101, "forbidden". */
const SERVICE_POLICY = '/usr/sbin/policy-rc.d';

/** The full path of the first of these commands that is on PATH, else undefined. */
function findCommand(...names) {
  for (const name of names) {
    for (const folder of (process.env.PATH ?? '').split(path.delimiter).filter(Boolean)) {
      try {
        accessSync(path.join(folder, name), constants.X_OK);
        return path.join(folder, name);
      } catch {
        // Not in this folder.
      }
    }
  }
  return undefined;
}

/**
 * Finds one of the commands `names`, or installs `software` (a row of `packages` above) to get it.
 * @returns {Promise<{ command: string | undefined, advice: string }>} the full path, or the words that tell how to get it
 */
export async function provideCommand(names, software, say) {
  const found = findCommand(...names);
  if (found !== undefined) return { command: found, advice: '' };

  const manager = MANAGERS.find(({ command }) => findCommand(command) !== undefined);
  const packages = manager?.packages[software] ?? [];
  if (manager !== undefined && process.getuid?.() === 0 && !process.env.RINGCACHE_NO_INSTALL) {
    say(`Installing ${software} with ${manager.command} (RINGCACHE_NO_INSTALL=1 forbids this) …`);
    await withoutServices(() => {
      for (const args of manager.prepare) runQuietly(manager.command, args);
      packages.some((name) => runQuietly(manager.command, [...manager.install, name]));
    });
    const installed = findCommand(...names);
    if (installed !== undefined) return { command: installed, advice: '' };
    say(`${manager.command} could not install ${software}.`);
  }
  const advice = manager
    ? `install it with: sudo ${manager.command} ${manager.install[0]} ${packages[0]}${EXCEPTIONS[manager.command]?.[software] ?? ''}`
    : `install ${software} and put ${names[0]} on PATH, for instance with: brew install ${software}`;
  return { command: undefined, advice };
}

/** True when it succeeded; what it says is shown only when it failed. */
function runQuietly(command, args) {
  const { status, stderr } = spawnSync(command, args, {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: INSTALL_TIMEOUT_MS,
  });
  if (status !== 0) process.stderr.write(stderr ?? '');
  return status === 0;
}

/**
 * Runs `install` while no package of Debian may start a service: we start our own Redis servers and must leave none
 * behind. A policy that the system already has is its administrator's and stays.
 */
async function withoutServices(install) {
  const wrotePolicy =
    existsSync(path.dirname(SERVICE_POLICY)) && writeNewFile(SERVICE_POLICY, '#!/bin/sh\nexit 101\n');
  // A signal has to wait until the policy is removed: left behind, it would keep all services from ever starting.
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  let interrupted = false;
  const note = () => (interrupted = true);
  for (const signal of signals) process.on(signal, note);
  try {
    install();
  } finally {
    if (wrotePolicy) rmSync(SERVICE_POLICY, { force: true });
    // Signals that came meanwhile are told on the next turn of the event loop.
    await setImmediate();
    for (const signal of signals) process.off(signal, note);
  }
  if (interrupted) process.exit(130);
}

/** False when there is such a file already. */
function writeNewFile(file, text) {
  try {
    writeFileSync(file, text, { flag: 'wx', mode: 0o755 });
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  }
}
