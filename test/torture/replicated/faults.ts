/** All faults of a replicated group, by their names. */
import { busBroken } from './bus-faults';
import type { GroupFault } from './fault';
import { gatewayKilled, nothing, rollingRestart } from './process-faults';
import { bitFlipped, diskFull, killedWhileSaving, old, truncated } from './snapshot-faults';

const ALL: readonly GroupFault[] = [
  ...[nothing, killedWhileSaving, bitFlipped, truncated, old, diskFull],
  ...[gatewayKilled, rollingRestart, busBroken],
];

export const GROUP_FAULTS: ReadonlyMap<string, GroupFault> = new Map(ALL.map((fault) => [fault.name, fault]));
