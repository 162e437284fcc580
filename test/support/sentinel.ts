/**
 * Real Sentinels over real shards, with failovers of about two seconds. Every node can stand behind a TCP proxy that
 * everybody else knows as the node: Sentinels, the other nodes, gateways. So a node can be cut off while it runs.
 */
import { eventually } from './eventually';
import { startRedis, waitInSync, type RedisProcess } from './redis';
import { LOG_FILE, LOOPBACK, startServer, type ServerProcess } from './server-process';
import { startTcpProxy, type LinkFaults, type TcpProxy } from './tcp-proxy';

export interface SentinelOptions {
  /** Names of the masters, one shard each. */
  readonly masters: readonly string[];
  /** Of each master; 2 unless told otherwise. */
  readonly replicas?: number;
  /** How many processes, each watching all masters; 3 unless told otherwise. Two of them must agree. */
  readonly sentinels?: number;
  /** A node that is silent for so long is down; 600 unless told otherwise. */
  readonly downAfterMs?: number;
  /** A failed election is tried again after twice this; 3000 unless told otherwise. */
  readonly failoverTimeoutMs?: number;
  /** Needed for `isolate`. It gives each process a loopback address of its own to connect from, as Linux allows. */
  readonly throughProxies?: boolean;
  /** Asked by the nodes, not by the Sentinels. */
  readonly password?: string;
  /** Keep append-only files: for `appliedCommands`. */
  readonly appendOnly?: boolean;
  /** More arguments for each node; they win over those given here. */
  readonly args?: readonly string[];
}

export interface SentinelNode extends RedisProcess {
  /** The name of its shard. */
  readonly shard: string;
  /** Where others find it: its proxy, or itself. */
  readonly announced: { readonly host: string; readonly port: number };
  /** Gateways and tests connect to it from `LOOPBACK`, other nodes and Sentinels from addresses of their own. */
  readonly proxy: TcpProxy | undefined;
}

export interface SentinelDeployment {
  readonly sentinels: readonly ServerProcess[];
  /** Of all shards; of each, the first master comes first. */
  readonly nodes: readonly SentinelNode[];
  /** For a gateway's environment; `REDIS_PASSWORD` where one is asked. */
  readonly settings: Readonly<Record<string, string>>;
  /** Whom most Sentinels name, if it says so itself. @throws while there is none */
  currentMaster(shard: string): Promise<SentinelNode>;
  /** Asks for a failover; resolves when another node is master and the others follow it. */
  failover(shard: string): Promise<void>;
  /** Resolves when the nodes that run follow their masters and have all that these have written. */
  inSync(): Promise<void>;
  /**
   * Cuts a node off from everybody, both ways, while it runs. `silent`: bytes wait, as when the network loses
   * packets; `reset`: its connections are reset and new ones refused.
   */
  isolate(node: SentinelNode, how?: 'silent' | 'reset'): void;
  rejoin(node: SentinelNode): void;
  stop(): Promise<void>;
}

/** How long one Sentinel or node may take to answer; a frozen one must not hold up the question. */
const ANSWER_MS_MAX = 300;
/** A former master is told to follow after ten seconds at the latest, then it copies everything. */
const SETTLE_MS_MAX = 20_000;

/** Resolves when each Sentinel knows all nodes and all other Sentinels. */
export async function startSentinelDeployment(options: SentinelOptions): Promise<SentinelDeployment> {
  const shards = await Promise.all(options.masters.map((name, index) => startNodes(name, index, options)));
  const nodes = shards.flat();
  const sentinels = await Promise.all(
    Array.from({ length: options.sentinels ?? 3 }, (_, index) => startSentinel(index, shards, options)),
  );
  const majority = Math.floor(sentinels.length / 2) + 1;
  const nodesOf = (shard: string): SentinelNode[] => nodes.filter((node) => node.shard === shard);

  async function currentMaster(shard: string): Promise<SentinelNode> {
    const answers = await Promise.allSettled(
      sentinels.map(({ client }) => inTime(client.call('SENTINEL', 'get-master-addr-by-name', shard))),
    );
    const named = answers.map((answer) => (answer.status === 'fulfilled' ? String(answer.value) : ''));
    const master = nodesOf(shard).find(({ announced: { host, port } }) => {
      return named.filter((name) => name === `${host},${port}`).length >= majority;
    });
    if (master === undefined) throw new Error(`most Sentinels name no master: ${named.join(' ')}`);
    const [role] = await inTime(master.client.role());
    if (role !== 'master') throw new Error(`the Sentinels name a ${String(role)}`);
    return master;
  }

  async function inSync(): Promise<void> {
    for (const shard of options.masters) {
      await eventually(async () => {
        const master = await currentMaster(shard);
        const answers = await Promise.allSettled(nodesOf(shard).map(({ client }) => inTime(client.ping())));
        const running = nodesOf(shard).filter((_, index) => answers[index]?.status === 'fulfilled');
        await waitInSync(
          master,
          running.filter((node) => node !== master),
        );
        return (await currentMaster(shard)) === master;
      }, SETTLE_MS_MAX);
    }
  }

  function faultsOf(node: SentinelNode): LinkFaults[] {
    const known = outgoing.get(node);
    if (known === undefined) throw new Error('start the deployment with throughProxies');
    return known;
  }
  const outgoing = new Map<SentinelNode, LinkFaults[]>();
  nodes.forEach((node, index) => {
    if (node.proxy === undefined) return;
    const from = sourceOf(nodePlace(Math.floor(index / shards[0]!.length), index % shards[0]!.length));
    const others = nodesOf(node.shard).filter((other) => other !== node);
    outgoing.set(node, [
      node.proxy,
      ...others.map(({ proxy }) => proxy!.only(({ clientHost }) => clientHost === from)),
    ]);
  });

  const deployment: SentinelDeployment = {
    sentinels,
    nodes,
    settings: {
      REDIS_SENTINELS: sentinels.map(({ host, port }) => `${host}:${port}`).join(','),
      REDIS_MASTERS: options.masters.join(','),
      ...(options.password ? { REDIS_PASSWORD: options.password } : {}),
    },
    currentMaster,
    failover: async (shard) => {
      const before = await currentMaster(shard);
      // One is asked, or each would begin a failover of its own.
      const { client } = await Promise.any(
        sentinels.map((sentinel) => inTime(sentinel.client.ping()).then(() => sentinel)),
      );
      await client.call('SENTINEL', 'failover', shard);
      await eventually(async () => (await currentMaster(shard)) !== before, SETTLE_MS_MAX);
      await inSync();
    },
    inSync,
    isolate: (node, how = 'silent') => {
      for (const faults of faultsOf(node)) {
        if (how === 'silent') faults.pause();
        else faults.cut();
      }
    },
    rejoin: (node) => {
      for (const faults of faultsOf(node)) {
        faults.heal();
        faults.resume();
      }
    },
    stop: async () => {
      await Promise.all([...sentinels, ...nodes].map((process) => process.stop()));
      await Promise.all(nodes.map(async ({ proxy }) => proxy?.close()));
    },
  };
  await eventually(() => checkKnown(deployment, options.masters), 15_000);
  return deployment;
}

