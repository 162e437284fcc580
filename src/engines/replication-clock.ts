/**
 * How fresh a replica is, in time instead of bytes. The master tells an offset; all writes that were acked before it
 * was asked lie below that. A replica that has applied so much has all of them.
 */
import type { Replication } from '../redis/replication';

/** At five a second, and a few more around a failover: longer than the lease. */
const SAMPLES_MAX = 8;

interface Sample {
  readonly askedAtMs: number;
  readonly lineage: string;
  readonly offset: number;
}

export class ReplicationClock {
  /** The newest first. */
  #samples: readonly Sample[] = [];

  /** What the master answered to a question that was sent at `askedAtMs` (monotonic). */
  observeMaster({ lineage, offset }: Replication, askedAtMs: number): void {
    this.#samples = [{ askedAtMs, lineage, offset }, ...this.#samples].slice(0, SAMPLES_MAX);
  }

  /** All writes acked before this time (monotonic) have been applied by a replica in that state. */
  asOfMs(replica: Replication): number {
    for (const { askedAtMs, lineage, offset } of this.#samples) {
      if (lineage === replica.lineage && offset <= replica.offset) return askedAtMs;
    }
    return -Infinity;
  }
}
