/** What a fault is: one thing that is broken on purpose, the processes that it needs, and what must hold meanwhile. */
import type { CheckOptions } from './check-options';
import type { LoadOptions } from './load';
import type { Random } from './random';
import type { Rig } from './rig';
import { ringNames, type RingOptions, type RingTopology } from './ring-topology';
import { SENTINEL_SHARDS, type SentinelTopology } from './sentinel-topology';
import type { Topology } from './topology';

/** What a round of a fault found, beside what the history tells. */
export interface Figure {
  readonly name: string;
  readonly value: number;
  /** Over it the run has failed; under it where `isFloor`. undefined: for information. */
  readonly limit?: number;
  readonly isFloor?: boolean;
}

interface FaultBase {
  /** As in the table of faults. */
  readonly name: string;
  /** A part of a sentence. */
  readonly title: string;
  /** 2 unless told otherwise. */
  readonly gateways?: number;
  /** Over those that the topology gives. */
  readonly settings?: Readonly<Record<string, string>>;
  readonly routing?: LoadOptions['routing'];
  /** Of the writes that ask for it; 1 unless told otherwise. */
  readonly ack?: LoadOptions['ack'];
  /** Over those that hold for all. */
  readonly limits?: CheckOptions;
}

/** A fault of what stands on such a topology. */
export interface FaultOn<T extends Topology> extends FaultBase {
  /** One round: breaks, waits, heals. It marks the time in which something was broken (`Rig.broken`). */
  strike(rig: Rig<T>, random: Random): Promise<readonly Figure[]>;
}

export interface RingFault extends FaultOn<RingTopology> {
  readonly ring: RingOptions;
}

export interface SentinelFault extends FaultOn<SentinelTopology> {
  readonly sentinel: { readonly throughProxies: boolean };
}

export type Fault = RingFault | SentinelFault;

/** The shards on which it is tried. */
export function shardsOf(fault: Fault): readonly string[] {
  return 'ring' in fault ? ringNames(fault.ring) : SENTINEL_SHARDS;
}

/** The worse of each figure, in the order in which they first came. */
export function worstFigures(figures: readonly Figure[]): Figure[] {
  const worst = new Map<string, Figure>();
  for (const figure of figures) {
    const other = worst.get(figure.name);
    const isWorse =
      other === undefined || (figure.isFloor ? figure.value < other.value : figure.value > other.value);
    if (isWorse) worst.set(figure.name, figure);
  }
  return [...worst.values()];
}

export function isMet({ value, limit, isFloor }: Figure): boolean {
  if (limit === undefined) return true;
  return isFloor ? value >= limit : value <= limit;
}
