/**
 * What can be claimed of a register that every gateway holds, where the later writer wins.
 *
 * Each change gets a timestamp at the gateway that makes it, and the highest of all that took effect is what remains. So
 * of concurrent changes either may remain, whatever their callers saw: there is no order by acks alone. What is sure:
 *
 * 1. A change took effect between its call and its *end*: the answer, or the moment in which its caller was let go without
 *    one, since gateways here die but never freeze, and end what they do before callers lose patience.
 * 2. B *follows* A, so that A can never win over B, if B was called after the end of A and
 *    - at the same gateway process, whose timestamps only rise, or
 *    - `SPREAD_MS` after it, wherever. Either A had arrived there, and timestamps rise above what they have seen; or it had
 *      not, and the clock of the group, which is not that of the machines, is that exact also while the bus is away.
 * 3. A change *happened* if it was acked, unless it may have *died with its gateway*: that process was killed or stopped, and
 *    from the ack until then the bus was never whole, and nobody else had confirmed it (`ack`). A change that may have died
 *    is like one of unknown outcome: it may be there or not.
 * 4. B *had arrived* at a gateway when a READ was called if B happened, had ended, and
 *    - was made by that same process; or the READ carries the session that made it, and was answered; or
 *    - the READ is `strong`, and the bus was whole when B was called and when the READ was; or
 *    - had ended `SPREAD_MS` before, and the bus was whole when the READ was called. *Whole*: neither broken nor within
 *      `SETTLE_MS` after it was mended, in which what was missed is pulled; or
 *    - all is quiet.
 *
 * A READ must not show a state that something had followed which had arrived. Absence is shown by right where it may come
 * from the beginning, a DELETE, or the end of a life, of which the same is asked.
 */
import { answeredMs, type History, type Mark, type Operation } from '../history';

/** The fault in whose marks the bus is broken. */
export const BUS = 'F23';
/** Within which a change reaches all gateways, and by which the clock of the group is exact; both by far. */
const SPREAD_MS = 2000;
/** Until all gateways have found the bus again, and pulled what they had missed. */
const SETTLE_MS = 5000;
/** What a publisher was told last, the bus may have taken with it. */
const LAST_WORDS_MS = 500;

export type Change = Operation & { readonly op: 'WRITE' | 'DELETE' };

/** What a READ, or who looks after quiet, saw at a gateway. */
export interface Sight {
  readonly gateway: string;
  readonly session?: string | undefined;
  readonly isStrong: boolean;
  /** After quiet: everything has arrived. */
  readonly isFinal: boolean;
  /** undefined: nothing. */
  readonly value: string | undefined;
  readonly callMs: number;
  readonly returnMs: number;
}

/** Changes that may have taken effect. A DELETE that found nothing made no difference anywhere. */
export function isChange(operation: Operation): operation is Change {
  return operation.op !== 'READ' && (operation.outcome === 'ok' || operation.outcome === 'unknown');
}

/** The latest moment at which a change took effect, if it ever did. */
export function endMs(change: Operation): number {
  return answeredMs(change);
}

/** B follows A: rule 2. */
export function follows(later: Change, earlier: Change): boolean {
  const apartMs = later.callMs - endMs(earlier);
  return apartMs >= SPREAD_MS || (apartMs >= 0 && later.gateway === earlier.gateway);
}

/** The rules, for one history. */
export class Rules {
  readonly #brokenMs: readonly (readonly [from: number, to: number])[];
  readonly #endedMs: ReadonlyMap<string, number>;

  constructor({ marks }: Pick<History, 'marks'>) {
    this.#brokenMs = stretchesOf(marks);
    this.#endedMs = new Map(
      marks
        .filter(({ kind }) => kind === 'killed' || kind === 'stopped')
        .map(({ name, atMs }) => [name, atMs]),
    );
  }

  /** All that time. */
  isWhole(fromMs: number, toMs = fromMs): boolean {
    return !this.#brokenMs.some(([from, to]) => from <= toMs && fromMs <= to);
  }

  /** Rule 3. */
  happened(change: Change): boolean {
    if (change.outcome !== 'ok') return false;
    const goneMs = this.#endedMs.get(change.gateway);
    if (goneMs === undefined || change.ack > 0) return true;
    // What reaches from the ack to the end without a break is what took the change along.
    const lastMs = Math.max(goneMs, change.returnMs);
    return !this.#brokenMs.some(([from, to]) => from <= change.returnMs && lastMs <= to);
  }

  /** Rule 4, of a change that happened. */
  hadArrived(change: Change, sight: Sight): boolean {
    if (sight.isFinal) return true;
    const apartMs = sight.callMs - endMs(change);
    if (apartMs < 0) return false;
    if (change.gateway === sight.gateway) return true;
    if (change.session !== undefined && change.session === sight.session) return true;
    if (!this.isWhole(sight.callMs)) return false;
    return apartMs >= SPREAD_MS || (sight.isStrong && this.isWhole(change.callMs));
  }
}

/** In which the bus was not whole; those that touch are one. */
function stretchesOf(marks: readonly Mark[]): (readonly [number, number])[] {
  const own = marks.filter(({ name }) => name === BUS).toSorted((left, right) => left.atMs - right.atMs);
  const stretches: [number, number][] = [];
  for (const { kind, atMs } of own) {
    const last = stretches.at(-1);
    if (kind === 'fault-end' && last !== undefined) last[1] = atMs + SETTLE_MS;
    else if (last !== undefined && atMs - LAST_WORDS_MS <= last[1]) last[1] = Infinity;
    else stretches.push([atMs - LAST_WORDS_MS, Infinity]);
  }
  return stretches;
}
