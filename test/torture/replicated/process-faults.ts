/** Gateways that go and come back. */
import type { Figure } from '../fault';
import type { GroupFault } from './fault';

/** In which a gateway must be ready again. */
export const BACK_MS_MAX = 2000;

export const nothing: GroupFault = {
  name: 'none',
  title: 'nothing is broken',
  strike: async (rig) => {
    await rig.pause(1000);
    return [];
  },
};

export const gatewayKilled: GroupFault = {
  name: 'F17',
  title: 'a gateway killed, and started again',
  strike: async (rig, random) => {
    const victim = random.pick(rig.slots);
    const backMs = await rig.broken('F17', async () => {
      await rig.kill(victim);
      return rig.start(victim);
    });
    return [{ name: 'ready again after ms', value: backMs, limit: BACK_MS_MAX }];
  },
};

export const rollingRestart: GroupFault = {
  name: 'F22',
  title: 'rolling restart of all gateways',
  strike: async (rig) => {
    const figures: Figure[] = [];
    await rig.broken('F22', async () => {
      for (const slot of rig.slots) {
        await rig.stop(slot);
        figures.push({ name: 'ready again after ms', value: await rig.start(slot), limit: BACK_MS_MAX });
        await rig.pause(500);
      }
    });
    return figures;
  },
};
