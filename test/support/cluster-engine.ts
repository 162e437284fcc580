/** The cluster engine as the tests open it, on a cluster of real Redis servers. */
import type { Key } from '../../src/core/command';
import type { Engine, Log } from '../../src/core/ports';
import { openCluster } from '../../src/engines/cluster';
import { systemClock } from '../../src/lib/clock';
import type { NodeAddress } from '../../src/redis/client';
import { createRecordingLog } from './log';
import { createTestCoherence } from './ring';

export interface TestClusterOptions {
  readonly log?: Log;
  readonly onAnnounced?: (key: Key) => void;
  readonly storedBytesMax?: number;
}

export function openTestCluster(
  seeds: readonly NodeAddress[],
  { log = createRecordingLog(), onAnnounced, storedBytesMax = 1_000_000 }: TestClusterOptions = {},
): Promise<Engine> {
  return openCluster({
    seeds,
    readFrom: 'replica',
    storedBytesMax,
    coherence: createTestCoherence('tracking', onAnnounced, log),
    clock: systemClock,
    log,
  });
}
