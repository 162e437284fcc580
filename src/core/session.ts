/**
 * A session: what one caller has written, wherever it did so, as positions in the shards' replication streams. A
 * `session` read must see all of it (C2). Callers carry it from answer to request as an opaque token.
 */

/** How far a node must be to have seen what a session wrote to one shard. */
export interface Position {
  /** Names the shard in the same way on every gateway of a deployment; 12 hex digits. */
  readonly shard: string;
  /** The history that the offset belongs to: the first 16 hex digits of Redis's replication id. */
  readonly lineage: string;
  readonly offset: number;
}

/** Positions in one session: a token of so many stays under 1 KiB. */
export const POSITIONS_MAX = 32;

export class Session {
  /** A session that has written nothing yet. */
  static readonly empty = new Session([], false);

  /**
   * At most `POSITIONS_MAX` positions. `isOverflowing`: there were more; of shards without a position only the
   * master may then be asked.
   */
  constructor(
    readonly positions: readonly Position[],
    readonly isOverflowing: boolean,
  ) {}

  get isEmpty(): boolean {
    return this.positions.length === 0 && !this.isOverflowing;
  }

  /** What was written to the shard; several where the shard's history changed on the way. */
  positionsOn(shard: string): readonly Position[] {
    return this.positions.filter((position) => position.shard === shard);
  }

  /**
   * With a write that has just been made: it comes first and takes the place of the shard's positions for which
   * `includes` is true, those that the history of the new one has in it. Any other stays, so that its loss is told
   * to the next read.
   */
  with(written: Position, includes: (older: Position) => boolean): Session {
    const kept = this.positions.filter((older) => older.shard !== written.shard || !includes(older));
    return bounded([written, ...kept], this.isOverflowing);
  }

  /**
   * What became of this session in several writes that all began with it: all that any of them has written, without
   * what any of them has made superfluous.
   */
  mergeRenewed(renewed: readonly Session[]): Session {
    const merged = new Map<string, Position>();
    for (const session of renewed) {
      for (const position of session.positions) {
        const isOld = this.positions.includes(position);
        if (isOld && !renewed.every(({ positions }) => positions.includes(position))) continue;
        const name = `${position.shard} ${position.lineage}`;
        const twin = merged.get(name);
        if (twin === undefined || twin.offset < position.offset) merged.set(name, position);
      }
    }
    const isOverflowing = this.isOverflowing || renewed.some((session) => session.isOverflowing);
    return bounded([...merged.values()], isOverflowing);
  }
}

function bounded(positions: readonly Position[], wasOverflowing: boolean): Session {
  const isOverflowing = wasOverflowing || positions.length > POSITIONS_MAX;
  return new Session(positions.slice(0, POSITIONS_MAX), isOverflowing);
}
