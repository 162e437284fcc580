/**
 * The order of one key's changes, as far as it is certain.
 *
 * A change took effect at some moment between its call and its return. So one certainly follows another if it was
 * called after the other's *latest* moment: its return, or the first return of a read that saw it. What is concurrent
 * has no order, unless the master's own order is given.
 *
 * All checks of staleness ask the same question: a READ saw a state that came to be at `latestMs` at the latest;
 * which change, certain to have followed, was acked first? The READ is stale if it was called after that ack.
 *
 * Absence has many possible origins (the beginning, each DELETE, each expiry). A READ of it gets the benefit of the
 * doubt: the latest of all that may have happened before it returned.
 */
import type { Terms } from './check-options';
import type { AppliedWrite, Operation } from './history';

/** The write, or the bygone absence, that a read saw. */
export interface Origin {
  /** The state certainly existed from here on, until it was changed. */
  readonly latestMs: number;
  /** Its place in the master's order, if known. */
  readonly place: number | undefined;
  /** Undefined: absence. */
  readonly write: Operation | undefined;
}

/** Finds in O(log n) the first-acked of the changes that certainly follow a state. */
export class Followers {
  readonly #byCall: FirstReturns;
  readonly #byPlace: FirstReturns;

  /** @param changes with finite returns. */
  constructor(changes: readonly Operation[], placeOf: (change: Operation) => number | undefined) {
    this.#byCall = new FirstReturns(changes, (change) => change.callMs);
    this.#byPlace = new FirstReturns(changes, placeOf);
  }

  firstAcked({ latestMs, place }: Pick<Origin, 'latestMs' | 'place'>): Operation | undefined {
    const later = this.#byCall.above(latestMs);
    const placed = place === undefined ? undefined : this.#byPlace.above(place);
    if (later === undefined || placed === undefined) return later ?? placed;
    return later.returnMs <= placed.returnMs ? later : placed;
  }
}

/** Changes in the order of some position; for each one, which of it and all behind it returned first. */
class FirstReturns {
  readonly #positions: readonly number[];
  readonly #firsts: readonly Operation[];

  constructor(changes: readonly Operation[], positionOf: (change: Operation) => number | undefined) {
    const placed = changes
      .map((change) => ({ change, position: positionOf(change) }))
      .filter((each): each is { change: Operation; position: number } => each.position !== undefined)
      .toSorted((left, right) => left.position - right.position);
    const firsts = placed.map(({ change }) => change);
    for (let index = firsts.length - 2; index >= 0; index -= 1) {
      if (firsts[index + 1]!.returnMs < firsts[index]!.returnMs) firsts[index] = firsts[index + 1]!;
    }
    this.#positions = placed.map(({ position }) => position);
    this.#firsts = firsts;
  }

  above(position: number): Operation | undefined {
    return this.#firsts[countUpTo(this.#positions, position)];
  }
}

/** A possible origin of absence: it came to be between these. */
interface Vanishing {
  readonly earliestMs: number;
  readonly latestMs: number;
}

export class Timeline {
  readonly key: string;
  /** Everything done to the key, in the order of the calls. */
  readonly operations: readonly Operation[];
  /** READs that were answered with a value or with absence. */
  readonly reads: readonly Operation[];
  /** Changes that were acked and that no failover can have lost. */
  readonly firm: readonly Operation[];
  /** Changes that were acked, but a failover may have lost them. */
  readonly soft: readonly Operation[];
  /** Of all firm changes. */
  readonly followers: Followers;
  /** The WRITE of each value, whatever came of it. */
  readonly writes: ReadonlyMap<string, Operation>;
  readonly #places = new Map<string, number>();
  readonly #firstSeenMs = new Map<string, number>();
  readonly #expirySlackMs: number;
  /** Possible vanishings by their earliest moments, and the latest moment of each and all before it. */
  readonly #vanishedMs: readonly number[];
  readonly #absentMs: readonly number[];

