/**
 * Gateways of the replicated engine as tests need them: each is a core over an engine with connections of its own to one
 * bus, in this process. Their clocks can say different times.
 */
import { Cache } from '../../src/core/cache';
import type { Command, Key, Reply, WriteCommand } from '../../src/core/command';
import { Grants } from '../../src/core/grants';
import { keyFromText } from '../../src/core/key';
import { NearCache } from '../../src/core/near-cache';
import type { Change, Engine, EngineContent, ReadOptions, WriteOptions } from '../../src/core/ports';
import { openReplicated } from '../../src/engines/replicated';
import { systemClock } from '../../src/lib/clock';
import type { ReplicationBus } from '../../src/replication/replication-log';
import { read, remove, write } from './commands';
import { eventually } from './eventually';
import { stopAfterTests } from './leftovers';
import { createRecordingLog, type RecordingLog } from './log';

const anyone = { id: 'id', name: 'name', grants: new Grants(['read', 'write', 'delete', 'admin'], []) };
const DEADLINE_MS = 5000;
const READY_MS = 10_000;

export interface ReplicatedGatewayOptions {
  /** How far this machine's clock is ahead of the others'. */
  readonly aheadMs?: number;
  readonly bytesMax?: number;
  readonly load?: (content: EngineContent) => Promise<void>;
}

type Within = { readonly withinMs?: number };

export interface ReplicatedGateway {
  readonly engine: Engine;
  readonly content: EngineContent;
  readonly log: RecordingLog;
  /** A READ would be answered from the near cache now. */
  holds(key: string): boolean;
  run(command: Command): Promise<Reply>;
  /** The value as the core answers it; undefined: absent. */
  value(key: string): Promise<unknown>;
  /** The same as the engine answers it. @throws CacheError */
  text(key: string, options?: Partial<ReadOptions> & Within): Promise<string | undefined>;
  /** What is left of the key's life in ms. */
  life(key: string): Promise<number | undefined>;
  /** @throws CacheError */
  put(key: string, value: string, options?: Partial<WriteOptions> & Within): Promise<Change>;
  /** @throws CacheError */
  drop(key: string, options?: { ack?: 0 | 1 | 2 } & Within): Promise<Change>;
  write(key: string, value: string, more?: Partial<WriteCommand>): Promise<Reply>;
  remove(key: string): Promise<Reply>;
  /** Every key with its value, in order. */
  all(): Promise<readonly (readonly [Key, string | undefined])[]>;
  ready(): Promise<unknown>;
  close(): Promise<void>;
}

/** Resolves when the gateway is ready. */
export async function openReplicatedGateway(
  bus: ReplicationBus,
  options: ReplicatedGatewayOptions = {},
): Promise<ReplicatedGateway> {
  const gateway = await openUnreadyGateway(bus, options);
  await gateway.ready();
  return gateway;
}

/** The same where it cannot be ready, or not yet. */
export async function openUnreadyGateway(
  bus: ReplicationBus,
  { aheadMs = 0, bytesMax = 256 * 1024 * 1024, load }: ReplicatedGatewayOptions = {},
): Promise<ReplicatedGateway> {
  const clock = { now: () => systemClock.now(), wallMs: () => systemClock.wallMs() + aheadMs };
  const log = createRecordingLog();
  const changed: { in: Cache | undefined } = { in: undefined };
  const onChanged = (key: Key): void => changed.in?.forget(key);
  const engine = await openReplicated({ bus, bytesMax, clock, log, onChanged, load });
  const close = stopAfterTests(() => engine.close());
  const near = new NearCache({ entries: 10_000, bytes: 1e7, ttlMs: 300_000, clock });
  const cache = new Cache({
    engine,
    near,
    cipher: undefined,
    encryptByDefault: false,
    defaultTtlMs: 0,
    coherence: 'none',
    clock,
  });
  changed.in = cache;

  const deadline = (withinMs = DEADLINE_MS): number => clock.now() + withinMs;
  const run = async (command: Command): Promise<Reply> => cache.execute(anyone, command, deadline());
  const find = (key: string, { withinMs, ...options }: Partial<ReadOptions> & Within = {}) =>
    engine.read(keyFromText(key), {
      consistency: 'eventual',
      withLife: true,
      deadlineMs: deadline(withinMs),
      ...options,
    });
  const text = async (key: string, options?: Partial<ReadOptions> & Within): Promise<string | undefined> =>
    (await find(key, options))?.bytes.toString();
  if (engine.content === undefined) throw new Error('its data are in this process');
  return {
    engine,
    content: engine.content,
    log,
    holds: (key) => near.holds(keyFromText(key)),
    run,
    value: async (key) => {
      const reply = await run(read(key));
      if (reply.status === 'ERROR') throw reply.error;
      return 'value' in reply ? reply.value : undefined;
    },
    text,
    life: async (key) => (await find(key))?.remainingMs,
    put: (key, value, { withinMs, ...options } = {}) =>
      engine.write(keyFromText(key), Buffer.from(value), {
        ttlMs: 0,
        condition: undefined,
        ack: 0,
        deadlineMs: deadline(withinMs),
        ...options,
      }),
    drop: (key, { withinMs, ack = 0 } = {}) =>
      engine.remove(keyFromText(key), { ack, deadlineMs: deadline(withinMs) }),
    write: (key, value, more) => run(write(key, value, more)),
    remove: (key) => run(remove(key)),
    all: async () => {
      const keys: Key[] = [];
      for await (const page of engine.scan()) keys.push(...page);
      return Promise.all(keys.sort().map(async (key) => [key, await text(key)] as const));
    },
    ready: () => eventually(() => engine.ready(), READY_MS),
    close,
  };
}