/** Starts one shard, its first node as the master. What makes it a shard is written to the configuration files. */
async function startNodes(
  shard: string,
  shardIndex: number,
  options: SentinelOptions,
): Promise<SentinelNode[]> {
  const { replicas = 2, throughProxies = false, password, appendOnly = false, args = [] } = options;
  const nodes = await Promise.all(
    Array.from({ length: replicas + 1 }, async (_, index): Promise<SentinelNode> => {
      const process = await startRedis({
        appendOnly,
        ...(password ? { password } : {}),
        args: [
          // With a lag of 1 a master that is cut off refuses writes within 3 s: replicas tell where they are each
          // second, and the master looks each second.
          ...['--min-replicas-to-write', String(Math.min(1, replicas)), '--min-replicas-max-lag', '1'],
          ...(throughProxies ? ['--bind-source-addr', sourceOf(nodePlace(shardIndex, index))] : []),
          ...args,
        ],
      });
      const proxy = throughProxies ? await startTcpProxy(process) : undefined;
      const { host, port } = proxy ?? process;
      return Object.assign(process, { shard, announced: { host, port }, proxy });
    }),
  );
  const [master, ...others] = nodes as [SentinelNode, ...SentinelNode[]];
  await Promise.all(
    nodes.map(async (node) => {
      const { host, port } = node.announced;
      await node.client.config('SET', 'replica-announce-ip', host, 'replica-announce-port', port);
      if (node !== master) await node.client.replicaof(master.announced.host, master.announced.port);
      await node.client.config('REWRITE');
    }),
  );
  await waitInSync(master, others);
  return nodes;
}

function startSentinel(
  index: number,
  shards: readonly SentinelNode[][],
  {
    downAfterMs = 600,
    failoverTimeoutMs = 3000,
    throughProxies = false,
    password,
    sentinels = 3,
  }: SentinelOptions,
): Promise<ServerProcess> {
  const quorum = String(Math.min(2, sentinels));
  return startServer({
    flags: ['--sentinel'],
    configure: (port, folder) =>
      Promise.resolve([
        ...['--bind', LOOPBACK, '--port', String(port), '--dir', folder, '--logfile', LOG_FILE],
        // It would otherwise tell the others to find it where it connects from.
        ...(throughProxies ? ['--bind-source-addr', sourceOf(index)] : []),
        ...['--sentinel', 'announce-ip', LOOPBACK],
        ...shards.flatMap(([master]) => {
          const { shard, announced } = master!;
          return [
            ...['--sentinel', 'monitor', shard, announced.host, String(announced.port), quorum],
            ...['--sentinel', 'down-after-milliseconds', shard, String(downAfterMs)],
            ...['--sentinel', 'failover-timeout', shard, String(failoverTimeoutMs)],
            // All replicas follow the new master at once.
            ...['--sentinel', 'parallel-syncs', shard, '10'],
            ...(password ? ['--sentinel', 'auth-pass', shard, password] : []),
          ];
        }),
      ]),
  });
}

/** The loopback address from which the process at this place connects. */
function sourceOf(place: number): string {
  return `127.0.0.${place + 10}`;
}

/** Places 0 to 9 are the Sentinels'. */
function nodePlace(shardIndex: number, index: number): number {
  return 10 * (shardIndex + 1) + index;
}

/** @throws until each Sentinel knows everybody. */
async function checkKnown(
  { sentinels, nodes }: SentinelDeployment,
  masters: readonly string[],
): Promise<true> {
  for (const { client } of sentinels) {
    for (const shard of masters) {
      const facts = (await client.call('SENTINEL', 'master', shard)) as string[];
      const fact = (name: string): string | undefined => facts[facts.indexOf(name) + 1];
      const told = `${fact('flags')} ${fact('num-slaves')} ${fact('num-other-sentinels')}`;
      const replicas = nodes.filter((node) => node.shard === shard).length - 1;
      if (told !== `master ${replicas} ${sentinels.length - 1}`) throw new Error(`${shard}: ${told}`);
    }
  }
  return true;
}

function inTime<T>(answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer in ${ANSWER_MS_MAX} ms`)), ANSWER_MS_MAX);
  });
  return Promise.race([answer, late]).finally(() => clearTimeout(timer));
}
