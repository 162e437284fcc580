/** What one connection holds of what all connections of the door have together. The door is told of changes only. */
import type { RespDeps } from './session-state';

/** A request of which a part is still to come counts from this size on. Its buffer may be twice as large. */
const LONG_REQUEST_BYTES = 64 * 1024;

export class DoorShare {
  #requestBytes = 0;
  #unreadBytes = 0;

  constructor(private readonly door: Pick<RespDeps, 'requestBytes' | 'unread'>) {}

  /** So much of a request is there. False: there is no room for it, and nothing is counted. */
  holdRequest(heldBytes: number): boolean {
    const bytes = heldBytes > LONG_REQUEST_BYTES ? heldBytes : 0;
    if (bytes === this.#requestBytes) return true;
    const { requestBytes } = this.door;
    requestBytes.release(this.#requestBytes);
    const hasRoom = requestBytes.take(bytes);
    this.#requestBytes = hasRoom ? bytes : 0;
    return hasRoom;
  }

  /** So many bytes of replies have not left. False: it is one of those who are to be closed for that. */
  holdUnread(bytes: number): boolean {
    const { unread } = this.door;
    unread.change(bytes - this.#unreadBytes);
    this.#unreadBytes = bytes;
    return !unread.isTooMuch(bytes);
  }

  /** The connection has ended: it holds nothing. */
  release(): void {
    this.holdRequest(0);
    this.holdUnread(0);
  }
}
