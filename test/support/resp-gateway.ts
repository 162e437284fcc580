/**
 * A gateway with its RESP door and nothing else, in this process: the real core, engine, near cache and sessions, over
 * shards of real Redis servers or over memory.
 */
import { createKeyring } from '../../src/cipher/keyring';
import { Cache } from '../../src/core/cache';
import type { Key } from '../../src/core/command';
import { CacheError } from '../../src/core/errors';
import { Grants, SCOPES, type Principal, type Scope } from '../../src/core/grants';
import type { Limits } from '../../src/core/limits';
import type { Engine, Observer } from '../../src/core/ports';
import { NearCache } from '../../src/core/near-cache';
import { openRespListener } from '../../src/doors/resp/listener';
import { createSession } from '../../src/doors/resp/session';
import { openMemory } from '../../src/engines/memory';
import { openRing } from '../../src/engines/ring';
import type { ShardConfig } from '../../src/engines/shard';
import { systemClock } from '../../src/lib/clock';
import type { NodeAddress } from '../../src/redis/client';
import { openTestCluster } from './cluster-engine';
import { createRecordingLog, type RecordingLog } from './log';
import { silentObserver } from './observer';
import { RespClient } from './resp-client';
import { createTestCoherence, STORED_BYTES_MAX } from './ring';
import { HAS_SHORT_WAY } from './short-way';
import { USUAL_LIMITS } from './usual-limits';

export interface RespGatewayOptions {
  /** None: memory. */
  readonly shards?: readonly ShardConfig[];
  /** In place of shards: nodes of a cluster. */
  readonly cluster?: readonly NodeAddress[];
  /** Entries of the near cache; 0: there is none. */
  readonly nearEntries?: number;
  readonly encrypts?: boolean;
  readonly defaultTtlMs?: number;
  readonly maxInFlight?: number;
  readonly coherence?: 'tracking' | 'pubsub';
  readonly limits?: Partial<Limits>;
  readonly observer?: Observer;
  readonly hasShortWay?: boolean;
}

export interface RespGateway {
  readonly port: number;
  readonly cache: Cache;
  readonly log: RecordingLog;
  /** An authenticated client; with all rights, or with those of the secret that `secretFor` gave. */
  connect(secret?: string): Promise<RespClient>;
  /** One that has not said who it is. */
  connectStranger(): Promise<RespClient>;
  /** The secret of a new client with these rights. */
  secretFor(scopes: readonly Scope[], prefixes?: readonly string[]): string;
  /** Whoever was let in with the secret has these rights from now on. */
  regrant(secret: string, scopes: readonly Scope[], prefixes?: readonly string[]): void;
  /** What was let in with the secret is out from now on. */
  revoke(secret: string): void;
  close(): Promise<void>;
}

const ALL = 'all-rights';

export async function openRespGateway(options: RespGatewayOptions = {}): Promise<RespGateway> {
  const clock = systemClock;
  const log = createRecordingLog();
  const announced: { to: Cache | undefined } = { to: undefined };
  const onAnnounced = (key: Key): void => announced.to?.forget(key);
  const openEngine = async (): Promise<Engine> => {
    if (options.cluster !== undefined) return openTestCluster(options.cluster, { log, onAnnounced });
    if (options.shards === undefined) return openMemory({ bytesMax: 64 * 1024 * 1024, clock });
    return openRing({
      shards: options.shards,
      hash: 'ketama',
      readFrom: 'replica',
      storedBytesMax: STORED_BYTES_MAX,
      coherence: createTestCoherence(options.coherence, onAnnounced, log),
      clock,
      log,
    });
  };
  const engine = await openEngine();
  const near = new NearCache({ entries: options.nearEntries ?? 1000, bytes: 16e6, ttlMs: 60_000, clock });
  const cache = new Cache({
    engine,
    near,
    cipher: options.encrypts ? createKeyring([{ id: 'k1', bytes: Buffer.alloc(32, 1) }]) : undefined,
    encryptByDefault: options.encrypts ?? false,
    defaultTtlMs: options.defaultTtlMs ?? 0,
    coherence: 'tracking',
    clock,
  });
  announced.to = cache;
  const principals = new Map<string, Principal>();
  const regrant = (secret: string, scopes: readonly Scope[], prefixes: readonly string[] = []): void => {
    principals.set(secret, { id: secret, name: secret, grants: new Grants(scopes, prefixes as Key[]) });
  };
  const secretFor = (scopes: readonly Scope[], prefixes: readonly string[] = []): string => {
    const secret = principals.size === 0 ? ALL : `secret-${principals.size}`;
    regrant(secret, scopes, prefixes);
    return secret;
  };
  const principalOf = (secret: string): Principal => {
    const principal = principals.get(secret);
    if (principal === undefined) throw new CacheError('unauthenticated', 'The API key is not valid.');
    return principal;
  };
  secretFor(SCOPES);
  const listener = await openRespListener({
    host: '127.0.0.1',
    port: 0,
    tls: undefined,
    maxConnections: 1000,
    maxInFlight: options.maxInFlight ?? 1000,
    cache,
    access: {
      admit: (secret) => ({ expiresAtMs: Infinity, principal: () => principalOf(secret) }),
    },
    limits: { ...USUAL_LIMITS, ...options.limits },
    clock,
    log,
    observer: options.observer ?? silentObserver,
    hasShortWay: options.hasShortWay ?? HAS_SHORT_WAY,
    createSession,
  });
  const { port } = listener;
  const clients: RespClient[] = [];
  const connectStranger = async (): Promise<RespClient> => {
    const client = await RespClient.connect({ port });
    clients.push(client);
    return client;
  };
  return {
    port,
    cache,
    log,
    connectStranger,
    secretFor,
    regrant,
    revoke: (secret) => void principals.delete(secret),
    connect: async (secret = ALL) => {
      const client = await connectStranger();
      const reply = await client.send('AUTH', secret);
      if (reply !== 'OK') throw new Error('not let in', { cause: reply });
      return client;
    },
    close: async () => {
      for (const client of clients) client.close();
      await listener.close();
      await engine.close();
    },
  };
}
