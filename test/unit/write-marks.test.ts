import type { Key } from '../../src/core/command';
import { WriteMarks } from '../../src/engines/write-marks';
import type { Replication } from '../../src/redis/replication';

const K = 'k' as Key;
/** When the marks are made, and when the master is asked: monotonic. */
const NOW = 1000;
const LATER = 2000;
const master = (offset: number, lineage = 'a'): Replication => ({
  role: 'master',
  lineage,
  previousLineage: undefined,
  previousEnd: 0,
  backlogStart: 0,
  offset,
  linkUp: true,
  lacksReplicas: false,
});
const replica = (offset: number, lineage = 'a'): Replication => ({
  role: 'replica',
  lineage,
  previousLineage: undefined,
  previousEnd: 0,
  backlogStart: 0,
  offset,
  linkUp: true,
  lacksReplicas: false,
});

function marksOn(offset: number): WriteMarks {
  const marks = new WriteMarks();
  marks.observeMaster(master(offset), LATER);
  return marks;
}

describe('reading what one has written', () => {
  it('is refused to a replica that has not applied the write', () => {
    const marks = marksOn(100);
    marks.mark(K, 150, NOW);
    expect(marks.covers(replica(149), K)).toBe(false);
    expect(marks.covers(replica(150), K)).toBe(true);
  });

  it('asks nothing of replicas for keys that were not written here', () => {
    const marks = marksOn(100);
    marks.mark(K, 150, NOW);
    expect(marks.covers(replica(1), 'other' as Key)).toBe(true);
  });

  it('keeps the later of two marks of one key, in whichever order they arrive', () => {
    for (const offsets of [
      [150, 200],
      [200, 150],
    ]) {
      const marks = marksOn(100);
      for (const offset of offsets) marks.mark(K, offset, NOW);
      expect(marks.covers(replica(199), K)).toBe(false);
    }
  });

  it('drops a mark only when every replica in use has passed it', () => {
    const marks = marksOn(100);
    marks.mark(K, 150, NOW);
    marks.settle([replica(200), replica(149)]);
    expect(marks.pending).toBe(true);
    marks.settle([replica(200), replica(150)]);
    expect(marks.pending).toBe(false);
  });

  it('shuts out a replica that was away while a mark was dropped, until it has caught up', () => {
    const marks = marksOn(100);
    marks.mark(K, 150, NOW);
    marks.settle([replica(200)]);
    expect(marks.admits(replica(149))).toBe(false);
    expect(marks.admits(replica(150))).toBe(true);
  });

  it('never drops marks when no replica is in use', () => {
    const marks = marksOn(100);
    marks.mark(K, 150, NOW);
    marks.settle([]);
    expect(marks.pending).toBe(true);
    expect(marks.covers(replica(149), K)).toBe(false);
  });
});

describe('a write whose offset could not be learnt', () => {
  it('keeps its key with the master until the master has told where it stands', () => {
    const marks = marksOn(100);
    marks.mark(K, Infinity, NOW);
    expect(marks.covers(replica(1e12), K)).toBe(false);
    marks.observeMaster(master(300), LATER);
    expect(marks.covers(replica(299), K)).toBe(false);
    expect(marks.covers(replica(300), K)).toBe(true);
  });

  it('is not undone by an earlier write whose offset is known', () => {
    const marks = marksOn(100);
    marks.mark(K, Infinity, NOW);
    marks.mark(K, 150, NOW);
    expect(marks.covers(replica(150), K)).toBe(false);
  });
});

describe('with more marks than there is room for', () => {
  it('replicas serve nothing until they have applied all of them', () => {
    const marks = new WriteMarks(3);
    marks.observeMaster(master(100), LATER);
    for (let n = 1; n <= 4; n += 1) marks.mark(`k${n}` as Key, 100 + n, NOW);
    expect(marks.admits(replica(103))).toBe(false);
    expect(marks.admits(replica(104))).toBe(true);
  });

  it('one of unknown offset shuts every replica out until the master has told its own', () => {
    const marks = new WriteMarks(1);
    marks.observeMaster(master(100), LATER);
    marks.mark('a' as Key, Infinity, NOW);
    marks.mark('b' as Key, 110, NOW);
    expect(marks.admits(replica(1e12))).toBe(false);
    marks.observeMaster(master(120), LATER);
    expect(marks.admits(replica(119))).toBe(false);
    expect(marks.admits(replica(120))).toBe(true);
  });
});

describe('a new lineage', () => {
  it('shuts out replicas of the old one, however far they are', () => {
    const marks = marksOn(100);
    marks.observeMaster(master(5, 'b'), LATER);
    expect(marks.admits(replica(1e12, 'a'))).toBe(false);
    expect(marks.admits(replica(5, 'b'))).toBe(true);
  });

  it('lets replicas in from where the new master stands', () => {
    const marks = marksOn(100);
    marks.mark(K, 150, NOW);
    marks.observeMaster(master(5, 'b'), LATER);
    expect(marks.admits(replica(4, 'b'))).toBe(false);
    expect(marks.covers(replica(5, 'b'), K)).toBe(true);
  });

  it('is not begun by a node that is no master any more', () => {
    const marks = marksOn(100);
    marks.observeMaster(replica(5, 'b'), LATER);
    expect(marks.admits(replica(100, 'a'))).toBe(true);
  });
});

