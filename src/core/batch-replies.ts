/**
 * The replies to one batch as they come in, and how much of values they may carry together. A thousand READs of the
 * longest value would be gigabytes for one caller, and more than one answer of any door can hold.
 */
import type { Reply } from './command';
import { CacheError } from './errors';
import { valueBytes } from './value';

/** Written as JSON they may take six times as much, which still fits into one string of V8. */
const VALUE_BYTES_MAX = 64 * 1024 * 1024;

export class BatchReplies {
  readonly list: Reply[] = [];
  #valueBytesLeft = VALUE_BYTES_MAX;

  /** Takes the next replies; a READ whose value does not fit any more becomes an ERROR `too_large`. */
  add(replies: readonly Reply[]): void {
    for (const reply of replies) {
      if (reply.command !== 'READ' || reply.status !== 'SUCCESS') {
        this.list.push(reply);
        continue;
      }
      const bytes = valueBytes(reply.value);
      if (bytes > this.#valueBytesLeft) {
        const message = 'The values do not fit into one answer: ask for fewer keys.';
        this.list.push({ command: 'READ', status: 'ERROR', error: new CacheError('too_large', message) });
      } else {
        this.#valueBytesLeft -= bytes;
        this.list.push(reply);
      }
    }
  }
}
