/**
 * Real redis-server processes for tests: one, a shard of one master and its replicas, or several shards, on free
 * loopback ports, with nothing on disk that outlives them. Faults are given by signals and through a TCP proxy.
 */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { Redis } from 'ioredis';
import type { ShardConfig } from '../../src/engines/shard';
import type { NodeAddress } from '../../src/redis/client';
import { makeCertificate, type Certificate } from './certificate';
import { makeFolder, removeFolder, startChild, type Child } from './child';
import { eventually } from './eventually';
import { findFreePort } from './free-port';
import { stopAfterTests } from './leftovers';
import { startTcpProxy, type TcpProxy } from './tcp-proxy';

const HOST = '127.0.0.1';

export interface RedisOptions {
  readonly replicaOf?: { readonly host: string; readonly port: number };
  /** Asked of clients, and sent to the master of a replica. */
  readonly password?: string;
  /** Serve TLS and nothing else, with this certificate; a replica speaks TLS to its master and trusts only it. */
  readonly tls?: Certificate;
  /** More arguments, as on the command line: `['--maxmemory', '8mb']`. */
  readonly args?: readonly string[];
}

export interface RedisProcess {
  readonly host: string;
  readonly port: number;
  readonly pid: number;
  /** As settings know it. */
  readonly address: NodeAddress;
  /** The same as a URL. */
  readonly url: string;
  /** For a test's own look at the server. It reconnects by itself; its errors show in the commands only. */
  readonly client: Redis;
  /** SIGSTOP: the process answers nothing, its connections stay open. */
  freeze(): void;
  /** SIGCONT. */
  thaw(): void;
  /** SIGKILL; resolves when the process has ended. */
  kill(): Promise<void>;
  /** Starts a killed server again, empty, on the same port with the same arguments. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** Resolves when the server answers PING. */
export async function startRedis(options: RedisOptions = {}): Promise<RedisProcess> {
  const folder = await makeFolder();
  for (let attemptsLeft = 3; ; attemptsLeft--) {
    const port = await findFreePort();
    try {
      const child = await startServer(folder, port, options);
      return await openProcess(folder, port, options, child);
    } catch (failure) {
      if (attemptsLeft <= 1) throw failure;
    }
  }
}

async function openProcess(
  folder: string,
  port: number,
  options: RedisOptions,
  first: Child,
): Promise<RedisProcess> {
  const { password, tls } = options;
  let child = first;
  const client = await openClient(port, options);
  const process: RedisProcess = {
    host: HOST,
    port,
    get pid() {
      return child.pid;
    },
    address: { host: HOST, port, tls: tls !== undefined, username: undefined, password },
    url: `${tls ? 'rediss' : 'redis'}://${password ? `:${encodeURIComponent(password)}@` : ''}${HOST}:${port}`,
    client,
    freeze: () => child.signal('SIGSTOP'),
    thaw: () => child.signal('SIGCONT'),
    kill: async () => {
      child.signal('SIGKILL');
      await child.exited;
    },
    restart: async () => {
      child = await startServer(folder, port, options);
    },
    stop: stopAfterTests(async () => {
      client.disconnect();
      await process.kill();
      await removeFolder(folder);
    }),
  };
  return process;
}

/** @throws with the end of the server's log when it does not serve. */
async function startServer(folder: string, port: number, options: RedisOptions): Promise<Child> {
  const { replicaOf, password, tls, args = [] } = options;
  const child = startChild(
    'redis-server',
    [
      ...['--bind', HOST, tls ? '--tls-port' : '--port', String(port), ...(tls ? ['--port', '0'] : [])],
      ...['--dir', folder, '--logfile', 'redis.log', '--save', '', '--appendonly', 'no'],
      ...['--repl-diskless-sync', 'yes', '--repl-diskless-sync-delay', '0'],
      ...['--repl-diskless-load', 'swapdb', '--repl-ping-replica-period', '1'],
      ...['--enable-debug-command', 'local'],
      ...(replicaOf ? ['--replicaof', replicaOf.host, String(replicaOf.port)] : []),
      ...(password ? ['--requirepass', password, '--masterauth', password] : []),
      ...(tls
        ? ['--tls-cert-file', tls.certFile, '--tls-key-file', tls.keyFile, '--tls-ca-cert-file', tls.certFile]
        : []),
      ...(tls ? ['--tls-auth-clients', 'no', '--tls-replication', 'yes'] : []),
      ...args,
    ],
    { folder, env: { PATH: globalThis.process.env['PATH'] } },
  );
  const client = await openClient(port, options);
  try {
    await eventually(async () => {
      // Another process on this port would answer PING as well, so the pid is asked for.
      return child.hasExited() || (await client.info('server')).includes(`process_id:${child.pid}\r\n`);
    });
    if (child.hasExited()) throw new Error('redis-server ended at once');
    return child;
  } catch (failure) {
    child.signal('SIGKILL');
    const log = await readFile(path.join(folder, 'redis.log'), 'utf8').catch(() => '');
    throw new Error(`redis-server does not serve on port ${port}:\n${log.slice(-1000)}`, { cause: failure });
  } finally {
    client.disconnect();
  }
}

async function openClient(port: number, { password, tls }: RedisOptions): Promise<Redis> {
  const client = new Redis({
    host: HOST,
    port,
    protocol: 2,
    retryStrategy: () => 20,
    disconnectTimeout: 100,
    maxRetriesPerRequest: null,
    autoResendUnfulfilledCommands: false,
    commandTimeout: 5000,
    ...(password ? { password } : {}),
    ...(tls ? { tls: { ca: await readFile(tls.certFile) } } : {}),
  });
  client.on('error', () => undefined);
  return client;
}

export interface ShardOptions {
  readonly name: string;
  readonly replicas?: number;
  readonly password?: string;
  readonly tls?: boolean;
  /** Needed for `pauseReplication`. */
  readonly replicationThroughProxy?: boolean;
  /** More arguments for each server. */
  readonly args?: readonly string[];
}

export interface ShardProcesses {
  readonly name: string;
  readonly master: RedisProcess;
  readonly replicas: readonly RedisProcess[];
  readonly config: ShardConfig;
  /** The shard as `REDIS_NODES` spells it. */
  readonly setting: string;
  /** The certificate of its servers, where they speak TLS. */
  readonly certificate: Certificate | undefined;
  /** Resolves when each replica is linked and has all that the master has written. */
  inSync(): Promise<void>;
  /** What the master writes waits in the proxy; the links stay up. */
  pauseReplication(): void;
  resumeReplication(): void;
  stop(): Promise<void>;
}

/** Resolves when all replicas are in sync. */
export async function startShard(options: ShardOptions): Promise<ShardProcesses> {
  const { name, replicas: replicaCount = 3, replicationThroughProxy = false } = options;
  const certificateFolder = options.tls ? await makeFolder() : undefined;
  const certificate = certificateFolder ? await makeCertificate(certificateFolder) : undefined;
  const shared: RedisOptions = {
    ...(options.password ? { password: options.password } : {}),
    ...(certificate ? { tls: certificate } : {}),
    ...(options.args ? { args: options.args } : {}),
  };
  const master = await startRedis(shared);
  const proxy = replicationThroughProxy ? await startTcpProxy(master) : undefined;
  const replicas = await Promise.all(
    Array.from({ length: replicaCount }, () => startRedis({ ...shared, replicaOf: proxy ?? master })),
  );
  const shard: ShardProcesses = {
    name,
    master,
    replicas,
    config: { name, master: master.address, replicas: replicas.map(({ address }) => address) },
    setting: `${name}=${[master, ...replicas].map(({ url }) => url).join(',')}`,
    certificate,
    inSync: () => waitInSync(master, replicas),
    pauseReplication: () => required(proxy).pause('down'),
    resumeReplication: () => required(proxy).resume(),
    stop: async () => {
      await Promise.all([master, ...replicas].map((node) => node.stop()));
      await proxy?.close();
      if (certificateFolder) await removeFolder(certificateFolder);
    },
  };
  await shard.inSync();
  return shard;
}

/** Shards named `shard-1`, `shard-2` and so on. */
export function startShards(count: number, replicas = 3): Promise<ShardProcesses[]> {
  return Promise.all(
    Array.from({ length: count }, (_, index) => startShard({ name: `shard-${index + 1}`, replicas })),
  );
}

function required(proxy: TcpProxy | undefined): TcpProxy {
  if (proxy === undefined) throw new Error('start the shard with replicationThroughProxy');
  return proxy;
}

async function waitInSync(master: RedisProcess, replicas: readonly RedisProcess[]): Promise<void> {
  await eventually(async () => {
    const masterSays = await master.client.info('replication');
    const online = masterSays.match(/^slave\d+:.*state=online/gm)?.length ?? 0;
    if (online < replicas.length) throw new Error(`${online} of ${replicas.length} replicas are online`);
    const offset = numberIn(masterSays, 'master_repl_offset');
    for (const replica of replicas) {
      const replicaSays = await replica.client.info('replication');
      if (!replicaSays.includes('master_link_status:up')) throw new Error('a replica is not linked');
      const behind = offset - numberIn(replicaSays, 'slave_repl_offset');
      if (behind > 0) throw new Error(`a replica is ${behind} bytes behind`);
    }
    return true;
  }, 10_000);
}

function numberIn(info: string, field: string): number {
  return Number(new RegExp(`^${field}:(\\d+)`, 'm').exec(info)?.[1]);
}
