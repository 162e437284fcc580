/**
 * One shard's part in sessions (C2 across gateways): which of a session's positions are to be looked for here, whether a
 * node has applied them, and what is added to a session that has written here.
 */
import { createHash } from 'node:crypto';
import type { Position, Session } from '../core/session';
import { hasApplied, type Replication } from '../redis/replication';

/** Whether a history is that of the shard here, or of another one; undefined: nobody is known to have it. */
export type WhoseHistory = (lineage: string) => 'here' | 'elsewhere' | undefined;

export class SessionPositions {
  /** How session tokens call the shard. */
  #id: string;
  readonly #whose: WhoseHistory | undefined;

  /** `whose` in a cluster, where a shard's name can pass to another one with a replica. */
  constructor(name: string, whose: WhoseHistory | undefined) {
    this.#id = shardIdOf(name);
    this.#whose = whose;
  }

  rename(name: string): void {
    this.#id = shardIdOf(name);
  }

  /** What the session wrote here: by the history where that is known, else by the shard's name. */
  of(session: Session | undefined): readonly Position[] {
    const whose = this.#whose;
    if (session === undefined || whose === undefined) return session?.positionsOn(this.#id) ?? [];
    return session.positions.filter(({ shard, lineage }) => {
      const owner = whose(lineage);
      return owner === undefined ? shard === this.#id : owner === 'here';
    });
  }

  /** The session with what was written here up to where the master stands. */
  renewed(session: Session, state: Replication): Session {
    const written = { shard: this.#id, lineage: state.lineage.slice(0, 16), offset: state.offset };
    return session.with(written, (older) => hasPosition(state, older));
  }
}

/** Whether a node in that state has all that the positions stand for. */
export function hasAll(state: Replication, positions: readonly Position[]): boolean {
  return positions.every((position) => hasPosition(state, position));
}

function hasPosition(state: Replication, { lineage, offset }: Position): boolean {
  return hasApplied(state, lineage, offset) === 'yes';
}

/** 12 hex digits that are the same on every gateway. */
export function shardIdOf(name: string): string {
  return createHash('sha256').update(name).digest('hex').slice(0, 12);
}
