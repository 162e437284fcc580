/** Faults of the links between one gateway (g1) and its Redis nodes. */
import { type Figure, type RingFault } from '../fault';
import type { Operation } from '../history';
import type { Rig } from '../rig';
import type { RingTopology } from '../ring-topology';
import { subscribersOf } from './announcements';

const atG1 = ({ gateway }: Operation): boolean => gateway === 'g1';

/** The master is asked how far it is more often than this. */
const UNPLACED_MS = 300;

/** F4 */
export const masterOutOfReach: RingFault = {
  name: 'F4',
  title: 'a gateway cut off from the master only',
  ring: { proxied: true },
  limits: { outageMaxMs: { READ: 1000 } },
  strike: async (rig, random) => {
    const { master, name } = rig.topology.processes[0]!;
    const link = rig.topology.link(master);
    const isSilent = random.chance(0.5);
    const fromMs = rig.nowMs();
    await rig.broken('F4', async () => {
      if (isSilent) link.pause();
      else link.cut();
      await rig.pause(random.between(3000, 6000));
      link.resume();
      link.heal();
    });
    const healedMs = rig.nowMs();
    const isWriteThere = (each: Operation): boolean =>
      atG1(each) && each.op === 'WRITE' && each.ack === 0 && rig.topology.shardOf(each.key) === name;
    const recoveryMs = await rig.firstSuccess(healedMs, isWriteThere);
    const reads = rig
      .calledBetween(fromMs, healedMs)
      .filter(
        (each) =>
          atG1(each) && each.code !== undefined && each.op === 'READ' && each.consistency === 'eventual',
      );
    // The gateway has not learnt yet which replicas have these; until the master tells, only that may answer.
    const justConfirmed = new Set(
      rig
        .calledBetween(fromMs - UNPLACED_MS, fromMs)
        .filter((each) => atG1(each) && each.ack > 0)
        .map(({ key }) => key),
    );
    const isJustConfirmed = ({ key }: Operation): boolean => justConfirmed.has(key);
    return [
      { name: 'WRITE back after ms', value: recoveryMs, limit: 1000 },
      { name: 'failed READs', value: reads.filter((each) => !isJustConfirmed(each)).length, limit: 0 },
      { name: 'failed READs of what was confirmed just before', value: reads.filter(isJustConfirmed).length },
    ];
  },
};

/** F5: instead of counting what an INCR has come to, each unique value is looked for in the master's own file (C7). */
export const repliesSwallowed: RingFault = {
  name: 'F5',
  title: 'replies of the master swallowed, requests delivered',
  ring: { proxied: true },
  limits: { outageMaxMs: { READ: 1000 } },
  strike: async (rig, random) => {
    const link = rig.topology.link(rig.topology.processes[0]!.master);
    const fromMs = rig.nowMs();
    await rig.broken('F5', async () => {
      link.swallow('down');
      await rig.pause(random.between(1000, 5000));
      // A connection that has lost bytes is of no use to anybody; in the real world it would be reset.
      link.killConnections();
      link.resume();
    });
    const unknown = rig
      .calledBetween(fromMs)
      .filter((each) => atG1(each) && each.op === 'WRITE' && each.outcome === 'unknown');
    return [{ name: 'WRITEs of unknown outcome', value: unknown.length, limit: 1, isFloor: true }];
  },
};

/** F9 */
export const invalidationsHalfOpen: RingFault = {
  name: 'F9',
  title: 'the invalidation connections of a gateway half open',
  ring: { proxied: true },
  limits: { outageMaxMs: { READ: 1000, WRITE: 1000 } },
  strike: async (rig) => {
    const links = await subscriberLinks(rig);
    const fromMs = rig.nowMs();
    let silenced = 0;
    await rig.broken('F9', async () => {
      for (const { link, isSubscriber } of links) {
        silenced += link.connections(isSubscriber);
        link.only(isSubscriber).swallow();
      }
      await rig.pause(4000);
    });
    // The gateway gives such a connection up after 2 s of silence, and may keep values again on the next one.
    const closed = rig.calledBetween(fromMs + 1050, fromMs + 1950).filter(atG1);
    return [
      { name: 'links silenced', value: silenced, limit: 3, isFloor: true },
      {
        name: 'near hits behind 1.05 s',
        value: closed.filter(({ source }) => source === 'near').length,
        limit: 0,
      },
    ];
  },
};

/** Not of the table: what R1 speaks of, made frequent. */
export const repliesLate: RingFault = {
  name: 'R1',
  title: 'data arrives later than announcements',
  ring: { proxied: true },
  limits: { outageMaxMs: { READ: 1000, WRITE: 1000 } },
  strike: async (rig, random) => {
    const links = await subscriberLinks(rig);
    return rig.broken('R1', async (): Promise<Figure[]> => {
      const delayed = links.map(({ link, isSubscriber }) => link.only((each) => !isSubscriber(each)));
      for (const link of delayed) link.delay(random.between(10, 40));
      await rig.pause(random.between(4000, 8000));
      for (const link of delayed) link.resume();
      return [];
    });
  },
};

interface SubscriberLink {
  readonly link: ReturnType<RingTopology['link']>;
  /** Whether it is one of those on which this gateway hears of changes now. */
  readonly isSubscriber: (link: { readonly addressAtTarget: string }) => boolean;
}

function subscriberLinks({ topology }: Rig<RingTopology>): Promise<SubscriberLink[]> {
  return Promise.all(
    topology.nodes.map(async (node) => {
      const addresses = await subscribersOf(node, 'addr');
      return {
        link: topology.link(node),
        isSubscriber: ({ addressAtTarget }) => addresses.includes(addressAtTarget),
      };
    }),
  );
}
