/**
 * Watching keys: who watches is told the present value of each key and then each change that is seen of it. What is
 * told is what an `eventual` READ gives, and as fresh: a key is read again
 *
 *   - when it was changed here, or a change of it was announced, or any key may have been (`Cache` passes that on), and
 *   - each second as long as the near cache does not hold it under a live lease, since then nobody promises to
 *     announce its changes: the lease ended, the entry was evicted or never kept, Redis forgot whom to tell.
 *
 * All who watch a key share its reads, and who is slow costs no memory: of what was not taken yet only the key is
 * kept, and its value read again, mostly from the near cache, when it is asked for. So changes in between are passed
 * over, the last one never.
 *
 *   1. A change between the first read and the beginning of the watch: there is no such time. A watch is entered under
 *      its keys before they are read, so the change either is in what the read brings or is announced after it left.
 *   2. A change while a read is under way: the read may bring what was before. The key is stale then, and is read once
 *      more when this one has landed.
 *   3. Two changes while a read is under way: it is read once more, after both, and the first is passed over.
 *   4. Two reads of one key cannot overtake each other: there is one at a time.
 *   5. A change whose announcement is lost: its lease ends with the connection that lost it, and the next second's look
 *      finds the change.
 *   6. A value changes and changes back before it was taken: nothing is told, since what was told last holds.
 */
import type { Clock } from '../lib/clock';
import type { Key, Reply, Source, Value } from './command';
import { CacheError, toCacheError } from './errors';
import { etagOf } from './etag';
import type { Principal } from './grants';

/** Keys of one watch. */
export const WATCH_KEYS_MAX = 100;

/** A key as it is now; `value` undefined: absent. */
export interface Seen {
  readonly key: Key;
  readonly value: Value | undefined;
  /** Where the value was found. */
  readonly source: Source | undefined;
}

export interface Watch {
  /**
   * The next key whose value is another one than this watch has told of it; at first, each key as it is. Waits until
   * there is one. One call at a time.
   * @throws CacheError why the watch has ended; then it ends all later calls too. `unauthenticated`, `forbidden`: the
   * caller's rights have ended. Else what a READ of a key fails with, at once where nothing was told of the key yet,
   * and where something was, when it has failed for `FAILING_MS`
   */
  next(): Promise<Seen>;
  /** Ends it, for this reason. */
  close(reason: CacheError): void;
}

export interface WatchesOptions {
  /** An `eventual` READ, without a look at anybody's rights. */
  read(key: Key): Reply | Promise<Reply>;
  /** Whether the near cache would answer a READ of the key now. */
  holds(key: Key): boolean;
  readonly clock: Clock;
}

/** At the same time. */
const WATCHES_MAX = 1000;
/** Of all watches together; what is watched by several counts once. */
const KEYS_MAX = 10_000;
/** How often keys are read that nobody promises to announce. */
const LOOK_MS = 1000;
/** How many of them at the same time: all of `KEYS_MAX` take less than a second. */
const READS_MAX = 256;
/** A key that is changed thousands of times a second is read a hundred times. */
const PACE_MS = 10;
/** How often rights are looked at: what was revoked is known by then, and is to have ended within a second. */
const RIGHTS_MS = 100;
/** Longer than a failover takes, shorter than anybody wants to be shown what may have changed long ago. */
const FAILING_MS = 5000;

interface WatchedKey {
  readonly watches: Set<OneWatch>;
  /** The read under way, and the pause behind it. */
  landing: Promise<void> | undefined;
  /** It may have changed since that read left. */
  isStale: boolean;
  /** Since when each read of it has failed. */
  failingSinceMs: number | undefined;
}

export class Watches {
  readonly #options: WatchesOptions;
  readonly #keys = new Map<Key, WatchedKey>();
  readonly #watches = new Set<OneWatch>();
  #timers: readonly NodeJS.Timeout[] = [];
  #isLooking = false;
  /** There is a reason for another look when the present one is over. */
  #isLookDue = false;

  constructor(options: WatchesOptions) {
    this.#options = options;
  }

  /**
   * `caller`: who watches, as of now; throws when they are nobody any more. `keys`: at most `WATCH_KEYS_MAX`.
   * @throws CacheError `forbidden`; `unavailable` when there are too many watches or watched keys already
   */
  open(caller: () => Principal, keys: readonly Key[]): Watch {
    checkRights(caller(), keys);
    const added = keys.filter((key) => !this.#keys.has(key)).length;
    if (this.#watches.size >= WATCHES_MAX || this.#keys.size + added > KEYS_MAX) {
      throw new CacheError('unavailable', 'There are too many watches; try again soon.');
    }
    const watch = new OneWatch(caller, new Set(keys), {
      look: (key) => this.changed(key),
      leave: () => this.#leave(watch),
    });
    this.#watches.add(watch);
    for (const key of watch.keys) {
      const watched = this.#keys.get(key);
      if (watched !== undefined) watched.watches.add(watch);
      else this.#keys.set(key, newlyWatched(watch));
      this.changed(key);
    }
    this.#startTimers();
    return watch;
  }

  /** The key was changed, or may have been. Cheap for keys that nobody watches. */
  changed(key: Key): void {
    const watched = this.#keys.get(key);
    if (watched !== undefined) void this.#look(key, watched);
  }

  /** Any key was changed, or may have been. */
  changedAll(): void {
    // The near cache has let go of all keys. Those that it holds again by now were read since.
    if (this.#isLooking) this.#isLookDue = true;
    else void this.#lookAround();
  }

  /** Settles when the read of it that is under way now, or begins, has landed. Never rejects. */
  #look(key: Key, watched: WatchedKey): Promise<void> {
    watched.isStale = true;
    return (watched.landing ??= this.#read(key, watched));
  }

  async #read(key: Key, watched: WatchedKey): Promise<void> {
    watched.isStale = false;
    // Whoever begins to watch from now on may know of a change that this read does not see, and has one to come.
    const readers = [...watched.watches];
    this.#tell(readers, watched, key, await this.#options.read(key));
    await pause(PACE_MS);
    watched.landing = undefined;
    if (isDue(watched)) void this.#look(key, watched);
  }

  #tell(readers: readonly OneWatch[], watched: WatchedKey, key: Key, reply: Reply): void {
    if (reply.status === 'ERROR') {
      const nowMs = this.#options.clock.now();
      watched.failingSinceMs ??= nowMs;
      const isLasting = nowMs - watched.failingSinceMs >= FAILING_MS;
      for (const watch of readers) watch.fail(key, reply.error, isLasting);
      return;
    }
    watched.failingSinceMs = undefined;
    const isFound = reply.command === 'READ' && reply.status === 'SUCCESS';
    const value = isFound ? reply.value : undefined;
    const tag = value === undefined ? ABSENT : etagOf(value);
    const seen = { key, value, source: isFound ? reply.source : undefined };
    for (const watch of readers) watch.see(seen, tag);
  }

