/** Faults of the connections on which changes are announced, and of the gateways that should hear of them. */
import type { RedisProcess } from '../../support/redis';
import type { Figure, RingFault } from '../fault';
import { answeredMs } from '../history';
import type { Rig } from '../rig';

/** Ids or addresses of the subscriber connections of gateways. */
export async function subscribersOf(node: RedisProcess, field: 'id' | 'addr'): Promise<string[]> {
  const list = (await node.client.call('CLIENT', 'LIST', 'TYPE', 'pubsub')) as string;
  return list
    .split('\n')
    .filter((line) => line.includes(' name=ringcache '))
    .map((line) => new RegExp(`\\b${field}=(\\S+)`).exec(line)![1]!);
}

/** F8 */
export const invalidationsKilled: RingFault = {
  name: 'F8',
  title: 'invalidation connections killed every 200 ms',
  ring: {},
  limits: { outageMaxMs: { READ: 1000, WRITE: 1000 } },
  strike: (rig, random) =>
    rig.broken('F8', async () => {
      const untilMs = rig.nowMs() + random.between(4000, 8000);
      let killed = 0;
      while (rig.nowMs() < untilMs) {
        for (const node of rig.topology.nodes) {
          for (const id of await subscribersOf(node, 'id')) {
            killed += Number(await node.client.call('CLIENT', 'KILL', 'ID', id));
          }
        }
        await rig.pause(200);
      }
      return [{ name: 'connections killed', value: killed, limit: 10, isFloor: true }];
    }),
};

/** F10 */
export const gatewayFrozen: RingFault = {
  name: 'F10',
  title: 'a gateway frozen for 5 s',
  ring: {},
  // Who asks the frozen one waits; how it is for the others is a figure of its own.
  limits: { deadlineMs: Infinity },
  strike: async (rig, random) => {
    const victim = random.pick(rig.slots);
    const frozenMs = random.between(3500, 5500);
    const fromMs = rig.nowMs();
    const { name } = victim;
    await rig.broken('F10', async () => {
      victim.gateway.kill('SIGSTOP');
      try {
        await rig.pause(frozenMs);
      } finally {
        victim.gateway.kill('SIGCONT');
      }
    });
    const wokeMs = rig.nowMs();
    const recoveryMs = await rig.firstSuccess(wokeMs, ({ gateway }) => gateway === name);
    const others = rig
      .calledBetween(fromMs, wokeMs)
      .filter(({ gateway }) => gateway !== name && gateway !== 'redis');
    return [
      { name: 'first answer after waking ms', value: recoveryMs, limit: 1000 },
      {
        name: 'errors at the others',
        value: others.filter(({ code }) => code !== undefined).length,
        limit: 0,
      },
      {
        name: 'longest at the others ms',
        value: Math.max(0, ...others.map((each) => answeredMs(each) - each.callMs)),
        limit: 2050,
      },
    ] satisfies Figure[];
  },
};

/** Nothing is broken: what the others are compared with. */
export const nothing: RingFault = {
  name: 'none',
  title: 'nothing is broken',
  ring: {},
  limits: { outageMaxMs: { READ: 1000, WRITE: 1000 } },
  strike: async (rig: Rig) => {
    const fromMs = rig.nowMs();
    await rig.pause(5000);
    const errors = rig.calledBetween(fromMs).filter(({ code }) => code !== undefined).length;
    return [{ name: 'errors', value: errors, limit: 0 }];
  },
};
