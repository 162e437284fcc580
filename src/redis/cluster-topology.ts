/**
 * A Redis Cluster as one of its nodes sees it: the text of CLUSTER NODES, which Redis 3 to 8 all have, and which alone
 * tells node ids, configuration epochs and whom the node takes for dead.
 *
 *     <id> <ip>:<port>@<bus port>[,<host name>[,<more>]] <flags> <master's id or -> <ping> <pong> <epoch> <link> <slots…>
 *
 * Source: https://redis.io/docs/latest/commands/cluster-nodes/
 */
import type { Clock } from '../lib/clock';
import { withDeadline } from '../lib/deadline';
import { createClient, nameOfAddress, type NodeAddress } from './client';
import { asSender, clusterNodes } from './commands';
import { unreachable } from './redis-errors';

export interface ClusterNode {
  readonly id: string;
  readonly address: NodeAddress;
  /** As `host:port`: the names by which a redirection may call it. */
  readonly names: readonly string[];
}

/** One master with its replicas. */
export interface ClusterGroup {
  readonly master: ClusterNode;
  /** In order, so that every gateway has the same. */
  readonly replicas: readonly ClusterNode[];
  /** First and last of each range. */
  readonly slots: readonly (readonly [number, number])[];
}

export interface ClusterView {
  /**
   * The highest configuration epoch in it. A failover and the arrival of a slot at a new owner raise it, so a view
   * with a lower one than another has missed something.
   */
  readonly epoch: number;
  /** The node takes most of the masters for alive. One that does not was cut off, and serves nothing for long. */
  readonly hasMajority: boolean;
  readonly groups: readonly ClusterGroup[];
  /** Ids of nodes that are in no group: masters that failed and lost their slots, and nodes without an address. */
  readonly strayIds: readonly string[];
}

interface Row {
  readonly node: ClusterNode | undefined;
  readonly id: string;
  readonly isMaster: boolean;
  readonly masterId: string;
  readonly isFailing: boolean;
  readonly epoch: number;
  readonly slots: readonly (readonly [number, number])[];
}

/** `asked`: what answered; its scheme and credentials are those of all, its host that of a node without one. */
export function parseClusterNodes(text: string, asked: NodeAddress): ClusterView {
  const rows = text.split('\n').flatMap((line) => parseRow(line, asked));
  const groups: ClusterGroup[] = [];
  for (const { node: master, isMaster, isFailing, slots } of rows) {
    if (master === undefined || !isMaster || (isFailing && slots.length === 0)) continue;
    const replicas = rows.flatMap((row) =>
      row.node !== undefined && !row.isMaster && row.masterId === master.id ? [row.node] : [],
    );
    groups.push({ master, replicas: inOrder(replicas), slots });
  }
  const voters = rows.filter(({ isMaster, slots }) => isMaster && slots.length > 0);
  const alive = voters.filter(({ isFailing }) => !isFailing);
  const inGroups = new Set(groups.flatMap(idsOf));
  return {
    epoch: Math.max(0, ...rows.map(({ epoch }) => epoch)),
    hasMajority: alive.length * 2 > voters.length,
    groups,
    strayIds: rows.flatMap(({ id }) => (inGroups.has(id) ? [] : [id])),
  };
}

export function idsOf({ master, replicas }: ClusterGroup): readonly string[] {
  return [master.id, ...replicas.map(({ id }) => id)];
}

/** By their ids, which is the same everywhere. */
export function inOrder(nodes: readonly ClusterNode[]): readonly ClusterNode[] {
  return [...nodes].sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** Asks a node to which there is no connection. @throws CacheError when it does not answer by then */
export async function askForView(
  address: NodeAddress,
  deadlineMs: number,
  clock: Clock,
): Promise<ClusterView> {
  const client = createClient(address, true);
  // The promise tells what is wrong; ioredis throws when nobody listens.
  client.on('error', () => undefined);
  try {
    const answer = client.connect().then(() => asSender(clusterNodes)(client));
    return parseClusterNodes(await withDeadline(answer, deadlineMs - clock.now(), unreachable), address);
  } finally {
    client.disconnect();
  }
}

function parseRow(line: string, asked: NodeAddress): readonly Row[] {
  const [id = '', place = '', flagText = '', masterId = '', , , epoch, , ...rest] = line.trim().split(' ');
  const flags = flagText.split(',');
  if (flags.includes('handshake') || !/^[0-9a-f]{40}$/.test(id)) return [];
  // `[slot->-id]` and `[slot-<-id]` are moves under way; nobody but the two masters needs to know.
  const slots = rest.flatMap((range) => {
    const [, first, last = first] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(range) ?? [];
    return first === undefined ? [] : [[Number(first), Number(last)] as const];
  });
  return [
    {
      node: flags.includes('noaddr') ? undefined : parsePlace(id, place, asked),
      id,
      isMaster: flags.includes('master'),
      masterId,
      isFailing: flags.includes('fail') || flags.includes('fail?') || flags.includes('noaddr'),
      epoch: Number(epoch) || 0,
      slots,
    },
  ];
}

function parsePlace(id: string, place: string, asked: NodeAddress): ClusterNode | undefined {
  const [, ip = '', portText, hostName = ''] =
    /^([^@\s]*):(\d+)(?:@\d+)?(?:,([^,=]*))?(?:,.*)?$/.exec(place) ?? [];
  const port = Number(portText);
  if (!(port > 0 && port < 65_536)) return undefined;
  const hosts = [ip, hostName].filter((host) => host !== '' && host !== '?');
  // A certificate is for a name, where there is one.
  const host = (asked.tls ? hosts.at(-1) : hosts[0]) ?? asked.host;
  const address = { ...asked, host, port };
  return {
    id,
    address,
    names: [host, ...hosts].map((name) => nameOfAddress({ ...asked, host: name, port })),
  };
}
