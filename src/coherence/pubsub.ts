/**
 * `COHERENCE=pubsub`, for a Redis without tracking: who changes a key publishes it in the same transaction. Redis
 * replicates the publication with the change, in order, so a replica's subscribers hear of it when the change is
 * visible there, not before (R15). Writes made straight to Redis are not announced.
 *
 * A message is a key. One without a byte is "everything": a change that cannot name its keys (FLUSHALL, a script) is
 * announced so, rather than refused or kept quiet. Whoever hears it drops what was read from the node that said so, as
 * after a FLUSHALL under tracking. No key that is kept is empty.
 */
import { ANNOUNCEMENTS_CHANNEL } from '../core/announcements-channel';
import type { Key } from '../core/command';
import type { Words } from '../core/ports';
import type { Dialect } from './feed';

const PUBLISH = Buffer.from('PUBLISH');
const CHANNEL = Buffer.from(ANNOUNCEMENTS_CHANNEL);
const EVERYTHING: readonly Words[] = [[PUBLISH, CHANNEL, Buffer.alloc(0)]];

export const pubsubDialect: Dialect = {
  channel: ANNOUNCEMENTS_CHANNEL,
  parse: (message) => (Buffer.isBuffer(message) && message.length > 0 ? [message] : 'everything'),
  tellsReload: false,
  arm: undefined,
};

export function publicationsOf(keys: readonly Key[] | 'everything'): readonly Words[] {
  // An empty key would be heard as everything, which is more than is needed and does no harm.
  if (keys === 'everything') return EVERYTHING;
  return keys.map((key) => [PUBLISH, CHANNEL, Buffer.from(key, 'latin1')]);
}
