/** The order of versions, and the clock that makes their times. */
import fc from 'fast-check';
import {
  DRIFT_MS_MAX,
  HybridClock,
  isLater,
  msOf,
  timeOf,
  type Version,
  versionBehind,
} from '../../src/replication/version';

const START_MS = Date.UTC(2030, 0, 1);
const TICKS_PER_MS = 4096;

const version = fc.record({
  time: fc.integer({ min: 1, max: 4 }),
  origin: fc.constantFrom('00000000000000aa', '00000000000000ab', 'ff00000000000000'),
});

describe('the order of versions', () => {
  it('of two different versions exactly one is later, and none is later than itself', () => {
    fc.assert(
      fc.property(version, version, (a: Version, b: Version) => {
        const isSame = a.time === b.time && a.origin === b.origin;
        expect([isLater(a, b), isLater(b, a)].filter(Boolean)).toHaveLength(isSame ? 0 : 1);
      }),
    );
  });

  it('what lies right behind a version wins over it, and loses against all that was made with the knowledge of it', () => {
    const origins = fc.constantFrom(
      '0000000000000000',
      '00000000000000ff',
      'fffffffffffffffe',
      'ffffffffffffffff',
    );
    fc.assert(
      fc.property(origins, fc.constantFrom('0000000000000001', 'ffffffffffffffff'), (origin, other) => {
        const behind = versionBehind({ time: 7, origin });
        expect(behind.origin).toMatch(/^[0-9a-f]{16}$/);
        expect(isLater(behind, { time: 7, origin })).toBe(true);
        expect(isLater({ time: 8, origin: other }, behind)).toBe(true);
      }),
    );
  });

  it('the time decides, and the origin where the times are equal', () => {
    const [low, high] = ['00000000000000ff', 'ff00000000000000'];
    expect(isLater({ time: 2, origin: low }, { time: 1, origin: high })).toBe(true);
    expect(isLater({ time: 2, origin: high }, { time: 2, origin: low })).toBe(true);
  });
});

describe('times', () => {
  it('the smallest time of a millisecond has that millisecond as its physical part', () => {
    fc.assert(
      fc.property(fc.integer({ min: Date.UTC(2020, 0, 1), max: Date.UTC(2089, 0, 1) }), (ms) => {
        expect(msOf(timeOf(ms))).toBe(ms);
        expect(msOf(timeOf(ms) - 1)).toBe(ms - 1);
        expect(timeOf(ms + 0.9)).toBe(timeOf(ms));
        expect(timeOf(ms)).toBeLessThanOrEqual(Number.MAX_SAFE_INTEGER);
      }),
    );
  });
});

describe('HybridClock', () => {
  it('never gives the same time twice nor an earlier one, however group time jumps and whatever is observed', () => {
    const step = fc.record({
      jumpMs: fc.integer({ min: -600_000, max: 600_000 }),
      observedAheadMs: fc.option(fc.integer({ min: -600_000, max: 2 * DRIFT_MS_MAX })),
    });
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        let nowMs = START_MS;
        let last = 0;
        const clock = new HybridClock(() => nowMs);
        for (const { jumpMs, observedAheadMs } of steps) {
          nowMs += jumpMs;
          if (observedAheadMs !== null) {
            const observed = timeOf(nowMs + observedAheadMs);
            if (clock.observe(observed)) last = Math.max(last, observed);
          }
          const time = clock.tick();
          expect(time).toBeGreaterThan(last);
          expect(time).toBeGreaterThanOrEqual(timeOf(nowMs));
          last = time;
        }
      }),
    );
  });

  it('more than 4096 ticks of one millisecond run over into the next one, and keep their order', () => {
    let nowMs = START_MS;
    const clock = new HybridClock(() => nowMs);
    const times = Array.from({ length: 2 * TICKS_PER_MS + 1 }, () => clock.tick());
    expect(times[0]).toBe(timeOf(START_MS));
    expect(times.at(-1)).toBe(timeOf(START_MS + 2));
    nowMs += 1;
    expect(clock.tick()).toBe(timeOf(START_MS + 2) + 1);
  });

  it('a time more than 24 hours ahead is refused and changes nothing; one of just that is taken', () => {
    const clock = new HybridClock(() => START_MS);
    expect(clock.observe(timeOf(START_MS + DRIFT_MS_MAX) + 1)).toBe(false);
    expect(clock.tick()).toBe(timeOf(START_MS));
    expect(clock.observe(timeOf(START_MS + DRIFT_MS_MAX))).toBe(true);
    expect(clock.tick()).toBe(timeOf(START_MS + DRIFT_MS_MAX) + 1);
  });

  it.each([NaN, Infinity, 1.5, -Infinity])('what is no time is refused: %p', (time) => {
    const clock = new HybridClock(() => START_MS);
    expect(clock.observe(time)).toBe(false);
    expect(clock.tick()).toBe(timeOf(START_MS));
  });
});
