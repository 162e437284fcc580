/** A limit on what many holders have at the same time: bytes of bodies, places for requests at work. */
export class Budget {
  #taken = 0;

  constructor(private readonly max: number) {}

  get taken(): number {
    return this.#taken;
  }

  /** False, and nothing is taken, when there is no room for so much. */
  take(amount: number): boolean {
    if (this.#taken + amount > this.max) return false;
    this.#taken += amount;
    return true;
  }

  /** Gives back what was taken. */
  release(amount: number): void {
    this.#taken -= amount;
  }
}
