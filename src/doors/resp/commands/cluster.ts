/** Of a node of a Redis Cluster, as which the gateway does not speak. How a line is read: `command-rows.ts`. */
import type { CommandRows } from '../command-rows';

export const CLUSTER: CommandRows = {
  group: 'cluster',
  category: '',
  rows: `
  asking 1                        | fast                         | refused cluster | @connection
  cluster -2                      | -                            | container       |
  cluster|addslots -3             | admin stale no_async_loading | refused cluster |
  cluster|addslotsrange -4        | admin stale no_async_loading | refused cluster |
  cluster|bumpepoch 2             | admin stale no_async_loading | refused cluster |
  cluster|count-failure-reports 3 | admin stale                  | refused cluster |
  cluster|countkeysinslot 3       | stale                        | refused cluster |
  cluster|delslots -3             | admin stale no_async_loading | refused cluster |
  cluster|delslotsrange -4        | admin stale no_async_loading | refused cluster |
  cluster|failover -2             | admin stale no_async_loading | refused cluster |
  cluster|flushslots 2            | admin stale no_async_loading | refused cluster |
  cluster|forget 3                | admin stale no_async_loading | refused cluster |
  cluster|getkeysinslot 4         | stale                        | refused cluster |
  cluster|help 2                  | loading stale                | refused cluster |
  cluster|info 2                  | stale                        | refused cluster |
  cluster|keyslot 3               | stale                        | refused cluster |
  cluster|links 2                 | stale                        | refused cluster |
  cluster|meet -4                 | admin stale no_async_loading | refused cluster |
  cluster|myid 2                  | stale                        | refused cluster |
  cluster|myshardid 2             | stale                        | refused cluster |
  cluster|nodes 2                 | stale                        | refused cluster |
  cluster|replicas 3              | admin stale                  | refused cluster |
  cluster|replicate 3             | admin stale no_async_loading | refused cluster |
  cluster|reset -2                | admin noscript stale         | refused cluster |
  cluster|saveconfig 2            | admin stale no_async_loading | refused cluster |
  cluster|set-config-epoch 3      | admin stale no_async_loading | refused cluster |
  cluster|setslot -4              | admin stale no_async_loading | refused cluster |
  cluster|shards 2                | stale                        | refused cluster |
  cluster|slaves 3                | admin stale                  | refused cluster |
  cluster|slots 2                 | stale                        | refused cluster |
  readonly 1                      | loading stale fast           | refused cluster | @connection
  readwrite 1                     | loading stale fast           | refused cluster | @connection
`,
};
