/**
 * Gateways as the coherence tests need them: each is a core over a ring of real shards with connections of its own,
 * and hears of changes as `start.ts` lets it. Their links to a node can be broken one by one.
 */
import { createCoherence } from '../../src/coherence/coherence';
import { KafkaCoherence } from '../../src/coherence/kafka';
import { Cache } from '../../src/core/cache';
import type { Command, Key, Reply, WriteCommand } from '../../src/core/command';
import { Grants } from '../../src/core/grants';
import { NearCache } from '../../src/core/near-cache';
import type { Cipher, Engine } from '../../src/core/ports';
import type { CacheRelay } from '../../src/core/relay';
import type { Watch } from '../../src/core/watches';
import { openRing } from '../../src/engines/ring';
import { Shard, type ReadFrom, type ShardConfig, type ShardOptions } from '../../src/engines/shard';
import { systemClock as clock } from '../../src/lib/clock';
import type { NodeAddress } from '../../src/redis/client';
import { read, remove, write } from './commands';
import { eventually } from './eventually';
import { stopAfterTests } from './leftovers';
import { createRecordingLog, type RecordingLog } from './log';
import type { TopicLink } from './announcement-topic';
import type { RedisProcess } from './redis';
import { coherenceConfigOf, STORED_BYTES_MAX, type TestCoherence } from './ring';
import { startTcpProxy, type LinkFaults, type TcpProxy } from './tcp-proxy';

const anyone = { id: 'id', name: 'name', grants: new Grants(['read', 'write', 'delete', 'admin'], []) };
const DEADLINE_MS = 2000;

export interface GatewayOptions {
  readonly kind?: TestCoherence;
  /** In place of a kind: changes are announced on a topic in this process. */
  readonly link?: TopicLink | undefined;
  readonly readFrom?: ReadFrom;
  readonly nearTtlMs?: number;
  readonly cipher?: Cipher;
}

export interface TestGateway {
  readonly engine: Engine;
  readonly log: RecordingLog;
  readonly relay: CacheRelay | undefined;
  /** Every key of which it was told, in order. */
  readonly announced: readonly string[];
  read(key: string): Promise<Reply>;
  write(key: string, value: string, more?: Partial<WriteCommand> & { withinMs?: number }): Promise<Reply>;
  remove(key: string): Promise<Reply>;
  watch(keys: readonly string[]): Watch;
  /** A READ would be answered from the near cache now. */
  holds(key: string): boolean;
  /** Reads until the near cache answers, and gives its value. */
  warm(key: string): Promise<unknown>;
  /** Resolves when what is read from each node may be kept. */
  opened(): Promise<unknown>;
  close(): Promise<void>;
}

/** A gateway over one shard. Resolves when its near cache is open. */
export async function openGateway(shard: ShardConfig, options: GatewayOptions = {}): Promise<TestGateway> {
  const gateway = await openClosedGateway(shard, options);
  await gateway.opened();
  return gateway;
}

/** The same where the near cache cannot open, or not yet. */
export async function openClosedGateway(
  shard: ShardConfig,
  options: GatewayOptions = {},
): Promise<TestGateway> {
  return composeGateway(options, (shared) =>
    openRing({ ...shared, shards: [shard], hash: 'ketama', readFrom: options.readFrom ?? 'replica' }),
  );
}

export interface TestShardGateway extends TestGateway {
  readonly shard: Shard;
}

/** A gateway whose only shard can be led to other nodes. */
export async function openShardGateway(
  { name, ...nodes }: ShardConfig,
  options: GatewayOptions = {},
): Promise<TestShardGateway> {
  let opened: Shard | undefined;
  const gateway = await composeGateway(options, async (shared) => {
    const shard = new Shard(name, { ...shared, readFrom: options.readFrom ?? 'replica', isCluster: false });
    opened = shard;
    await shard.open(nodes);
    return engineOf(shard);
  });
  await gateway.opened();
  if (opened === undefined) throw new Error('no shard was opened');
  return Object.assign(gateway, { shard: opened });
}

type SharedOptions = Pick<ShardOptions, 'storedBytesMax' | 'coherence' | 'clock' | 'log'>;

