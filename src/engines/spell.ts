/** How long something has been going wrong, where nobody says that it is over but by its going well. */

/** What went wrong so long ago has nothing to do with what goes wrong now. */
const SPELL_MS = 1000;

export class Spell {
  #sinceMs = Infinity;
  #lastMs = -Infinity;

  /** Since when (monotonic); `Infinity`: it does not. */
  get sinceMs(): number {
    return this.#sinceMs;
  }

  /** It went wrong. */
  meet(nowMs: number): void {
    if (this.#sinceMs === Infinity || nowMs - this.#lastMs > SPELL_MS) this.#sinceMs = nowMs;
    this.#lastMs = nowMs;
  }

  end(): void {
    this.#sinceMs = Infinity;
  }
}
