import { ReplicationClock } from '../../src/engines/replication-clock';
import type { Replication } from '../../src/redis/replication';

const state = (role: Replication['role'], offset: number, lineage = 'a'): Replication => ({
  role,
  lineage,
  offset,
  previousLineage: undefined,
  previousEnd: 0,
  backlogStart: 0,
  linkUp: true,
  lacksReplicas: false,
});
const master = (offset: number, lineage?: string) => state('master', offset, lineage);
const replica = (offset: number, lineage?: string) => state('replica', offset, lineage);

it('a replica is as fresh as the newest question whose answer it has applied', () => {
  const clock = new ReplicationClock();
  clock.observeMaster(master(100), 1000);
  clock.observeMaster(master(150), 1200);
  clock.observeMaster(master(150), 1400);
  expect(clock.asOfMs(replica(99))).toBe(-Infinity);
  expect(clock.asOfMs(replica(100))).toBe(1000);
  expect(clock.asOfMs(replica(149))).toBe(1000);
  expect(clock.asOfMs(replica(150))).toBe(1400);
  expect(clock.asOfMs(replica(999))).toBe(1400);
});

it('nothing is known of a replica before the master was asked', () => {
  expect(new ReplicationClock().asOfMs(replica(100))).toBe(-Infinity);
});

it('R10: offsets of another history say nothing', () => {
  const clock = new ReplicationClock();
  clock.observeMaster(master(100, 'a'), 1000);
  expect(clock.asOfMs(replica(500, 'b'))).toBe(-Infinity);
  clock.observeMaster(master(50, 'b'), 1200);
  expect(clock.asOfMs(replica(500, 'b'))).toBe(1200);
  expect(clock.asOfMs(replica(100, 'a'))).toBe(1000);
});

it('remembers as many answers as cover a lease, and no more', () => {
  const clock = new ReplicationClock();
  for (let n = 0; n < 100; n += 1) clock.observeMaster(master(n), n * 200);
  // A replica that is one second behind is still known to be no more than that.
  expect(clock.asOfMs(replica(94))).toBe(94 * 200);
  expect(clock.asOfMs(replica(0))).toBe(-Infinity);
});