async function composeGateway(
  { kind = 'tracking', link, nearTtlMs = 300_000, cipher }: GatewayOptions,
  openEngine: (shared: SharedOptions) => Promise<Engine>,
): Promise<TestGateway> {
  const config = coherenceConfigOf(kind);
  const log = createRecordingLog();
  const announced: Key[] = [];
  const listener: { cache: Cache | undefined } = { cache: undefined };
  const onAnnounced = (key: Key): void => {
    listener.cache?.forget(key);
    announced.push(key);
  };
  const deps = { clock, log, onAnnounced };
  const coherence =
    link === undefined
      ? createCoherence(config, deps)
      : new KafkaCoherence({ ...deps, openTopic: link.open });
  await coherence.open();
  const engine = await openEngine({ storedBytesMax: STORED_BYTES_MAX, coherence, clock, log });
  const near = new NearCache({ entries: 1000, bytes: 1e6, ttlMs: nearTtlMs, clock });
  const cache = new Cache({
    engine,
    near,
    cipher,
    encryptByDefault: cipher !== undefined,
    defaultTtlMs: 0,
    coherence: coherence.kind,
    clock,
  });
  listener.cache = cache;
  const run = async (command: Command, withinMs = DEADLINE_MS): Promise<Reply> =>
    cache.execute(anyone, command, clock.now() + withinMs);
  return {
    engine,
    log,
    relay: cache.relay,
    announced,
    read: (key) => run(read(key)),
    write: (key, value, { withinMs, ...more } = {}) => run(write(key, value, more), withinMs),
    remove: (key) => run(remove(key)),
    watch: (keys) => cache.watch(() => anyone, keys as Key[]),
    holds: (key) => near.holds(key as Key),
    warm: (key) =>
      eventually(async () => {
        const reply = await run(read(key));
        if (!('source' in reply) || reply.source !== 'near') throw new Error(JSON.stringify(reply));
        return reply.value;
      }),
    opened: () =>
      eventually(() => engine.status().every(({ nodes }) => nodes.every((node) => node.announces !== false))),
    close: stopAfterTests(async () => {
      await engine.close();
      await coherence.close();
    }),
  };
}

/** An engine that has one shard and no ring. */
function engineOf(shard: Shard): Engine {
  const point = 0;
  return {
    kind: 'shard',
    relay: undefined,
    read: (key, options) => shard.read(key, point, options),
    write: (key, bytes, options) => shard.write(key, bytes, options),
    remove: (key, options) => shard.remove(key, options),
    // eslint-disable-next-line @typescript-eslint/require-await
    scan: async function* () {
      yield [];
    },
    locate: () => Promise.reject(new Error('one shard has no ring')),
    placement: () => undefined,
    ready: () => shard.usable(),
    status: () => [shard.status()],
    close: () => {
      shard.close();
      return Promise.resolve();
    },
  };
}

/** One gateway's way to one node. */
export interface NodeLinks {
  readonly address: NodeAddress;
  /** Its connections, those to come included. */
  readonly all: TcpProxy;
  /** The connection by which it is told of changes, as there is one now. */
  subscriber(): Promise<LinkFaults>;
  /** Those that carry commands now. */
  data(): Promise<LinkFaults>;
}

/** A way through a proxy, which tells the connections apart by what the node says of them. */
export async function startNodeLinks(node: RedisProcess): Promise<NodeLinks> {
  const proxy = await startTcpProxy(node);
  const faultsWhere = async (isSubscriber: boolean): Promise<LinkFaults> => {
    const addresses = new Set<string>();
    for (const client of await clientsOf(node)) {
      if (client.isSubscriber === isSubscriber) addresses.add(client.address);
    }
    return proxy.only(({ addressAtTarget }) => addresses.has(addressAtTarget));
  };
  return {
    address: { ...node.address, host: proxy.host, port: proxy.port },
    all: proxy,
    subscriber: () => faultsWhere(true),
    data: () => faultsWhere(false),
  };
}

export interface NodeClient {
  readonly id: number;
  /** `host:port` of the client's end. */
  readonly address: string;
  readonly isSubscriber: boolean;
}

/** The gateways' connections to the node, as it tells of them. */
export async function clientsOf(node: RedisProcess): Promise<NodeClient[]> {
  const list = String(await node.client.client('LIST'));
  const clients: NodeClient[] = [];
  for (const line of list.split('\n')) {
    if (!line.includes(' name=ringcache ')) continue;
    const field = (name: string): string => new RegExp(`(?:^| )${name}=(\\S*)`).exec(line)?.[1] ?? '';
    clients.push({ id: Number(field('id')), address: field('addr'), isSubscriber: field('sub') !== '0' });
  }
  return clients;
}

/**
 * Watches the near cache's entry of a key until it is not served any more, and gives the time (monotonic) at which
 * it was seen to be served last.
 * @throws Error when that takes longer than `withinMs`
 */
export async function lastServedNear(
  gateway: Pick<TestGateway, 'holds'>,
  key: string,
  withinMs = 3000,
): Promise<number> {
  const startedMs = clock.now();
  let lastMs = -Infinity;
  while (gateway.holds(key)) {
    lastMs = clock.now();
    if (lastMs - startedMs > withinMs) throw new Error(`still served after ${withinMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  return lastMs;
}
