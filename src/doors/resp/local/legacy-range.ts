/** The first and last key and the step between, as `COMMAND` said them before there were key specifications. */
import type { KeySpec } from '../command-spec';

export interface LegacyRange {
  readonly first: number;
  /** Negative: from the end. */
  readonly last: number;
  readonly step: number;
}

const NONE: LegacyRange = { first: 0, last: 0, step: 0 };

/** The range that those of the specifications make together which are ranges without a gap. */
export function legacyRangeOf(specs: readonly KeySpec[]): LegacyRange {
  let range = NONE;
  for (const { begin, find } of specs) {
    if (begin.type !== 'index' || find.type !== 'range') continue;
    const last = find.last < 0 ? find.last : begin.index + find.last;
    if (range.first !== 0 && range.last !== begin.index - 1) return range;
    range = { first: range.first === 0 ? begin.index : range.first, last, step: find.step };
  }
  return range;
}
