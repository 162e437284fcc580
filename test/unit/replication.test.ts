import { hasApplied, parseReplication, type Replication } from '../../src/redis/replication';

const ID = 'a'.repeat(40);
const ID2 = 'b'.repeat(40);
const NO_ID = '0'.repeat(40);

function info(fields: Record<string, string | number>): string {
  const lines = Object.entries(fields).map(([name, value]) => `${name}:${value}\r\n`);
  return `# Replication\r\n${lines.join('')}`;
}
const master = {
  role: 'master',
  master_replid: ID,
  master_replid2: NO_ID,
  master_repl_offset: 150,
  second_repl_offset: -1,
  repl_backlog_first_byte_offset: 1,
};
const replica = {
  ...master,
  role: 'slave',
  master_link_status: 'up',
  master_sync_in_progress: 0,
  slave_read_repl_offset: 160,
  slave_repl_offset: 140,
};

describe('what INFO says of replication', () => {
  it('of a master: how far it has written', () => {
    expect(parseReplication(info(master))).toEqual({
      role: 'master',
      lineage: ID,
      offset: 150,
      previousLineage: undefined,
      previousEnd: 0,
      backlogStart: 1,
      linkUp: true,
      lacksReplicas: false,
    });
  });

  it('of a replica: how far it has applied, not how far it has read', () => {
    expect(parseReplication(info(replica))).toMatchObject({ role: 'replica', offset: 140, linkUp: true });
  });

  it.each([
    ['its link is down', { master_link_status: 'down' }],
    ['it is being loaded', { master_sync_in_progress: 1 }],
  ])('a replica is not linked while %s', (_name, fields) => {
    expect(parseReplication(info({ ...replica, ...fields }))?.linkUp).toBe(false);
  });

  it.each([
    ['none of the replicas that it must have', { ...master, min_slaves_good_slaves: 0 }, true],
    ['some of them', { ...master, min_slaves_good_slaves: 10 }, false],
    ['no need of any', master, false],
    ['a master of its own', { ...replica, min_slaves_good_slaves: 0 }, false],
  ])('of a node with %s: whether it lacks replicas', (_name, fields, expected) => {
    expect(parseReplication(info(fields))?.lacksReplicas).toBe(expected);
  });

  it('after a failover: which history this one continues, and up to where', () => {
    const promoted = { ...master, master_replid2: ID2, second_repl_offset: 101 };
    expect(parseReplication(info(promoted))).toMatchObject({ previousLineage: ID2, previousEnd: 101 });
  });

  it.each([
    ['nothing', ''],
    ['no replication id', info({ role: 'master', master_repl_offset: 1 })],
    ['a role nobody knows', info({ ...master, role: 'sentinel' })],
    ['no offset', info({ role: 'master', master_replid: ID })],
    ['an offset that is no number', info({ ...replica, slave_repl_offset: 'x' })],
  ])('%s is no such text', (_name, text) => {
    expect(parseReplication(text)).toBeUndefined();
  });
});

describe('whether a node has applied what was at an offset', () => {
  const state: Replication = {
    role: 'master',
    lineage: ID,
    offset: 150,
    previousLineage: ID2,
    previousEnd: 101,
    backlogStart: 1,
    linkUp: true,
    lacksReplicas: false,
  };
  it.each([
    ['of its own history, passed', ID, 150, 'yes'],
    ['of its own history, to come', ID, 151, 'not yet'],
    ['of its own history, of whose id the beginning is known', ID.slice(0, 16), 150, 'yes'],
    ['of the history before, which this one continues', ID2, 100, 'yes'],
    ['of the history before, that the failover dropped', ID2, 101, 'lost'],
    ['of a history nobody knows', 'c'.repeat(16), 1, 'lost'],
  ] as const)('%s', (_name, lineage, offset, expected) => {
    expect(hasApplied(state, lineage, offset)).toBe(expected);
  });

  it('a replica may lag behind within the history before', () => {
    expect(hasApplied({ ...state, role: 'replica', offset: 90 }, ID2, 95)).toBe('not yet');
  });
});
