/**
 * How a gateway reads its own writes although replicas lag (C2, first sentence):
 *
 *   1. WRITE K on the master; the reply to a ROLE sent behind it tells an offset of the replication stream that
 *      has the write in it. The key is *marked* with that offset before the write is acked.
 *   2. A READ of K may be answered by a replica only if that replica is known to have applied so much; else the
 *      master answers it.
 *   3. When every replica in use has applied a mark's offset, the mark has done its work and is dropped.
 *
 * Dropping a mark must not let in a replica that was not asked, because it was away at 3 and comes back with old
 * data. So the largest offset of all dropped marks is kept as the *floor*: below it a replica serves nothing. That
 * also bounds the memory: with too many marks the floor rises to the largest, and the replicas catch up with that.
 *
 * Offsets compare only within one lineage (Redis's replication id). A master that comes back with another one has
 * a new history: all that is known of the old is dropped, and the floor is where the new one stands.
 */
import type { Key } from '../core/command';
import type { Replication } from '../redis/replication';

/** Keys marked at once; some 10 MB at worst. */
const MARKS_MAX = 65_536;

export class WriteMarks {
  /** In the order of the last write of each key, and so of the offsets. `Infinity`: not known yet. */
  readonly #marks = new Map<Key, number>();
  /** The keys whose offset is not known yet, and when they were marked (monotonic). */
  readonly #unplaced = new Map<Key, number>();
  readonly #marksMax: number;
  #lineage: string | undefined;
  #floor = 0;
  /** The master's offset as last heard: nothing acked before that lies behind it. */
  #highest = 0;
  /** Since when (monotonic) the floor waits for the master's word, while it is `Infinity`. */
  #openSinceMs = -Infinity;

  constructor(marksMax = MARKS_MAX) {
    this.#marksMax = marksMax;
  }

  /** Any marks left: worth asking the replicas how far they are. */
  get pending(): boolean {
    return this.#marks.size > 0;
  }

  /** Below this offset a replica serves nothing. It rises as marks do their work. */
  get floor(): number {
    return this.#floor;
  }

  /**
   * What the master says of itself, asked at `askedAtMs` (monotonic). It settles only what was open before that: a
   * write on another connection may have been carried out between the master's answer and our hearing it. A new
   * lineage starts a new account.
   */
  observeMaster(master: Replication, askedAtMs: number): void {
    if (master.role !== 'master') return;
    if (master.lineage !== this.#lineage) {
      // Before the first lineage nothing was acked, so nothing can be missing.
      if (this.#floor !== Infinity) this.#floor = this.#lineage === undefined ? 0 : master.offset;
      this.#lineage = master.lineage;
      // What was announced of the new history while this answer was on its way is in none of its offsets.
      for (const key of this.#marks.keys()) {
        const markedMs = this.#unplaced.get(key);
        if (markedMs === undefined || markedMs < askedAtMs) this.#marks.delete(key);
      }
      this.#highest = 0;
    }
    this.#highest = Math.max(this.#highest, master.offset);
    for (const [key, markedMs] of this.#unplaced) {
      // In the order of their writes.
      if (markedMs >= askedAtMs) break;
      this.#unplaced.delete(key);
      if (this.#marks.has(key)) this.#marks.set(key, this.#highest);
    }
    if (this.#floor === Infinity && askedAtMs > this.#openSinceMs) this.#floor = this.#highest;
  }

  /**
   * Keys have come to the master from another shard, with writes in them that were marked there:
   *
   *   1. WRITE K is acked on shard A  2. K's slot moves to shard B  3. a READ of K asks a replica of B, which lags
   *
   * So replicas serve nothing until they have what the master had after `nowMs`.
   */
  arrive(nowMs: number): void {
    this.#openSinceMs = nowMs;
    this.#floor = Infinity;
  }

  /**
   * A write of `key` is about to be acked at `nowMs`, and `offset` has it in it. `Infinity` where that could not be
   * learnt: then the key stays with the master until the master has told its offset.
   */
  mark(key: Key, offset: number, nowMs: number): void {
    if (offset === Infinity) {
      this.#unplaced.delete(key);
      this.#unplaced.set(key, nowMs);
    } else this.#highest = Math.max(this.#highest, offset);
    const before = this.#marks.get(key) ?? 0;
    this.#marks.delete(key);
    this.#marks.set(key, Math.max(offset, before));
    if (this.#marks.size <= this.#marksMax) return;
    // Of what has no offset yet only the master can answer; it says so with its next probe.
    if (this.#unplaced.size > 0) this.arrive(nowMs);
    else this.#floor = Math.max(this.#floor, this.#highest);
    this.#marks.clear();
    this.#unplaced.clear();
  }

  /**
   * Another gateway tells of a change, at that offset of that history. Of another history than the master's here, which
   * may be the one before a failover or the one behind it, the offset says nothing.
   */
  markAnnounced(key: Key, lineage: string | undefined, offset: number, nowMs: number): void {
    this.mark(key, lineage === this.#lineage ? offset : Infinity, nowMs);
  }

  /** As `mark`, where any key may have been changed: replicas serve nothing until they have that offset. */
  markAll(offset: number): void {
    this.#highest = Math.max(this.#highest, offset);
    this.#floor = Math.max(this.#floor, offset);
  }

  /** Whether a replica in this state may answer for anything at all. */
  admits(replica: Replication): boolean {
    if (replica.role !== 'replica' || replica.offset < this.#floor) return false;
    return this.#lineage === undefined || replica.lineage === this.#lineage;
  }

  /** Whether an admitted replica may answer for `key`. */
  covers(replica: Replication, key: Key): boolean {
    const offset = this.#marks.get(key);
    return offset === undefined || replica.offset >= offset;
  }

  /** Drops the marks that each of the given replicas, all that are in use, has passed. */
  settle(replicas: readonly Replication[]): void {
    if (this.#marks.size === 0 || replicas.length === 0) return;
    let common = Infinity;
    for (const { offset } of replicas) common = Math.min(common, offset);
    for (const [key, offset] of this.#marks) {
      if (offset === Infinity) continue;
      // The marks stand in the order of their writes, so what follows is later still.
      if (offset > common) break;
      this.#marks.delete(key);
      this.#floor = Math.max(this.#floor, offset);
    }
  }
}
