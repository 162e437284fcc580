/** Counting what is different. How a line is read: `command-rows.ts`. */
import type { CommandRows } from '../command-rows';

export const HYPERLOGLOG: CommandRows = {
  group: 'hyperloglog',
  category: '@hyperloglog',
  rows: `
  pfadd -2     | write denyoom fast  | keyed write        | 1:RW+insert
  pfcount -2   | readonly            | keyed read changes | 1..-1:RW+access
  pfdebug 3    | write denyoom admin | refused server     | 2:RW+access
  pfmerge -2   | write denyoom       | keyed read+write   | 1:RW+access+insert 2..-1:RO+access
  pfselftest 1 | admin               | refused server     |
`,
};
