/**
 * What keeps the commands of one connection in order although they go different ways. What is relayed to the master of
 * a shard takes effect there in the order in which it was sent (`core/relay.ts`). A read may also be answered
 * *elsewhere*: by the near cache, on a flight of another caller, or by a replica; and a change may be overtaken by, or
 * overtake, only what goes another way than itself:
 *
 *   1. GET k     asks a replica, which answers late
 *      SET k     reaches the master, and the replica, before the GET: it would read what was written behind it.
 *                So the SET waits for the GET (`beforeChange`).
 *   2. SET k     is under way to the master
 *      GET k     would hit the near cache, or a replica that has not applied it: it would read what was before.
 *                So the GET goes to the master as well, behind the SET (`isChanging`).
 *   3. SET k     is done: its offset is marked, and near entry and flights are forgotten before its reply is handed on
 *      GET k     may go anywhere again.
 *   4. EVAL …    may change any key
 *      GET k     as 2, whatever k is; and before the EVAL leaves, all reads elsewhere are waited for, as in 1.
 *
 * On several shards there is no common order of what names no keys, or all of them; such a command goes alone.
 */
import type { Key } from '../../core/command';

export class CommandOrder {
  /** How many reads of a key are under way elsewhere. */
  readonly #reads = new Map<Key, number>();
  readonly #changes = new Map<Key, number>();
  /** Under way, and any key may be concerned. */
  #sweeps = 0;
  /** At most one: while somebody waits, no further command is taken from the connection. */
  #waiting: { readonly keys: readonly Key[] | 'all'; readonly proceed: () => void } | undefined;

  /** Only the master can say what the connection must see under the key. */
  isChanging(key: Key): boolean {
    return this.#sweeps > 0 || (this.#changes.size > 0 && this.#changes.has(key));
  }

  areChanging(keys: readonly Key[]): boolean {
    return this.#sweeps > 0 || (this.#changes.size > 0 && keys.some((key) => this.#changes.has(key)));
  }

  beginRead(keys: readonly Key[]): void {
    for (const key of keys) increment(this.#reads, key);
  }

  endRead(keys: readonly Key[]): void {
    for (const key of keys) decrement(this.#reads, key);
    const waiting = this.#waiting;
    if (waiting === undefined || this.#areBeingRead(waiting.keys)) return;
    this.#waiting = undefined;
    waiting.proceed();
  }

  beginChange(keys: readonly Key[]): void {
    for (const key of keys) increment(this.#changes, key);
  }

  endChange(keys: readonly Key[]): void {
    for (const key of keys) decrement(this.#changes, key);
  }

  beginSweep(): void {
    this.#sweeps += 1;
  }

  endSweep(): void {
    this.#sweeps -= 1;
  }

  /**
   * Until a change of these keys, or of any that it likes, may leave; undefined: now. Ends with the reads that are
   * under way, each of which has a deadline.
   */
  beforeChange(keys: readonly Key[] | 'all'): Promise<void> | undefined {
    if (!this.#areBeingRead(keys)) return undefined;
    return new Promise((proceed) => {
      this.#waiting = { keys, proceed };
    });
  }

  #areBeingRead(keys: readonly Key[] | 'all'): boolean {
    if (this.#reads.size === 0) return false;
    return keys === 'all' || keys.some((key) => this.#reads.has(key));
  }
}

function increment(counts: Map<Key, number>, key: Key): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

function decrement(counts: Map<Key, number>, key: Key): void {
  const count = counts.get(key) ?? 0;
  if (count > 1) counts.set(key, count - 1);
  else counts.delete(key);
}
