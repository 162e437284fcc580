/**
 * Whether the operations on one register can be put into one order that respects real time and explains every
 * observation: the search of Wing and Gong, with Lowe's memory of configurations that led nowhere.
 *
 * A configuration is the set of steps already put in order, and the state. The next step may be any that was called
 * before every other open one returned. Because every value is written once, much of the tree falls away:
 *
 *   - An observation of the present state, and an expiry of what is gone, is taken at once: it changes nothing and only
 *     loosens the bounds of the others.
 *   - A value that is still to be observed cannot be left: it never comes back.
 *   - A write that may or may not have happened matters only if it is observed, so it is taken together with the first
 *     observation of its value. Vanishings that may have happened are all alike, so the earliest is used first.
 */
import type { Operation } from './history';

export const ABSENT = 0;
/** At the beginning only: whatever is observed first was it. */
export const ANYTHING = -1;

/** `state` is `ABSENT` or a positive number that stands for a value. */
export interface Step {
  /** `see`: it is the state. `set`: it becomes the state. `expire`: if it is the state, absence becomes the state. */
  readonly kind: 'see' | 'set' | 'expire';
  readonly state: number;
  readonly callMs: number;
  readonly returnMs: number;
  readonly operation: Operation;
}

export interface RegisterProblem {
  readonly initial: typeof ABSENT | typeof ANYTHING;
  /** Everything that certainly happened, in the order of the calls. An `expire` has its `set` among them. */
  readonly steps: readonly Step[];
  /** Values whose writes may have happened, and when they were called. */
  readonly possibleSets: ReadonlyMap<number, number>;
  /** Calls of what may have emptied the register, ascending. */
  readonly possibleVanishingsMs: readonly number[];
}

export interface SearchResult {
  readonly decision: 'linearizable' | 'violated' | 'undecided';
  /** Of a violation: what stood in each other's way where the search got farthest. */
  readonly stuck: readonly Operation[];
}

interface Move {
  readonly step: number;
  readonly vanishing: boolean;
}

interface Frame {
  readonly moves: readonly Move[];
  nextMove: number;
  readonly state: number;
  readonly vanishings: number;
  readonly highestTaken: number;
  readonly trailLength: number;
}

/** @param stepsMax configurations to try before it is `undecided`. */
export function searchRegister(problem: RegisterProblem, stepsMax: number): SearchResult {
  return new RegisterSearch(problem).run(stepsMax);
}

class RegisterSearch {
  readonly #problem: RegisterProblem;
  /** Open steps as a linked list in the order of the calls; position 0 is its head, step i stands at i + 1. */
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  /** Steps taken, in order. */
  readonly #trail: number[] = [];
  /** Observations still open, per value. */
  readonly #unseen = new Map<number, number>();
  /** Values that are certainly set, and whether they have been. */
  readonly #isSet = new Map<number, boolean>();
  readonly #frames: Frame[] = [];
  readonly #deadEnds = new Set<string>();
  #state: number;
  #vanishings = 0;
  #highestTaken = -1;

  constructor(problem: RegisterProblem) {
    this.#problem = problem;
    this.#state = problem.initial;
    const places = problem.steps.length + 1;
    this.#next = Int32Array.from({ length: places }, (_, place) => (place + 1) % places);
    this.#previous = Int32Array.from({ length: places }, (_, place) => (place + places - 1) % places);
    for (const { kind, state } of problem.steps) {
      if (kind === 'see') this.#unseen.set(state, (this.#unseen.get(state) ?? 0) + 1);
      if (kind === 'set' && state !== ABSENT) this.#isSet.set(state, false);
    }
  }

  run(stepsMax: number): SearchResult {
    const { steps } = this.#problem;
    let farthest = -1;
    let stuck: readonly Operation[] = [];
    for (let tried = 0; tried < stepsMax; tried += 1) {
      this.#takeFree();
      if (this.#trail.length === steps.length) return { decision: 'linearizable', stuck: [] };
      if (this.#trail.length > farthest) {
        farthest = this.#trail.length;
        stuck = this.#stuck();
      }
      const configuration = this.#configuration();
      if (!this.#deadEnds.has(configuration)) {
        this.#deadEnds.add(configuration);
        this.#frames.push({
          moves: this.#moves(),
          nextMove: 0,
          state: this.#state,
          vanishings: this.#vanishings,
          highestTaken: this.#highestTaken,
          trailLength: this.#trail.length,
        });
      }
      if (!this.#advance()) return { decision: 'violated', stuck };
    }
    return { decision: 'undecided', stuck: [] };
  }

