/** The ring engine as the integration tests open it, on shards of real Redis servers. */
import type { Engine, Log } from '../../src/core/ports';
import { openRing } from '../../src/engines/ring';
import type { ShardConfig } from '../../src/engines/shard';
import { systemClock } from '../../src/lib/clock';
import { createRecordingLog } from './log';

/** What is stored and longer than this is not read by it. */
export const STORED_BYTES_MAX = 1_000_000;

export function openTestRing(shard: ShardConfig, log: Log = createRecordingLog()): Promise<Engine> {
  return openRing({
    shards: [shard],
    hash: 'ketama',
    readFrom: 'replica',
    storedBytesMax: STORED_BYTES_MAX,
    clock: systemClock,
    log,
  });
}
