/** Faults of replicas and of replication. */
import { percentile } from '../check-verdict';
import type { RingFault } from '../fault';
import { FOREIGN } from '../history';
import { isOp, latenciesMs } from '../rig';

/** Below this, twice as long says more about the machine than about the service. */
const P99_MS_MIN = 10;
/** The p99 is one over so long: until a frozen node is passed over, each caller waits for it once. */
const P99_WINDOW_MS = 10_000;

/** F6 */
export const replicaLost: RingFault = {
  name: 'F6',
  title: 'a replica killed or frozen',
  ring: { replicas: 3 },
  limits: { outageMaxMs: { READ: 1000, WRITE: 1000 } },
  strike: async (rig, random) => {
    const { control, processes } = rig.topology;
    const victim = random.pick(processes[0]!.replicas);
    const lastsMs = random.between(2500, 5000);
    const before = latenciesMs(rig.calledBetween(rig.nowMs() - 2000).filter(isOp('READ')));
    const fromMs = rig.nowMs();
    await rig.broken('F6', async () => {
      if (random.chance(0.5)) {
        await control.kill(victim);
        await rig.pause(lastsMs);
        await control.restart(victim);
      } else {
        control.freeze(victim);
        await rig.pause(lastsMs);
        control.thaw(victim);
      }
    });
    await rig.pause(fromMs + P99_WINDOW_MS - rig.nowMs());
    const during = rig.calledBetween(fromMs).filter(({ gateway }) => gateway !== FOREIGN);
    const limit = 2 * Math.max(P99_MS_MIN, percentile(before, 0.99));
    return [
      { name: 'errors', value: during.filter(({ code }) => code !== undefined).length, limit: 0 },
      { name: 'READ p99 ms', value: percentile(latenciesMs(during.filter(isOp('READ'))), 0.99), limit },
    ];
  },
};

/** F7 */
export const replicationPaused: RingFault = {
  name: 'F7',
  title: 'replication paused for 5 s',
  ring: { replicationThroughProxy: true },
  limits: { outageMaxMs: { READ: 1000, WRITE: 1000 } },
  strike: async (rig) => {
    const shard = rig.topology.processes[0]!;
    const fromMs = rig.nowMs();
    await rig.broken('F7', async () => {
      shard.pauseReplication();
      await rig.pause(5000);
      shard.resumeReplication();
    });
    const during = rig.calledBetween(fromMs).filter(({ gateway }) => gateway !== FOREIGN);
    const unasked = during.filter(({ ack, code }) => ack === 0 && code !== undefined);
    return [
      // What asked for a replica's word cannot have it.
      { name: 'errors without ack', value: unasked.length, limit: 0 },
      { name: 'READs in sessions', value: during.filter(({ session }) => session !== undefined).length },
    ];
  },
};

/** Not of the table: what R7 speaks of, made long. */
export const expiryLate: RingFault = {
  name: 'R7',
  title: 'Redis removes expired keys only when they are touched',
  ring: {},
  limits: { outageMaxMs: { READ: 1000, WRITE: 1000 } },
  strike: (rig, random) =>
    rig.broken('R7', async () => {
      const expire = (isActive: '0' | '1'): Promise<unknown> =>
        Promise.all(
          rig.topology.nodes.map(({ client }) => client.call('DEBUG', 'SET-ACTIVE-EXPIRE', isActive)),
        );
      await expire('0');
      await rig.pause(random.between(6000, 9000));
      await expire('1');
      return [];
    }),
};
