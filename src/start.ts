/**
 * The composition root, in the order in which things open: log, engine, metrics, core, access, doors. They close the
 * other way round, so a door takes nothing more before what it needs goes away.
 */
import { openAccess } from './auth/access';
import { createSessionTokens } from './auth/session-tokens';
import { createKeyring } from './cipher/keyring';
import type { Config } from './config/config';
import { createCoherence } from './coherence/coherence';
import { Cache } from './core/cache';
import { DEPTH_MAX } from './core/limits';
import { NearCache } from './core/near-cache';
import type { Cipher, Log } from './core/ports';
import { createApp } from './doors/http/app';
import { openListener, type Listener } from './doors/http/listener';
import { openEngine } from './engines/open-engine';
import { systemClock } from './lib/clock';
import { Closers } from './lib/closers';
import { openMetrics } from './telemetry/metrics';

export interface Service {
  readonly host: string;
  readonly port: number;
  /** Finishes what is in flight, takes nothing new, closes everything. Bounded. */
  stop(): Promise<void>;
}

/** Opens everything that the settings name. What was opened before a failure is closed again. */
export async function start(config: Config, log: Log): Promise<Service> {
  const clock = systemClock;
  const closers = new Closers();
  try {
    // What is announced concerns the cache, which is made after the engine that listens.
    const announced: { to: Cache | undefined } = { to: undefined };
    const coherence = createCoherence(config.coherence, {
      clock,
      log,
      onAnnounced: (key) => announced.to?.forget(key),
    });
    const engine = closers.add(
      await openEngine(config.engine, { valueBytesMax: config.limits.valueBytesMax, coherence, clock, log }),
    );
    const cipher = cipherOf(config);
    const near = new NearCache({ ...config.near, clock });
    const metrics = closers.add(openMetrics({ clock, engine, near }));
    const cache = new Cache({
      engine,
      near,
      cipher,
      encryptByDefault: config.encryption.byDefault,
      defaultTtlMs: config.defaultTtlMs,
      coherence: config.coherence,
      clock,
    });
    announced.to = cache;
    if (config.coherence === 'none' && engine.kind !== 'memory' && config.near.entries > 0) {
      log.warn(
        { near_ttl_seconds: config.near.ttlMs / 1000 },
        'COHERENCE is none: what others write may be served stale for as long as NEAR_TTL_SECONDS',
      );
    }
    const access = closers.add(
      await openAccess({
        tokens: config.tokens,
        apiKey: config.apiKey,
        clientsFile: config.clientsFile,
        clock,
        log,
      }),
    );

    // The application asks the listener, which opens after it.
    const door: { listener: Listener | undefined } = { listener: undefined };
    const app = createApp({
      cache,
      access,
      sessionTokens: createSessionTokens(config.tokens),
      limits: { ...config.limits, depthMax: DEPTH_MAX },
      clock,
      log,
      observer: metrics.observerFor('http'),
      telemetry: metrics,
      encryptionConfigured: cipher !== undefined,
      maxInFlight: config.http.maxInFlight,
      isDraining: () => door.listener?.draining === true,
      corsOrigins: config.http.corsOrigins,
    });
    door.listener = closers.add(await openListener({ ...config.http, app, clock, log }));

    const { host, port } = door.listener;
    log.info({ host, port, engine: engine.kind }, 'listening');
    return { host, port, stop: () => closers.closeAll() };
  } catch (failure) {
    await closers.closeAll();
    throw failure;
  }
}

/** undefined where no keys are configured. */
export function cipherOf(config: Pick<Config, 'encryption'>): Cipher | undefined {
  const { keys } = config.encryption;
  return keys.length === 0 ? undefined : createKeyring(keys);
}
