/**
 * The replies to one batch as they come in, and how much of values they may carry together. A thousand READs of the
 * longest value would be gigabytes for one caller, and more than one answer of any door can hold.
 */
import type { Reply } from './command';
import { CacheError } from './errors';
import { valueBytes } from './value';

/** Written as JSON they may take six times as much, which still fits into one string of V8. */
const VALUE_BYTES_MAX = 64 * 1024 * 1024;
/** Commands that are at work together at most; some windows in a row are as good as one for the longest batch. */
const WINDOW_MAX = 250;
/** The first window is small: nothing is known of the values yet, and each may be the longest there can be. */
const WINDOW_FIRST = 16;
/** What one window should bring. */
const WINDOW_VALUE_BYTES = 16 * 1024 * 1024;

export class BatchReplies {
  readonly list: Reply[] = [];
  #valueBytes = 0;
  #isFull = false;

  /** A value did not fit: no further READ needs to be carried out. */
  get isFull(): boolean {
    return this.#isFull;
  }

  /** How many of the next commands may be carried out together, by the size of the values so far. */
  get nextWindow(): number {
    if (this.list.length === 0) return WINDOW_FIRST;
    const meanBytes = this.#valueBytes / this.list.length;
    return Math.min(WINDOW_MAX, Math.max(1, Math.floor(WINDOW_VALUE_BYTES / Math.max(1, meanBytes))));
  }

  /** Takes the next replies; a READ whose value does not fit any more becomes an ERROR `too_large`. */
  add(replies: readonly Reply[]): void {
    for (const reply of replies) {
      if (reply.command !== 'READ' || reply.status !== 'SUCCESS') {
        this.list.push(reply);
        continue;
      }
      const bytes = valueBytes(reply.value);
      if (this.#isFull || this.#valueBytes + bytes > VALUE_BYTES_MAX) {
        this.#isFull = true;
        this.list.push(doesNotFit());
      } else {
        this.#valueBytes += bytes;
        this.list.push(reply);
      }
    }
  }
}

/** The reply to a READ for which there is no room left. */
export function doesNotFit(): Reply {
  const message = 'The values do not fit into one answer: ask for fewer keys.';
  return { command: 'READ', status: 'ERROR', error: new CacheError('too_large', message) };
}
