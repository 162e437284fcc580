/** How long a peer may be slow. One byte a second keeps a naive server's connection busy for days. */

/** Without any progress, this long. */
const PATIENCE_MS = 5000;
/** A peer that keeps this rate is never too slow; 64 KiB/s. */
const RATE_BYTES_PER_MS = (64 * 1024) / 1000;

/**
 * Patience with one direction of one connection: it runs out with time, bytes bring it back, and it never grows
 * beyond the full amount, so that a fast start buys nobody a slow end.
 */
export class Patience {
  #leftMs = PATIENCE_MS;
  #seenBytes = 0;

  /** Full again, as nothing was awaited until now; `totalBytes` is the count from which progress is measured. */
  renew(totalBytes: number): void {
    this.#leftMs = PATIENCE_MS;
    this.#seenBytes = totalBytes;
  }

  /** Takes the time that went by, and the count of all bytes so far. False: it has run out. */
  lasts(elapsedMs: number, totalBytes: number): boolean {
    const earnedMs = (totalBytes - this.#seenBytes) / RATE_BYTES_PER_MS;
    this.#seenBytes = totalBytes;
    this.#leftMs = Math.min(PATIENCE_MS, this.#leftMs - elapsedMs + earnedMs);
    return this.#leftMs > 0;
  }
}

/**
 * Bytes that the system has taken over from us for the other end of a TCP socket. No public counter tells: those of a
 * TLS socket count what was handed to the encryption, `bytesWritten` of the TCP socket what waits in this process as
 * well, so that it grows with what is not read. What was handed to the event loop is in the handle's own counter, and
 * what still waits there in `writeQueueSize`, by which Node's own `socket.setTimeout` tells a slow peer from a dead one.
 */
export function bytesTaken(transport: { readonly bytesWritten: number }): number {
  const { _handle: handle } = transport as unknown as {
    _handle: { bytesWritten?: number; writeQueueSize?: number } | null;
  };
  return (handle?.bytesWritten ?? transport.bytesWritten) - (handle?.writeQueueSize ?? 0);
}
