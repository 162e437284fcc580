/** A gateway's replication without its engine: a store, its clocks, and the log on a Redis of the test. */
import { randomBytes } from 'node:crypto';
import type { Key } from '../../src/core/command';
import type { Clock } from '../../src/lib/clock';
import { systemClock } from '../../src/lib/clock';
import { GroupClock } from '../../src/replication/group-clock';
import { openPubsubLog } from '../../src/replication/pubsub-log';
import { ReplicaStore } from '../../src/replication/replica-store';
import type { AnnounceOptions, ReplicationLog } from '../../src/replication/replication-log';
import { HybridClock } from '../../src/replication/version';
import type { VersionedEntry } from '../../src/replication/versioned-entry';
import { eventually } from './eventually';
import { stopAfterTests } from './leftovers';
import { createRecordingLog, type RecordingLog } from './log';

export interface PubsubGateway {
  readonly id: string;
  readonly store: ReplicaStore;
  readonly versions: HybridClock;
  readonly groupClock: GroupClock;
  readonly bus: ReplicationLog;
  readonly log: RecordingLog;
  /** Applies and announces; the text `undefined` deletes. */
  write(
    key: string,
    value: string | Buffer | undefined,
    options?: Partial<AnnounceOptions>,
  ): ReturnType<ReplicationLog['announce']>;
  /** What a reader sees. */
  read(key: string): string | undefined;
  caughtUp(withinMs?: number): Promise<void>;
  close(): Promise<void>;
}

export interface PubsubGatewayOptions {
  readonly clock?: Clock;
  /** Puts something into the store before the log is opened. */
  readonly prepare?: (store: ReplicaStore, versions: HybridClock, id: string) => void;
}

export function openPubsubGateway(
  { host, port }: { readonly host: string; readonly port: number },
  { clock = systemClock, prepare }: PubsubGatewayOptions = {},
): PubsubGateway {
  const id = randomBytes(8).toString('hex');
  const groupClock = new GroupClock(clock);
  const groupNowMs = (): number => groupClock.nowMs();
  const versions = new HybridClock(groupNowMs);
  const store = new ReplicaStore({ groupNowMs, bytesMax: 2 ** 31 });
  const log = createRecordingLog();
  prepare?.(store, versions, id);
  const bus = openPubsubLog(
    { host, port, tls: false, username: undefined, password: undefined },
    { id, store, groupClock, versions, clock, log, onApplied: () => undefined },
  );
  return {
    id,
    store,
    versions,
    groupClock,
    bus,
    log,
    write: (key, value, { ack = 0, deadlineMs = clock.now() + 2000 } = {}) => {
      const entry: VersionedEntry = {
        key: key as Key,
        bytes: value === undefined ? undefined : Buffer.from(value),
        time: versions.tick(),
        origin: id,
        expiresAtMs: Infinity,
      };
      store.apply(entry);
      return bus.announce([entry], { ack, deadlineMs });
    },
    read: (key) => store.peek(key as Key)?.bytes?.toString(),
    caughtUp: async (withinMs = 5000) => {
      await eventually(() => bus.isCaughtUp, withinMs);
    },
    close: stopAfterTests(() => bus.close()),
  };
}
