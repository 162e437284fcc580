/** Fields within a key. How a line is read: `command-rows.ts`. */
import type { CommandRows } from '../command-rows';

export const HASHES: CommandRows = {
  group: 'hash',
  category: '@hash',
  rows: `
  hdel -3         | write fast         | keyed write       | 1:RW+delete
  hexists 3       | readonly fast      | keyed read        | 1:RO
  hget 3          | readonly fast      | keyed read        | 1:RO+access
  hgetall 2       | readonly           | keyed read        | 1:RO+access
  hincrby 4       | write denyoom fast | keyed read+write  | 1:RW+access+update
  hincrbyfloat 4  | write denyoom fast | keyed read+write  | 1:RW+access+update
  hkeys 2         | readonly           | keyed read        | 1:RO+access
  hlen 2          | readonly fast      | keyed read        | 1:RO
  hmget -3        | readonly fast      | keyed read        | 1:RO+access
  hmset -4        | write denyoom fast | keyed write       | 1:RW+update
  hrandfield -2   | readonly           | keyed read        | 1:RO+access
  hscan -3        | readonly           | keyed read master | 1:RO+access
  hset -4         | write denyoom fast | keyed write       | 1:RW+update
  hsetnx 4        | write denyoom fast | keyed write       | 1:RW+insert
  hstrlen 3       | readonly fast      | keyed read        | 1:RO
  hvals 2         | readonly           | keyed read        | 1:RO+access
  hexpire -6      | write denyoom fast | keyed write       | 1:RW+update
  hexpireat -6    | write denyoom fast | keyed write       | 1:RW+update
  hexpiretime -5  | readonly fast      | keyed read        | 1:RO+access
  hgetdel -5      | write fast         | keyed read+write  | 1:RW+access+delete
  hgetex -5       | write fast         | keyed read+write  | 1:RW+access+update
  hpersist -5     | write fast         | keyed write       | 1:RW+update
  hpexpire -6     | write denyoom fast | keyed write       | 1:RW+update
  hpexpireat -6   | write denyoom fast | keyed write       | 1:RW+update
  hpexpiretime -5 | readonly fast      | keyed read        | 1:RO+access
  hpttl -5        | readonly fast      | keyed read        | 1:RO+access
  hsetex -6       | write denyoom fast | keyed write       | 1:RW+update
  httl -5         | readonly fast      | keyed read        | 1:RO+access
`,
};
