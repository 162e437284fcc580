/**
 * How slow the other end of a connection may be: a stranger has ten seconds to show who it is, and whoever is in the
 * middle of sending a request or of reading replies has to get on with it. Between requests nobody has to say anything.
 */
import { Patience } from '../../lib/patience';

const STRANGER_MS_MAX = 10_000;
/** Replies of which more wait for a reader are only for one who takes some at this rate, which is 2 MiB/s. */
const UNREAD_BYTES_MAX = 32 * 1024 * 1024;
const UNREAD_RATE_BYTES_PER_MS = (2 * 1024 * 1024) / 1000;

/** What is to be known of a connection each time. */
export interface Progress {
  readonly isStranger: boolean;
  /** A part of a request is there, and it is for the other end to send the rest. */
  readonly isSending: boolean;
  /** Whole requests so far. */
  readonly requests: number;
  readonly receivedBytes: number;
  /** Replies wait in the socket. */
  readonly isReading: boolean;
  /** Of all replies that have not left. */
  readonly unreadBytes: number;
  /** That the system has taken over for the other end, so far. */
  readonly takenBytes: number;
}

export class Pace {
  #strangerMs = 0;
  #requestsSeen = 0;
  #takenSeen = 0;
  readonly #sending = new Patience();
  readonly #reading = new Patience();

  /** Why the connection is to be closed, in words for the log; undefined: it may go on. Time is that since the last call. */
  fault(elapsedMs: number, progress: Progress): string | undefined {
    const { isStranger, isSending, requests, receivedBytes, isReading, takenBytes } = progress;
    const takenPerMs = (takenBytes - this.#takenSeen) / elapsedMs;
    this.#takenSeen = takenBytes;
    this.#strangerMs = isStranger ? this.#strangerMs + elapsedMs : 0;
    if (this.#strangerMs > STRANGER_MS_MAX) return 'it has not authenticated';

    const isSlow = isSending && requests === this.#requestsSeen;
    this.#requestsSeen = requests;
    if (!isSlow) this.#sending.renew(receivedBytes);
    else if (!this.#sending.lasts(elapsedMs, receivedBytes)) return 'a request arrived too slowly';

    if (!isReading) this.#reading.renew(takenBytes);
    else if (!this.#reading.lasts(elapsedMs, takenBytes)) return 'replies were read too slowly';
    const isFast = takenPerMs >= UNREAD_RATE_BYTES_PER_MS;
    return progress.unreadBytes > UNREAD_BYTES_MAX && !isFast ? 'too many replies were not read' : undefined;
  }
}
