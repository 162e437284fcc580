/** Lists, and waiting for their elements. How a line is read: `command-rows.ts`. */
import type { CommandRows } from '../command-rows';

export const LISTS: CommandRows = {
  group: 'list',
  category: '@list',
  rows: `
  blmove 6     | write denyoom noscript blocking | blocking read+write | 1:RW+access+delete 2:RW+insert
  blmpop -5    | write blocking movablekeys      | blocking read+write | #2:RW+access+delete
  blpop -3     | write noscript blocking         | blocking read+write | 1..-2:RW+access+delete
  brpop -3     | write noscript blocking         | blocking read+write | 1..-2:RW+access+delete
  brpoplpush 4 | write denyoom noscript blocking | blocking read+write | 1:RW+access+delete 2:RW+insert
  lindex 3     | readonly                        | keyed read          | 1:RO+access
  linsert 5    | write denyoom                   | keyed write         | 1:RW+insert
  llen 2       | readonly fast                   | keyed read          | 1:RO
  lmove 5      | write denyoom                   | keyed read+write    | 1:RW+access+delete 2:RW+insert
  lmpop -4     | write movablekeys               | keyed read+write    | #1:RW+access+delete
  lpop -2      | write fast                      | keyed read+write    | 1:RW+access+delete
  lpos -3      | readonly                        | keyed read          | 1:RO+access
  lpush -3     | write denyoom fast              | keyed write         | 1:RW+insert
  lpushx -3    | write denyoom fast              | keyed write         | 1:RW+insert
  lrange 4     | readonly                        | keyed read          | 1:RO+access
  lrem 4       | write                           | keyed write         | 1:RW+delete
  lset 4       | write denyoom                   | keyed write         | 1:RW+update
  ltrim 4      | write                           | keyed write         | 1:RW+delete
  rpop -2      | write fast                      | keyed read+write    | 1:RW+access+delete
  rpoplpush 3  | write denyoom                   | keyed read+write    | 1:RW+access+delete 2:RW+insert
  rpush -3     | write denyoom fast              | keyed write         | 1:RW+insert
  rpushx -3    | write denyoom fast              | keyed write         | 1:RW+insert
`,
};
