/** A name for each request of any door, by which its answer and its line in the log find each other. */
import { randomBytes } from 'node:crypto';

/** Tells the requests of this process from those of all others, past and present. */
const ID_PREFIX = `${randomBytes(6).toString('base64url')}-`;
let lastId = 0;

/** A request id that no other request of any process has; not secret, not for proving anything. */
export function createRequestId(): string {
  return ID_PREFIX + (++lastId).toString(36);
}
