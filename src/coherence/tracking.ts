/**
 * `COHERENCE=tracking`: Redis's server-assisted tracking in its default mode, redirected to a subscriber connection
 * (https://redis.io/docs/latest/develop/reference/client-side-caching/). Redis remembers which keys were read on the
 * data connection and announces each once when it changes, expires or is evicted; with no key it says "everything".
 *
 * Without NOLOOP (R6): our own write takes the key out of Redis's table too, and with NOLOOP it would do so unsaid.
 * Not BCAST: that announces every write of everybody, four times over for a master and three replicas, at 2 µs each.
 * The table is bounded by Redis's `tracking-table-max-keys` (a million by default, about 100 bytes each): a key that
 * is dropped from it is announced.
 */
import type { Dialect } from './feed';

export const trackingDialect: Dialect = {
  channel: '__redis__:invalidate',
  // An array of keys, or null: FLUSHALL, or a full resync of a replica (R9).
  parse: (message) => (Array.isArray(message) ? (message as Buffer[]) : 'everything'),
  tellsReload: true,
  arm: async (data, subscriberId) => {
    await data.call('CLIENT', 'TRACKING', 'ON', 'REDIRECT', subscriberId);
  },
};
