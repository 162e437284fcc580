/**
 * What the near cache keeps, in columns: an entry is a slot (`lib/recency-slots.ts`), and its parts lie at that place of an
 * array for each part. With an object for each entry, and a Buffer for each value that is bytes, the same took up to twice as
 * much beside key and value, and the garbage collector had twice as many objects to go through.
 *
 * It knows the order of use, sizes and forms; when an entry may be served is for `near-cache.ts` to say.
 */
import { holdBytes, openBytes, TEXT_BYTES_MAX, type HeldBytes } from '../lib/held-bytes';
import { ownText } from '../lib/own-memory';
import { grown, RecencySlots, SLOTS_FIRST } from '../lib/recency-slots';
import { Json, type Key, type Value } from './command';
import type { Lease } from './ports';
import { valueBytes } from './value';

/** On which an entry is served; one object for all that were filled in one era under one lease. */
export interface Terms {
  readonly lease: Lease;
  readonly era: number;
}

/**
 * What an entry costs beside its key and value: their headers in V8's heap, the columns, and its place in V8's Map, which is
 * between a quarter and wholly full. `npm run bench -- --row P6` measures 123 bytes, and 152 when keys have come and gone; with
 * other numbers of entries, where the Map has just grown, that comes to 197. The highest, so that `NEAR_BYTES` errs to the safe
 * side.
 */
const ENTRY_OVERHEAD_BYTES = 200;

/** What a Buffer with memory of its own costs beside that and its content. */
const BUFFER_OVERHEAD_BYTES = 200;

/** What a value was that lies in its column as text, or as `HeldBytes`. */
const TEXT = 0;
const JSON_TEXT = 1;
const BYTES = 2;

export class NearEntries {
  readonly #columnMax: number;
  readonly #slots: RecencySlots<Key>;
  #expiresAtMs = new Float64Array(SLOTS_FIRST);
  #sizes = new Uint32Array(SLOTS_FIRST);
  #forms = new Uint8Array(SLOTS_FIRST);
  readonly #values: (HeldBytes | undefined)[] = [undefined];
  readonly #terms: (Terms | undefined)[] = [undefined];
  #bytes = 0;

  /** `entriesMax`: how many there will be at the same time at most. */
  constructor(entriesMax: number) {
    this.#columnMax = entriesMax + 1;
    this.#slots = new RecencySlots(entriesMax);
  }

  get count(): number {
    return this.#slots.size;
  }

  /** Of keys and values and all that is kept of them. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Where the key's entry is, or `NO_SLOT`. Not a use of it. */
  find(key: Key): number {
    return this.#slots.find(key);
  }

  /** The entry is the one used last now. */
  use(slot: number): void {
    this.#slots.use(slot);
  }

  keyAt(slot: number): Key {
    return this.#slots.keyAt(slot);
  }

  /** The entry used longest ago, or `NO_SLOT`. */
  oldest(): number {
    return this.#slots.oldest();
  }

  /** The entry used last, or `NO_SLOT`. */
  newest(): number {
    return this.#slots.newest();
  }

  /** The entry used just before that one, or `NO_SLOT`. */
  before(slot: number): number {
    return this.#slots.before(slot);
  }

  expiresAtMs(slot: number): number {
    return this.#expiresAtMs[slot] as number;
  }

  terms(slot: number): Terms {
    return this.#terms[slot] as Terms;
  }

  /** As in `sizeOf`. */
  size(slot: number): number {
    return this.#sizes[slot] as number;
  }

  value(slot: number): Value {
    const value = this.#values[slot] as HeldBytes;
    const form = this.#forms[slot];
    if (form === TEXT) return value;
    return form === JSON_TEXT ? new Json(value as string) : openBytes(value);
  }

  /** A new entry, used last, for a key that has none; `size` as in `sizeOf`. What is a window into something larger is copied. */
  add(key: Key, value: Value, size: number, expiresAtMs: number, terms: Terms): void {
    const slot = this.#slots.add(ownText(key));
    if (slot >= this.#sizes.length) this.#grow();
    this.#expiresAtMs[slot] = expiresAtMs;
    this.#sizes[slot] = size;
    this.#terms[slot] = terms;
    this.#bytes += size;
    if (typeof value === 'string') this.#keep(slot, TEXT, value);
    else if (value instanceof Json) this.#keep(slot, JSON_TEXT, value.text);
    else this.#keep(slot, BYTES, holdBytes(value));
  }

  delete(slot: number): void {
    this.#bytes -= this.size(slot);
    this.#values[slot] = undefined;
    this.#terms[slot] = undefined;
    this.#slots.delete(slot);
  }

  #keep(slot: number, form: number, value: HeldBytes): void {
    this.#forms[slot] = form;
    this.#values[slot] = value;
  }

  #grow(): void {
    this.#expiresAtMs = grown(this.#expiresAtMs, this.#columnMax);
    this.#sizes = grown(this.#sizes, this.#columnMax);
    this.#forms = grown(this.#forms, this.#columnMax);
  }
}

/** The bytes that an entry takes, with all that is kept of it. */
export function sizeOf(key: Key, value: Value): number {
  return key.length + heapBytes(value) + ENTRY_OVERHEAD_BYTES;
}

/** V8 stores text of which any character is beyond Latin-1 in two bytes each. */
function heapBytes(value: Value): number {
  const bytes = valueBytes(value);
  if (Buffer.isBuffer(value)) return bytes > TEXT_BYTES_MAX ? bytes + BUFFER_OVERHEAD_BYTES : bytes;
  const { length } = typeof value === 'string' ? value : value.text;
  return bytes === length ? bytes : Math.max(bytes, 2 * length);
}
