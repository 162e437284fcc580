/** Processes on which faults are tried: Redis servers and gateways, up and ready. */
import { eventually } from '../support/eventually';
import { createGateways, type GatewaySettings, type GatewaySlot } from './gateways';
import { KEYS } from './load';
import type { Topology } from './topology';

export interface Stage<T extends Topology = Topology> {
  readonly topology: T;
  readonly slots: readonly GatewaySlot[];
  /** The header that any of the gateways takes. */
  readonly authorization: string;
  /** Whether the gateways know sessions. */
  readonly sessions: boolean;
  /** The topology too. */
  close(): Promise<void>;
}

/** @param settings over those that the topology gives. What was opened before a failure is closed again. */
export async function openStage<T extends Topology>(
  topology: T,
  gateways: number,
  settings: GatewaySettings,
): Promise<Stage<T>> {
  const slots = await createGateways(gateways, (place) => ({ ...topology.settingsOf(place), ...settings }));
  const close = async (): Promise<void> => {
    await Promise.allSettled(slots.map((slot) => slot.stop()));
    await topology.stop();
  };
  try {
    await Promise.all(slots.map((slot) => slot.start()));
    const { authorization } = await slots[0]!.gateway.bearer();
    const sessions = await knowsSessions(slots[0]!, authorization);
    await replicasListen(topology);
    return { topology, slots, authorization, sessions, close };
  } catch (failure) {
    await close();
    throw failure;
  }
}

/** A replica that has just copied everything gets nothing more until it has said where it is, within a second. */
async function replicasListen(topology: Topology): Promise<void> {
  const replicas = topology.nodes.length / topology.shards.length - 1;
  for (const shard of topology.shards) {
    const { client } = await topology.masterOf(shard);
    await eventually(async () => {
      await client.incr('not a key of the load');
      return (await client.wait(replicas, 1000)) === replicas;
    }, 10_000);
  }
}

async function knowsSessions(slot: GatewaySlot, authorization: string): Promise<boolean> {
  const question = JSON.stringify({ command: 'READ', key: KEYS[0] });
  const { status } = await slot.gateway.post('/cache', question, {
    ...{ authorization, 'content-type': 'application/json' },
    'ringcache-session': '',
  });
  return status === 200;
}
