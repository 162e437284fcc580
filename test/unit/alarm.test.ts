import { Alarm } from '../../src/lib/alarm';
import { createFakeClock } from '../support/fake-clock';

/** How late it may ring. */
const LATE_MS_MAX = 20;

const clock = createFakeClock();

beforeEach(() => {
  jest.useFakeTimers();
});
afterEach(() => {
  jest.useRealTimers();
});

function pass(ms: number): void {
  for (let step = 0; step < ms; step += 1) {
    clock.advance(1);
    jest.advanceTimersByTime(1);
  }
}

it('rings once, and not before its time', () => {
  const ring = jest.fn();
  const alarm = new Alarm(clock, ring);
  alarm.setBy(clock.now() + 100);
  pass(99);
  expect(ring).not.toHaveBeenCalled();
  pass(1 + LATE_MS_MAX);
  expect(ring).toHaveBeenCalledTimes(1);
  pass(1000);
  expect(ring).toHaveBeenCalledTimes(1);
});

it('rings for the earliest of those it was set by', () => {
  const ring = jest.fn();
  const alarm = new Alarm(clock, ring);
  for (const ms of [500, 100, 300]) alarm.setBy(clock.now() + ms);
  pass(100 + LATE_MS_MAX);
  expect(ring).toHaveBeenCalledTimes(1);
});

it.each([0, -1000])('is not put off by who asks again and again for what was due %i ms from now', (ms) => {
  const ring = jest.fn();
  const alarm = new Alarm(clock, ring);
  const dueMs = clock.now() + ms;
  for (let asked = 0; asked < 10; asked += 1) {
    alarm.setBy(dueMs);
    pass(10);
  }
  expect(ring.mock.calls.length).toBeGreaterThanOrEqual(100 / (2 * LATE_MS_MAX));
});

it('does not ring once it was cancelled', () => {
  const ring = jest.fn();
  const alarm = new Alarm(clock, ring);
  alarm.setBy(clock.now() + 100);
  alarm.cancel();
  pass(1000);
  expect(ring).not.toHaveBeenCalled();
});
