import { GroupClock } from '../../src/replication/group-clock';
import { createFakeClock, type FakeClock } from '../support/fake-clock';

describe('group time', () => {
  let clock: FakeClock;
  let group: GroupClock;
  beforeEach(() => {
    clock = createFakeClock();
    group = new GroupClock(clock);
  });
  /** The bus says its time, on a way of so many milliseconds. */
  const ask = (groupMs: number, roundTripMs = 0): void =>
    group.observe(groupMs, clock.now() - roundTripMs, clock.now());

  test('before the bus was asked it is the machine time, and does not bind what comes then', () => {
    expect(group.isKnown).toBe(false);
    expect(group.nowMs()).toBe(clock.wallMs());
    const behindMs = clock.wallMs() - 600_000;
    ask(behindMs);
    expect(group.isKnown).toBe(true);
    expect(group.nowMs()).toBe(behindMs);
  });

  test('it is the clock of the bus, whatever the machine says, and goes on without it', () => {
    ask(5_000_000);
    clock.advance(1000);
    expect(group.nowMs()).toBe(5_001_000);
  });

  test('the answer with the shortest way counts', () => {
    ask(5_000_000, 10);
    ask(9_000_000, 500);
    expect(group.nowMs()).toBe(5_000_005);
    ask(5_000_200, 2);
    expect(group.nowMs()).toBe(5_000_201);
  });

  test('old answers make way for new ones', () => {
    ask(5_000_000, 0);
    for (let times = 0; times < 16; times += 1) ask(6_000_000, 20);
    expect(group.nowMs()).toBe(6_000_010);
  });

  test('it never goes back: where it is ahead, it goes at half the pace until it is not', () => {
    ask(5_000_000, 4);
    expect(group.nowMs()).toBe(5_000_002);
    ask(4_999_000, 0);
    expect(group.nowMs()).toBe(5_000_002);
    clock.advance(1000);
    expect(group.nowMs()).toBe(5_000_502);
    clock.advance(2000);
    expect(group.nowMs()).toBe(5_002_000);
  });
});
