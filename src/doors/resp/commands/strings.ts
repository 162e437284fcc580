/** Whole values and parts of them. How a line is read: `command-rows.ts`. */
import type { CommandRows } from '../command-rows';

export const STRINGS: CommandRows = {
  group: 'string',
  category: '@string',
  rows: `
  append 3      | write denyoom fast        | keyed write       | 1:RW+insert
  decr 2        | write denyoom fast        | keyed read+write  | 1:RW+access+update
  decrby 3      | write denyoom fast        | keyed read+write  | 1:RW+access+update
  get 2         | readonly fast             | value read        | 1:RO+access
  getdel 2      | write fast                | keyed read+delete | 1:RW+access+delete
  getex -2      | write fast                | keyed read        | 1:RW+access+update
  getrange 4    | readonly                  | keyed read        | 1:RO+access
  getset 3      | write denyoom fast        | keyed read+write  | 1:RW+access+update
  incr 2        | write denyoom fast        | keyed read+write  | 1:RW+access+update
  incrby 3      | write denyoom fast        | keyed read+write  | 1:RW+access+update
  incrbyfloat 3 | write denyoom fast        | keyed read+write  | 1:RW+access+update
  lcs -3        | readonly                  | keyed read        | 1..2:RO+access
  mget -2       | readonly fast             | split read        | 1..-1:RO+access
  mset -3       | write denyoom             | split write       | 1..-1/2:OW+update
  msetnx -3     | write denyoom             | keyed write       | 1..-1/2:OW+insert
  psetex 4      | write denyoom             | keyed write       | 1:OW+update
  set -3        | write denyoom             | keyed write       | 1:RW+access+update+variable_flags
  setex 4       | write denyoom             | keyed write       | 1:OW+update
  setnx 3       | write denyoom fast        | keyed write       | 1:OW+insert
  setrange 4    | write denyoom             | keyed write       | 1:RW+update
  strlen 2      | readonly fast             | keyed read        | 1:RO
  substr 4      | readonly                  | keyed read        | 1:RO+access
  delex -2      | write fast                | keyed delete      | 1:RM+delete
  digest 2      | readonly fast             | keyed read        | 1:RO
  msetex -4     | write denyoom movablekeys | keyed write       | #1/2:OW+update
`,
};
