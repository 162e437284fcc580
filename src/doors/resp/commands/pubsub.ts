/** Messages. How a line is read: `command-rows.ts`. */
import type { CommandRows } from '../command-rows';

export const PUBSUB: CommandRows = {
  group: 'pubsub',
  category: '@pubsub',
  rows: `
  psubscribe -2           | pubsub noscript loading stale | subscription read |
  publish 3               | pubsub loading stale fast     | channel write     |
  pubsub -2               | -                             | container         |
  pubsub|channels -2      | pubsub loading stale          | channel read      |
  pubsub|help 2           | loading stale                 | keyed             | @
  pubsub|numpat 2         | pubsub loading stale          | channel read all  |
  pubsub|numsub -2        | pubsub loading stale          | channel read      |
  pubsub|shardchannels -2 | pubsub loading stale          | channel read      |
  pubsub|shardnumsub -2   | pubsub loading stale          | channel read      |
  punsubscribe -1         | pubsub noscript loading stale | subscription      |
  spublish 3              | pubsub loading stale fast     | channel write     | 1:not_key
  ssubscribe -2           | pubsub noscript loading stale | subscription read | 1..-1:not_key
  subscribe -2            | pubsub noscript loading stale | subscription read |
  sunsubscribe -1         | pubsub noscript loading stale | subscription      | 1..-1:not_key
  unsubscribe -1          | pubsub noscript loading stale | subscription      |
`,
};
