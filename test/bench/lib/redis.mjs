// Redis for a contender: one master and its replicas on the server core, with nothing on disk.
import { connect } from 'node:net';
import { findCommand } from './machine.mjs';
import { freePort } from './processes.mjs';

const ANSWER_TIMEOUT_MS = 1_000;

/** Resolves when all replicas are in sync. `setting` is the shard as REDIS_NODES spells it. */
export async function startRedis(run, replicas) {
  const masterPort = await freePort();
  const servers = [await startServer(run, masterPort, 'role:master')];
  const ports = [masterPort];
  for (let count = 0; count < replicas; count++) {
    const port = await freePort();
    servers.push(
      await startServer(run, port, 'master_link_status:up', '--replicaof', `127.0.0.1 ${masterPort}`),
    );
    ports.push(port);
  }
  return {
    masterPort,
    setting: `main=${ports.map((port) => `redis://127.0.0.1:${port}`).join(',')}`,
    pids: servers.map(({ pid }) => pid),
  };
}

async function startServer(run, port, readyFact, ...options) {
  const server = run.processes.start(run.cores.server, findCommand('redis-server'), [
    ...['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'],
    ...['--repl-diskless-sync-delay', '0', '--dir', run.processes.folder, '--dbfilename', `${port}.rdb`],
    ...options,
  ]);
  await server.started(async () => (await replicationOf(port)).includes(readyFact));
  return server;
}

async function replicationOf(port) {
  const socket = connect({ port, host: '127.0.0.1', timeout: ANSWER_TIMEOUT_MS });
  socket.on('timeout', () => socket.destroy(new Error('no answer')));
  socket.end('INFO replication\r\nQUIT\r\n');
  let answer = '';
  for await (const chunk of socket) answer += chunk;
  return answer;
}
