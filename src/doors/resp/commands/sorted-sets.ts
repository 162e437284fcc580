/** Sorted sets, and waiting for their members. How a line is read: `command-rows.ts`. */
import type { CommandRows } from '../command-rows';

export const SORTED_SETS: CommandRows = {
  group: 'sorted-set',
  category: '@sortedset',
  rows: `
  bzmpop -5           | write blocking movablekeys   | blocking read+write | #2:RW+access+delete
  bzpopmax -3         | write noscript blocking fast | blocking read+write | 1..-2:RW+access+delete
  bzpopmin -3         | write noscript blocking fast | blocking read+write | 1..-2:RW+access+delete
  zadd -4             | write denyoom fast           | keyed write         | 1:RW+update
  zcard 2             | readonly fast                | keyed read          | 1:RO
  zcount 4            | readonly fast                | keyed read          | 1:RO+access
  zdiff -3            | readonly movablekeys         | keyed read          | #1:RO+access
  zdiffstore -4       | write denyoom movablekeys    | keyed read+write    | 1:OW+update #2:RO+access
  zincrby 4           | write denyoom fast           | keyed read+write    | 1:RW+access+update
  zinter -3           | readonly movablekeys         | keyed read          | #1:RO+access
  zintercard -3       | readonly movablekeys         | keyed read          | #1:RO+access
  zinterstore -4      | write denyoom movablekeys    | keyed read+write    | 1:OW+update #2:RO+access
  zlexcount 4         | readonly fast                | keyed read          | 1:RO+access
  zmpop -4            | write movablekeys            | keyed read+write    | #1:RW+access+delete
  zmscore -3          | readonly fast                | keyed read          | 1:RO+access
  zpopmax -2          | write fast                   | keyed read+write    | 1:RW+access+delete
  zpopmin -2          | write fast                   | keyed read+write    | 1:RW+access+delete
  zrandmember -2      | readonly                     | keyed read          | 1:RO+access
  zrange -4           | readonly                     | keyed read          | 1:RO+access
  zrangebylex -4      | readonly                     | keyed read          | 1:RO+access
  zrangebyscore -4    | readonly                     | keyed read          | 1:RO+access
  zrangestore -5      | write denyoom                | keyed read+write    | 1:OW+update 2:RO+access
  zrank 3             | readonly fast                | keyed read          | 1:RO+access
  zrem -3             | write fast                   | keyed write         | 1:RW+delete
  zremrangebylex 4    | write                        | keyed write         | 1:RW+delete
  zremrangebyrank 4   | write                        | keyed write         | 1:RW+delete
  zremrangebyscore 4  | write                        | keyed write         | 1:RW+delete
  zrevrange -4        | readonly                     | keyed read          | 1:RO+access
  zrevrangebylex -4   | readonly                     | keyed read          | 1:RO+access
  zrevrangebyscore -4 | readonly                     | keyed read          | 1:RO+access
  zrevrank 3          | readonly fast                | keyed read          | 1:RO+access
  zscan -3            | readonly                     | keyed read master   | 1:RO+access
  zscore 3            | readonly fast                | keyed read          | 1:RO+access
  zunion -3           | readonly movablekeys         | keyed read          | #1:RO+access
  zunionstore -4      | write denyoom movablekeys    | keyed read+write    | 1:OW+update #2:RO+access
`,
};
