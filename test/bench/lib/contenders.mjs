// Who runs against whom. Each contender is a set of processes on the one server core, that is asked over TLS on one
// port; opening it fills it with the workload.
import { randomBytes } from 'node:crypto';
import { createRequire } from 'node:module';
import { setPriority } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  checkPosts,
  checkSample,
  fill,
  isReadRight,
  JSON_TYPE,
  login,
  nearHitsReader,
  postRequests,
  untilRight,
} from './checks.mjs';
import { ask, requestBytes } from './exchange.mjs';
import { childrenOf, findCommand } from './machine.mjs';
import { freePort } from './processes.mjs';
import { startRedis } from './redis.mjs';
import { KEYS, keyOf, valueOf } from './workload.mjs';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

/** What to say of programs that are not on this machine; undefined: all are there. */
export function notInstalled(names) {
  const missing = names.filter((name) => findCommand(name) === undefined);
  return missing.length === 0 ? undefined : `not installed: ${missing.join(', ')}`;
}

/**
 * The service. `replicas`: undefined for the memory engine, else how many each master has; `near` false turns the
 * near cache off; `encrypted` true encrypts every value; `workers`: how many processes serve.
 */
export function ringcache({ name = 'ringcache', replicas, near = true, encrypted = false, workers = 1 }) {
  return {
    name,
    needs: replicas === undefined ? [] : ['redis-server'],
    async open(run) {
      const shard = replicas === undefined ? undefined : await startRedis(run, replicas);
      const { server, endpoint, apiKey } = await startService(run, {
        ...(shard === undefined ? { ENGINE: 'memory' } : { REDIS_NODES: shard.setting }),
        ...(near ? {} : { NEAR_ENTRIES: '0' }),
        ...(encrypted ? { ENCRYPTION_KEYS: `bench:${randomBytes(32).toString('base64')}` } : {}),
        WORKERS: String(workers),
      });
      const [token] = await login(endpoint, [apiKey]);
      const nearHits = nearHitsReader(endpoint, token);
      const headers = { ...JSON_TYPE, Authorization: `Bearer ${token}` };
      const requests = (operation) => postRequests(operation, headers);

      await fill(endpoint, requests('WRITE'));
      if (workers > 1) await server.started(() => allAnswer(endpoint, headers, workers));
      // The first READ of a key fills the near cache, and shows that the replicas have the value. Connections go to one
      // worker after the other.
      for (let worker = 0; worker < workers; worker++) {
        await untilRight(endpoint, requests('READ'), isReadRight());
      }
      const cameFrom = near
        ? ({ head }) => head.includes('detail=near')
        : ({ head }) => /detail=(replica|master)/.test(head);
      return {
        endpoint,
        pids: [server.pid, ...(workers > 1 ? childrenOf(server.pid) : []), ...(shard?.pids ?? [])],
        requests,
        async check(operation) {
          const hitsBefore = await nearHits();
          const replyBytes = await checkPosts(endpoint, requests, operation, cameFrom);
          // All keys were asked for, and no reply to a batch says where its values came from.
          if (near && operation === 'BATCH' && (await nearHits()) - hitsBefore !== KEYS)
            throw new Error('values did not come from the near cache');
          return replyBytes;
        },
      };
    },
  };
}

async function allAnswer(endpoint, headers, workers) {
  const [reply] = await ask(endpoint, [requestBytes('GET', '/status', headers)]);
  return JSON.parse(reply.body).workers.answered === workers;
}

/**
 * Starts the built service with these settings and no others, and waits for `readyz`. `isPinned` false: any core will do;
 * `niceness`: how much it leaves to others; `withinMs`: until when it must be ready.
 */
export async function startService(run, settings, { isPinned = true, niceness = 0, withinMs } = {}) {
  const { SETTINGS } = createRequire(import.meta.url)(path.join(ROOT, 'dist/config/settings.js'));
  // Empty means unset, and wins over what a `.env` of this checkout says.
  const unset = Object.fromEntries(Object.keys(SETTINGS).map((setting) => [setting, '']));
  const apiKey = randomBytes(24).toString('base64url');
  const port = await freePort();
  const server = run.processes.start(
    isPinned ? run.cores.server : undefined,
    process.execPath,
    [path.join(ROOT, 'dist/main.js')],
    {
      PATH: process.env.PATH,
      ...unset,
      PORT: String(port),
      TLS_CERT_FILE: run.certFile,
      TLS_KEY_FILE: run.keyFile,
      JWT_SECRET: randomBytes(32).toString('base64url'),
      API_KEY: apiKey,
      CLIENTS_FILE: path.join(run.processes.folder, 'clients.json'),
      JWT_TTL_SECONDS: '86400',
      LOG_LEVEL: 'info',
      ...settings,
    },
  );
  setPriority(server.pid, niceness);
  const endpoint = { port, ca: run.ca };
  await server.started(async () => {
    const [reply] = await ask(endpoint, [requestBytes('GET', '/readyz')]);
    return reply.status === 200;
  }, withinMs);
  return { server, endpoint, apiKey };
}

