/** A limit on bytes held at the same time by many holders. */
export class ByteBudget {
  #takenBytes = 0;

  constructor(readonly bytesMax: number) {}

  get takenBytes(): number {
    return this.#takenBytes;
  }

  /** False, and nothing is taken, when there is no room for so many. */
  take(bytes: number): boolean {
    if (this.#takenBytes + bytes > this.bytesMax) return false;
    this.#takenBytes += bytes;
    return true;
  }

  /** Gives back what was taken. */
  release(bytes: number): void {
    this.#takenBytes -= bytes;
  }
}
