/** The Sentinel engine as tests open it, and how long its service is out while something happens to it. */
import type { Coherence } from '../../src/coherence/coherence';
import { keyFromText } from '../../src/core/key';
import type { CacheError } from '../../src/core/errors';
import type { Engine, Log } from '../../src/core/ports';
import { openSentinel } from '../../src/engines/sentinel';
import { systemClock as clock } from '../../src/lib/clock';
import type { NodeAddress } from '../../src/redis/client';
import { createRecordingLog } from './log';
import { createTestCoherence, STORED_BYTES_MAX } from './ring';
import type { SentinelDeployment } from './sentinel';

export interface TestSentinelOptions {
  /** As the deployment has them unless told otherwise. */
  readonly sentinels?: readonly NodeAddress[];
  /** All of the deployment unless told otherwise. */
  readonly masters?: readonly string[];
  readonly storedBytesMax?: number;
  readonly coherence?: Coherence;
  /** Of the nodes. */
  readonly password?: string;
  readonly log?: Log;
}

export function openTestSentinel(
  deployment: SentinelDeployment,
  options: TestSentinelOptions = {},
): Promise<Engine> {
  return openSentinel({
    sentinels: options.sentinels ?? deployment.sentinels.map(({ address }) => address),
    masters: options.masters ?? [...new Set(deployment.nodes.map(({ shard }) => shard))],
    nodes: { tls: false, username: undefined, password: options.password },
    hash: 'ketama',
    readFrom: 'replica',
    storedBytesMax: options.storedBytesMax ?? STORED_BYTES_MAX,
    coherence: options.coherence ?? createTestCoherence(),
    clock,
    log: options.log ?? createRecordingLog(),
  });
}

export async function put(engine: Engine, key: string, value: string, waitMs = 2000): Promise<void> {
  const options = { ttlMs: 0, condition: undefined, ack: 0, deadlineMs: clock.now() + waitMs } as const;
  await engine.write(keyFromText(key), Buffer.from(value), options);
}

/** The value as text; undefined: absent. */
export async function get(
  engine: Engine,
  key: string,
  consistency: 'eventual' | 'strong' = 'eventual',
): Promise<string | undefined> {
  const options = { consistency, withLife: false, deadlineMs: clock.now() + 2000 };
  return (await engine.read(keyFromText(key), options))?.bytes.toString();
}

export interface Outage {
  /** The longest time between two successes, one after the other. */
  readonly longestMs: number;
  readonly failures: readonly string[];
}

/** Repeats `operation` on several lines at once, a few milliseconds apart, until it is stopped. */
export function watchOutage(operation: (count: number) => Promise<unknown>): {
  /** How many have succeeded. */
  successes(): number;
  stop(): Promise<Outage>;
} {
  let isOn = true;
  let count = 0;
  let successes = 0;
  let longestMs = 0;
  let lastMs = clock.now();
  const failures: string[] = [];
  const line = async (): Promise<void> => {
    while (isOn) {
      try {
        await operation((count += 1));
        successes += 1;
        longestMs = Math.max(longestMs, clock.now() - lastMs);
        lastMs = clock.now();
      } catch (thrown) {
        const { message, cause } = thrown as CacheError;
        failures.push(cause instanceof Error ? `${message} ${cause.message}` : message);
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  const lines = [line(), line(), line(), line()];
  return {
    successes: () => successes,
    stop: async () => {
      isOn = false;
      await Promise.all(lines);
      return { longestMs: Math.max(longestMs, clock.now() - lastMs), failures };
    },
  };
}
