/** In a file of its own: what is measured here begins with the first metrics that a process opens. */
import { openMetrics } from '../../src/telemetry/metrics';
import { createFakeClock } from '../support/fake-clock';
import { parseExposition } from '../support/prometheus-text';

const WORK_SECONDS = 0.1;
const MICROSECONDS = 1e6;

it('the process is measured from when the metrics are opened, not from when somebody first looks', async () => {
  const near = { enabled: false, entries: 0, bytes: 0, entriesMax: 0, bytesMax: 0, ttlSeconds: 0 };
  const metrics = openMetrics({
    clock: createFakeClock(),
    engine: { status: () => [] },
    near: { status: () => ({ ...near, hits: 0, misses: 0, evictions: 0 }) },
  });
  const before = process.cpuUsage();
  while (process.cpuUsage(before).user < WORK_SECONDS * MICROSECONDS);
  const { value } = parseExposition(await metrics.exposition());
  metrics.close();
  expect(value('process_cpu_user_seconds_total')).toBeGreaterThanOrEqual(WORK_SECONDS);
});
