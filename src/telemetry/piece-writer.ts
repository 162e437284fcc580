/**
 * Writes pieces of whole lines to a file descriptor, one piece at a time and in order, off the event loop.
 *
 * pino's own destination is not used for it: given bytes it fuses the lines that waited behind a write that failed, and at
 * the end it tries again for ever where a disk is full, so that a process which has a fault stays.
 */
import { write, writeSync } from 'node:fs';

const LINE_FEED = Buffer.from('\n');
const WRITE_BYTES_MAX = 256 * 1024;
/** At the end, for a reader that is slow. */
const CLOSE_MS_MAX = 1000;
const RETRY_MS = 10;

export class PieceWriter {
  readonly #fd: number;
  readonly #bytesMax: number;
  /** The first of them is the one that is being written. */
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #isWriting = false;
  /** Of the last line only a part was written so far. */
  #isLineOpen = false;
  #isClosed = false;

  constructor(fd: number, bytesMax: number) {
    this.#fd = fd;
    this.#bytesMax = bytesMax;
  }

  /** Whole lines, which are not copied. Where more than `bytesMax` would wait they are dropped. */
  add(piece: Buffer): void {
    if (this.#isClosed || this.#waitingBytes + piece.length > this.#bytesMax) return;
    this.#waiting.push(piece);
    this.#waitingBytes += piece.length;
  }

  /** Begins to write what waits. What a write has failed for is tried again at the next call. */
  flush(): void {
    if (this.#isWriting || this.#waiting.length === 0) return;
    this.#isWriting = true;
    const piece = this.#merge();
    write(this.#fd, piece, 0, piece.length, null, (error, count) => {
      this.#isWriting = false;
      if (error === null) {
        this.#took(piece, count);
        this.flush();
      } else {
        this.#failed(piece, error);
      }
    });
  }

  /** As many of those that wait as one write takes become one. */
  #merge(): Buffer {
    const merged: Buffer[] = [];
    let bytes = 0;
    for (const piece of this.#waiting) {
      bytes += piece.length;
      if (merged.length > 0 && bytes > WRITE_BYTES_MAX) break;
      merged.push(piece);
    }
    const [first] = merged;
    const whole = first !== undefined && merged.length === 1 ? first : Buffer.concat(merged);
    this.#waiting.splice(0, merged.length, whole);
    return whole;
  }

  /** Writes the rest, as far as it is taken, and takes nothing more. What is being written is left to the thread that does. */
  close(): void {
    this.#isClosed = true;
    let left = Buffer.concat(this.#isWriting ? this.#waiting.slice(1) : this.#waiting);
    this.#waiting = [];
    const untilMs = performance.now() + CLOSE_MS_MAX;
    while (left.length > 0) {
      try {
        left = left.subarray(writeSync(this.#fd, left));
      } catch (error) {
        if (!isBusy(error) || performance.now() > untilMs) return;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS);
      }
    }
  }

  #took(piece: Buffer, count: number): void {
    if (this.#isClosed) return;
    this.#waitingBytes -= count;
    this.#isLineOpen = piece[count - 1] !== LINE_FEED[0];
    if (count === piece.length) this.#waiting.shift();
    else this.#waiting[0] = piece.subarray(count);
  }

  #failed(piece: Buffer, error: NodeJS.ErrnoException): void {
    if (isBusy(error) || this.#isClosed) return;
    if (error.code === 'EPIPE' || error.code === 'EBADF') {
      // There is nobody left to tell.
      this.#isClosed = true;
      this.#waiting = [];
      return;
    }
    if (!this.#isLineOpen) return;
    // A full disk has taken a part of a line. By the time that it takes the rest, somebody else may have written behind it:
    // the part becomes a line of its own, and the rest of it is lost.
    const rest = Buffer.concat([LINE_FEED, piece.subarray(piece.indexOf(LINE_FEED) + 1)]);
    this.#waitingBytes += rest.length - piece.length;
    this.#waiting[0] = rest;
    this.#isLineOpen = false;
  }
}

function isBusy(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'EAGAIN' || code === 'EBUSY';
}
