/** `npm run rewrap`: composes what rotation of encryption keys needs, and shows it at work. */
import { createCoherence } from './coherence/coherence';
import type { Config } from './config/config';
import type { Engine } from './core/ports';
import { formatRewrapReport, rewrapAll } from './core/rewrap';
import { type EngineConfig, openEngine } from './engines/open-engine';
import { systemClock } from './lib/clock';
import { cipherOf } from './start';
import { openLog } from './telemetry/log';

const STANDARD_ERROR = 2;
const PROGRESS_EVERY_MS = 1000;
/** For a gateway of its own to get all data from the others. */
const READY_MS_MAX = 60_000;
const LOOK_EVERY_MS = 50;

/** Walks all shards once; `stop` ends it early, and a later run goes on. Gives the exit code. */
export async function rewrap(
  config: Config,
  io: { readonly print: (line: string) => void; readonly stop: AbortSignal },
): Promise<number> {
  const cipher = cipherOf(config);
  if (cipher === undefined) {
    io.print('ENCRYPTION_KEYS is not set: there is no key to encrypt with.');
    return 2;
  }
  if (config.engine.kind === 'memory') {
    io.print(
      'REDIS_NODES is not set, so there is nothing to rewrap: the memory engine keeps its values in the service ' +
        'alone. For the Redis servers of a running `npm start`, set it to what that has printed.',
    );
    return 2;
  }
  const clock = systemClock;
  const log = openLog('warn', STANDARD_ERROR);
  // All reads are strong here: nothing is asked of the replicas, and nobody waits for them.
  const engineConfig: EngineConfig =
    config.engine.kind === 'replicated' ? config.engine : { ...config.engine, readFrom: 'master' };
  // It keeps nothing near. What it replaces stays the same value, so nobody needs to hear of it.
  const coherence = createCoherence({ kind: 'none' }, { clock, log, onAnnounced: () => undefined });
  const { valueBytesMax } = config.limits;
  const onChanged = (): void => undefined;
  const engine = await openEngine(engineConfig, { valueBytesMax, coherence, onChanged, clock, log });
  try {
    // The others are open when they can be used.
    if (engineConfig.kind === 'replicated' && !(await isReadyWithin(engine, READY_MS_MAX, io.stop))) {
      io.print(
        'The bus of the gateways cannot be reached, or none of them gives its data; nothing was done.',
      );
      return 1;
    }
    let shownAtMs = clock.now();
    const report = await rewrapAll({
      engine,
      cipher,
      clock,
      onProgress: (now) => {
        if (clock.now() - shownAtMs < PROGRESS_EVERY_MS) return;
        shownAtMs = clock.now();
        io.print(`${now.scanned} keys looked at, ${now.rewrapped} encrypted again`);
      },
      stopped: () => io.stop.aborted,
    });
    for (const line of formatRewrapReport(report)) io.print(line);
    return report.complete && report.failed + report.tooLarge === 0 ? 0 : 1;
  } finally {
    await engine.close();
    log.close();
  }
}

/** Whether the engine can be used in time. */
async function isReadyWithin(engine: Engine, waitMs: number, stop: AbortSignal): Promise<boolean> {
  const endsMs = systemClock.now() + waitMs;
  while (!engine.ready() && systemClock.now() < endsMs && !stop.aborted) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
  return engine.ready();
}
