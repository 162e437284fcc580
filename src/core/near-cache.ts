/**
 * The near cache: hot values in this process, in front of the engine. It is bounded by entries and by bytes, its
 * entries never outlive `ttlMs` nor their key's own life, and it never keeps what was fetched before a change it
 * has been told of:
 *
 *   R1, R8   1. a READ misses and asks the engine, which looks the value up: v1
 *            2. a write of v2 (here or announced from elsewhere) takes effect, and `forget` runs
 *            3. the READ's v1 arrives late and would be kept: stale until its TTL, or for ever
 *
 * So a fill needs a ticket taken before the question was asked (1), `forget` voids the tickets that are out for its
 * key (2), and a void ticket stores nothing (3). A writer does not put its own value here either: an announcement
 * of a later foreign write could be overtaken by it. It forgets, and the next READ fills.
 */
import type { Clock } from '../lib/clock';
import { NO_SLOT, SLOTS_MAX } from '../lib/recency-slots';
import type { Key, Value } from './command';
import { NearEntries, sizeOf, type Terms } from './near-entries';
import type { Lease } from './ports';

/** The right to fill one key once. Opaque to its holder. */
export interface Ticket {
  readonly key: Key;
  valid: boolean;
}

export interface NearCacheOptions {
  /** 0 turns the near cache off: nothing is ever kept. */
  readonly entries: number;
  readonly bytes: number;
  readonly ttlMs: number;
  readonly clock: Clock;
}

export interface NearCacheStatus {
  readonly enabled: boolean;
  readonly entries: number;
  readonly bytes: number;
  readonly entriesMax: number;
  readonly bytesMax: number;
  readonly ttlSeconds: number;
  readonly hits: number;
  readonly misses: number;
  readonly evictions: number;
}

export class NearCache {
  readonly enabled: boolean;
  readonly #options: NearCacheOptions;
  readonly #clock: Clock;
  readonly #entriesMax: number;
  readonly #entries: NearEntries;
  /** Its entries are void when it is over, and lie where they are until they are met or evicted. */
  #era = 0;
  /** The last that were made for a lease. */
  readonly #terms = new WeakMap<Lease, Terms>();
  /** Entries of earlier eras. */
  #void = { entries: 0, bytes: 0 };
  /** Tickets that are out, by key. Fills of one key are mostly collapsed into one flight, so mostly one each. */
  readonly #tickets = new Map<Key, Set<Ticket>>();
  #hits = 0;
  #misses = 0;
  #evictions = 0;

  constructor(options: NearCacheOptions) {
    this.#options = options;
    this.#clock = options.clock;
    this.#entriesMax = Math.min(options.entries, SLOTS_MAX);
    this.#entries = new NearEntries(this.#entriesMax);
    this.enabled = options.entries > 0 && options.bytes > 0 && options.ttlMs > 0;
  }

  /** The value kept for the key, unless its time has come. Counts as a hit or a miss. */
  get(key: Key): Value | undefined {
    const slot = this.#entries.find(key);
    if (slot !== NO_SLOT) {
      this.#entries.use(slot);
      const nowMs = this.#clock.now();
      const { lease } = this.#entries.terms(slot);
      const isKept = this.#isKept(slot, nowMs);
      if (isKept && nowMs < lease.endsMs) {
        this.#hits += 1;
        return this.#entries.value(slot);
      }
      // Under a lease that may yet be extended the entry is passed by, not dropped: its changes are still announced.
      if (!isKept || lease.endsMs === -Infinity) this.#drop(slot);
    }
    this.#misses += 1;
    return undefined;
  }

  /** Whether a READ would find the key here; counts nothing and leaves the order of eviction alone. */
  holds(key: Key): boolean {
    const slot = this.#entries.find(key);
    if (slot === NO_SLOT) return false;
    const nowMs = this.#clock.now();
    return this.#isKept(slot, nowMs) && nowMs < this.#entries.terms(slot).lease.endsMs;
  }