  /**
   * @param operations of this key only, in any order.
   * @throws Error if two WRITEs have one value: such a history tells nothing.
   */
  constructor(key: string, operations: readonly Operation[], applied: readonly AppliedWrite[], terms: Terms) {
    this.key = key;
    this.operations = operations.toSorted((left, right) => left.callMs - right.callMs);
    this.#expirySlackMs = terms.expirySlackMs;
    for (const [place, { value }] of applied.entries()) {
      if (!this.#places.has(value)) this.#places.set(value, place);
    }
    const writes = new Map<string, Operation>();
    for (const operation of this.operations) {
      if (operation.op !== 'WRITE' || operation.value === undefined) continue;
      if (writes.has(operation.value)) throw new Error(`two writes of one value: ${operation.value}`);
      writes.set(operation.value, operation);
    }
    this.writes = writes;
    this.reads = this.operations.filter((operation) => operation.op === 'READ' && isAnswered(operation));
    for (const { value, returnMs } of this.reads) {
      if (value === undefined) continue;
      this.#firstSeenMs.set(value, Math.min(returnMs, this.#firstSeenMs.get(value) ?? Infinity));
    }
    const failovers = terms.failoversOf(key);
    const acked = this.operations.filter((operation) => operation.op !== 'READ' && isAnswered(operation));
    const mayBeLost = ({ ack, callMs, returnMs }: Operation): boolean =>
      ack === 0 && failovers.some(({ fromMs, toMs }) => returnMs >= fromMs && callMs <= toMs);
    this.firm = acked.filter((change) => !mayBeLost(change));
    this.soft = acked.filter(mayBeLost);
    this.followers = this.followersAmong(this.firm);

    const vanishings = this.#vanishings().toSorted((left, right) => left.earliestMs - right.earliestMs);
    this.#vanishedMs = vanishings.map(({ earliestMs }) => earliestMs);
    let absentMs = -Infinity;
    this.#absentMs = vanishings.map(({ latestMs }) => (absentMs = Math.max(absentMs, latestMs)));
  }

  followersAmong(changes: readonly Operation[]): Followers {
    return new Followers(changes, ({ value }) => (value === undefined ? undefined : this.#places.get(value)));
  }

  /**
   * Where what was seen at `seenMs` came from. Undefined for a value that no WRITE of this key can have put there:
   * C0 speaks of that, and the other checks leave it alone.
   */
  origin(value: string | undefined, seenMs: number): Origin | undefined {
    if (value === undefined) {
      const possible = countUpTo(this.#vanishedMs, seenMs);
      return { latestMs: this.#absentMs[possible - 1] ?? -Infinity, place: undefined, write: undefined };
    }
    const write = this.writes.get(value);
    if (write === undefined || isUndone(write)) return undefined;
    return { latestMs: this.#latestMs(write), place: this.#places.get(value), write };
  }

  /** From here on the write's value has certainly expired; `Infinity` without a ttl, or if it may not be there yet. */
  expiredMs(write: Operation): number {
    return this.#latestMs(write) + (write.ttlMs ?? Infinity) + this.#expirySlackMs;
  }

  /** From here on the write's value may have expired. */
  mayExpireMs(write: Operation): number {
    return write.callMs + (write.ttlMs ?? Infinity) - this.#expirySlackMs;
  }

  /** A value that was seen was there: so even a write that nobody acked has a latest moment. */
  #latestMs(write: Operation): number {
    return Math.min(write.returnMs, this.#firstSeenMs.get(write.value ?? '') ?? Infinity);
  }

  #vanishings(): Vanishing[] {
    return this.operations.flatMap((change) => {
      if (isUndone(change)) return [];
      if (change.op === 'DELETE') return [{ earliestMs: change.callMs, latestMs: change.returnMs }];
      if (change.op === 'READ' || change.ttlMs === undefined) return [];
      const earliestMs = this.mayExpireMs(change);
      // Replaced for certain before it could expire: that expiry never happened.
      const place = this.#places.get(change.value ?? '');
      const replaced = this.followers.firstAcked({ latestMs: this.#latestMs(change), place });
      if (replaced !== undefined && replaced.returnMs < earliestMs) return [];
      return [{ earliestMs, latestMs: this.expiredMs(change) }];
    });
  }
}

/** Whether its effect, or what it saw, is certain. A DELETE that found nothing left nothing behind either. */
export function isAnswered({ outcome }: Operation): boolean {
  return outcome === 'ok' || outcome === 'not_found';
}

/** Whether it certainly changed nothing. */
export function isUndone({ outcome }: Operation): boolean {
  return outcome === 'failed' || outcome === 'conflict';
}

/** How many of the ascending numbers are `bound` or less. */
function countUpTo(ascending: readonly number[], bound: number): number {
  let low = 0;
  let high = ascending.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ascending[middle]! <= bound) low = middle + 1;
    else high = middle;
  }
  return low;
}
