// The processes of a run: all on loopback, all ended with the run however it ends, their files in one folder that
// goes with them.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { openGuard } from '../../../scripts/lib/guard.mjs';
import { pinned } from './machine.mjs';

const START_TIMEOUT_MS = 10_000;
const POLL_MS = 10;

/** Ends every process and removes the folder at `close`, and when this process ends, SIGKILL included. */
export function openProcesses() {
  const folder = mkdtempSync(path.join(tmpdir(), 'ringcache-bench-'));
  const guard = openGuard(folder);
  const running = new Set();

  /** Runs a server; its output is dropped, its errors are kept for the message of `started`. */
  function start(core, command, args, env = process.env) {
    const child = spawn(...pinned(core, command, args), {
      stdio: ['ignore', 'ignore', 'pipe'],
      env,
      cwd: folder,
    });
    guard.watch(child);
    let said = '';
    child.stderr.on('data', (text) => (said = (said + text).slice(-2000)));
    const gone = once(child, 'exit').catch(() => undefined);
    const server = {
      pid: child.pid,
      /** Waits until `isReady` says so; it may throw meanwhile. */
      async started(isReady, withinMs = START_TIMEOUT_MS) {
        const deadlineMs = performance.now() + withinMs;
        for (;;) {
          const ready = await isReady().catch(() => false);
          if (ready) return;
          const ended = child.pid === undefined || (child.exitCode ?? child.signalCode) !== null;
          if (ended) throw new Error(`${path.basename(command)} ended while it started: ${said}`);
          if (performance.now() > deadlineMs)
            throw new Error(`${path.basename(command)} did not start: ${said}`);
          await pause(POLL_MS);
        }
      },
      /** Nothing that it holds is worth a farewell. */
      async stop() {
        child.kill('SIGKILL');
        await gone;
        running.delete(server);
      },
    };
    running.add(server);
    return server;
  }

  return {
    folder,
    start,
    /** Ends all that run, also those that were left by a start which failed half-way. */
    stopAll: () => Promise.all([...running].map((server) => server.stop())),
    /** Writes a file of the run, readable by us alone: tokens may stand in it. */
    file(name, content) {
      const file = path.join(folder, name);
      writeFileSync(file, content, { mode: 0o600 });
      return file;
    },
    close: () => guard.act(),
  };
}

/** A port that was free a moment ago. */
export async function freePort() {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  await once(probe.close(), 'close');
  return port;
}