  /** Goes back to the last configuration with a move left, and makes it. False: there is none. */
  #advance(): boolean {
    for (let frame = this.#frames.at(-1); frame !== undefined; frame = this.#frames.at(-1)) {
      while (this.#trail.length > frame.trailLength) this.#putBack(this.#trail.pop()!);
      this.#state = frame.state;
      this.#vanishings = frame.vanishings;
      this.#highestTaken = frame.highestTaken;
      const move = frame.moves[frame.nextMove];
      if (move !== undefined) {
        frame.nextMove += 1;
        const { kind, state } = this.#problem.steps[move.step]!;
        this.#state = kind === 'expire' ? ABSENT : state;
        if (move.vanishing) this.#vanishings += 1;
        this.#take(move.step);
        return true;
      }
      this.#frames.pop();
    }
    return false;
  }

  /** Open steps that may come next, and the first return of all that are open. */
  #open(): { readonly candidates: number[]; readonly firstReturnMs: number } {
    const candidates: number[] = [];
    let firstReturnMs = Infinity;
    for (let place = this.#next[0]!; place !== 0; place = this.#next[place]!) {
      const { callMs, returnMs } = this.#problem.steps[place - 1]!;
      if (callMs > firstReturnMs) break;
      candidates.push(place - 1);
      firstReturnMs = Math.min(firstReturnMs, returnMs);
    }
    return { candidates, firstReturnMs };
  }

  /** Takes all that can be taken without loss. */
  #takeFree(): void {
    for (let taken = true; taken;) {
      taken = false;
      for (const step of this.#open().candidates) {
        const { kind, state } = this.#problem.steps[step]!;
        const free = kind === 'see' ? state === this.#state : kind === 'expire' && this.#isOver(state);
        if (!free) continue;
        this.#take(step);
        taken = true;
      }
    }
  }

  #isOver(state: number): boolean {
    return state !== this.#state && this.#isSet.get(state) === true;
  }

  /** The moves that change the state, the most urgent first. */
  #moves(): Move[] {
    const { steps, possibleSets, possibleVanishingsMs } = this.#problem;
    // What is still to be observed cannot be left.
    if (this.#state > ABSENT && (this.#unseen.get(this.#state) ?? 0) > 0) return [];
    const { candidates, firstReturnMs } = this.#open();
    const canVanish = (possibleVanishingsMs[this.#vanishings] ?? Infinity) <= firstReturnMs;
    const moves = candidates.flatMap((step): Move[] => {
      const { kind, state } = steps[step]!;
      const plain = [{ step, vanishing: false }];
      if (kind === 'set') return plain;
      if (kind === 'expire') return state === this.#state ? plain : [];
      if (this.#state === ANYTHING && !this.#isSet.has(state)) return plain;
      if (state === ABSENT) return canVanish ? [{ step, vanishing: true }] : [];
      return (possibleSets.get(state) ?? Infinity) <= firstReturnMs ? plain : [];
    });
    return moves.sort((left, right) => steps[left.step]!.returnMs - steps[right.step]!.returnMs);
  }

  /** What could come next in time but not by its meaning, and the observations that forbid to leave the state. */
  #stuck(): Operation[] {
    const { steps } = this.#problem;
    const stuck = new Set(this.#open().candidates);
    let unseen = this.#unseen.get(this.#state) ?? 0;
    for (let place = this.#next[0]!; place !== 0 && unseen > 0; place = this.#next[place]!) {
      const { kind, state } = steps[place - 1]!;
      if (kind !== 'see' || state !== this.#state) continue;
      stuck.add(place - 1);
      unseen -= 1;
    }
    return [...stuck].map((step) => steps[step]!.operation);
  }

  /** Two configurations with the same text have the same future. */
  #configuration(): string {
    let open = '';
    for (let place = this.#next[0]!; place !== 0 && place <= this.#highestTaken; place = this.#next[place]!) {
      open += `${place},`;
    }
    return `${this.#highestTaken} ${this.#state} ${this.#vanishings} ${open}`;
  }

  #take(step: number): void {
    const place = step + 1;
    this.#next[this.#previous[place]!] = this.#next[place]!;
    this.#previous[this.#next[place]!] = this.#previous[place]!;
    this.#trail.push(step);
    this.#highestTaken = Math.max(this.#highestTaken, step);
    this.#count(step, -1);
  }

  /** Undoes the last `#take`, so its neighbours are still the right ones. */
  #putBack(step: number): void {
    const place = step + 1;
    this.#next[this.#previous[place]!] = place;
    this.#previous[this.#next[place]!] = place;
    this.#count(step, 1);
  }

  #count(step: number, change: 1 | -1): void {
    const { kind, state } = this.#problem.steps[step]!;
    if (kind === 'see') this.#unseen.set(state, (this.#unseen.get(state) ?? 0) + change);
    if (kind === 'set' && state !== ABSENT) this.#isSet.set(state, change === -1);
  }
}
