import { keyFromBytes, keyFromText } from '../../src/core/key';
import { ownersOf, pointOfSlot, slotOf, succeed, type Known } from '../../src/engines/slot-map';
import type { ClusterGroup, ClusterNode } from '../../src/redis/cluster-topology';

const node = (id: string): ClusterNode => ({
  id,
  address: { host: id, port: 6379, tls: false, username: undefined, password: undefined },
  names: [`${id}:6379`],
});
function group(ids: string, slots: ClusterGroup['slots'] = [[0, 1]]): ClusterGroup {
  const [master = '', ...replicas] = ids.split('');
  return { master: node(master), replicas: replicas.map(node), slots };
}
const shard = (ids: string): Known & { name: string } => ({
  name: ids,
  masterId: ids[0] ?? '',
  ids: new Set(ids),
});
/** As `new group <- shard before`. */
function lines(groups: readonly ClusterGroup[], known: readonly (Known & { name: string })[]): string[] {
  return succeed(groups, known).map(({ group: { master, replicas }, heir }) => {
    const ids = [master, ...replicas].map(({ id }) => id).join('');
    return `${ids} <- ${heir?.name ?? 'new'}`;
  });
}

describe('the slot of a key', () => {
  // https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/: CRC16 of "123456789" is 0x31C3.
  it.each([
    ['123456789', 0x31c3],
    ['', 0],
    ['foo', 12182],
    ['{user1000}.following', slotOf(keyFromText('user1000'))],
    ['foo{}{bar}', 8363],
    ['foo{{bar}}zap', slotOf(keyFromText('{bar'))],
    ['foo{bar}{zap}', slotOf(keyFromText('bar'))],
  ])('%j is in %d', (key, slot) => {
    expect(slotOf(keyFromText(key))).toBe(slot);
  });

  it('is that of its bytes, not of their UTF-8', () => {
    const key = keyFromBytes(Buffer.from([0xe9, 0xff, 0x00]));
    expect(slotOf(key)).not.toBe(slotOf(keyFromText('éÿ\0')));
  });
});

it('the slots of one shard are spread over its replicas', () => {
  const quarters = [0, 0, 0, 0];
  for (let slot = 0; slot < 1000; slot += 1) quarters[Math.floor(pointOfSlot(slot) / 2 ** 30)]! += 1;
  for (const count of quarters) expect(Math.abs(count - 250)).toBeLessThan(20);
});

it('ranges belong to their group, and what nobody claims to nobody', () => {
  const owners = ownersOf([
    group('ab', [
      [0, 0],
      [5, 16383],
    ]),
    group('c', [[1, 3]]),
  ]);
  expect([0, 1, 3, 4, 5, 16383].map((slot) => owners[slot])).toEqual([0, 1, 1, -1, 0, 0]);
});

describe('a shard is whoever its nodes were', () => {
  it.each<[string, ClusterGroup[], string[], string[]]>([
    ['while nothing changes', [group('ab'), group('cd')], ['ab', 'cd'], ['ab <- ab', 'cd <- cd']],
    ['after a failover', [group('ba'), group('cd')], ['ab', 'cd'], ['ba <- ab', 'cd <- cd']],
    ['with a master that is gone', [group('b')], ['abc'], ['b <- abc']],
    ['with a new node', [group('ab'), group('e')], ['ab'], ['ab <- ab', 'e <- new']],
    ['when a replica has changed sides', [group('a'), group('cb')], ['ab', 'c'], ['a <- ab', 'cb <- c']],
    ['and was promoted there', [group('bc'), group('a')], ['ab', 'c'], ['bc <- c', 'a <- ab']],
    ['when all of its slots have gone', [group('abcd')], ['ab', 'cd'], ['abcd <- ab']],
    ['as long as it is empty', [group('ab'), group('cd', [])], ['ab', 'cd'], ['ab <- ab', 'cd <- cd']],
    ['from its first moment', [group('ab'), group('e', [])], ['ab'], ['ab <- ab', 'e <- new']],
    [
      'with a master that has just lost its slots to its replica',
      [group('a', []), group('b')],
      ['ab'],
      ['ba <- ab'],
    ],
  ])('%s', (_when, groups, before, after) => {
    expect(lines(groups, before.map(shard))).toEqual(after);
  });
});
