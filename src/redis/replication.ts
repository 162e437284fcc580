/** The replication section of Redis's INFO, as far as routing needs it. */

export interface Replication {
  readonly role: 'master' | 'replica';
  /** The replication id: offsets can be compared only within one. A master without its data gets a new one. */
  readonly lineage: string;
  /** On a master: bytes of the stream it has written. On a replica: bytes it has *applied*. */
  readonly offset: number;
  /** On a replica: connected to its master, and not in the middle of a full resync. Always true on a master. */
  readonly linkUp: boolean;
}

/** Source: https://redis.io/docs/latest/commands/info/, section Replication. undefined: not such a text. */
export function parseReplication(info: string): Replication | undefined {
  const role = field(info, 'role');
  const lineage = field(info, 'master_replid');
  if (lineage === undefined) return undefined;
  if (role === 'master') {
    const offset = Number(field(info, 'master_repl_offset'));
    return Number.isSafeInteger(offset) ? { role, lineage, offset, linkUp: true } : undefined;
  }
  if (role !== 'slave') return undefined;
  const offset = Number(field(info, 'slave_repl_offset'));
  if (!Number.isSafeInteger(offset)) return undefined;
  const linkUp = field(info, 'master_link_status') === 'up' && field(info, 'master_sync_in_progress') !== '1';
  return { role: 'replica', lineage, offset, linkUp };
}

function field(info: string, name: string): string | undefined {
  const start = info.startsWith(`${name}:`) ? 0 : info.indexOf(`\n${name}:`) + 1;
  if (start === 0 && !info.startsWith(`${name}:`)) return undefined;
  const end = info.indexOf('\r', start);
  return info.slice(start + name.length + 1, end === -1 ? undefined : end);
}
