/**
 * The HTTP door over the real core and the real access; without a socket, and where not asked otherwise without
 * Redis.
 */
import { type Access, openAccess } from '../../src/auth/access';
import { createSessionTokens } from '../../src/auth/session-tokens';
import { createKeyring } from '../../src/cipher/keyring';
import { Cache, type CacheService } from '../../src/core/cache';
import { DEPTH_MAX, type Limits } from '../../src/core/limits';
import { Grants, type Principal, type Scope } from '../../src/core/grants';
import type { Key } from '../../src/core/command';
import { NearCache } from '../../src/core/near-cache';
import type { Engine, Log, Observer } from '../../src/core/ports';
import { createApp, type HttpApp, type HttpDeps } from '../../src/doors/http/app';
import { openMemory } from '../../src/engines/memory';
import { systemClock } from '../../src/lib/clock';
import { createSnapshots } from '../../src/snapshot/snapshots';
import { openMetrics } from '../../src/telemetry/metrics';
import { makeFolder, removeFolder } from './child';
import { createRecordingLog, type RecordingLog } from './log';

export const API_KEY = 'api-key-of-the-tests-0123456789';
export const JWT_SECRET = 'a-secret-of-the-tests-that-is-long-enough';

/** What doors stand on, for those beside the HTTP door. */
export interface DoorParts extends Pick<
  HttpDeps,
  'cache' | 'sessionTokens' | 'limits' | 'clock' | 'log' | 'maxInFlight' | 'encryptionConfigured'
> {
  /** Knows the tokens of `tokenWith`, for `admit` as well. */
  readonly access: Pick<Access, 'login' | 'verify' | 'admit'>;
  readonly observerFor: (door: string) => Observer;
}

export interface HttpDoor {
  readonly parts: DoorParts;
  readonly app: HttpApp['app'];
  readonly fast: HttpApp['fast'];
  readonly engine: Engine;
  readonly log: RecordingLog;
  /** Of the client with all rights. */
  readonly token: string;
  /** A token of a client of its own, known to this door only. */
  tokenWith(scopes: readonly Scope[], prefixes?: readonly string[]): string;
  close(): Promise<void>;
}

export interface HttpDoorOptions {
  readonly limits?: Partial<Limits>;
  readonly encryptionConfigured?: boolean;
  readonly maxInFlight?: number;
  readonly isDraining?: () => boolean;
  readonly corsOrigins?: readonly string[];
  /** In place of the memory engine. */
  readonly openEngine?: (log: Log) => Promise<Engine>;
  /** Where not told, `FAST_PATH=false` in the environment of the tests takes it away from all of them. */
  readonly hasFastPath?: boolean;
  /** Puts something around the core, to make it fail or wait. */
  readonly around?: (cache: CacheService) => CacheService;
}

export async function openHttpDoor(options: HttpDoorOptions = {}): Promise<HttpDoor> {
  const clock = systemClock;
  const log = createRecordingLog();
  const folder = await makeFolder();
  const secrets = { secret: JWT_SECRET, previousSecret: undefined };
  const access = await openAccess({
    tokens: { ...secrets, ttlSeconds: 900 },
    apiKey: API_KEY,
    clientsFile: `${folder}/clients.json`,
    clock,
    log,
  });
  const engine = (await options.openEngine?.(log)) ?? openMemory({ bytesMax: 64 * 1024 * 1024, clock });
  const encryptionConfigured = options.encryptionConfigured ?? false;
  const near = new NearCache({ entries: 1000, bytes: 16 * 1024 * 1024, ttlMs: 60_000, clock });
  const metrics = openMetrics({ clock, engine, near });
  const snapshots = createSnapshots({ file: `${folder}/snapshot`, intervalMs: 300_000, clock, log });
  if (engine.content !== undefined) snapshots.begin('entries', engine.content, () => engine.ready());
  const cache: CacheService = new Cache({
    engine,
    near,
    cipher: encryptionConfigured ? createKeyring([{ id: 'k1', bytes: Buffer.alloc(32, 1) }]) : undefined,
    encryptByDefault: encryptionConfigured,
    defaultTtlMs: 0,
    coherence: 'none',
    snapshots: engine.content && snapshots,
    clock,
  });
  const principals = new Map<string, Principal>();
  const parts: DoorParts = {
    cache: options.around?.(cache) ?? cache,
    access: {
      login: (apiKey, address) => access.login(apiKey, address),
      verify: (token) => principals.get(token) ?? access.verify(token),
      admit: (secret, address, name) => {
        const principal = principals.get(secret);
        if (principal === undefined) return access.admit(secret, address, name);
        return { expiresAtMs: Infinity, principal: () => principal };
      },
    },
    sessionTokens: createSessionTokens(secrets),
    limits: {
      keyBytesMax: 1024,
      valueBytesMax: 64 * 1024,
      batchMax: 1000,
      depthMax: DEPTH_MAX,
      requestTimeoutMs: 2000,
      ...options.limits,
    },
    clock,
    log,
    observerFor: (door) => metrics.observerFor(door),
    encryptionConfigured,
    maxInFlight: options.maxInFlight ?? 1024,
  };
  const deps: HttpDeps = {
    ...parts,
    observer: parts.observerFor('http'),
    telemetry: metrics,
    isDraining: options.isDraining ?? (() => false),
    corsOrigins: options.corsOrigins ?? [],
    hasFastPath: options.hasFastPath ?? process.env['FAST_PATH'] !== 'false',
  };
  return {
    parts,
    ...createApp(deps),
    engine,
    log,
    token: access.login(API_KEY, '127.0.0.1').accessToken,
    tokenWith(scopes, prefixes = []) {
      const token = `token-${principals.size}`;
      const grants = new Grants(scopes, prefixes as readonly Key[]);
      principals.set(token, { id: token, name: `client-${principals.size}`, grants });
      return token;
    },
    async close() {
      access.close();
      metrics.close();
      await snapshots.close();
      await engine.close();
      await removeFolder(folder);
    },
  };
}
