/** Sets. How a line is read: `command-rows.ts`. */
import type { CommandRows } from '../command-rows';

export const SETS: CommandRows = {
  group: 'set',
  category: '@set',
  rows: `
  sadd -3        | write denyoom fast   | keyed write       | 1:RW+insert
  scard 2        | readonly fast        | keyed read        | 1:RO
  sdiff -2       | readonly             | keyed read        | 1..-1:RO+access
  sdiffstore -3  | write denyoom        | keyed read+write  | 1:OW+update 2..-1:RO+access
  sinter -2      | readonly             | keyed read        | 1..-1:RO+access
  sintercard -3  | readonly movablekeys | keyed read        | #1:RO+access
  sinterstore -3 | write denyoom        | keyed read+write  | 1:RW+update 2..-1:RO+access
  sismember 3    | readonly fast        | keyed read        | 1:RO
  smembers 2     | readonly             | keyed read        | 1:RO+access
  smismember -3  | readonly fast        | keyed read        | 1:RO+access
  smove 4        | write fast           | keyed write       | 1:RW+access+delete 2:RW+insert
  spop -2        | write fast           | keyed read+write  | 1:RW+access+delete
  srandmember -2 | readonly             | keyed read        | 1:RO+access
  srem -3        | write fast           | keyed write       | 1:RW+delete
  sscan -3       | readonly             | keyed read master | 1:RO+access
  sunion -2      | readonly             | keyed read        | 1..-1:RO+access
  sunionstore -3 | write denyoom        | keyed read+write  | 1:OW+update 2..-1:RO+access
`,
};
