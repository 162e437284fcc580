// `npm start`: from a fresh clone to a service that answers, with nothing on the machine but Node and npm. Every
// step that was done before is skipped. `node dist/main.js` is the production start and does none of this.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { openGuard } from './lib/guard.mjs';
import { provideCommand } from './lib/packages.mjs';
import { startShard } from './lib/redis.mjs';
import {
  ensureBuild,
  ensureCertificate,
  ensureDependencies,
  ensureSecrets,
  readSettings,
  ROOT,
  say,
} from './lib/steps.mjs';

/** More than the service allows itself to finish the requests that it has taken. */
const STOP_TIMEOUT_MS = 20_000;

ensureDependencies();
ensureBuild();
ensureSecrets();
const settings = readSettings();
await ensureCertificate(settings);

const store = await openStore();
const exitCode = await serve(store.env);
await store.stop();
process.exit(exitCode);

/** The backing store, in the order of `contract.md` 1, as the variables that tell the service of it. */
async function openStore() {
  const { ENGINE, REDIS_NODES, REDIS_SENTINELS, REDIS_MASTERS, REDIS_CLUSTER } = settings;
  if (ENGINE || REDIS_NODES || REDIS_SENTINELS || REDIS_MASTERS || REDIS_CLUSTER)
    return { env: {}, stop: () => undefined };

  const server = await provideCommand(['redis-server', 'valkey-server'], 'redis', say);
  if (server.command === undefined) {
    say(`No Redis here: values stay in the memory of this process. For the real ring: ${server.advice}`);
    return { env: { ENGINE: 'memory' }, stop: () => undefined };
  }
  const { nodes, ports, stop } = await startShard(server.command);
  say(`Redis: master on port ${ports[0]}, replicas on ${ports.slice(1).join(', ')}.`);
  say(`For npm run rewrap beside this: REDIS_NODES=${nodes}`);
  return { env: { ENGINE: 'ring', REDIS_NODES: nodes }, stop };
}

/** Runs the service until it ends; its exit code. */
async function serve(env) {
  // In a process group of its own: Ctrl-C goes to everyone in ours, npm passes it on once more, and the service
  // should hear it once, from us.
  const service = spawn(process.execPath, ['dist/main.js'], {
    cwd: ROOT,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    detached: true,
  });
  openGuard().watch(service);
  service.on('message', (ports) => say(welcome(ports)));

  let stopping = false;
  const stop = () => {
    if (stopping) return;
    stopping = true;
    service.kill('SIGTERM');
    setTimeout(() => service.kill('SIGKILL'), STOP_TIMEOUT_MS).unref();
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, stop);

  const [code] = await once(service, 'exit');
  return code ?? 1;
}

/** The address, where the API key is, and commands to paste into another terminal; curl and sed are all they need. */
function welcome({ port, respPort, grpcPort }) {
  const host = settings.HOST || '127.0.0.1';
  const name = ['127.0.0.1', '0.0.0.0', '::', '::1'].includes(host) ? 'localhost' : host;
  const address = `https://${name.includes(':') ? `[${name}]` : name}:${port}`;
  const command = (body) =>
    `curl -sk -w '\\n' ${address}/cache -H "Authorization: Bearer $AT" -H 'Content-Type: application/json' \\\n  -d '${body}'`;
  return `
ringcache is ready on ${address}${respPort === undefined ? '' : `\nIt speaks the Redis protocol on port ${respPort}.`}${grpcPort === undefined ? '' : `\nIt speaks gRPC on port ${grpcPort}.`}
The API key is in ${process.env.API_KEY ? 'the environment variable API_KEY' : '.env, as API_KEY'}. Ctrl-C stops everything. To try it, paste this in another terminal:

cd '${ROOT}'
${process.env.API_KEY ? 'export API_KEY' : "export API_KEY=$(sed -n 's/^API_KEY=//p' .env)"}
export AT=$(curl -sk ${address}/login -H 'Content-Type: application/json' \\
  -d '{"api_key": "'"$API_KEY"'"}' | sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/')
${command('{"command": "WRITE", "key": "my_key", "value": "my_value"}')}
${command('{"command": "READ", "key": "my_key"}')}
${command('{"command": "DELETE", "key": "my_key"}')}
`;
}
