/** What is broken on purpose in a replicated group. */
import type { Figure } from '../fault';
import type { Random } from '../random';
import type { GroupRig } from './group-rig';

export interface GroupFault {
  /** As in the table of faults. */
  readonly name: string;
  /** A part of a sentence. */
  readonly title: string;
  /** One round: breaks, waits, heals. */
  strike(rig: GroupRig, random: Random): Promise<readonly Figure[]>;
}
