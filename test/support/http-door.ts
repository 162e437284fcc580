/**
 * The HTTP door over the real core and the real access, behind its listener on a free port; where not asked otherwise
 * without Redis.
 */
import { readFile } from 'node:fs/promises';
import supertest, { type Test } from 'supertest';
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
import type { DoorAddress } from './door-client';
import { openTestListener } from './listener';
import { createRecordingLog, type RecordingLog } from './log';
import { HAS_SHORT_WAY } from './short-way';
import { WARM_ROUTE, WarmAgent } from './warm-agent';

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

export interface HttpDoor extends DoorAddress {
  readonly parts: DoorParts;
  readonly app: HttpApp['app'];
  readonly fast: HttpApp['fast'];
  readonly engine: Engine;
  readonly log: RecordingLog;
  /** Of the client with all rights. */
  readonly token: string;
  /** A token of a client of its own, known to this door only. */
  tokenWith(scopes: readonly Scope[], prefixes?: readonly string[]): string;
  /** What each request came to in the log, but for those that open connections. */
  requestLines(): readonly object[];
  /** Requests that went by the fast path. */
  taken(): number;
  close(): Promise<void>;
}

/** A request, as the library has it, over one of the connections that are kept. */
export function request({ port, agent }: DoorAddress): Record<HttpMethod, (path: string) => Test> {
  const to = supertest(`https://127.0.0.1:${port}`);
  const methods = HTTP_METHODS.map((method) => [method, (path: string) => to[method](path).agent(agent)]);
  return Object.fromEntries(methods) as Record<HttpMethod, (path: string) => Test>;
}

const HTTP_METHODS = [
  ...(['get', 'head', 'put', 'post', 'patch', 'delete', 'options'] as const),
  ...(['propfind', 'purge', 'm-search'] as const),
];
type HttpMethod = (typeof HTTP_METHODS)[number];

export interface HttpDoorOptions {
  readonly limits?: Partial<Limits>;
  readonly encryptionConfigured?: boolean;
  readonly maxInFlight?: number;
  readonly maxConnections?: number;
  readonly isDraining?: () => boolean;
  readonly corsOrigins?: readonly string[];
  /** In place of the memory engine. */
  readonly openEngine?: (log: Log) => Promise<Engine>;
  /** Where not told, `FAST_PATH=false` in the environment of the tests takes it away from all of them. */
  readonly hasFastPath?: boolean;
  /** Puts something around the core, to make it fail or wait. */
  readonly around?: (cache: CacheService) => CacheService;
  /** In place of what the core tells of itself. */
  readonly report?: HttpDeps['report'];
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
  const cache = new Cache({
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
    report:
      options.report ??
      (() => ({
        status: cache.state(),
        figures: metrics.figures(),
        workers: { configured: 1, answered: 1 },
      })),
    isDraining: options.isDraining ?? (() => false),
    corsOrigins: options.corsOrigins ?? [],
    hasFastPath: options.hasFastPath ?? HAS_SHORT_WAY,
  };
  const { app, fast } = createApp(deps);
  let taken = 0;
  const handlers: HttpApp = {
    app,
    fast:
      fast &&
      ((...exchanged) => {
        taken++;
        fast(...exchanged);
      }),
  };
  const { maxConnections = 100 } = options;
  const listener = await openTestListener(handlers, { maxConnections, log });
  const agent = new WarmAgent(await readFile(listener.certFile));
  return {
    parts,
    ...handlers,
    port: listener.port,
    agent,
    requestLines: () =>
      log.lines
        .filter(({ level }) => level === 'request')
        .map(({ fields }) => fields)
        .filter((fields) => !('route' in fields && fields.route === WARM_ROUTE)),
    taken: () => taken,
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
      agent.destroy();
      await listener.close();
      access.close();
      metrics.close();
      await snapshots.close();
      await engine.close();
      await removeFolder(folder);
    },
  };
}
