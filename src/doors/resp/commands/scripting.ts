/** Scripts and functions. They can do anything. How a line is read: `command-rows.ts`. */
import type { CommandRows } from '../command-rows';

export const SCRIPTING: CommandRows = {
  group: 'scripting',
  category: '@scripting',
  rows: `
  eval -3             | noscript stale skip_monitor no_mandatory_keys movablekeys | keyed read+write+delete+admin all changes | #2:RW+access+update
  eval_ro -3          | readonly noscript stale skip_monitor no_mandatory_keys movablekeys | keyed read+admin all master | #2:RO+access
  evalsha -3          | noscript stale skip_monitor no_mandatory_keys movablekeys | keyed read+write+delete+admin all changes | #2:RW+access+update
  evalsha_ro -3       | readonly noscript stale skip_monitor no_mandatory_keys movablekeys | keyed read+admin all master | #2:RO+access
  fcall -3            | noscript stale skip_monitor no_mandatory_keys movablekeys | keyed read+write+delete+admin all changes | #2:RW+access+update
  fcall_ro -3         | readonly noscript stale skip_monitor no_mandatory_keys movablekeys | keyed read+admin all master | #2:RO+access
  function -2         | - | container |
  function|delete 3   | write noscript | everywhere admin all |
  function|dump 2     | noscript | single admin all |
  function|flush -2   | write noscript | everywhere admin all |
  function|help 2     | loading stale | keyed |
  function|kill 2     | noscript allow_busy | refused script |
  function|list -2    | noscript | single admin all |
  function|load -3    | write denyoom noscript | everywhere admin all |
  function|restore -3 | write denyoom noscript | everywhere admin all |
  function|stats 2    | noscript allow_busy | single admin all |
  script -2           | - | container |
  script|debug 3      | noscript | refused script |
  script|exists -3    | noscript | everywhere admin all |
  script|flush -2     | noscript | everywhere admin all |
  script|help 2       | loading stale | keyed |
  script|kill 2       | noscript allow_busy | refused script |
  script|load 3       | noscript stale | everywhere admin all |
`,
};
