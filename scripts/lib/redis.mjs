// The backing store of `npm start` where the settings name none: one Redis master and three replicas on loopback.
// They ask for no password, so that a newcomer can look into them with redis-cli: every user of this machine can
// read them, as they could read any cache of a developer. They keep nothing on disk.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { openGuard } from './guard.mjs';

const REPLICAS = 3;
/** Four servers are in sync within 0.2 s; a machine that needs this long has other troubles. */
const START_TIMEOUT_MS = 10_000;
const STOP_TIMEOUT_MS = 5_000;
/** A free port can be taken by another process before Redis binds it: then all is tried again on other ports. */
const ATTEMPTS = 3;

/**
 * Starts the servers and waits until all replicas are in sync. They end with `stop()`, and with this process however
 * it ends.
 * @param {string} command full path of redis-server or valkey-server
 * @returns {Promise<{ nodes: string, ports: number[], stop: () => Promise<void> }>} `nodes` as REDIS_NODES has it
 */
export async function startShard(command) {
  for (let attempt = 1; ; attempt++) {
    const folder = openFolder(command);
    try {
      const ports = await freePorts(1 + REPLICAS);
      const [masterPort, ...replicaPorts] = ports;
      // A replica that does not find its master asks again after a whole second, so the master comes first.
      const master = folder.start(masterPort, '--repl-diskless-sync-delay', '0');
      await until(() => says(masterPort, 'role:master'), [master]);
      const replicas = replicaPorts.map((port) =>
        folder.start(port, '--replicaof', `127.0.0.1 ${masterPort}`),
      );
      const servers = [master, ...replicas];
      for (const port of replicaPorts) await until(() => says(port, 'master_link_status:up'), servers);
      const nodes = ports.map((port) => `redis://127.0.0.1:${port}`).join(',');
      return { nodes: `main=${nodes}`, ports, stop: folder.stop };
    } catch (error) {
      await folder.stop();
      if (attempt === ATTEMPTS) throw error;
    }
  }
}

/** A folder for servers to start in; it is removed when they stop. */
function openFolder(command) {
  const folder = mkdtempSync(path.join(tmpdir(), 'ringcache-redis-'));
  const guard = openGuard(folder);
  const ends = [];
  const start = (port, ...options) => {
    const args = ['--port', port, '--bind', '127.0.0.1', '--dir', folder, '--dbfilename', `${port}.rdb`];
    const noDisk = ['--save', '', '--appendonly', 'no'];
    // In a process group of its own, so that Ctrl-C does not end it before the service, which still needs it.
    const server = spawn(command, [...args, ...noDisk, ...options].map(String), {
      stdio: 'ignore',
      detached: true,
    });
    guard.watch(server);
    ends.push(once(server, 'exit').catch(() => undefined));
    return server;
  };
  const stop = async () => {
    guard.act();
    await Promise.race([Promise.all(ends), pause(STOP_TIMEOUT_MS, undefined, { ref: false })]);
  };
  return { start, stop };
}

/** Waits until `check` holds. @throws Error when a server ends meanwhile, or it takes too long */
async function until(check, servers) {
  const deadlineMs = performance.now() + START_TIMEOUT_MS;
  while (!(await check())) {
    const ended = servers.some(
      ({ pid, exitCode, signalCode }) => pid === undefined || (exitCode ?? signalCode) !== null,
    );
    if (ended) throw new Error('A Redis server ended while it started.');
    if (performance.now() > deadlineMs) throw new Error('The Redis servers did not get in sync.');
    await pause(10);
  }
}

/** Ports that were free a moment ago. */
async function freePorts(count) {
  const probes = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(probes.map((probe) => once(probe, 'listening')));
  const ports = probes.map((probe) => probe.address().port);
  await Promise.all(probes.map((probe) => once(probe.close(), 'close')));
  return ports;
}

/** Whether the server on that port says so of its replication; false while it is not there yet. */
async function says(port, fact) {
  const socket = connect({ port, host: '127.0.0.1', timeout: 1_000 });
  socket.on('timeout', () => socket.destroy(new Error('no answer')));
  socket.end('INFO replication\r\nQUIT\r\n');
  try {
    let answer = '';
    for await (const chunk of socket) answer += chunk;
    return answer.includes(fact);
  } catch {
    return false;
  }
}
