/** Shards on a ring, as `ENGINE=ring` has them, with a proxy before each node where single links are to be broken. */
import { HashRing } from '../../src/engines/hash-ring';
import { keyFromText } from '../../src/core/key';
import { type RedisProcess, type ShardProcesses, startShard } from '../support/redis';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy';
import { Nodes, type Topology, writesAppliedBy } from './topology';

export interface RingOptions {
  /** 1 unless told otherwise. */
  readonly shards?: number;
  /** Of each shard; 2 unless told otherwise. */
  readonly replicas?: number;
  /** The gateway g1 reaches each node through a proxy of its own. */
  readonly proxied?: boolean;
  /** Replicas reach their master through a proxy. */
  readonly replicationThroughProxy?: boolean;
  /** A server that comes back has what it had. It also tells in which order it applied the writes. True unless told otherwise. */
  readonly appendOnly?: boolean;
}

export interface RingTopology extends Topology {
  readonly kind: 'ring';
  readonly processes: readonly ShardProcesses[];
  readonly control: Nodes;
  /** Between g1 and the node. @throws where g1 has none */
  link(node: RedisProcess): TcpProxy;
}

export async function startRing(options: RingOptions): Promise<RingTopology> {
  const { proxied = false, replicationThroughProxy = false, appendOnly = true } = options;
  const names = ringNames(options);
  const processes = await Promise.all(
    names.map((name) =>
      startShard({ name, replicas: options.replicas ?? 2, replicationThroughProxy, appendOnly }),
    ),
  );
  const nodes = processes.flatMap(({ master, replicas }) => [master, ...replicas]);
  const links = new Map<RedisProcess, TcpProxy>();
  if (proxied) for (const node of nodes) links.set(node, await startTcpProxy(node));
  const control = new Nodes(nodes);
  const urlOf = (node: RedisProcess, place: string): string => {
    const link = place === 'g1' ? links.get(node) : undefined;
    return link === undefined ? node.url : `redis://${link.host}:${link.port}`;
  };
  const ringSetting = (place: string): string =>
    processes
      .map(({ name, master, replicas }) => {
        const urls = [master, ...replicas].map((node) => urlOf(node, place));
        return `${name}=${urls.join(',')}`;
      })
      .join(';');

  return {
    kind: 'ring',
    shards: names,
    nodes,
    processes,
    control,
    settingsOf: (place) => ({ ENGINE: 'ring', REDIS_NODES: ringSetting(place) }),
    shardOf: createShardOf(names),
    masterOf: (shard) => Promise.resolve(processes.find(({ name }) => name === shard)!.master),
    link: (node) => {
      const link = links.get(node);
      if (link === undefined) throw new Error('the topology has no proxies');
      return link;
    },
    heal: async () => {
      for (const link of links.values()) {
        link.heal();
        link.resume();
      }
      if (replicationThroughProxy) for (const shard of processes) shard.resumeReplication();
      await control.healAll();
      await Promise.all(processes.map((shard) => shard.inSync()));
    },
    applied: async () => {
      if (!appendOnly) return undefined;
      return (await Promise.all(processes.map(({ master }) => writesAppliedBy(master)))).flat();
    },
    stop: async () => {
      await Promise.all(processes.map((shard) => shard.stop()));
      await Promise.all([...links.values()].map((link) => link.close()));
    },
  };
}

/** Names depend on nothing but their number, so a history can be judged without its processes. */
export function ringNames({ shards = 1 }: RingOptions): string[] {
  return Array.from({ length: shards }, (_, index) => `shard-${index + 1}`);
}

export function createShardOf(names: readonly string[]): (key: string) => string {
  const ring = new HashRing(names, 'ketama');
  return (key) => names[ring.ownerOf(ring.pointOf(keyFromText(key)))]!;
}
