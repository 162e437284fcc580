/** What a connection needs to know of its session: it hands over one request after the other. */
import type { Words } from '../../core/ports';

export interface RequestHandler {
  /**
   * Takes the next request and its place in the line of replies. undefined: the next one may come at once. A promise,
   * which never rejects: nothing more is handed over, and no more is read than is buffered, until it resolves.
   */
  handle(words: Words): Promise<void> | undefined;
  /**
   * About twice a second: what was permitted once and goes on (who is subscribed, who waits)
   * is permitted anew. What it throws is the last that the connection says.
   * @throws CacheError `forbidden` and the like
   */
  recheck?(): void;
  /** The connection has ended: what was opened for it is closed, and nothing is replied any more. */
  end(): void;
}
