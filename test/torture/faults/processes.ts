/** Faults of gateways as processes. */
import { eventually } from '../../support/eventually';
import type { RedisProcess } from '../../support/redis';
import type { RingFault } from '../fault';
import { FOREIGN } from '../history';
import { isAnswered } from '../check-timeline';

/** F17: a round is one of the twenty. */
export const gatewayKilled: RingFault = {
  name: 'F17',
  title: 'a gateway killed, and started again, up to 20 times',
  ring: {},
  strike: async (rig, random) => {
    const { nodes } = rig.topology;
    const before = await connections(nodes);
    const victim = random.pick(rig.slots);
    const backMs = await rig.broken('F17', async () => {
      const killedMs = rig.nowMs();
      await victim.kill();
      await victim.start();
      return rig.nowMs() - killedMs;
    });
    // Those for confirmed writes are opened when they are first needed.
    await eventually(async () => (await connections(nodes)) <= before + 2, 5000).catch(() => undefined);
    const leaked = (await connections(nodes)) - before;
    return [
      { name: 'ready again after ms', value: backMs, limit: 2000 },
      { name: 'connections at Redis more than before', value: leaked, limit: 2 },
    ];
  },
};

/** F22 */
export const rollingRestart: RingFault = {
  name: 'F22',
  title: 'rolling restart of three gateways',
  gateways: 3,
  routing: 'balanced',
  ring: {},
  strike: async (rig) => {
    const fromMs = rig.nowMs();
    await rig.broken('F22', async () => {
      for (const slot of rig.slots) {
        await slot.stop();
        await slot.start();
        await rig.pause(500);
      }
    });
    // Where nobody listened, the caller went to the next.
    const failed = rig
      .calledBetween(fromMs, rig.nowMs() - 100)
      .filter((each) => each.gateway !== FOREIGN && each.code !== 'refused' && !isAnswered(each));
    return [{ name: 'failed requests', value: failed.length, limit: 0 }];
  },
};

/** Of gateways, at all nodes. */
async function connections(nodes: readonly RedisProcess[]): Promise<number> {
  const lists = await Promise.all(
    nodes.map(({ client }) => client.call('CLIENT', 'LIST') as Promise<string>),
  );
  return lists.join('').split(' name=ringcache ').length - 1;
}
