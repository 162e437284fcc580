/**
 * Slows down whoever tries API keys. Failures are counted per network address and per client id; five are free, then
 * each one costs a wait of 1, 2, 4 … 60 seconds, until a quarter of an hour without a failure.
 *
 * An address that has to wait is refused whatever it brings. A client id that has to wait only turns wrong keys
 * away: ids are no secret, so if it held back the right key too, anybody could lock anybody out by guessing at his
 * id. The right key needs no such protection, since 256 random bits are not guessed at any speed. For the same
 * reason a key that names no client id (the setting API_KEY is one) counts for the address only.
 */
import { LRUCache } from 'lru-cache';
import { CacheError } from '../core/errors';
import type { Clock } from '../lib/clock';

const FREE_FAILURES = 5;
const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 60_000;
const FORGOTTEN_AFTER_MS = 15 * 60_000;
const BUCKETS_MAX = 5000;

export class LoginThrottle {
  readonly #addresses: FailureBuckets;
  readonly #clients: FailureBuckets;

  constructor(clock: Clock) {
    this.#addresses = new FailureBuckets(clock);
    this.#clients = new FailureBuckets(clock);
  }

  /** @throws CacheError `throttled` while the address has to wait. */
  checkAddress(address: string): void {
    checkWait(this.#addresses.waitMs(networkOf(address)));
  }

  /**
   * Counts a failed login; `clientId` is the one that the key named, known or not.
   * @throws CacheError `throttled` when the client id has to wait already; that failure does not prolong its wait.
   */
  recordFailure(address: string, clientId: string | undefined): void {
    this.#addresses.add(networkOf(address));
    if (clientId === undefined) return;
    checkWait(this.#clients.waitMs(clientId));
    this.#clients.add(clientId);
  }

  /**
   * Forgives the address its failures, so that one stale key does not lock out all who share its address behind a
   * proxy. Whoever holds a good key can forgive himself this way: against him stands the length of the others.
   */
  recordSuccess(address: string): void {
    this.#addresses.clear(networkOf(address));
  }
}

interface Bucket {
  readonly failures: number;
  /** Monotonic. */
  readonly lastFailureAtMs: number;
}

/**
 * Failures by name, in bounded memory. Buckets that have to wait are kept apart from the rest, so that a flood of
 * names with one failure each cannot push them out: that takes as many names that had to wait themselves.
 */
class FailureBuckets {
  readonly #free = new LRUCache<string, Bucket>({ max: BUCKETS_MAX });
  readonly #waiting = new LRUCache<string, Bucket>({ max: BUCKETS_MAX });
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  waitMs(name: string): number {
    const bucket = this.#waiting.peek(name);
    if (bucket === undefined) return 0;
    const doublings = bucket.failures - FREE_FAILURES - 1;
    const waitMs = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** doublings);
    return Math.max(0, bucket.lastFailureAtMs + waitMs - this.#clock.now());
  }

  add(name: string): void {
    const now = this.#clock.now();
    const before = this.#waiting.peek(name) ?? this.#free.peek(name);
    const counts = before !== undefined && now - before.lastFailureAtMs < FORGOTTEN_AFTER_MS;
    const failures = counts ? before.failures + 1 : 1;
    this.clear(name);
    const buckets = failures > FREE_FAILURES ? this.#waiting : this.#free;
    buckets.set(name, { failures, lastFailureAtMs: now });
  }

  clear(name: string): void {
    this.#free.delete(name);
    this.#waiting.delete(name);
  }
}

function checkWait(waitMs: number): void {
  if (waitMs <= 0) return;
  throw new CacheError('throttled', 'Too many failed logins; try again later.', {
    retryAfterSeconds: Math.ceil(waitMs / 1000),
  });
}

/**
 * What counts as one address: an IPv4 address, also when IPv6 wraps it, and the /64 that an IPv6 address lies in,
 * since that is the least anybody is given. Text that is no address stands for itself.
 */
export function networkOf(address: string): string {
  const [bare = ''] = address.split('%', 1);
  if (!bare.includes(':') || !URL.canParse(`http://[${bare}]`)) return bare;
  // The URL standard's serialiser spells an address in one way only: hex groups, the longest run of zeros as "::".
  const canonical = new URL(`http://[${bare}]`).hostname.slice(1, -1);
  const [head = '', tail] = canonical.split('::');
  const first = head === '' ? [] : head.split(':');
  const last = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = Array<string>(8 - first.length - last.length).fill('0');
  const groups = [...first, ...zeros, ...last].map((group) => parseInt(group, 16));
  const isMapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff;
  if (isMapped) {
    return groups
      .slice(6)
      .flatMap((group) => [group >> 8, group & 0xff])
      .join('.');
  }
  return `${groups
    .slice(0, 4)
    .map((group) => group.toString(16))
    .join(':')}::/64`;
}
