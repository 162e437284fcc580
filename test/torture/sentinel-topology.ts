/** Shards under Sentinels, as `ENGINE=sentinel` has them. */
import { type SentinelDeployment, type SentinelNode, startSentinelDeployment } from '../support/sentinel';
import { createShardOf } from './ring-topology';
import { Nodes, type Topology, writesAppliedBy } from './topology';

export interface SentinelTopology extends Topology {
  readonly kind: 'sentinel';
  readonly deployment: SentinelDeployment;
  readonly control: Nodes;
}

export const SENTINEL_SHARDS: readonly string[] = ['main'];

export async function startSentinels(options: {
  readonly throughProxies: boolean;
}): Promise<SentinelTopology> {
  const deployment = await startSentinelDeployment({
    masters: SENTINEL_SHARDS,
    appendOnly: true,
    ...options,
  });
  const control = new Nodes(deployment.nodes);
  const isolated = new Set<SentinelNode>();
  const first = await deployment.currentMaster(SENTINEL_SHARDS[0]!);
  return {
    kind: 'sentinel',
    shards: SENTINEL_SHARDS,
    nodes: deployment.nodes,
    deployment: {
      ...deployment,
      isolate: (node, how) => {
        isolated.add(node);
        deployment.isolate(node, how);
      },
      rejoin: (node) => {
        isolated.delete(node);
        deployment.rejoin(node);
      },
    },
    control,
    settingsOf: () => ({ ENGINE: 'sentinel', ...deployment.settings }),
    shardOf: createShardOf(SENTINEL_SHARDS),
    masterOf: (shard) => deployment.currentMaster(shard),
    heal: async () => {
      for (const node of isolated) deployment.rejoin(node);
      isolated.clear();
      await control.healAll();
      await deployment.inSync();
    },
    applied: async () => {
      const masters = await Promise.all(SENTINEL_SHARDS.map((shard) => deployment.currentMaster(shard)));
      return masters[0] === first ? (await Promise.all(masters.map(writesAppliedBy))).flat() : undefined;
    },
    stop: () => deployment.stop(),
  };
}
