/** Three gateways that replicate each other over one bus, on machines whose clocks are ten minutes apart. */
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { makeFolder, removeFolder } from '../../support/child';
import { type RedisProcess, startRedis } from '../../support/redis';
import { createGateways, type GatewaySettings, type GatewaySlot } from '../gateways';

/** By the wall clock of the first, second and third; the slow one comes first, for its tokens are valid everywhere. */
const SKEWS_MS = [-600_000, 0, 600_000];
const SKEW_CLOCK = `--require ${JSON.stringify(require.resolve('../../support/skew-clock.cjs'))}`;
/** Three of one length, and no secret: nothing outlives the run. */
const ENCRYPTION_KEY = `torture:${Buffer.alloc(32, 7).toString('base64')}`;
const SNAPSHOT = 'snapshot';

export interface Group {
  readonly bus: RedisProcess;
  readonly slots: readonly GatewaySlot[];
  /** The header that any of the gateways takes. */
  readonly authorization: string;
  /** Folders that hold nothing but the snapshots of who runs there. */
  snapshotFolder(slot: GatewaySlot): string;
  /** In that folder. */
  snapshotFile(slot: GatewaySlot): string;
  close(): Promise<void>;
}

/** @param settings over those of the group; `NODE_OPTIONS` beside them. What was opened before a failure is closed again. */
export async function openGroup(settings: GatewaySettings): Promise<Group> {
  const bus = await startRedis();
  const folder = await makeFolder();
  const { NODE_OPTIONS = '', ...others } = settings;
  const skews = [...SKEWS_MS];
  const slots = await createGateways(SKEWS_MS.length, (place) => ({
    ...{ ENGINE: 'replicated', REPLICATION_BUS: 'redis', REPLICATION_URL: bus.url },
    ...{ ENCRYPTION_KEYS: ENCRYPTION_KEY, ENCRYPT_VALUES: 'false' },
    ...{ SNAPSHOT_FILE: path.join(folder, place, SNAPSHOT), SNAPSHOT_INTERVAL_SECONDS: '2' },
    ...{ CLOCK_SKEW_MS: String(skews.shift()), NODE_OPTIONS: `${SKEW_CLOCK} ${NODE_OPTIONS}` },
    ...others,
  }));
  const folders = new Map(slots.map((slot) => [slot, path.join(folder, slot.name)]));
  const snapshotFolder = (slot: GatewaySlot): string => folders.get(slot)!;
  const close = async (): Promise<void> => {
    await Promise.allSettled(slots.map((slot) => slot.stop()));
    await bus.stop();
    await removeFolder(folder);
  };
  try {
    for (const each of folders.values()) await mkdir(each);
    await Promise.all(slots.map((slot) => slot.start()));
    const { authorization } = await slots[0]!.gateway.bearer();
    return {
      ...{ bus, slots, authorization, close, snapshotFolder },
      snapshotFile: (slot) => path.join(snapshotFolder(slot), SNAPSHOT),
    };
  } catch (failure) {
    await close();
    throw failure;
  }
}
