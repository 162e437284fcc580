/** Several commands as one step. How a line is read: `command-rows.ts`. */
import type { CommandRows } from '../command-rows';

export const TRANSACTIONS: CommandRows = {
  group: 'transactions',
  category: '@transaction',
  rows: `
  discard 1 | noscript loading stale fast allow_busy | transaction      |
  exec 1    | noscript loading stale skip_slowlog    | transaction      |
  multi 1   | noscript loading stale fast allow_busy | transaction      |
  unwatch 1 | noscript loading stale fast allow_busy | transaction      |
  watch -2  | noscript loading stale fast allow_busy | transaction read | 1..-1:RO
`,
};
