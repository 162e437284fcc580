/**
 * Replies that have not left, of all connections of the door together: one that is relayed comes whether its reader reads
 * or not, so that a limit for each alone would leave their sum without one.
 */

/** Or a few of the largest values, so that one reply is never too much by itself. */
const BYTES_MAX = 256 * 1024 * 1024;
const VALUES_MAX = 4;
/** Who has no more than this is not the one to pay for it. */
const OWN_BYTES_MAX = 32 * 1024 * 1024;

export class UnreadReplies {
  #bytes = 0;
  readonly #bytesMax: number;

  constructor(valueBytesMax: number) {
    this.#bytesMax = Math.max(BYTES_MAX, VALUES_MAX * valueBytesMax);
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** A connection has so many more than it said last; negative: fewer. */
  change(byBytes: number): void {
    this.#bytes += byBytes;
  }

  /** Whether a connection with so many is to be closed, for there are too many. */
  isTooMuch(ownBytes: number): boolean {
    return ownBytes > OWN_BYTES_MAX && this.#bytes > this.#bytesMax;
  }
}
