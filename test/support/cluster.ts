/** A real Redis Cluster, whose slots move and whose masters fail over as an operator would have it. */
import { eventually } from './eventually';
import { startRedis, waitInSync, type RedisProcess } from './redis';

export interface ClusterOptions {
  /** 3 unless told otherwise; with fewer nobody can win an election. */
  readonly shards?: number;
  /** 1 unless told otherwise. */
  readonly replicasPerShard?: number;
  /** A node that is silent for so long is suspected; 1000 unless told otherwise. */
  readonly nodeTimeoutMs?: number;
  readonly password?: string;
  /** Keep append-only files: for `appliedCommands`. */
  readonly appendOnly?: boolean;
  /** More arguments for each node. */
  readonly args?: readonly string[];
}

/** What a node is at present, as another one says. */
export interface ClusterNode {
  readonly process: RedisProcess;
  readonly id: string;
  readonly role: 'master' | 'replica';
  /** The index of its shard; a node never changes it. */
  readonly shard: number;
  /** First and last slot of each range; a replica has none. */
  readonly slots: readonly (readonly [number, number])[];
}

export interface SlotMove {
  /** Moves up to this many keys and tells how many. Keys that are gone from the old owner are answered with ASK. */
  moveKeys(countMax: number): Promise<number>;
  /** Moves the rest; resolves when each node names the new owner. */
  finish(): Promise<void>;
}

export interface ClusterProcesses {
  readonly processes: readonly RedisProcess[];
  /** For a gateway's environment. */
  readonly settings: Readonly<Record<string, string>>;
  /** As the first node that answers sees it. */
  nodes(): Promise<ClusterNode[]>;
  masterOf(shard: number): Promise<RedisProcess>;
  /** Resolves when all nodes serve all slots, agree who owns what, and replicas have all that masters have. */
  healthy(): Promise<void>;
  /** From now on the old owner answers ASK for keys of the slot that it has not, and the new one waits for ASKING. */
  beginMoveSlot(slot: number, toShard: number): Promise<SlotMove>;
  moveSlot(slot: number, toShard: number): Promise<void>;
  /** A planned failover to the shard's first replica; resolves when the cluster is healthy again. */
  failover(shard: number): Promise<void>;
  stop(): Promise<void>;
}

const SLOTS = 16_384;
const SETTLE_MS_MAX = 20_000;
const MIGRATE_TIMEOUT_MS = 5000;

/** Resolves when it is healthy. Slots are dealt in equal ranges, the first shard has the first. */
export async function startCluster(options: ClusterOptions = {}): Promise<ClusterProcesses> {
  const { shards: shardCount = 3, replicasPerShard = 1, nodeTimeoutMs = 1000, password } = options;
  const shards = await Promise.all(
    Array.from({ length: shardCount }, () =>
      Promise.all(
        Array.from({ length: replicasPerShard + 1 }, () =>
          startRedis({
            cluster: true,
            appendOnly: options.appendOnly ?? false,
            ...(password ? { password } : {}),
            args: [
              ...['--cluster-node-timeout', String(nodeTimeoutMs)],
              // A replica that goes over to another shard by itself, as it may on a busy machine, never comes back.
              ...['--cluster-allow-replica-migration', 'no', ...(options.args ?? [])],
            ],
          }),
        ),
      ),
    ),
  );
  await form(shards);
  const processes = shards.flat();

  async function nodes(): Promise<ClusterNode[]> {
    return parseNodes(await Promise.any(processes.map(nodesText)), shards);
  }
  async function masterOf(shard: number): Promise<RedisProcess> {
    return (await ownerOf(shard)).process;
  }
  async function ownerOf(shard: number): Promise<ClusterNode> {
    const owner = (await nodes()).find((node) => node.shard === shard && node.role === 'master');
    if (owner === undefined) throw new Error(`shard ${shard} has no master`);
    return owner;
  }
  async function checkHealthy(): Promise<true> {
    const views = await Promise.all(
      processes.map(async (process) => {
        const info = (await process.client.call('CLUSTER', 'INFO')) as string;
        if (!info.includes('cluster_state:ok')) throw new Error(`${process.port} says ${info.slice(0, 30)}`);
        return parseNodes(await nodesText(process), shards);
      }),
    );
    const pictures = new Set(views.map((view) => view.map(pictureOf).sort().join(' ')));
    if (pictures.size > 1) throw new Error(`the nodes disagree: ${[...pictures].join(' or ')}`);
    const view = views[0]!;
    if (view.length < processes.length)
      throw new Error(`${view.length} of ${processes.length} nodes are known`);
    for (const master of view.filter(({ role }) => role === 'master')) {
      const replicas = view.filter(({ role, shard }) => role === 'replica' && shard === master.shard);
      await waitInSync(
        master.process,
        replicas.map(({ process }) => process),
      );
    }
    return true;
  }
  const healthy = async (): Promise<void> => {
    await eventually(checkHealthy, SETTLE_MS_MAX);
  };

  async function beginMoveSlot(slot: number, toShard: number): Promise<SlotMove> {
    const from = (await nodes()).find(({ slots }) =>
      slots.some(([first, last]) => first <= slot && slot <= last),
    );
    const to = await ownerOf(toShard);
    if (from === undefined) throw new Error(`nobody owns slot ${slot}`);
    if (from.shard === toShard) throw new Error(`shard ${toShard} owns slot ${slot} already`);
    // The new owner first: who is sent to it with ASK must not be sent back.
    await to.process.client.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', from.id);
    await from.process.client.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', to.id);
    const source = from.process.client;

    async function moveKeys(countMax: number): Promise<number> {
      const keys = (await source.callBuffer('CLUSTER', 'GETKEYSINSLOT', slot, countMax)) as Buffer[];
      if (keys.length === 0) return 0;
      const login = password ? ['AUTH', password] : [];
      const { host, port } = to.process;
      await source.call('MIGRATE', host, port, '', 0, MIGRATE_TIMEOUT_MS, ...login, 'KEYS', ...keys);
      return keys.length;
    }
    return {
      moveKeys,
      finish: async () => {
        while ((await moveKeys(100)) > 0);
        const masters = (await nodes()).filter(({ role }) => role === 'master');
        // The new owner first again, or a node that asks in between finds no owner at all.
        for (const { process } of [to, from, ...masters.filter(({ id }) => id !== to.id && id !== from.id)]) {
          await process.client.call('CLUSTER', 'SETSLOT', slot, 'NODE', to.id);
        }
        await healthy();
      },
    };
  }

  await healthy();
  return {
    processes,
    settings: { REDIS_CLUSTER: processes.map(({ url }) => url).join(',') },
    nodes,
    masterOf,
    healthy,
    beginMoveSlot,
    moveSlot: async (slot, toShard) => (await beginMoveSlot(slot, toShard)).finish(),
    failover: async (shard) => {
      const replica = (await nodes()).find((node) => node.shard === shard && node.role === 'replica');
      if (replica === undefined) throw new Error(`shard ${shard} has no replica`);
      await replica.process.client.call('CLUSTER', 'FAILOVER');
      await eventually(async () => (await masterOf(shard)) === replica.process, SETTLE_MS_MAX);
      await healthy();
    },
    stop: async () => {
      await Promise.all(processes.map((process) => process.stop()));
    },
  };
}

