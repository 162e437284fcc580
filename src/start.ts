/**
 * The composition root, in the order in which things open: log, engine, core, access, doors. They close the other
 * way round, so a door takes nothing more before what it needs goes away.
 */
import { openAccess } from './auth/access';
import { createKeyring } from './cipher/keyring';
import type { Config } from './config/config';
import { Cache } from './core/cache';
import { DEPTH_MAX } from './core/limits';
import { NearCache } from './core/near-cache';
import type { Cipher, Log } from './core/ports';
import { createApp } from './doors/http/app';
import { openListener, type Listener } from './doors/http/listener';
import { openEngine } from './engines/open-engine';
import { systemClock } from './lib/clock';
import { Closers } from './lib/closers';

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
    const engine = closers.add(
      await openEngine(config.engine, { valueBytesMax: config.limits.valueBytesMax, clock, log }),
    );
    const cipher = cipherOf(config);
    const cache = new Cache({
      engine,
      near: new NearCache({ ...config.near, clock }),
      cipher,
      encryptByDefault: config.encryption.byDefault,
      defaultTtlMs: config.defaultTtlMs,
      coherence: config.coherence,
      clock,
    });
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
      limits: { ...config.limits, depthMax: DEPTH_MAX },
      clock,
      log,
      encryptionConfigured: cipher !== undefined,
      maxInFlight: config.http.maxInFlight,
      isDraining: () => door.listener?.draining === true,
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
