/** The event loop itself is what is watched here, so it is really held up. */
import { type EventLoopMonitor, openEventLoopMonitor } from '../../src/telemetry/event-loop-delay';
import { eventually } from '../support/eventually';

const STALL_MS = 80;

let monitor: EventLoopMonitor | undefined;
afterEach(() => monitor?.close());

function stall(): void {
  const endMs = performance.now() + STALL_MS;
  while (performance.now() < endMs);
}

/** Again until it is seen: the monitor measures from its first look on. */
async function seeStall(watched: EventLoopMonitor): Promise<void> {
  await eventually(() => {
    stall();
    return watched.read().max > STALL_MS / 2;
  });
}

it('a stall is seen by all who look, as often as they look', async () => {
  const watched = (monitor = openEventLoopMonitor());
  await seeStall(watched);
  const { p50, p99, max } = watched.read();
  expect(watched.read().max).toBe(max);
  expect(p50).toBeLessThanOrEqual(p99);
  expect(p99).toBeLessThanOrEqual(max);
});

it('a stall is forgotten after two windows', async () => {
  const watched = (monitor = openEventLoopMonitor(200));
  await seeStall(watched);
  await eventually(() => watched.read().max < STALL_MS / 2);
});

it('nothing that was seen is no delay', () => {
  monitor = openEventLoopMonitor();
  expect(monitor.read()).toEqual({ p50: 0, p99: 0, max: 0 });
});
