/**
 * Bytes that arrive in pieces. A list of the pieces would cost a hundred bytes for each, so that a body sent byte by
 * byte takes a hundred times its size; here they are copied into one buffer that doubles when it is full.
 */
const CAPACITY_MIN = 1024;

export class GatheredBytes {
  /** Of `#length` bytes or more; the first piece itself, as long as it is the only one. */
  #buffer: Buffer | undefined;
  #length = 0;

  /** How many bytes have been added. */
  get length(): number {
    return this.#length;
  }

  /** How many bytes more it would take up with this piece. */
  growthFor(piece: Buffer): number {
    return this.#capacityFor(piece) - (this.#buffer?.length ?? 0);
  }

  add(piece: Buffer): void {
    if (this.#buffer === undefined) {
      this.#buffer = piece;
    } else {
      const capacity = this.#capacityFor(piece);
      const room =
        capacity > this.#buffer.length ? enlarged(this.#buffer, this.#length, capacity) : this.#buffer;
      piece.copy(room, this.#length);
      this.#buffer = room;
    }
    this.#length += piece.length;
  }

  /** All that was added, as a view. */
  whole(): Buffer {
    return this.#buffer?.subarray(0, this.#length) ?? Buffer.alloc(0);
  }

  #capacityFor(piece: Buffer): number {
    if (this.#buffer === undefined) return piece.length;
    const needed = this.#length + piece.length;
    if (needed <= this.#buffer.length) return this.#buffer.length;
    return Math.max(2 * needed, CAPACITY_MIN);
  }
}

function enlarged(buffer: Buffer, length: number, capacity: number): Buffer {
  const larger = Buffer.allocUnsafeSlow(capacity);
  buffer.copy(larger, 0, 0, length);
  return larger;
}
