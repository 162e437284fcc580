/** Faults of whole shards. */
import { answeredMs, FOREIGN, type Operation } from '../history';
import type { RingFault } from '../fault';
import { KEYS } from '../load';

const DOWN_MS = 20_000;
/** Whoever found the shard gone has told the others by then. */
const NOTICED_MS = 1500;

/** F13 */
export const shardDown: RingFault = {
  name: 'F13',
  title: 'all nodes of a shard down for 20 s, back empty',
  ring: { shards: 2, appendOnly: false },
  strike: async (rig, random) => {
    const { topology, recorder, slots } = rig;
    const shard = random.pick(topology.processes);
    const nodes = [shard.master, ...shard.replicas];
    const isThere = ({ key }: Operation): boolean => topology.shardOf(key) === shard.name;
    // To the history a shard that comes back empty is one on which somebody deleted all keys.
    const deletions = KEYS.filter((key) => topology.shardOf(key) === shard.name).map((key) =>
      recorder.begin({ process: 'rig', gateway: FOREIGN, key, op: 'DELETE' }),
    );
    const downMs = rig.nowMs();
    let upMs = 0;
    const backMs = await rig.broken('F13', async () => {
      await Promise.all(nodes.map((node) => topology.control.kill(node)));
      await rig.pause(DOWN_MS);
      upMs = rig.nowMs();
      await Promise.all(nodes.map((node) => topology.control.restart(node)));
      for (const deletion of deletions) deletion.end({ outcome: 'ok' });
      return rig.nowMs();
    });
    const first = await Promise.all(
      slots.flatMap(({ name }) =>
        (['READ', 'WRITE'] as const).map((op) =>
          rig.firstSuccess(backMs, (each) => each.gateway === name && each.op === op && isThere(each)),
        ),
      ),
    );
    const refused = rig
      .calledBetween(downMs + NOTICED_MS, upMs)
      .filter((each) => isThere(each) && each.gateway !== FOREIGN && answeredMs(each) < upMs);
    const elsewhere = rig
      .calledBetween(downMs, backMs)
      .filter((each) => !isThere(each) && each.code !== undefined);
    return [
      {
        name: 'longest refusal ms',
        value: Math.max(0, ...refused.map((each) => answeredMs(each) - each.callMs)),
        limit: 500,
      },
      { name: 'first success after ms', value: Math.max(...first), limit: 1000 },
      { name: 'errors on the other shard', value: elsewhere.length, limit: 0 },
    ];
  },
};

/** F14 */
export const outOfMemory: RingFault = {
  name: 'F14',
  title: 'Redis out of memory',
  ring: {},
  limits: { outageMaxMs: { READ: 1000 } },
  strike: async (rig, random) => {
    const { master, name } = rig.topology.processes[0]!;
    const { client } = master;
    const isThere = ({ key }: Operation): boolean => rig.topology.shardOf(key) === name;
    let fullMs = 0;
    await rig.broken('F14', async () => {
      await client.config('SET', 'maxmemory-policy', 'noeviction', 'maxmemory', '1mb');
      fullMs = rig.nowMs();
      await rig.pause(random.between(2000, 4000));
    });
    const during = rig.calledBetween(fullMs).filter((each) => each.gateway !== FOREIGN && isThere(each));
    const roomMs = rig.nowMs();
    await client.config('SET', 'maxmemory', '0');
    const backMs = await rig.firstSuccess(roomMs, (each) => each.op === 'WRITE' && isThere(each));
    const writes = during.filter((each) => each.op === 'WRITE' && answeredMs(each) < roomMs);
    return [
      {
        name: 'WRITEs answered otherwise than by out_of_memory',
        value: writes.filter(({ code }) => code !== 'out_of_memory').length,
        limit: 0,
      },
      { name: 'WRITEs refused', value: writes.length, limit: 10, isFloor: true },
      {
        name: 'failed READs',
        value: during.filter(({ op, code }) => op === 'READ' && code !== undefined).length,
        limit: 0,
      },
      { name: 'WRITE back after ms', value: backMs, limit: 1000 },
    ];
  },
};
