/** The replication section of Redis's INFO, as far as routing needs it. */

export interface Replication {
  readonly role: 'master' | 'replica';
  /** The replication id: offsets can be compared only within one. A master without its data gets a new one. */
  readonly lineage: string;
  /** On a master: bytes of the stream it has written. On a replica: bytes it has *applied*. */
  readonly offset: number;
  /** The history that this one continues after a failover, up to `previousEnd`; undefined: none. */
  readonly previousLineage: string | undefined;
  /** The first offset that is not of the previous lineage any more. */
  readonly previousEnd: number;
  /**
   * The first offset that the node could still tell others of; 0 when not known. A replica that was loaded anew
   * begins where it was loaded.
   */
  readonly backlogStart: number;
  /** On a replica: connected to its master, and not in the middle of a full resync. Always true on a master. */
  readonly linkUp: boolean;
  /** On a master: it refuses writes because it has none of the replicas that it must have. False on a replica. */
  readonly lacksReplicas: boolean;
}

/** Source: https://redis.io/docs/latest/commands/info/, section Replication. undefined: not such a text. */
export function parseReplication(info: string): Replication | undefined {
  const role = field(info, 'role');
  const lineage = field(info, 'master_replid');
  if (lineage === undefined) return undefined;
  const second = Number(field(info, 'second_repl_offset') ?? -1);
  const hasPrevious = Number.isSafeInteger(second) && second >= 0;
  const previousLineage = hasPrevious ? field(info, 'master_replid2') : undefined;
  const first = Number(field(info, 'repl_backlog_first_byte_offset') ?? 0);
  const backlogStart = Number.isSafeInteger(first) ? first : 0;
  const histories = { lineage, previousLineage, previousEnd: hasPrevious ? second : 0, backlogStart };
  if (role === 'master') {
    const offset = Number(field(info, 'master_repl_offset'));
    if (!Number.isSafeInteger(offset)) return undefined;
    // It says how many it has where it needs any.
    const lacksReplicas = field(info, 'min_slaves_good_slaves') === '0';
    return { role, ...histories, offset, linkUp: true, lacksReplicas };
  }
  if (role !== 'slave') return undefined;
  const offset = Number(field(info, 'slave_repl_offset'));
  if (!Number.isSafeInteger(offset)) return undefined;
  const linkUp = field(info, 'master_link_status') === 'up' && field(info, 'master_sync_in_progress') !== '1';
  return { role: 'replica', ...histories, offset, linkUp, lacksReplicas: false };
}

/**
 * Whether a node in this state has applied what was at `offset` in the history `lineage`, of whose id the beginning
 * is enough. `lost`: its history does not have that; a failover dropped it, or the history is not known here.
 */
export function hasApplied(state: Replication, lineage: string, offset: number): 'yes' | 'not yet' | 'lost' {
  if (state.lineage.startsWith(lineage)) return state.offset >= offset ? 'yes' : 'not yet';
  const isPrevious = state.previousLineage?.startsWith(lineage) === true && offset < state.previousEnd;
  if (!isPrevious) return 'lost';
  return state.offset >= offset ? 'yes' : 'not yet';
}

function field(info: string, name: string): string | undefined {
  const start = info.startsWith(`${name}:`) ? 0 : info.indexOf(`\n${name}:`) + 1;
  if (start === 0 && !info.startsWith(`${name}:`)) return undefined;
  const end = info.indexOf('\r', start);
  return info.slice(start + name.length + 1, end === -1 ? undefined : end);
}