  async #lookAround(): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    do {
      const unheld = [...this.#keys].filter(([key]) => !this.#options.holds(key));
      for (let begin = 0; begin < unheld.length; begin += READS_MAX) {
        const window = unheld.slice(begin, begin + READS_MAX);
        await Promise.all(window.map(([key, watched]) => this.#look(key, watched)));
      }
    } while (this.#takeLookDue());
    this.#isLooking = false;
  }

  #takeLookDue(): boolean {
    const isDue = this.#isLookDue;
    this.#isLookDue = false;
    return isDue;
  }

  #leave(watch: OneWatch): void {
    this.#watches.delete(watch);
    for (const key of watch.keys) {
      const watched = this.#keys.get(key);
      watched?.watches.delete(watch);
      if (watched?.watches.size === 0) this.#keys.delete(key);
    }
    if (this.#watches.size > 0) return;
    for (const timer of this.#timers) clearInterval(timer);
    this.#timers = [];
  }

  #startTimers(): void {
    if (this.#timers.length > 0) return;
    const look = setInterval(() => void this.#lookAround(), LOOK_MS);
    const rights = setInterval(() => {
      for (const watch of this.#watches) watch.checkRights();
    }, RIGHTS_MS);
    this.#timers = [look.unref(), rights.unref()];
  }
}

/** No tag of a value. */
const ABSENT = '';

interface Waiter {
  resolve(seen: Seen): void;
  reject(error: CacheError): void;
}

class OneWatch implements Watch {
  readonly #caller: () => Principal;
  readonly #around: { look(key: Key): void; leave(): void };
  /** The tag of what was told last. */
  readonly #told = new Map<Key, string>();
  /** Keys of which something else is to be told. */
  readonly #untold = new Set<Key>();
  #waiter: Waiter | undefined;
  #ended: CacheError | undefined;
  /** Who may see all keys. */
  #principal: Principal | undefined;

  constructor(
    caller: () => Principal,
    readonly keys: ReadonlySet<Key>,
    around: { look(key: Key): void; leave(): void },
  ) {
    this.#caller = caller;
    this.#around = around;
  }

  next(): Promise<Seen> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject };
      this.#askForUntold();
    });
  }

  close(reason: CacheError): void {
    if (this.#ended !== undefined) return;
    this.#ended = reason;
    this.#around.leave();
    this.#waiter?.reject(reason);
    this.#waiter = undefined;
  }

  /** The key is so now; `tag` names its value. */
  see(seen: Seen, tag: string): void {
    if (this.#ended !== undefined) return;
    const { key } = seen;
    this.#untold.delete(key);
    if (this.#told.get(key) === tag) {
      this.#askForUntold();
    } else if (this.#waiter === undefined) {
      this.#untold.add(key);
    } else if (this.checkRights()) {
      this.#told.set(key, tag);
      this.#waiter.resolve(seen);
      this.#waiter = undefined;
    }
  }

  fail(key: Key, error: CacheError, isLasting: boolean): void {
    if (isLasting || !this.#told.has(key)) this.close(error);
  }

  /** False, and it has ended, where the caller may not see its keys any more. */
  checkRights(): boolean {
    try {
      const principal = this.#caller();
      if (principal !== this.#principal) checkRights(principal, this.keys);
      this.#principal = principal;
      return true;
    } catch (thrown) {
      this.close(toCacheError(thrown));
      return false;
    }
  }

  /** What was not taken is read again for who waits now. */
  #askForUntold(): void {
    const [key] = this.#untold;
    if (key !== undefined && this.#waiter !== undefined) this.#around.look(key);
  }
}

function newlyWatched(watch: OneWatch): WatchedKey {
  return { watches: new Set([watch]), landing: undefined, isStale: false, failingSinceMs: undefined };
}

function isDue({ isStale, watches }: WatchedKey): boolean {
  return isStale && watches.size > 0;
}

/** @throws CacheError `forbidden` */
function checkRights({ grants }: Principal, keys: Iterable<Key>): void {
  for (const key of keys) {
    if (grants.has('read') && grants.covers(key)) continue;
    throw new CacheError('forbidden', 'This client may not READ one of those keys.');
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}
