/**
 * `COHERENCE=pubsub`, for a Redis without tracking: who changes a key publishes it in the same transaction. Redis
 * replicates the publication with the change, in order, so a replica's subscribers hear of it when the change is
 * visible there, not before (R15). Writes made straight to Redis are not announced.
 */
import type { Dialect } from './feed';

export const ANNOUNCEMENTS_CHANNEL = 'ringcache:announcements';

export const pubsubDialect: Dialect = {
  channel: ANNOUNCEMENTS_CHANNEL,
  parse: (message) => (Buffer.isBuffer(message) ? [message] : 'everything'),
  tellsReload: false,
  arm: undefined,
};
