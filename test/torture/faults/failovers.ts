/** Faults that change the master of a shard, under Sentinels. */
import { parseReplication } from '../../../src/redis/replication';
import { eventually } from '../../support/eventually';
import type { SentinelNode } from '../../support/sentinel';
import type { ServerProcess } from '../../support/server-process';
import type { Figure, SentinelFault } from '../fault';
import { FOREIGN } from '../history';
import type { Rig } from '../rig';
import { SENTINEL_SHARDS, type SentinelTopology } from '../sentinel-topology';

const SHARD = SENTINEL_SHARDS[0]!;
const FAILED_OVER_MS_MAX = 20_000;
/** The Sentinels are asked every 100 ms, then the node itself. */
const FOLLOWED_MS_MAX = 1000;

/** Resolves when the Sentinels have made another node the master and each gateway has made a WRITE. */
async function failedOver(rig: Rig<SentinelTopology>, old: SentinelNode): Promise<readonly Figure[]> {
  const { deployment } = rig.topology;
  const fromMs = rig.nowMs();
  const master = await eventually(async () => {
    const named = await deployment.currentMaster(SHARD);
    return named === old ? undefined : named;
  }, FAILED_OVER_MS_MAX);
  const decidedMs = rig.nowMs();
  // A Sentinel that takes the other replica for down does not tell it at once; until then min-replicas-to-write holds.
  await rig.refusing(SHARD, () =>
    eventually(
      async () => parseReplication(await master.client.info('replication'))?.lacksReplicas === false,
      FAILED_OVER_MS_MAX,
    ),
  );
  const takesWritesMs = rig.nowMs();
  const followed = await Promise.all(
    rig.slots.map(({ name }) =>
      rig.firstSuccess(takesWritesMs, ({ gateway, op }) => gateway === name && op === 'WRITE'),
    ),
  );
  return [
    { name: 'Sentinels decided after ms', value: decidedMs - fromMs },
    { name: 'its replicas came after ms', value: takesWritesMs - decidedMs },
    { name: 'gateways wrote after that, ms', value: Math.max(...followed), limit: FOLLOWED_MS_MAX },
  ];
}

/** F1 */
export const masterKilled: SentinelFault = {
  name: 'F1',
  title: 'SIGKILL of a master under Sentinel',
  sentinel: { throughProxies: false },
  limits: { outageMaxMs: { READ: 300, WRITE: 3000 } },
  strike: (rig) => killMaster(rig, 'F1', undefined),
};

/** Not of the table: F1 as it is when a whole machine dies. */
export const machineKilled: SentinelFault = {
  name: 'F1b',
  title: 'a master killed together with a Sentinel',
  sentinel: { throughProxies: false },
  // How long two of three Sentinels need to agree is their affair: an election that failed is tried again after 6 s.
  limits: { outageMaxMs: { READ: 300 } },
  strike: (rig, random) => killMaster(rig, 'F1b', random.pick(rig.topology.deployment.sentinels)),
};

async function killMaster(
  rig: Rig<SentinelTopology>,
  name: string,
  sentinel: ServerProcess | undefined,
): Promise<readonly Figure[]> {
  const { deployment, control } = rig.topology;
  const master = await deployment.currentMaster(SHARD);
  const figures = await rig.broken(name, () =>
    rig.failingOver(SHARD, async () => {
      if (sentinel !== undefined) control.freeze(sentinel);
      await control.kill(master);
      return failedOver(rig, master);
    }),
  );
  if (sentinel !== undefined) control.thaw(sentinel);
  await control.restart(master);
  await deployment.inSync();
  return figures;
}

/** F2 */
export const masterFrozen: SentinelFault = {
  name: 'F2',
  title: 'SIGSTOP of a master, continued after the failover',
  sentinel: { throughProxies: false },
  limits: { outageMaxMs: { READ: 1000, WRITE: 3500 } },
  strike: async (rig, random) => {
    const { deployment, control } = rig.topology;
    const master = await deployment.currentMaster(SHARD);
    return rig.broken('F2', () =>
      rig.failingOver(SHARD, async () => {
        control.freeze(master);
        const figures = await failedOver(rig, master);
        await rig.pause(random.between(500, 2000));
        control.thaw(master);
        await deployment.inSync();
        return figures;
      }),
    );
  },
};

/** F3 */
export const masterIsolated: SentinelFault = {
  name: 'F3',
  title: 'a master cut off both ways for 15 s, from the gateways too',
  sentinel: { throughProxies: true },
  limits: { outageMaxMs: { READ: 1000, WRITE: 5000 } },
  strike: async (rig) => {
    const { deployment } = rig.topology;
    const master = await deployment.currentMaster(SHARD);
    let lastAckedMs = 0;
    const fromMs = rig.nowMs();
    await rig.broken('F3', () =>
      rig.failingOver(SHARD, async () => {
        deployment.isolate(master);
        // The rig stands on the cut-off side, past the proxy.
        while (rig.nowMs() - fromMs < 15_000) {
          const took = await master.client.set('written on the cut-off side', 'x').catch(() => 'refused');
          if (took === 'OK') lastAckedMs = rig.nowMs();
          await rig.pause(50);
        }
        deployment.rejoin(master);
        await deployment.inSync();
      }),
    );
    return [{ name: 'last ack on the cut-off side after ms', value: lastAckedMs - fromMs, limit: 3000 }];
  },
};

/** F12 */
export const failoverPlanned: SentinelFault = {
  name: 'F12',
  title: 'planned failover',
  sentinel: { throughProxies: false },
  // Until it is told to follow, the old master goes on confirming writes by the one replica that is not promoted:
  // only what both have outlives that.
  ack: 2,
  limits: { outageMaxMs: { READ: 1000, WRITE: 500 } },
  strike: async (rig) => {
    const { deployment } = rig.topology;
    const fromMs = rig.nowMs();
    await rig.broken('F12', () => rig.failingOver(SHARD, () => deployment.failover(SHARD)));
    const failed = rig
      .calledBetween(fromMs)
      .filter(({ gateway, code }) => gateway !== FOREIGN && code !== undefined);
    // A session whose writes were lost with the old master is told so. Two replicas are back only when that follows.
    const conflicts = failed.filter(({ outcome }) => outcome === 'conflict').length;
    const unconfirmed = failed.filter(({ ack }) => ack > 0).length;
    return [
      { name: 'errors', value: failed.length - conflicts - unconfirmed, limit: 0 },
      { name: 'sessions that were told of a loss', value: conflicts },
      { name: 'changes not confirmed by both replicas', value: unconfirmed },
    ];
  },
};
