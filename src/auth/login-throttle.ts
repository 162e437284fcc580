/**
 * Slows down whoever tries API keys. Failures are counted per network address and per client id; five are free, then
 * each one costs a wait of 1, 2, 4 … 60 seconds, until a quarter of an hour without a failure.
 *
 * No wait holds back the right key of a named client. Its 256 random bits are not guessed at any speed, so there is
 * nothing to protect, and whoever shares an address with it, or knows its id, which is no secret, could lock it out
 * by failing. What can be guessed is API_KEY, since people choose it: to that, as to every wrong key, an address that
 * has to wait is closed. A key that names no client id (API_KEY is one) counts for the address only.
 *
 * Workers that share the ports tell each other of failures (`SharedThrottle`), which takes a moment:
 *
 *   1. a guesser, whose wait is over, asks n workers at the same instant,
 *   2. each of them compares his guess before it hears from the others: n guesses for one wait.
 *
 * So waits end at one worker after the other, `HEARD_MS` apart, and among the failures that are free each costs
 * `HEARD_MS`: with n workers n − 1 guesses more are free, once, and not one more for each wait.
 */
import { LRUCache } from 'lru-cache';
import { CacheError } from '../core/errors';
import type { Clock } from '../lib/clock';

const FREE_FAILURES = 5;
const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 60_000;
const FORGOTTEN_AFTER_MS = 15 * 60_000;
const BUCKETS_MAX = 5000;
/** Until the others have heard of a failure. */
const HEARD_MS = 100;

/** What workers tell each other. No secret is in it. */
export type ThrottleNews =
  | { readonly kind: 'failure'; readonly network: string; readonly clientId: string | undefined }
  | { readonly kind: 'forgiven'; readonly network: string };

/** The workers that share the ports, as one of them sees them. */
export interface SharedThrottle {
  /** Of this worker, from 1. */
  readonly number: number;
  /** Tells all others. */
  tell(news: ThrottleNews): void;
  /** Who hears what the others tell. */
  listen(listener: (news: ThrottleNews) => void): void;
}

export class LoginThrottle {
  readonly #addresses: FailureBuckets;
  readonly #clients: FailureBuckets;
  readonly #shared: SharedThrottle | undefined;

  constructor(clock: Clock, shared?: SharedThrottle) {
    this.#addresses = new FailureBuckets(
      clock,
      shared && { free: HEARD_MS, waiting: HEARD_MS * (shared.number - 1) },
    );
    this.#clients = new FailureBuckets(clock);
    this.#shared = shared;
    shared?.listen((news) => this.#hear(news));
  }

  /**
   * `clientId` is the one that the key named, known or not; it is for the log.
   * @throws CacheError `throttled` while the address has to wait.
   */
  checkAddress(address: string, clientId: string | undefined): void {
    checkWait(this.#addresses.waitMs(networkOf(address)), causeOfRefusal('address has to wait', clientId));
  }

  /**
   * Counts a failed login; `clientId` as above.
   * @throws CacheError `throttled` when the client id has to wait already; that failure does not prolong its wait.
   */
  recordFailure(address: string, clientId: string | undefined): void {
    const network = networkOf(address);
    this.#shared?.tell({ kind: 'failure', network, clientId });
    this.#addresses.add(network);
    if (clientId === undefined) return;
    checkWait(this.#clients.waitMs(clientId), causeOfRefusal('client has to wait', clientId));
    this.#clients.add(clientId);
  }

  /**
   * Forgives the address its failures, after a login with API_KEY: so somebody's stale key behind the same proxy
   * does not make its holder wait again each time. A login with another key must not forgive anything, or
   *
   *   1. the holder of any named client's key guesses at API_KEY five times,
   *   2. logs in with his own key, which forgives him, and goes on with 1.
   *
   * The holder of API_KEY has nothing left to guess. A stranger at his address gains five guesses a login of his.
   */
  forgive(address: string): void {
    const network = networkOf(address);
    if (this.#addresses.clear(network)) this.#shared?.tell({ kind: 'forgiven', network });
  }

  #hear(news: ThrottleNews): void {
    if (news.kind === 'forgiven') {
      this.#addresses.clear(news.network);
      return;
    }
    this.#addresses.add(news.network);
    const { clientId } = news;
    // As where it happened: a failure while the client id has to wait does not prolong its wait.
    if (clientId !== undefined && this.#clients.waitMs(clientId) <= 0) this.#clients.add(clientId);
  }
}

/** Why a login was refused, in words for the log; a client id is no secret. */
export function causeOfRefusal(reason: string, clientId: string | undefined): string {
  return clientId === undefined ? reason : `${reason}, client id ${clientId}`;
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
  readonly #heardMs: { readonly free: number; readonly waiting: number };

  /** `heardMs`: what waits are longer by, so that others hear of a failure. */
  constructor(clock: Clock, heardMs = { free: 0, waiting: 0 }) {
    this.#clock = clock;
    this.#heardMs = heardMs;
  }

  waitMs(name: string): number {
    const bucket = this.#waiting.peek(name) ?? this.#free.peek(name);
    if (bucket === undefined) return 0;
    return Math.max(0, bucket.lastFailureAtMs + this.#waitAfter(bucket.failures) - this.#clock.now());
  }

  #waitAfter(failures: number): number {
    if (failures <= FREE_FAILURES) return this.#heardMs.free;
    const doublings = failures - FREE_FAILURES - 1;
    return Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** doublings) + this.#heardMs.waiting;
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

  /** Whether there was one. */
  clear(name: string): boolean {
    const wasFree = this.#free.delete(name);
    return this.#waiting.delete(name) || wasFree;
  }
}

function checkWait(waitMs: number, cause: string): void {
  if (waitMs <= 0) return;
  throw new CacheError('throttled', 'Too many failed logins; try again later.', {
    cause,
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