/** Makes single nodes a cluster: slots to the masters, everybody meets, replicas follow. */
async function form(shards: readonly (readonly RedisProcess[])[]): Promise<void> {
  const processes = shards.flat();
  await Promise.all(
    // Different epochs from the start, or the nodes quarrel about them first.
    processes.map(({ client }, index) => client.call('CLUSTER', 'SET-CONFIG-EPOCH', index + 1)),
  );
  const firstOf = (shard: number): number => Math.floor((shard * SLOTS) / shards.length);
  for (const [index, [master]] of shards.entries()) {
    await master!.client.call('CLUSTER', 'ADDSLOTSRANGE', firstOf(index), firstOf(index + 1) - 1);
  }
  for (const [index, { client }] of processes.entries()) {
    for (const other of processes.slice(index + 1)) {
      const [, busPort] = (await other.client.config('GET', 'cluster-port')) as [string, string];
      await client.call('CLUSTER', 'MEET', other.host, other.port, busPort);
    }
  }
  for (const [master, ...replicas] of shards) {
    const id = (await master!.client.call('CLUSTER', 'MYID')) as string;
    for (const { client } of replicas) {
      await eventually(() => client.call('CLUSTER', 'REPLICATE', id), SETTLE_MS_MAX);
    }
  }
}

async function nodesText({ client }: RedisProcess): Promise<string> {
  return (await client.call('CLUSTER', 'NODES')) as string;
}

/**
 * Lines of `id host:port@busPort flags masterId … slots`, of which `[slot->-id]` are moves under way. Nodes that are
 * meeting each other are left out.
 */
function parseNodes(text: string, shards: readonly (readonly RedisProcess[])[]): ClusterNode[] {
  return text.split('\n').flatMap((line) => {
    const [id = '', address = '', flags = '', , , , , , ...ranges] = line.split(' ');
    const port = Number(/:(\d+)@/.exec(address)?.[1]);
    const shard = shards.findIndex((members) => members.some((member) => member.port === port));
    const process = shards[shard]?.find((member) => member.port === port);
    if (process === undefined || /handshake|noaddr/.test(flags)) return [];
    const slots = ranges
      .filter((range) => /^\d/.test(range))
      .map((range) => range.split('-').map(Number))
      .map(([first = 0, last = first]) => [first, last] as const);
    // A master that failed has none of its slots any more, or still has all of them.
    const role =
      flags.includes('slave') || (flags.includes('fail') && slots.length === 0) ? 'replica' : 'master';
    return [{ process, id, role, shard, slots }];
  });
}

function pictureOf({ process, role, slots }: ClusterNode): string {
  return `${process.port}:${role}:${slots.map((range) => range.join('-')).join('+')}`;
}