  /**
   * The keys that a READ would find here, or would if no lease had ended, those used last first: while a node is away, its
   * keys are worth as much as before. A page is a stretch of `steps` entries. What is left alone comes once, and what is used
   * before it is met not at all. A hint, since the walk stands at an entry between pages: when that is used, some keys come
   * twice; when it is dropped, others are left out. It ends after as many steps as there were entries, however often that happens.
   */
  *keyPages(steps: number): Generator<readonly Key[], void> {
    let page: Key[] = [];
    let taken = 0;
    const takenMax = this.#entries.count;
    let slot = this.#entries.newest();
    for (; slot !== NO_SLOT && taken < takenMax; slot = this.#entries.before(slot)) {
      if (this.#isKept(slot, this.#clock.now())) page.push(this.#entries.keyAt(slot));
      taken += 1;
      if (taken % steps !== 0) continue;
      yield page;
      page = [];
    }
    yield page;
  }

  /** To be taken before the engine is asked, and given back by `fill` or `cancel` whatever the engine answers. */
  takeTicket(key: Key): Ticket {
    const ticket: Ticket = { key, valid: true };
    const out = this.#tickets.get(key);
    if (out === undefined) this.#tickets.set(key, new Set([ticket]));
    else out.add(ticket);
    return ticket;
  }

  /** Gives a ticket back unused. */
  cancel(ticket: Ticket): void {
    ticket.valid = false;
    const out = this.#tickets.get(ticket.key);
    if (out?.delete(ticket) === true && out.size === 0) this.#tickets.delete(ticket.key);
  }

  /**
   * Keeps the value if the ticket is still valid, for the near TTL or until `keyExpiresAtMs` (monotonic; Infinity:
   * never), whichever is sooner (R7). It is served only under `lease`, the one that it was read under.
   */
  fill(ticket: Ticket, value: Value, keyExpiresAtMs: number, lease: Lease): void {
    const { key, valid } = ticket;
    this.cancel(ticket);
    const nowMs = this.#clock.now();
    const expiresAtMs = Math.min(nowMs + this.#options.ttlMs, keyExpiresAtMs);
    if (!this.enabled || !valid || expiresAtMs <= nowMs || lease.endsMs === -Infinity) return;
    this.#drop(this.#entries.find(key));
    const { bytes } = this.#options;
    const size = sizeOf(key, value);
    // An entry larger than the whole cache is not kept, and evicts nothing.
    if (size > bytes) return;
    while (this.#entries.count >= this.#entriesMax || this.#entries.bytes + size > bytes)
      this.#evict(this.#entries.oldest());
    this.#entries.add(key, value, size, expiresAtMs, this.#termsOf(lease));
  }

  /** The key may have changed: drops its entry and voids every ticket that is out for it. */
  forget(key: Key): void {
    this.#drop(this.#entries.find(key));
    const out = this.#tickets.get(key);
    if (out === undefined) return;
    for (const ticket of out) ticket.valid = false;
    this.#tickets.delete(key);
  }

  /**
   * Any key may have changed: as `forget` of each, at the cost of the tickets that are out. A new era begins, and the
   * entries stay as they are: scripts may ask for this thousands of times a second, and dropping a hundred thousand, or
   * making room for as many, takes milliseconds.
   */
  forgetAll(): void {
    this.#era += 1;
    this.#void = { entries: this.#entries.count, bytes: this.#entries.bytes };
    for (const out of this.#tickets.values()) for (const ticket of out) ticket.valid = false;
    this.#tickets.clear();
  }

  status(): NearCacheStatus {
    return {
      enabled: this.enabled,
      entries: this.#entries.count - this.#void.entries,
      bytes: this.#entries.bytes - this.#void.bytes,
      entriesMax: this.#entriesMax,
      bytesMax: this.#options.bytes,
      ttlSeconds: this.#options.ttlMs / 1000,
      hits: this.#hits,
      misses: this.#misses,
      evictions: this.#evictions,
    };
  }

  #isKept(slot: number, nowMs: number): boolean {
    return !this.#isVoid(slot) && nowMs < this.#entries.expiresAtMs(slot);
  }

  #isVoid(slot: number): boolean {
    return this.#entries.terms(slot).era !== this.#era;
  }

  #evict(slot: number): void {
    if (!this.#isVoid(slot)) this.#evictions += 1;
    this.#drop(slot);
  }

  #drop(slot: number): void {
    if (slot === NO_SLOT) return;
    if (this.#isVoid(slot)) {
      this.#void.entries -= 1;
      this.#void.bytes -= this.#entries.size(slot);
    }
    this.#entries.delete(slot);
  }

  #termsOf(lease: Lease): Terms {
    const known = this.#terms.get(lease);
    if (known?.era === this.#era) return known;
    const terms = { lease, era: this.#era };
    this.#terms.set(lease, terms);
    return terms;
  }
}
