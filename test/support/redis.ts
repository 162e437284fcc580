/**
 * Real redis-server processes for tests: one, a shard of one master and its replicas, or several shards, on free
 * loopback ports, with nothing on disk that outlives them. Faults are given by signals and through a TCP proxy.
 */
import type { ShardConfig } from '../../src/engines/shard';
import { makeCertificate, type Certificate } from './certificate';
import { makeFolder, removeFolder } from './child';
import { eventually } from './eventually';
import { findFreePort } from './free-port';
import { LOG_FILE, LOOPBACK, startServer, type ServerProcess } from './server-process';
import { startTcpProxy, type TcpProxy } from './tcp-proxy';

export type RedisProcess = ServerProcess;

export interface RedisOptions {
  readonly replicaOf?: { readonly host: string; readonly port: number };
  /** Asked of clients, and sent to the master of a replica. */
  readonly password?: string;
  /** Serve TLS and nothing else, with this certificate; a replica speaks TLS to its master and trusts only it. */
  readonly tls?: Certificate;
  /** Keep an append-only file: for `appliedCommands`, and a restarted server has what it had. */
  readonly appendOnly?: boolean;
  /** A node of a Redis Cluster, with a free port for its bus. */
  readonly cluster?: boolean;
  /** More arguments, as on the command line: `['--maxmemory', '8mb']`. */
  readonly args?: readonly string[];
}

/** Resolves when the server answers PING. */
export function startRedis(options: RedisOptions = {}): Promise<RedisProcess> {
  return startServer({ ...options, configure: (port, folder) => configureRedis(port, folder, options) });
}

/** As on the command line. */
async function configureRedis(port: number, folder: string, options: RedisOptions): Promise<string[]> {
  const { replicaOf, password, tls, appendOnly = false, cluster = false, args = [] } = options;
  return [
    ...['--bind', LOOPBACK, tls ? '--tls-port' : '--port', String(port), ...(tls ? ['--port', '0'] : [])],
    ...['--dir', folder, '--logfile', LOG_FILE, '--save', '', '--appendonly', appendOnly ? 'yes' : 'no'],
    // The operating system has what was written when a process is killed; nobody pulls a plug here.
    ...['--appendfsync', 'no', '--aof-use-rdb-preamble', 'no', '--auto-aof-rewrite-percentage', '0'],
    ...['--repl-diskless-sync', 'yes', '--repl-diskless-sync-delay', '0'],
    ...['--repl-diskless-load', 'swapdb', '--repl-ping-replica-period', '1'],
    ...['--enable-debug-command', 'local'],
    ...(cluster ? ['--cluster-enabled', 'yes', '--cluster-port', String(await findFreePort())] : []),
    ...(replicaOf ? ['--replicaof', replicaOf.host, String(replicaOf.port)] : []),
    ...(password ? ['--requirepass', password, '--masterauth', password] : []),
    ...(tls
      ? ['--tls-cert-file', tls.certFile, '--tls-key-file', tls.keyFile, '--tls-ca-cert-file', tls.certFile]
      : []),
    ...(tls ? ['--tls-auth-clients', 'no', '--tls-replication', 'yes'] : []),
    ...args,
  ];
}

export interface ShardOptions {
  readonly name: string;
  readonly replicas?: number;
  readonly password?: string;
  readonly tls?: boolean;
  /** Needed for `pauseReplication`. */
  readonly replicationThroughProxy?: boolean;
  /** Keep append-only files: for `appliedCommands`. */
  readonly appendOnly?: boolean;
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
    ...(options.appendOnly ? { appendOnly: true } : {}),
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

/**
 * Resolves when each replica is linked and has all that the master has written; where append-only files are kept,
 * when they are written as well.
 */
export async function waitInSync(master: RedisProcess, replicas: readonly RedisProcess[]): Promise<void> {
  await eventually(async () => {
    const masterSays = await master.client.info('replication');
    const online = masterSays.match(/^slave\d+:.*state=online/gm)?.length ?? 0;
    if (online < replicas.length) throw new Error(`${online} of ${replicas.length} replicas are online`);
    const offset = numberIn(masterSays, 'master_repl_offset');
    for (const replica of replicas) {
      const replicaSays = await replica.client.info('replication', 'persistence');
      if (!replicaSays.includes('master_link_status:up')) throw new Error('a replica is not linked');
      const behind = offset - numberIn(replicaSays, 'slave_repl_offset');
      // The file is written anew behind a full synchronization, and lacks what came meanwhile until that is done.
      if (/^aof_rewrite_(in_progress|scheduled):1/m.test(replicaSays)) throw new Error('a file is rewritten');
      if (behind > 0) throw new Error(`a replica is ${behind} bytes behind`);
    }
    return true;
  }, 10_000);
}

function numberIn(info: string, field: string): number {
  return Number(new RegExp(`^${field}:(\\d+)`, 'm').exec(info)?.[1]);
}
