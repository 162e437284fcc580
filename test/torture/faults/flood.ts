/**
 * F11: somebody writes 1,000 keys over and over while both gateways READ all of them, so that each write is announced
 * to both. These keys are not those of the load. Each has the number of the round as its value, so what a READ gives
 * tells by itself how stale it is, and no history of a hundred thousand writes is needed.
 */
import { createClient } from '../../../src/redis/client';
import type { RingFault } from '../fault';
import type { GatewaySlot } from '../gateways';

const KEYS = 1000;
const WRITES_PER_SECOND = 50_000;
const BATCH = 200;
const FLOOD_MS = 5000;

const WRITE_ALL = `for i = 0, ${KEYS - 1} do redis.call('SET', ARGV[1] .. i, ARGV[2]) end`;

export const invalidationsFlood: RingFault = {
  name: 'F11',
  title: 'a flood of invalidations',
  ring: {},
  strike: (rig) =>
    rig.broken('F11', async () => {
      const { master, name } = rig.topology.processes[0]!;
      // A hash tag keeps all keys on the shard that is flooded.
      const tags = Array.from({ length: 100 }, (_, n) => `{flood-${n}}`);
      const prefix = tags.find((tag) => rig.topology.shardOf(tag) === name)!;
      const client = createClient(master.address);
      client.on('error', () => undefined);
      await client.connect();
      /** When each round was acked. */
      const ackedMs: number[] = [];
      let worstMs = 0;
      let reads = 0;
      const untilMs = rig.nowMs() + FLOOD_MS;

      const write = async (): Promise<void> => {
        for (let dueMs = rig.nowMs(); rig.nowMs() < untilMs; dueMs += (1000 * KEYS) / WRITES_PER_SECOND) {
          await rig.pause(dueMs - rig.nowMs());
          await client.eval(WRITE_ALL, 0, prefix, ackedMs.length);
          ackedMs.push(rig.nowMs());
        }
      };
      const read = async ({ gateway }: GatewaySlot): Promise<void> => {
        for (let begin = 0; rig.nowMs() < untilMs; begin = (begin + BATCH) % KEYS) {
          const callMs = rig.nowMs();
          const batch = Array.from({ length: BATCH }, (_, n) => ({
            command: 'READ',
            key: `${prefix}${begin + n}`,
          }));
          const answer = await gateway.command(batch);
          if (answer.status !== 200) throw new Error(`a batch was answered ${answer.body.toString()}`);
          const replies = answer.json() as { status: string; value?: string }[];
          for (const { status, value } of replies) {
            // The next round was acked then; a value that is not the latest is as old as that ack.
            const overtakenMs = status === 'SUCCESS' ? ackedMs[Number(value) + 1] : ackedMs[0];
            if (status === 'ERROR') continue;
            reads += 1;
            if (overtakenMs !== undefined) worstMs = Math.max(worstMs, callMs - overtakenMs);
          }
        }
      };
      const missesBefore = await misses(rig.slots);
      try {
        await Promise.all([write(), ...rig.slots.map(read)]);
      } finally {
        client.disconnect();
      }
      const announced = (await misses(rig.slots)) - missesBefore;
      const perSecond = 1000 / FLOOD_MS;
      return [
        { name: 'writes/s', value: ackedMs.length * KEYS * perSecond },
        { name: 'READs/s of what is written', value: reads * perSecond, limit: 100, isFloor: true },
        { name: 'of them filled anew, each to be announced', value: announced * perSecond },
        { name: 'staleness in the flood ms', value: worstMs, limit: 1050 },
      ];
    }),
};

async function misses(slots: readonly GatewaySlot[]): Promise<number> {
  const counts = await Promise.all(
    slots.map(async ({ gateway }) => {
      const status = (await gateway.get('/status', await gateway.bearer())).json();
      return Number(status.near.misses);
    }),
  );
  return counts.reduce((sum, count) => sum + count, 0);
}