/** `baselines/node-https.mjs`. */
export function bareNode() {
  return {
    name: 'bare node:https',
    needs: [],
    async open(run) {
      const port = await freePort();
      const program = fileURLToPath(new URL('../baselines/node-https.mjs', import.meta.url));
      const server = run.processes.start(run.cores.server, process.execPath, [
        ...[program, String(port), run.certFile, run.keyFile],
      ]);
      const endpoint = { port, ca: run.ca };
      const requests = (operation) => postRequests(operation, JSON_TYPE);
      await server.started(() => ask(endpoint, requests('READ').slice(0, 1)));
      return {
        endpoint,
        pids: [server.pid],
        requests,
        check: (operation) => checkPosts(endpoint, requests, operation),
      };
    },
  };
}

/** What an operator builds without us: nginx for TLS, webdis for HTTP, Redis. Without any rights, and without a log. */
export function webdisStack() {
  return {
    name: 'nginx → webdis → Redis',
    needs: ['nginx', 'webdis', 'redis-server'],
    async open(run) {
      const redis = await startRedis(run, 0);
      const webdisPort = await freePort();
      const webdis = run.processes.start(run.cores.server, findCommand('webdis'), [
        run.processes.file(`webdis-${webdisPort}.json`, webdisConfig(webdisPort, redis.masterPort)),
      ]);
      const port = await freePort();
      const nginx = run.processes.start(run.cores.server, findCommand('nginx'), [
        ...['-c', run.processes.file(`nginx-${port}.conf`, nginxConfig(run, port, webdisPort))],
        ...['-p', run.processes.folder, '-e', 'stderr'],
      ]);
      const endpoint = { port, ca: run.ca };
      const requests = (operation) =>
        Array.from({ length: KEYS }, (_, index) =>
          operation === 'WRITE'
            ? requestBytes('PUT', `/SET/${keyOf(index)}`, { 'Content-Type': 'text/plain' }, valueOf(index))
            : requestBytes('GET', `/GET/${keyOf(index)}`),
        );
      await nginx.started(async () => {
        const [reply] = await ask(endpoint, [requestBytes('GET', '/PING')]);
        return reply.status === 200;
      });
      await fill(endpoint, requests('WRITE'));
      return {
        endpoint,
        pids: [nginx.pid, webdis.pid, ...redis.pids],
        requests,
        async check(operation) {
          const replyBytes = await checkSample(
            endpoint,
            requests('READ'),
            ({ json }, index) => json.GET === valueOf(index),
          );
          if (operation === 'READ') return replyBytes;
          return checkSample(endpoint, requests('WRITE'), ({ json }) => json.SET?.[1] === 'OK');
        },
      };
    },
  };
}

function webdisConfig(port, redisPort) {
  return JSON.stringify({
    redis_host: '127.0.0.1',
    redis_port: redisPort,
    http_host: '127.0.0.1',
    http_port: port,
    threads: 1,
    pool_size: 20,
    daemonize: false,
    websockets: false,
    database: 0,
    verbosity: 0,
    logfile: '/dev/null',
  });
}

/** One process; connections are kept open on both sides, and never closed for having served enough. */
function nginxConfig(run, port, webdisPort) {
  const { folder } = run.processes;
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((kind) => `${kind}_temp_path ${folder}/nginx-${kind};`)
    .join('\n  ');
  return `daemon off;
master_process off;
worker_processes 1;
pid ${folder}/nginx-${port}.pid;
error_log stderr error;
events { worker_connections 1024; }
http {
  access_log off;
  ${temporary}
  keepalive_requests 100000000;
  upstream webdis { server 127.0.0.1:${webdisPort}; keepalive 64; keepalive_requests 100000000; }
  server {
    listen 127.0.0.1:${port} ssl;
    ssl_certificate ${run.certFile};
    ssl_certificate_key ${run.keyFile};
    ssl_protocols TLSv1.2 TLSv1.3;
    location / { proxy_pass http://webdis; proxy_http_version 1.1; proxy_set_header Connection ""; }
  }
}
`;
}