it('a change of what nobody can name keeps replicas out until they have its offset, no longer', () => {
  const marks = marksOn(100);
  marks.markAll(150);
  expect([marks.admits(replica(149)), marks.admits(replica(150))]).toEqual([false, true]);
  marks.markAll(140);
  expect(marks.admits(replica(149))).toBe(false);
  marks.arrive(NOW);
  marks.markAll(160);
  expect(marks.admits(replica(1e12))).toBe(false);
});

it('a gateway that never saw the master reads from any replica: it has acked nothing yet', () => {
  expect(new WriteMarks().admits(replica(1, 'x'))).toBe(true);
});

it('a node that has become a master is no replica to read from', () => {
  expect(marksOn(100).admits(master(1000))).toBe(false);
});

describe('keys that arrive from another shard', () => {
  it('keep replicas out until these have what the master had after that', () => {
    const marks = marksOn(100);
    expect(marks.admits(replica(100))).toBe(true);
    marks.arrive(5);
    expect(marks.admits(replica(1e9))).toBe(false);
    marks.observeMaster(master(150), 4);
    expect(marks.admits(replica(1e9))).toBe(false);
    marks.observeMaster(master(200), 6);
    expect(marks.admits(replica(199))).toBe(false);
    expect(marks.admits(replica(200))).toBe(true);
  });

  it('keep replicas out where nothing is known of the master yet', () => {
    const marks = new WriteMarks();
    marks.arrive(5);
    marks.observeMaster(master(100), 4);
    expect(marks.admits(replica(100))).toBe(false);
    marks.observeMaster(master(120), 6);
    expect([marks.admits(replica(119)), marks.admits(replica(120))]).toEqual([false, true]);
  });

  it('keep replicas out through a failover and through too many marks', () => {
    const marks = new WriteMarks(1);
    marks.observeMaster(master(100), 1);
    marks.arrive(5);
    marks.mark(K, 110, NOW);
    marks.mark('other' as Key, 120, NOW);
    expect(marks.admits(replica(1e9))).toBe(false);
    marks.observeMaster(master(50, 'b'), 4);
    expect(marks.admits(replica(1e9, 'b'))).toBe(false);
    marks.observeMaster(master(60, 'b'), 6);
    expect([marks.admits(replica(59, 'b')), marks.admits(replica(60, 'b'))]).toEqual([false, true]);
  });
});

it('an answer of the master that was asked for before the write does not place its mark', () => {
  const marks = marksOn(100);
  marks.mark(K, Infinity, NOW);
  marks.observeMaster(master(120), NOW);
  expect(marks.covers(replica(130), K)).toBe(false);
  marks.observeMaster(master(140), NOW + 1);
  expect(marks.covers(replica(130), K)).toBe(false);
  expect(marks.covers(replica(140), K)).toBe(true);
});

describe('what another gateway has written', () => {
  it('is read where it has been applied, if its offset is of this history', () => {
    const marks = marksOn(100);
    marks.markAnnounced(K, 'a', 150, NOW);
    expect(marks.covers(replica(149), K)).toBe(false);
    expect(marks.covers(replica(150), K)).toBe(true);
  });

  it('in an order that is not that of the offsets is covered all the same', () => {
    const marks = marksOn(100);
    marks.mark('own' as Key, 160, NOW);
    marks.markAnnounced(K, 'a', 150, NOW);
    marks.settle([replica(155)]);
    expect(marks.covers(replica(149), K) && marks.admits(replica(149))).toBe(false);
    marks.settle([replica(160)]);
    expect(marks.pending).toBe(false);
    expect(marks.admits(replica(159))).toBe(false);
  });

  it.each(['b', undefined])(
    'stays with the master where its history is %s, until that tells an offset',
    (lineage) => {
      const marks = marksOn(100);
      marks.markAnnounced(K, lineage, 1, LATER);
      expect(marks.covers(replica(1_000_000), K)).toBe(false);
      marks.observeMaster(master(200), LATER);
      expect(marks.covers(replica(1_000_000), K)).toBe(false);
      marks.observeMaster(master(210), LATER + 1);
      expect(marks.covers(replica(209), K)).toBe(false);
      expect(marks.covers(replica(210), K)).toBe(true);
    },
  );

  /**
   * 1. the new master is asked, and answers 900  2. another gateway writes K there at 950, and announces it
   * 3. the announcement is read here  4. the answer is
   */
  it('under a new history that is not known here yet is not forgotten when that is', () => {
    const marks = marksOn(100);
    marks.markAnnounced(K, 'b', 950, LATER);
    marks.observeMaster(master(900, 'b'), LATER - 1);
    expect(marks.covers(replica(920, 'b'), K)).toBe(false);
    marks.observeMaster(master(960, 'b'), LATER + 1);
    expect(marks.covers(replica(959, 'b'), K)).toBe(false);
    expect(marks.covers(replica(960, 'b'), K)).toBe(true);
  });

  /** The new master had been asked before it was the master, so nobody knows when. */
  it('under the old history is forgotten with that', () => {
    const marks = marksOn(1000);
    marks.mark('own' as Key, 1000, NOW);
    marks.markAnnounced(K, 'a', 1000, NOW);
    marks.observeMaster(master(10, 'b'), -Infinity);
    expect(marks.pending).toBe(false);
    expect(marks.covers(replica(20, 'b'), K)).toBe(true);
  });
});
