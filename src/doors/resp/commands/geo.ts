/** Places on the earth, which are members of sorted sets. How a line is read: `command-rows.ts`. */
import type { CommandRows } from '../command-rows';

export const GEO: CommandRows = {
  group: 'geo',
  category: '@geo',
  rows: `
  geoadd -5               | write denyoom             | keyed write      | 1:RW+update
  geodist -4              | readonly                  | keyed read       | 1:RO+access
  geohash -2              | readonly                  | keyed read       | 1:RO+access
  geopos -2               | readonly                  | keyed read       | 1:RO+access
  georadius -6            | write denyoom movablekeys | keyed read       | 1:RO+access STORE>6:OW+update STOREDIST>6:OW+update
  georadius_ro -6         | readonly                  | keyed read       | 1:RO+access
  georadiusbymember -5    | write denyoom movablekeys | keyed read       | 1:RO+access STORE>5:OW+update STOREDIST>5:OW+update
  georadiusbymember_ro -5 | readonly                  | keyed read       | 1:RO+access
  geosearch -7            | readonly                  | keyed read       | 1:RO+access
  geosearchstore -8       | write denyoom             | keyed read+write | 1:OW+update 2:RO+access
`,
};
