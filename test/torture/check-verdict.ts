/** What a check says: how much it judged, what it found, and the figure that came closest to a violation. */
import type { FinalRead, Operation } from './history';

export type Guarantee = 'C0' | 'C1' | 'C2' | 'C3' | 'C4' | 'C5' | 'C6' | 'C7' | 'liveness';

export interface Violation {
  readonly message: string;
  /** The evidence, the offender first. */
  readonly operations: readonly (Operation | FinalRead)[];
}

export interface Verdict {
  readonly guarantee: Guarantee;
  /** Reads, values or operations that were judged; 0: nothing in the history bears on this guarantee. */
  readonly checked: number;
  /** The first `VIOLATIONS_KEPT`. */
  readonly violations: readonly Violation[];
  readonly violationCount: number;
  /** What could not be judged within the bound of work: neither passed nor failed. */
  readonly undecided: readonly string[];
  readonly figures: Readonly<Record<string, number>>;
  /** One of the figures, or undefined where nothing was judged. */
  readonly worst: { readonly name: string; readonly value: number } | undefined;
}

const VIOLATIONS_KEPT = 100;

/** Collects a verdict. */
export class VerdictBuilder {
  readonly #guarantee: Guarantee;
  readonly #violations: Violation[] = [];
  readonly #undecided: string[] = [];
  readonly #figures: Record<string, number> = {};
  #violationCount = 0;
  #checked = 0;

  constructor(guarantee: Guarantee) {
    this.#guarantee = guarantee;
  }

  judged(count = 1): void {
    this.#checked += count;
  }

  violated(message: string, operations: readonly (Operation | FinalRead | undefined)[]): void {
    this.#violationCount += 1;
    if (this.#violations.length >= VIOLATIONS_KEPT) return;
    this.#violations.push({ message, operations: operations.filter((each) => each !== undefined) });
  }

  undecided(message: string): void {
    this.#undecided.push(message);
  }

  figure(name: string, value: number): void {
    this.#figures[name] = value;
  }

  /** Keeps the largest value of that name. */
  raise(name: string, value: number): void {
    this.#figures[name] = Math.max(this.#figures[name] ?? 0, value);
  }

  /** @param worst the name of the figure that says it best. */
  verdict(worst: string): Verdict {
    const value = this.#figures[worst];
    return {
      guarantee: this.#guarantee,
      checked: this.#checked,
      violations: this.#violations,
      violationCount: this.#violationCount,
      undecided: this.#undecided,
      figures: this.#figures,
      worst: value === undefined || this.#checked === 0 ? undefined : { name: worst, value },
    };
  }
}

/** The smallest value that at least `share` of the ascending values do not exceed; 0 of none. */
export function percentile(ascending: readonly number[], share: number): number {
  return ascending[Math.max(0, Math.ceil(ascending.length * share) - 1)] ?? 0;
}
