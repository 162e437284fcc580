/**
 * What a Sentinel says, parsed (https://redis.io/docs/latest/operate/oss_and_stack/management/sentinel/). Its answers
 * are lists of names and values; host names are used as it announces them.
 */
import type { NodeAddress } from './client';
import type { RedisCommand } from './commands';

/** A node of a watched master, of which a Sentinel knows no more than host and port. */
export type NodeAt = (host: string, port: number) => NodeAddress;

/** What one Sentinel knows of one master. */
export interface SentinelReport {
  readonly master: NodeAddress;
  /** How many failovers ago, as it were: the higher one is right where two Sentinels differ. */
  readonly epoch: number;
  readonly replicas: readonly ReportedReplica[];
}

export interface ReportedReplica {
  readonly address: NodeAddress;
  /** The Sentinel reaches it. */
  readonly isHealthy: boolean;
}

/**
 * The Sentinel's report, asked for in one packet. The epoch is asked for before the address: if a failover comes in
 * between, the new master goes under the old epoch, and the next report mends that. The old master under the new
 * epoch would be believed.
 *
 * GET-MASTER-ADDR-BY-NAME tells of a new master as soon as it has been promoted, before all replicas follow it.
 */
export function getSentinelReport(name: string, nodeAt: NodeAt): RedisCommand<SentinelReport> {
  return async (client) => {
    const [master, address, replicas] = await Promise.all([
      client.call('SENTINEL', 'MASTER', name).then(fieldsOf),
      client.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', name).then(textsOf),
      client.call('SENTINEL', 'REPLICAS', name),
    ]);
    const epoch = Number(master.get('config-epoch'));
    if (!Number.isSafeInteger(epoch)) throw nonsense();
    return {
      master: parseAddress(address[0], address[1], nodeAt),
      epoch,
      replicas: Array.isArray(replicas) ? replicas.map((reply) => parseReplica(reply, nodeAt)) : [],
    };
  };
}

/** The channels that tell of a failover, and no others. */
export const FAILOVER_CHANNELS = ['+selected-slave', '+switch-master'] as const;

/**
 * Who is about to become master, from a message of `+selected-slave`:
 * `slave <name> <host> <port> @ <master's name> <host> <port>`. undefined: not such a message.
 */
export function parseSelected(
  message: string,
  nodeAt: NodeAt,
): { readonly name: string; readonly address: NodeAddress } | undefined {
  const [, host, port, name] = /^slave \S+ (\S+) (\d+) @ (\S+) /.exec(message) ?? [];
  return name === undefined ? undefined : { name, address: parseAddress(host, port, nodeAt) };
}

function parseReplica(reply: unknown, nodeAt: NodeAt): ReportedReplica {
  const fields = fieldsOf(reply);
  const flags = (fields.get('flags') ?? '').split(',');
  return {
    address: parseAddress(fields.get('ip'), fields.get('port'), nodeAt),
    isHealthy: !['s_down', 'o_down', 'disconnected'].some((flag) => flags.includes(flag)),
  };
}

function parseAddress(host: string | undefined, port: string | undefined, nodeAt: NodeAt): NodeAddress {
  const number = Number(port);
  if (host === undefined || host === '' || !(number > 0 && number < 65_536)) throw nonsense();
  return nodeAt(host, number);
}

function fieldsOf(reply: unknown): Map<string, string> {
  const texts = textsOf(reply);
  const fields = new Map<string, string>();
  for (let at = 0; at + 1 < texts.length; at += 2) fields.set(texts[at] ?? '', texts[at + 1] ?? '');
  return fields;
}

function textsOf(reply: unknown): readonly string[] {
  if (!Array.isArray(reply)) throw nonsense();
  return reply.map(String);
}

function nonsense(): Error {
  return new Error('the answer makes no sense');
}
