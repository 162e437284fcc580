/**
 * What was refused and is to be sent again, found by its keys: a master that is demoted refuses tens of thousands, and the
 * answer to each that left behind them asks whether it has come too early.
 */
import type { Key } from '../core/command';
import type { RelayEntry } from './relay-entry';

export class RelayRefused {
  readonly #entries = new Set<RelayEntry>();
  /** Those that name the key, and may not be about others. */
  readonly #byKey = new Map<Key, Set<RelayEntry>>();
  /** Those that are not bounded by their keys, or name none: they may be about any. */
  readonly #aboutAny = new Set<RelayEntry>();

  get size(): number {
    return this.#entries.size;
  }

  /** In the order in which they were refused. */
  all(): Iterable<RelayEntry> {
    return this.#entries;
  }

  add(entry: RelayEntry): void {
    this.#entries.add(entry);
    if (isAboutAny(entry)) this.#aboutAny.add(entry);
    else {
      for (const key of entry.request.keys) {
        const those = this.#byKey.get(key);
        if (those === undefined) this.#byKey.set(key, new Set([entry]));
        else those.add(entry);
      }
    }
  }

  delete(entry: RelayEntry): void {
    if (!this.#entries.delete(entry)) return;
    this.#aboutAny.delete(entry);
    for (const key of entry.request.keys) {
      const those = this.#byKey.get(key);
      if (those?.delete(entry) === true && those.size === 0) this.#byKey.delete(key);
    }
  }

  /** Whether one of them left before the entry, and the order of the two matters. */
  hasBefore(entry: RelayEntry): boolean {
    for (const those of this.#related(entry))
      for (const { order } of those) if (order < entry.order) return true;
    return false;
  }

  /** All of which `hasBefore` speaks; they are in here no more. */
  takeBefore(entry: RelayEntry): readonly RelayEntry[] {
    const before = new Set<RelayEntry>();
    for (const those of this.#related(entry))
      for (const one of those) if (one.order < entry.order) before.add(one);
    for (const one of before) this.delete(one);
    return inOrder(before);
  }

  /** All of them, in the order in which they left. */
  takeAll(): readonly RelayEntry[] {
    const all = inOrder(this.#entries);
    this.#entries.clear();
    this.#byKey.clear();
    this.#aboutAny.clear();
    return all;
  }

  *#related(entry: RelayEntry): Iterable<ReadonlySet<RelayEntry>> {
    if (isAboutAny(entry)) {
      yield this.#entries;
      return;
    }
    yield this.#aboutAny;
    for (const key of entry.request.keys) {
      const those = this.#byKey.get(key);
      if (those !== undefined) yield those;
    }
  }
}

function inOrder(entries: Iterable<RelayEntry>): readonly RelayEntry[] {
  return [...entries].sort((a, b) => a.order - b.order);
}

function isAboutAny({ request: { isUnbounded, keys } }: RelayEntry): boolean {
  return isUnbounded || keys.length === 0;
}
