/** Streams and their consumer groups. How a line is read: `command-rows.ts`. */
import type { CommandRows } from '../command-rows';

export const STREAMS: CommandRows = {
  group: 'stream',
  category: '@stream',
  rows: `
  xack -4                 | write fast                    | keyed write         | 1:RW+update
  xadd -5                 | write denyoom fast            | keyed write         | 1:RW+update
  xautoclaim -6           | write fast                    | keyed read+write    | 1:RW+delete
  xclaim -6               | write fast                    | keyed read+write    | 1:RW+update
  xdel -3                 | write fast                    | keyed write         | 1:RW+delete
  xgroup -2               | -                             | container           |
  xgroup|create -5        | write denyoom                 | keyed write         | 2:RW+insert
  xgroup|createconsumer 5 | write denyoom                 | keyed write         | 2:RW+insert
  xgroup|delconsumer 5    | write                         | keyed write         | 2:RW+delete
  xgroup|destroy 4        | write                         | keyed write         | 2:RW+delete
  xgroup|help 2           | loading stale                 | keyed               |
  xgroup|setid -5         | write                         | keyed write         | 2:RW+update
  xinfo -2                | -                             | container           |
  xinfo|consumers 4       | readonly                      | keyed read          | 2:RO+access
  xinfo|groups 3          | readonly                      | keyed read          | 2:RO+access
  xinfo|help 2            | loading stale                 | keyed               |
  xinfo|stream -3         | readonly                      | keyed read          | 2:RO+access
  xlen 2                  | readonly fast                 | keyed read          | 1:RO
  xpending -3             | readonly                      | keyed read          | 1:RO+access
  xrange -4               | readonly                      | keyed read          | 1:RO+access
  xread -4                | readonly blocking movablekeys | blocking read       | STREAMS>1..-1%2:RO+access
  xreadgroup -7           | write blocking movablekeys    | blocking read+write | STREAMS>4..-1%2:RO+access
  xrevrange -4            | readonly                      | keyed read          | 1:RO+access
  xsetid -3               | write denyoom fast            | keyed write         | 1:RW+update
  xtrim -4                | write                         | keyed write         | 1:RW+delete
  xackdel -6              | write fast                    | keyed write         | 1:RW+delete
  xdelex -5               | write fast                    | keyed write         | 1:RW+delete
`,
};
