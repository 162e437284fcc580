/** Who speaks, and how. How a line is read: `command-rows.ts`. */
import type { CommandRows } from '../command-rows';

export const CONNECTION: CommandRows = {
  group: 'connection',
  category: '@connection',
  rows: `
  auth -2               | noscript loading stale fast no_auth allow_busy | local open         |
  client -2             | -                                              | container          |
  client|caching 3      | noscript loading stale                         | refused connection |
  client|getname 2      | noscript loading stale                         | local              |
  client|getredir 2     | noscript loading stale                         | refused connection |
  client|help 2         | loading stale                                  | keyed              |
  client|id 2           | noscript loading stale                         | local              |
  client|info 2         | noscript loading stale                         | local              |
  client|kill -3        | admin noscript loading stale                   | refused connection |
  client|list -2        | admin noscript loading stale                   | local              |
  client|no-evict 3     | admin noscript loading stale                   | refused connection |
  client|no-touch 3     | noscript loading stale                         | refused connection |
  client|pause -3       | admin noscript loading stale                   | refused connection |
  client|reply 3        | noscript loading stale                         | refused connection |
  client|setinfo 4      | noscript loading stale                         | local              |
  client|setname 3      | noscript loading stale                         | local              |
  client|tracking -3    | noscript loading stale                         | refused connection |
  client|trackinginfo 2 | noscript loading stale                         | refused connection |
  client|unblock -3     | admin noscript loading stale                   | refused connection |
  client|unpause 2      | admin noscript loading stale                   | refused connection |
  echo 2                | loading stale fast                             | local              |
  hello -1              | noscript loading stale fast no_auth allow_busy | local open         |
  ping -1               | fast                                           | local open         |
  quit -1               | noscript loading stale fast no_auth allow_busy | local open         |
  reset 1               | noscript loading stale fast no_auth allow_busy | local open         |
  select 2              | loading stale fast                             | local              |
`,
};
