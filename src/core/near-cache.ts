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
import { LRUCache } from 'lru-cache';
import type { Clock } from '../lib/clock';
import { Json, type Key, type Value } from './command';
import type { Lease } from './ports';
import { valueBytes } from './value';

interface Entry {
  readonly value: Value;
  readonly expiresAtMs: number;
  readonly lease: Lease;
  /** Of key and value and all that is kept of them. */
  readonly bytes: number;
  /** In which it was filled; those of an earlier one are void, and lie where they are until they are met or evicted. */
  readonly era: number;
}

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

/**
 * What an entry costs beside its key and value: the entry, its slot in the map and in the recency list. Measured
 * at 150 to 250 bytes with the value a string or a Buffer; the higher one, so that `NEAR_BYTES` errs to the safe side.
 */
const ENTRY_OVERHEAD_BYTES = 250;

/** V8 stores text of which any character is beyond Latin-1 in two bytes each. */
function heapBytes(value: Value): number {
  const text = value instanceof Json ? value.text : value;
  const bytes = valueBytes(value);
  return typeof text === 'string' && bytes !== text.length ? Math.max(bytes, 2 * text.length) : bytes;
}

export class NearCache {
  readonly enabled: boolean;
  readonly #options: NearCacheOptions;
  readonly #clock: Clock;
  readonly #entries: LRUCache<Key, Entry> | undefined;
  #era = 0;
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
    this.enabled = options.entries > 0 && options.bytes > 0 && options.ttlMs > 0;
    this.#entries = this.#createEntries();
  }

  /** The value kept for the key, unless its time has come. Counts as a hit or a miss. */
  get(key: Key): Value | undefined {
    const entry = this.#entries?.get(key);
    if (entry !== undefined) {
      const nowMs = this.#clock.now();
      const isVoid = entry.era !== this.#era;
      if (!isVoid && nowMs < entry.expiresAtMs && nowMs < entry.lease.endsMs) {
        this.#hits += 1;
        return entry.value;
      }
      // Under a lease that may yet be extended the entry is passed by, not dropped: its changes are still announced.
      if (isVoid || nowMs >= entry.expiresAtMs || entry.lease.endsMs === -Infinity)
        this.#entries?.delete(key);
    }
    this.#misses += 1;
    return undefined;
  }

  /** Whether a READ would find the key here; counts nothing and leaves the order of eviction alone. */
  holds(key: Key): boolean {
    const entry = this.#entries?.peek(key);
    return entry !== undefined && this.#isKept(entry) && this.#clock.now() < entry.lease.endsMs;
  }

  /**
   * The keys that a READ would find here, or would if no lease had ended, those used last first: while a node is away, its
   * keys are worth as much as before. A page is a stretch of `steps` entries. A hint, since the package stands at an entry
   * between pages: when that is used, some keys come twice; when it is dropped, some not at all.
   */
  *keyPages(steps: number): Generator<readonly Key[], void> {
    let page: Key[] = [];
    let taken = 0;
    for (const [key, entry] of this.#entries?.entries() ?? []) {
      if (this.#isKept(entry)) page.push(key);
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
    const { valid } = ticket;
    this.cancel(ticket);
    const nowMs = this.#clock.now();
    const expiresAtMs = Math.min(nowMs + this.#options.ttlMs, keyExpiresAtMs);
    if (!valid || expiresAtMs <= nowMs || lease.endsMs === -Infinity) return;
    // A Buffer may be a window into a whole packet, which must not live as long as the entry.
    const own = Buffer.isBuffer(value) ? Buffer.from(value) : value;
    const bytes = ticket.key.length + heapBytes(own) + ENTRY_OVERHEAD_BYTES;
    this.#entries?.set(ticket.key, { value: own, expiresAtMs, lease, bytes, era: this.#era });
  }

  /** The key may have changed: drops its entry and voids every ticket that is out for it. */
  forget(key: Key): void {
    this.#entries?.delete(key);
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
    this.#void = { entries: this.#entries?.size ?? 0, bytes: this.#entries?.calculatedSize ?? 0 };
    for (const out of this.#tickets.values()) for (const ticket of out) ticket.valid = false;
    this.#tickets.clear();
  }

  status(): NearCacheStatus {
    return {
      enabled: this.enabled,
      entries: (this.#entries?.size ?? 0) - this.#void.entries,
      bytes: (this.#entries?.calculatedSize ?? 0) - this.#void.bytes,
      entriesMax: this.#options.entries,
      bytesMax: this.#options.bytes,
      ttlSeconds: this.#options.ttlMs / 1000,
      hits: this.#hits,
      misses: this.#misses,
      evictions: this.#evictions,
    };
  }

  #isKept({ era, expiresAtMs }: Entry): boolean {
    return era === this.#era && this.#clock.now() < expiresAtMs;
  }

  #createEntries(): LRUCache<Key, Entry> | undefined {
    if (!this.enabled) return undefined;
    const { entries, bytes } = this.#options;
    return new LRUCache<Key, Entry>({
      max: entries,
      maxSize: bytes,
      sizeCalculation: (entry) => entry.bytes,
      // An entry larger than the whole cache is not kept, and evicts nothing.
      maxEntrySize: bytes,
      dispose: ({ era, bytes: disposed }, _key, reason) => {
        if (era !== this.#era) {
          this.#void.entries -= 1;
          this.#void.bytes -= disposed;
        } else if (reason === 'evict') this.#evictions += 1;
      },
    });
  }
}
