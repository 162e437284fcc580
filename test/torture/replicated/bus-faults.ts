/** F23: the bus goes and comes back. Everybody goes on writing meanwhile. */
import { eventually } from '../../support/eventually';
import type { Random } from '../random';
import type { Figure } from '../fault';
import type { GroupFault } from './fault';
import type { GroupRig } from './group-rig';

/** From the bus being there again until everybody shows what the others wrote meanwhile. */
const CONVERGED_MS_MAX = 3000;
let probes = 0;

export const busBroken: GroupFault = {
  name: 'F23',
  title: 'the bus killed and started again, or frozen; now and then a gateway dies meanwhile',
  strike: async (rig, random) => {
    const { bus } = rig.topology;
    const isKilled = random.chance(0.5);
    const victim = random.chance(0.3) ? random.pick(rig.slots) : undefined;
    const awayMs = random.between(2500, 4500);
    const probe = await rig.busBroken(async () => {
      if (isKilled) await bus.kill();
      else bus.freeze();
      try {
        await rig.pause(awayMs / 2);
        const written = await writeProbes(rig);
        await rig.pause(awayMs / 2);
        if (victim !== undefined) await rig.kill(victim);
        return { ...written, keys: written.keys.filter((_, place) => rig.slots[place] !== victim) };
      } finally {
        if (isKilled) await bus.restart();
        else bus.thaw();
      }
    });
    return [...(await convergence(rig, probe.keys)), ...(await comeBack(rig, victim, random))];
  },
};

/** One key at each gateway. */
async function writeProbes(rig: GroupRig): Promise<{ readonly keys: readonly string[] }> {
  probes += 1;
  const keys = rig.slots.map(({ name }) => `probe-${probes}-${name}`);
  await Promise.all(
    rig.slots.map(async ({ gateway, name }, place) => {
      const key = keys[place]!;
      const pending = rig.recorder.begin({ process: `probe${probes}`, gateway: name, key, op: 'WRITE' });
      const { status } = await gateway.command({ command: 'WRITE', key, value: pending.value });
      pending.end({ outcome: status === 200 ? 'ok' : 'unknown', code: `status ${status}` });
    }),
  );
  return { keys };
}

/** Until each gateway that runs shows each of the keys. */
async function convergence(rig: GroupRig, keys: readonly string[]): Promise<readonly Figure[]> {
  const fromMs = rig.nowMs();
  await Promise.all(
    rig.slots
      .filter(({ isRunning }) => isRunning)
      .map(({ gateway }) =>
        eventually(async () => {
          const replies = (
            await gateway.command(keys.map((key) => ({ command: 'READ', key })))
          ).json() as readonly {
            readonly status: string;
          }[];
          return replies.every(({ status }) => status === 'SUCCESS');
        }, 10_000),
      ),
  );
  return [
    {
      name: 'all show what was written meanwhile after ms',
      value: rig.nowMs() - fromMs,
      limit: CONVERGED_MS_MAX,
    },
  ];
}

async function comeBack(
  rig: GroupRig,
  victim: GroupRig['slots'][number] | undefined,
  random: Random,
): Promise<readonly Figure[]> {
  await rig.pause(random.between(0, 1000));
  if (victim === undefined) return [];
  return [{ name: 'ready again after ms', value: await rig.start(victim) }];
}
