/** The table of all faults that the rig knows, by their names. */
import type { Fault } from './fault';
import { gatewayFrozen, invalidationsKilled, nothing } from './faults/announcements';
import {
  failoverPlanned,
  machineKilled,
  masterFrozen,
  masterIsolated,
  masterKilled,
} from './faults/failovers';
import { invalidationsFlood } from './faults/flood';
import { invalidationsHalfOpen, masterOutOfReach, repliesLate, repliesSwallowed } from './faults/links';
import { gatewayKilled, rollingRestart } from './faults/processes';
import { expiryLate, replicaLost, replicationPaused } from './faults/replicas';
import { outOfMemory, shardDown } from './faults/shards';

const ALL: readonly Fault[] = [
  nothing,
  masterKilled,
  machineKilled,
  masterFrozen,
  masterIsolated,
  masterOutOfReach,
  repliesSwallowed,
  replicaLost,
  replicationPaused,
  invalidationsKilled,
  invalidationsHalfOpen,
  gatewayFrozen,
  invalidationsFlood,
  failoverPlanned,
  shardDown,
  outOfMemory,
  gatewayKilled,
  rollingRestart,
  repliesLate,
  expiryLate,
];

export const FAULTS: ReadonlyMap<string, Fault> = new Map(ALL.map((fault) => [fault.name, fault]));
