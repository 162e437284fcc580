/** The ring engine as the integration tests open it, on shards of real Redis servers. */
import { createCoherence, type Coherence, type CoherenceKind } from '../../src/coherence/coherence';
import type { Key } from '../../src/core/command';
import type { Engine, Log } from '../../src/core/ports';
import { openRing } from '../../src/engines/ring';
import type { ShardConfig } from '../../src/engines/shard';
import { systemClock } from '../../src/lib/clock';
import { createRecordingLog } from './log';

/** What is stored and longer than this is not read by it. */
export const STORED_BYTES_MAX = 1_000_000;

export interface TestRingOptions {
  readonly log?: Log;
  readonly kind?: CoherenceKind;
  readonly onAnnounced?: (key: Key) => void;
}

export function openTestRing(shard: ShardConfig, options: TestRingOptions = {}): Promise<Engine> {
  const log = options.log ?? createRecordingLog();
  return openRing({
    shards: [shard],
    hash: 'ketama',
    readFrom: 'replica',
    storedBytesMax: STORED_BYTES_MAX,
    coherence: createTestCoherence(options.kind, options.onAnnounced, log),
    clock: systemClock,
    log,
  });
}

/** `tracking`, with nobody to hear of it, unless told otherwise. */
export function createTestCoherence(
  kind: CoherenceKind = 'tracking',
  onAnnounced: (key: Key) => void = () => undefined,
  log: Log = createRecordingLog(),
): Coherence {
  return createCoherence(kind, { clock: systemClock, log, onAnnounced });
}
