/** What concerns a server as a whole. How a line is read: `command-rows.ts`. */
import type { CommandRows } from '../command-rows';

export const SERVER: CommandRows = {
  group: 'server',
  category: '',
  rows: `
  acl -2                     | -                                                | container             |
  acl|cat -2                 | noscript loading stale                           | refused clients       |
  acl|deluser -3             | admin noscript loading stale                     | refused clients       |
  acl|dryrun -4              | admin noscript loading stale                     | refused clients       |
  acl|genpass -2             | noscript loading stale                           | refused clients       |
  acl|getuser 3              | admin noscript loading stale                     | refused clients       |
  acl|help 2                 | loading stale                                    | refused clients       |
  acl|list 2                 | admin noscript loading stale                     | refused clients       |
  acl|load 2                 | admin noscript loading stale                     | refused clients       |
  acl|log -2                 | admin noscript loading stale                     | refused clients       |
  acl|save 2                 | admin noscript loading stale                     | refused clients       |
  acl|setuser -3             | admin noscript loading stale                     | refused clients       |
  acl|users 2                | admin noscript loading stale                     | refused clients       |
  acl|whoami 2               | noscript loading stale                           | local                 |
  bgrewriteaof 1             | admin noscript no_async_loading                  | single admin all      |
  bgsave -1                  | admin noscript no_async_loading                  | single admin all      |
  command -1                 | loading stale                                    | local                 | @connection
  command|count 2            | loading stale                                    | local                 | @connection
  command|docs -2            | loading stale                                    | local                 | @connection
  command|getkeys -4         | loading stale                                    | local                 | @connection
  command|getkeysandflags -4 | loading stale                                    | local                 | @connection
  command|help 2             | loading stale                                    | local                 | @connection
  command|info -2            | loading stale                                    | local                 | @connection
  command|list -2            | loading stale                                    | local                 | @connection
  config -2                  | -                                                | container             |
  config|get -3              | admin noscript loading stale                     | local admin all       |
  config|help 2              | loading stale                                    | keyed                 |
  config|resetstat 2         | admin noscript loading stale                     | single admin all      |
  config|rewrite 2           | admin noscript loading stale                     | refused server        |
  config|set -4              | admin noscript loading stale                     | refused server        |
  dbsize 1                   | readonly fast                                    | everywhere read all   | @keyspace
  debug -2                   | admin noscript loading stale                     | refused server        |
  failover -1                | admin noscript stale                             | refused server        |
  flushall -1                | write                                            | everywhere delete all | @keyspace @dangerous
  flushdb -1                 | write                                            | everywhere delete all | @keyspace @dangerous
  info -1                    | loading stale                                    | local                 | @dangerous
  lastsave 1                 | loading stale fast                               | single admin all      | @admin @dangerous
  latency -2                 | -                                                | container             |
  latency|doctor 2           | admin noscript loading stale                     | single admin all      |
  latency|graph 3            | admin noscript loading stale                     | single admin all      |
  latency|help 2             | loading stale                                    | keyed                 |
  latency|histogram -2       | admin noscript loading stale                     | single admin all      |
  latency|history 3          | admin noscript loading stale                     | single admin all      |
  latency|latest 2           | admin noscript loading stale                     | single admin all      |
  latency|reset -2           | admin noscript loading stale                     | single admin all      |
  lolwut -1                  | readonly fast                                    | local                 |
  memory -2                  | -                                                | container             |
  memory|doctor 2            | -                                                | single admin all      |
  memory|help 2              | loading stale                                    | keyed                 |
  memory|malloc-stats 2      | -                                                | single admin all      |
  memory|purge 2             | -                                                | single admin all      |
  memory|stats 2             | -                                                | single admin all      |
  memory|usage -3            | readonly                                         | keyed read            | 2:RO
  module -2                  | -                                                | container             |
  module|help 2              | loading stale                                    | refused server        |
  module|list 2              | admin noscript                                   | refused server        |
  module|load -3             | admin noscript no_async_loading                  | refused server        |
  module|loadex -3           | admin noscript no_async_loading                  | refused server        |
  module|unload 3            | admin noscript no_async_loading                  | refused server        |
  monitor 1                  | admin noscript loading stale                     | refused watching      |
  psync -3                   | admin noscript no_async_loading no_multi         | refused replication   |
  replconf -1                | admin noscript loading stale allow_busy          | refused replication   |
  replicaof 3                | admin noscript stale no_async_loading            | refused server        |
  restore-asking -4          | write denyoom asking                             | refused server        | 1:OW+update @keyspace @dangerous
  role 1                     | noscript loading stale fast                      | local                 | @admin @dangerous
  save 1                     | admin noscript no_async_loading no_multi         | refused server        |
  shutdown -1                | admin noscript loading stale no_multi allow_busy | refused server        |
  slaveof 3                  | admin noscript stale no_async_loading            | refused server        |
  slowlog -2                 | -                                                | container             |
  slowlog|get -2             | admin loading stale                              | single admin all      |
  slowlog|help 2             | loading stale                                    | keyed                 |
  slowlog|len 2              | admin loading stale                              | single admin all      |
  slowlog|reset 2            | admin loading stale                              | single admin all      |
  swapdb 3                   | write fast                                       | refused database      | @keyspace @dangerous
  sync 1                     | admin noscript no_async_loading no_multi         | refused replication   |
  time 1                     | loading stale fast                               | local                 |
`,
};
