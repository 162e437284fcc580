/** The ring engine as the integration tests open it, on shards of real Redis servers. */
import { createCoherence, type Coherence, type CoherenceConfig } from '../../src/coherence/coherence';
import { KafkaCoherence } from '../../src/coherence/kafka';
import type { Key } from '../../src/core/command';
import type { Engine, Log } from '../../src/core/ports';
import { openRing } from '../../src/engines/ring';
import type { ShardConfig } from '../../src/engines/shard';
import { systemClock } from '../../src/lib/clock';
import { AnnouncementTopic } from './announcement-topic';
import { createRecordingLog } from './log';

/** What is stored and longer than this is not read by it. */
export const STORED_BYTES_MAX = 1_000_000;

/** What needs no settings is called by its name. */
export type TestCoherence = 'tracking' | 'pubsub' | 'none' | Extract<CoherenceConfig, { kind: 'kafka' }>;

export interface TestRingOptions {
  readonly log?: Log;
  readonly kind?: TestCoherence;
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
  kind: TestCoherence = 'tracking',
  onAnnounced: (key: Key) => void = () => undefined,
  log: Log = createRecordingLog(),
): Coherence {
  return createCoherence(coherenceConfigOf(kind), { clock: systemClock, log, onAnnounced });
}

export function coherenceConfigOf(kind: TestCoherence): CoherenceConfig {
  return typeof kind === 'string' ? { kind } : kind;
}

/** That of `kafka`, alone on a topic in this process; whoever opens it closes it. */
export async function openTopicCoherence(): Promise<Coherence> {
  const coherence = new KafkaCoherence({
    clock: systemClock,
    log: createRecordingLog(),
    onAnnounced: () => undefined,
    openTopic: new AnnouncementTopic().createLink().open,
  });
  await coherence.open();
  return coherence;
}
