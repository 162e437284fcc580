/**
 * Where a redirection leads: only to nodes that the cluster itself announces, after it was asked how it is where that is
 * not known yet.
 */
import type { Log } from '../core/ports';
import type { Clock } from '../lib/clock';
import { withDeadline } from '../lib/deadline';
import { unreachable, type Redirected } from '../redis/redis-errors';
import type { ClusterMap } from './cluster-map';
import type { Shard } from './shard';
import type { Slot } from './slot-map';

/** How often one command is sent elsewhere. Two are usual; more where nodes have not heard of a move yet. */
export const REDIRECTIONS_MAX = 8;

export class ClusterRedirects {
  readonly #map: ClusterMap;
  readonly #clock: Clock;
  readonly #log: Log;
  /** The log tells of each node once in a row. */
  #refusedName: string | undefined;

  constructor(map: ClusterMap, { clock, log }: { readonly clock: Clock; readonly log: Log }) {
    this.#map = map;
    this.#clock = clock;
    this.#log = log;
  }

  /** The shard to ask after a redirection of `by`. @throws CacheError `unavailable` when it leads out of the cluster */
  async follow(error: Redirected, slot: Slot, by: Shard, deadlineMs: number): Promise<Shard | undefined> {
    const { redirection } = error;
    const name = this.#map.nameOf(redirection, by);
    if (redirection.kind === 'ask') {
      if (this.#map.find(redirection, by) === undefined) {
        await waitFor(this.#map.refresh(), deadlineMs, this.#clock);
      }
    } else {
      // The node that is said to own the slot knows best. A round that was under way may have asked before the move.
      for (let round = 0; round < 2 && !this.#owns(redirection, slot, by); round += 1) {
        await waitFor(this.#map.refresh(name), deadlineMs, this.#clock);
      }
    }
    const found = this.#map.find(redirection, by);
    if (found === undefined) {
      if (name !== this.#refusedName) {
        this.#log.warn(
          { node: name },
          'redirected to a node that the cluster does not announce: not followed',
        );
      }
      this.#refusedName = name;
      throw unreachable();
    }
    return redirection.kind === 'ask' ? found.shard : this.#map.ownerOf(slot);
  }

  #owns(redirection: Redirected['redirection'], slot: Slot, by: Shard): boolean {
    const found = this.#map.find(redirection, by);
    return found?.isMaster === true && found.shard === this.#map.ownerOf(slot);
  }
}

/** A round over nodes that are all frozen takes seconds; nobody waits for it beyond the own deadline. */
export async function waitFor(round: Promise<void>, deadlineMs: number, clock: Clock): Promise<void> {
  await withDeadline(round, deadlineMs - clock.now(), unreachable).catch(() => undefined);
}
