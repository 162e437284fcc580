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
import type { Key } from './core/command';
import { DEPTH_MAX } from './core/limits';
import { NearCache } from './core/near-cache';
import type { Cipher, Log } from './core/ports';
import { openWarmUp, savedKeys } from './core/warm-up';
import type { Report } from './core/whole-report';
import { openGrpcDoor } from './doors/grpc/open-grpc-door';
import { createApp } from './doors/http/app';
import { openListener, type Listener } from './doors/http/listener';
import { openRespListener } from './doors/resp/listener';
import { createSession } from './doors/resp/session';
import { openEngine } from './engines/open-engine';
import { systemClock } from './lib/clock';
import { type Closable, Closers, closeTogether } from './lib/closers';
import { createSnapshots } from './snapshot/snapshots';
import { openMetrics } from './telemetry/metrics';
import type { Fellows } from './workers/worker-link';

export interface Service {
  readonly host: string;
  readonly port: number;
  /** Of the RESP door; undefined: it is closed. */
  readonly respPort: number | undefined;
  /** Of the gRPC door; undefined: it is closed. */
  readonly grpcPort: number | undefined;
  /** Finishes what is in flight, takes nothing new, closes everything. Bounded. */
  stop(): Promise<void>;
}

/**
 * Opens everything that the settings name. What was opened before a failure is closed again. `fellows`: the workers
 * that share the ports with this one; undefined: it is alone.
 */
export async function start(config: Config, log: Log, fellows?: Fellows): Promise<Service> {
  const clock = systemClock;
  const closers = new Closers();
  try {
    // What is announced concerns the cache, which is made after the engine that listens.
    const announced: { to: Cache | undefined } = { to: undefined };
    const onChanged = (key: Key): void => announced.to?.forget(key);
    const coherence = closers.add(createCoherence(config.coherence, { clock, log, onAnnounced: onChanged }));
    await coherence.open();
    const snapshots = config.snapshot && createSnapshots({ ...config.snapshot, clock, log });
    // Two that save to one file would undo each other's.
    const isSaver = fellows === undefined || fellows.number === 1;
    const engine = closers.add(
      await openEngine(config.engine, {
        valueBytesMax: config.limits.valueBytesMax,
        coherence,
        onChanged,
        // The others have it from the first one.
        load: isSaver ? snapshots && ((content) => snapshots.load(content)) : undefined,
        clock,
        log,
      }),
    );
    const cipher = cipherOf(config);
    const near = new NearCache({ ...config.near, clock });
    const metrics = closers.add(openMetrics({ clock, engine, near, snapshots }));
    const cache = new Cache({
      engine,
      near,
      cipher,
      encryptByDefault: config.encryption.byDefault,
      defaultTtlMs: config.defaultTtlMs,
      coherence: config.coherence.kind,
      snapshots: snapshots && (isSaver ? snapshots : { save: () => fellows.saveSnapshot() }),
      clock,
    });
    announced.to = cache;
    const report = (): Report => ({ status: cache.state(), figures: metrics.figures() });
    fellows?.answer({
      metrics: () => metrics.samples(),
      report,
      snapshot: () => {
        if (snapshots === undefined) throw new Error('the first worker has what all have');
        return snapshots.save();
      },
    });
    // It closes behind the doors and before the engine, so that the last snapshot has all that was acked.
    if (snapshots !== undefined) closers.add(snapshots);
    const nearKeys = engine.content === undefined ? await snapshots?.loadKeys(config.near.entries) : [];
    if (config.coherence.kind === 'none' && engine.content === undefined && config.near.entries > 0) {
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
        shared: fellows?.throttle,
        clock,
        log,
      }),
    );

    // Side by side: each says that it is going away, and takes its time until callers have heard.
    const doors: Closable[] = [];
    closers.add({ close: () => closeTogether(doors) });
    const sessionTokens = createSessionTokens(config.tokens);
    const sharesPort = fellows !== undefined;
    const shared = { cache, access, limits: { ...config.limits, depthMax: DEPTH_MAX }, clock, log };

    // The application asks the listener, which opens after it.
    const door: { listener: Listener | undefined } = { listener: undefined };
    const { app, fast } = createApp({
      ...shared,
      sessionTokens,
      observer: metrics.observerFor('http'),
      telemetry: fellows === undefined ? metrics : { ...metrics, exposition: () => fellows.metrics() },
      report:
        fellows === undefined
          ? () => ({ ...report(), workers: { configured: 1, answered: 1 } })
          : () => fellows.report(),
      encryptionConfigured: cipher !== undefined,
      maxInFlight: config.http.maxInFlight,
      isDraining: () => door.listener?.draining === true,
      corsOrigins: config.http.corsOrigins,
      hasFastPath: config.fastPath,
    });
    door.listener = await openListener({ ...config.http, sharesPort, app, fast, clock, log });
    doors.push(door.listener);

    const { host, port } = door.listener;
    const resp =
      config.resp &&
      (await openRespListener({
        host: config.http.host,
        port: config.resp.port,
        tls: config.resp.tls ? config.http : undefined,
        maxConnections: config.http.maxConnections,
        sharesPort,
        maxInFlight: config.http.maxInFlight,
        ...shared,
        observer: metrics.observerFor('resp'),
        hasShortWay: config.fastPath,
        createSession,
      }));
    if (resp !== undefined) doors.push(resp);
    if (config.resp?.tls === false && !isLoopback(host)) {
      log.warn({ host }, 'RESP_TLS is false: whoever is on the way can read API keys, keys and values');
    }
    const grpc =
      config.grpc &&
      (await openGrpcDoor({
        ...config.http,
        ...shared,
        sharesPort,
        port: config.grpc.port,
        sessionTokens,
        observer: metrics.observerFor('grpc'),
        encryptionConfigured: cipher !== undefined,
      }));
    if (grpc !== undefined) doors.push(grpc);
    const warmUp = closers.add(openWarmUp({ cache, keys: nearKeys ?? [], clock, log }));
    // Not before: a start that fails must not put what it has so far in place of the last snapshot.
    const saver = isSaver ? snapshots : undefined;
    if (engine.content !== undefined) saver?.begin('entries', engine.content, () => engine.ready());
    else saver?.begin('keys', savedKeys(near, clock), () => warmUp.isComplete);
    const [respPort, grpcPort] = [resp?.port, grpc?.port];
    log.info({ host, port, resp_port: respPort, grpc_port: grpcPort, engine: engine.kind }, 'listening');
    return { host, port, respPort, grpcPort, stop: () => closers.closeAll() };
  } catch (failure) {
    await closers.closeAll();
    throw failure;
  }
}

/** Of an address as a socket names it. */
function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.');
}

/** undefined where no keys are configured. */
export function cipherOf(config: Pick<Config, 'encryption'>): Cipher | undefined {
  const { keys } = config.encryption;
  return keys.length === 0 ? undefined : createKeyring(keys);
}
