/**
 * The near cache after a restart: which keys it had is saved, and they are read again in the background.
 *
 *   R12  1. k is in the near cache with v1, and a snapshot is saved
 *        2. this gateway is gone; others write v2
 *        3. it starts again from the snapshot of 1
 *
 * So a snapshot has the key and never the value. Each key is asked for as by any caller, with a ticket and under the lease
 * of the node that answers; what the snapshot decides is which questions are asked, never an answer.
 */
import type { Clock } from '../lib/clock';
import type { CacheService } from './cache';
import type { Key } from './command';
import { Grants, type Principal } from './grants';
import type { NearCache } from './near-cache';
import type { Log, SnapshotContent } from './ports';

export interface WarmUpOptions {
  readonly cache: Pick<CacheService, 'execute'>;
  /** In the order in which they are read, so those that were used last come last. */
  readonly keys: readonly Key[];
  readonly clock: Clock;
  readonly log: Log;
}

export interface WarmUp {
  /** Settles when it is over, for whatever reason. Never rejects. */
  readonly done: Promise<void>;
  /** It is over, and was not ended by `close`. */
  readonly isComplete: boolean;
  /** Asks for no more keys. */
  close(): void;
}

/** Reads at the same time. */
const READS_MAX = 16;
const READ_MS = 2000;
/** When a shard cannot be asked. */
const RETRY_MS = 1000;
/** In a row; then the store is away for longer than near values are worth waiting for. */
const RETRIES_MAX = 60;
/** A near cache that is larger is saved in part. */
const KEYS_MAX = 100_000;
const PAGE_KEYS = 1000;
/** Of void and of repeated ones. */
const STEPS_MAX = 4 * KEYS_MAX;

/** Nobody can log in as this one. */
const READER: Principal = { id: 'warm-up', name: 'warm-up', grants: new Grants(['read'], []) };

/** The keys that a near cache has now, as what is saved of it: those used last come last. */
export function savedKeys(near: Pick<NearCache, 'keyPages'>, clock: Clock): SnapshotContent {
  return {
    marks: () => ({ asOfMs: clock.wallMs(), horizon: 0 }),
    *pages() {
      const found = new Set<Key>();
      let steps = 0;
      for (const page of near.keyPages(PAGE_KEYS)) {
        for (const key of page) found.add(key);
        steps += PAGE_KEYS;
        if (found.size >= KEYS_MAX || steps >= STEPS_MAX) break;
        // A page of nothing, for the turn of the event loop that comes with it.
        yield [];
      }
      const keys = [...found].reverse();
      for (let at = 0; at < keys.length; at += PAGE_KEYS) {
        yield keys
          .slice(at, at + PAGE_KEYS)
          .map((key) => ({ key, bytes: undefined, expiresAtMs: Infinity, time: 0, origin: '' }));
      }
    },
  };
}

/** Begins to read the keys, a few at a time, and rests for as long as each few took: callers come first. */
export function openWarmUp(options: WarmUpOptions): WarmUp {
  const closing = new AbortController();
  let isComplete = false;
  const done = warmUp(options, closing.signal).then(() => {
    isComplete = !closing.signal.aborted;
  });
  return {
    done,
    get isComplete() {
      return isComplete;
    },
    close: () => closing.abort(),
  };
}

async function warmUp({ cache, keys, clock, log }: WarmUpOptions, signal: AbortSignal): Promise<void> {
  const beganMs = clock.now();
  let found = 0;
  let read = 0;
  for (let retries = 0; read < keys.length && !signal.aborted && retries <= RETRIES_MAX;) {
    const few = keys.slice(read, read + READS_MAX);
    const askedMs = clock.now();
    const deadlineMs = askedMs + READ_MS;
    const replies = await Promise.all(
      few.map(async (key) =>
        cache.execute(READER, { command: 'READ', key, consistency: 'eventual' }, deadlineMs),
      ),
    );
    if (replies.some((reply) => reply.status === 'ERROR' && isAway(reply.error.code))) {
      retries += 1;
      await rest(RETRY_MS, signal);
      continue;
    }
    retries = 0;
    read += few.length;
    found += replies.filter(({ status }) => status === 'SUCCESS').length;
    await rest(clock.now() - askedMs, signal);
  }
  const seconds = (clock.now() - beganMs) / 1000;
  if (keys.length > 0) log.info({ keys: keys.length, read, found, seconds }, 'near cache warmed up');
}

function isAway(code: string): boolean {
  return code === 'unavailable' || code === 'timeout';
}

function rest(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end);
    if (signal.aborted) end();
  });
}
