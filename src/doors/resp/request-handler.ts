/** What a connection needs to know of its session: it hands over one request after the other. */
import type { Key } from '../../core/command';
import type { Words } from '../../core/ports';

export interface RequestHandler {
  /** Where GETs may go by their keys alone; undefined: there is no such way. */
  readonly shortWay?: GetHandler | undefined;
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

/** Takes requests that are `GET key`, as `handle` would take their words, or leaves them to it. */
export interface GetHandler {
  /** A turn of the event loop begins, at this time (monotonic); its requests are handed over one behind the other. */
  beginTurn(nowMs: number): void;
  /** Takes the request and its place in the line of replies. False: nothing was done. Never throws. */
  get(key: Key): boolean;
}
