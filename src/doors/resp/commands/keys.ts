/**
 * What can be done with a key whatever lies under it. How a line is read: `command-rows.ts`.
 *
 * RESTORE takes bytes that Redis does not check (`sanitize-dump-payload no`, its default): a payload made for it ends the
 * process that reads it later, replica after replica. KEYS walks over all keys whatever the pattern; those to whom some
 * are granted have SCAN.
 */
import type { CommandRows } from '../command-rows';

export const KEYS: CommandRows = {
  group: 'generic',
  category: '@keyspace',
  rows: `
  copy -3           | write denyoom             | keyed read+write    | 1:RO+access 2:OW+update
  del -2            | write                     | split delete        | 1..-1:RM+delete
  dump 2            | readonly                  | keyed read          | 1:RO+access
  exists -2         | readonly fast             | split read          | 1..-1:RO
  expire -3         | write fast                | keyed write         | 1:RW+update
  expireat -3       | write fast                | keyed write         | 1:RW+update
  expiretime 2      | readonly fast             | keyed read          | 1:RO+access
  keys 2            | readonly                  | everywhere read all | @keyspace @dangerous
  migrate -6        | write movablekeys         | refused server      | 3:RW+access+delete KEYS>-2..-1:RW+access+delete+incomplete @keyspace @dangerous
  move 3            | write fast                | refused database    | 1:RW+access+update
  object -2         | -                         | container           |
  object|encoding 3 | readonly                  | keyed read master   | 2:RO
  object|freq 3     | readonly                  | keyed read master   | 2:RO
  object|help 2     | loading stale             | keyed               |
  object|idletime 3 | readonly                  | keyed read master   | 2:RO
  object|refcount 3 | readonly                  | keyed read master   | 2:RO
  persist 2         | write fast                | keyed write         | 1:RW+update
  pexpire -3        | write fast                | keyed write         | 1:RW+update
  pexpireat -3      | write fast                | keyed write         | 1:RW+update
  pexpiretime 2     | readonly fast             | keyed read          | 1:RO+access
  pttl 2            | readonly fast             | keyed read          | 1:RO+access
  randomkey 1       | readonly                  | everywhere read all |
  rename 3          | write                     | keyed write+delete  | 1:RW+access+delete 2:OW+update
  renamenx 3        | write fast                | keyed write+delete  | 1:RW+access+delete 2:OW+insert
  restore -4        | write denyoom             | keyed write+admin all | 1:OW+update @keyspace @dangerous
  scan -2           | readonly                  | scan read           |
  sort -2           | write denyoom movablekeys | keyed read          | 1:RO+access ?:RO+access ?:OW+update @set @sortedset @list @dangerous
  sort_ro -2        | readonly movablekeys      | keyed read          | 1:RO+access ?:RO+access @set @sortedset @list @dangerous
  touch -2          | readonly fast             | split read          | 1..-1:RO
  ttl 2             | readonly fast             | keyed read          | 1:RO+access
  type 2            | readonly fast             | keyed read          | 1:RO
  unlink -2         | write fast                | split delete        | 1..-1:RM+delete
  wait 3            | noscript                  | refused wait        | @connection
  waitaof 4         | noscript                  | refused wait        | @connection
`,
};
