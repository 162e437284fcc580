/** Sessions as values: what a write adds, what it makes superfluous, and what a batch makes of both. */
import { POSITIONS_MAX, Session, type Position } from '../../src/core/session';

const at = (shard: string, lineage: string, offset: number): Position => ({ shard, lineage, offset });
const everything = (): boolean => true;
const nothing = (): boolean => false;

it('a write takes the place of what its history includes, on its own shard only', () => {
  const session = Session.empty.with(at('a', 'x', 1), everything).with(at('b', 'y', 5), everything);
  const renewed = session.with(at('a', 'z', 9), everything);
  expect(renewed.positionsOn('a')).toEqual([at('a', 'z', 9)]);
  expect(renewed.positionsOn('b')).toEqual([at('b', 'y', 5)]);
});

it('what a new history does not include stays, so that its loss can be told', () => {
  const session = Session.empty.with(at('a', 'x', 7), everything).with(at('a', 'z', 3), nothing);
  expect(session.positionsOn('a')).toEqual([at('a', 'z', 3), at('a', 'x', 7)]);
});

it('a session of more positions than a token holds says that it overflows', () => {
  let session = Session.empty;
  for (let n = 0; n <= POSITIONS_MAX; n += 1) session = session.with(at(`s${n}`, 'x', n), everything);
  expect(session.positions).toHaveLength(POSITIONS_MAX);
  expect(session.positionsOn(`s${POSITIONS_MAX}`)).toHaveLength(1);
  expect(session.isOverflowing).toBe(true);
  expect(new Session([], true).isEmpty).toBe(false);
});

describe('the writes of a batch', () => {
  const before = Session.empty.with(at('a', 'x', 1), everything).with(at('b', 'y', 1), everything);

  it('bring all that any of them has written, each shard at its furthest', () => {
    const onA = before.with(at('a', 'x', 20), everything);
    const laterOnA = before.with(at('a', 'x', 30), everything);
    const onC = before.with(at('c', 'v', 4), everything);
    const merged = before.mergeRenewed([laterOnA, onA, onC]);
    expect(new Set(merged.positions)).toEqual(new Set([at('a', 'x', 30), at('b', 'y', 1), at('c', 'v', 4)]));
  });

  it('do not bring back what one of them has made superfluous', () => {
    const onA = before.with(at('a', 'after the failover', 2), everything);
    const onB = before.with(at('b', 'y', 9), everything);
    const merged = before.mergeRenewed([onA, onB]);
    expect(new Set(merged.positions)).toEqual(new Set([at('a', 'after the failover', 2), at('b', 'y', 9)]));
  });
});
