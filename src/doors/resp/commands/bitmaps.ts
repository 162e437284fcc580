/** Bits of a value. How a line is read: `command-rows.ts`. */
import type { CommandRows } from '../command-rows';

export const BITMAPS: CommandRows = {
  group: 'bitmap',
  category: '@bitmap',
  rows: `
  bitcount -2    | readonly      | keyed read       | 1:RO+access
  bitfield -2    | write denyoom | keyed read       | 1:RW+access+update+variable_flags
  bitfield_ro -2 | readonly fast | keyed read       | 1:RO+access
  bitop -4       | write denyoom | keyed read+write | 2:OW+update 3..-1:RO+access
  bitpos -3      | readonly      | keyed read       | 1:RO+access
  getbit 3       | readonly fast | keyed read       | 1:RO+access
  setbit 4       | write denyoom | keyed read+write | 1:RW+access+update
`,
};
