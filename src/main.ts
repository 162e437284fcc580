/**
 * The process: environment in, exit code out. The only file that says `process`.
 *
 *     node dist/main.js                  serve; with several WORKERS, as the supervisor of processes that do
 *     node dist/main.js client …         manage the clients file
 *     node dist/main.js rewrap           encrypt all stored values again under the first key
 *
 * Exit codes: 0 done; 1 failed; 2 the settings or the words of the command are wrong, nothing was opened.
 */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { runClientCommand } from './auth/client-command';
import type { Config } from './config/config';
import { ConfigFaults, mergeEnvFile, parseClientsFilePath, parseEnv, type Environment } from './config/env';
import { WORKERS_MAX } from './config/parsers';
import { rewrap } from './rewrap';
import { aborted } from './lib/aborted';
import { systemClock } from './lib/clock';
import { start } from './start';
import { type ClosableLog, openLog } from './telemetry/log';
import { processMetrics, processSamples } from './telemetry/process-metrics';
import { forkWorker, workerChannel } from './workers/cluster';
import type { Ports } from './workers/messages';
import { Supervisor } from './workers/supervisor';
import { WorkerLink } from './workers/worker-link';

/** The folder of package.json. */
const ROOT = path.join(__dirname, '..');
const STANDARD_OUTPUT = 1;
/** More than a worker allows itself to stop, and less than those who start the service allow it. */
const STOP_MS = 19_000;
/** … with a last snapshot. */
const SAVING_STOP_MS = 29_000;

async function main(words: readonly string[]): Promise<number> {
  // Relative paths in the settings are meant from here, wherever the process was started.
  process.chdir(ROOT);
  const channel = workerChannel();
  if (channel !== undefined) return work(new WorkerLink(channel));
  const [verb, ...rest] = words;
  const environment = readEnvironment();
  switch (verb) {
    case undefined: {
      const config = parseEnv(environment);
      const workers =
        config.workers === 'auto' ? Math.min(availableParallelism(), WORKERS_MAX) : config.workers;
      return workers === 1 ? serve(config) : supervise(config, environment, workers);
    }
    case 'client':
      return runClientCommand(rest, {
        clientsFile: parseClientsFilePath(environment),
        wallMs: Date.now,
        print: (line) => console.log(line),
        printError: (line) => console.error(line),
      });
    case 'rewrap':
      return rewrap(parseEnv(environment), { print: (line) => console.log(line), stop: stopSignal() });
    default:
      console.error(`Unknown command ${JSON.stringify(verb)}; known are: client, rewrap.`);
      return 2;
  }
}

/** The environment over `.env`. */
function readEnvironment(): Environment {
  let file = '';
  try {
    file = readFileSync('.env', 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  return mergeEnvFile(file, process.env);
}

async function serve(config: Config): Promise<number> {
  const log = openProcessLog(config);
  const stop = stopSignal();
  const service = await start(config, log);
  tellParent(service);
  await aborted(stop);
  log.info({}, 'stopping');
  await service.stop();
  log.info({}, 'stopped');
  return 0;
}

/** Has `count` processes serve. */
async function supervise(config: Config, environment: Environment, count: number): Promise<number> {
  const log = openProcessLog(config);
  const stop = stopSignal(() => {
    supervisor.kill();
  });
  stop.addEventListener('abort', () => {
    log.info({}, 'stopping');
  });
  // It counts from the first call on.
  processMetrics();
  const supervisor = new Supervisor({
    count,
    environment,
    fork: forkWorker,
    stopMs: config.snapshot === undefined ? STOP_MS : SAVING_STOP_MS,
    ownMetrics: processSamples,
    clock: systemClock,
    log,
  });
  await supervisor.run(stop, (ports) => {
    log.info({ workers: count }, 'all workers serve');
    tellParent(ports);
  });
  log.info({}, 'stopped');
  return 0;
}

/** As one of several processes that share the ports. A signal of its own, or the end of its supervisor, stops it in order. */
async function work(link: WorkerLink): Promise<number> {
  const stop = AbortSignal.any([stopSignal(), link.stop]);
  const { number, environment, ports } = await link.begun();
  const settings = parseEnv(environment);
  const config = ports === undefined ? settings : withPorts(settings, ports);
  const log = openProcessLog(config, number);
  try {
    const service = await start(config, log, link.fellows(number));
    await link.serving({ port: service.port, respPort: service.respPort, grpcPort: service.grpcPort });
    await aborted(stop);
    log.info({}, 'stopping');
    await service.stop();
    log.info({}, 'stopped');
    return 0;
  } catch (error) {
    await link.failed(sentenceOf(error));
    return 1;
  } finally {
    link.close();
  }
}

function withPorts(config: Config, { port, respPort, grpcPort }: Ports): Config {
  return {
    ...config,
    http: { ...config.http, port },
    resp: config.resp && { ...config.resp, port: respPort ?? config.resp.port },
    grpc: config.grpc && { ...config.grpc, port: grpcPort ?? config.grpc.port },
  };
}

function openProcessLog(config: Config, worker?: number): ClosableLog {
  const log = openLog(config.logLevel, STANDARD_OUTPUT, worker);
  // Whatever ends the process, the last lines are written; a fault that nobody caught is one of them.
  process.on('exit', () => {
    log.close();
  });
  process.on('uncaughtException', (error) => {
    // The stack and nothing else: errors of libraries carry the arguments they failed on, and those are values.
    log.error({ stack: error.stack }, 'a fault that nobody caught ends the process');
    process.exit(1);
  });
  return log;
}

/** Started by a program that wants to know when it serves, and on which ports: `npm start`. */
function tellParent({ port, respPort, grpcPort }: Ports): void {
  if (process.send === undefined) return;
  process.send({ port, respPort, grpcPort });
  process.disconnect();
}

/**
 * Aborts at the first SIGTERM or SIGINT; the second one of a kind ends the process as the system does, and `others`
 * are told first.
 */
function stopSignal(others?: () => void): AbortSignal {
  const controller = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      controller.abort();
      if (others === undefined) return;
      process.once(signal, () => {
        others();
        process.kill(process.pid, signal);
      });
    });
  }
  return controller.signal;
}

/** What went wrong and, where the system has a word for why, that too: `Cannot read key.pem. (ENOENT)` */
function sentenceOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code } = (error.cause ?? {}) as { code?: unknown };
  return typeof code === 'string' ? `${error.message} (${code})` : error.message;
}

main(process.argv.slice(2)).then(
  (exitCode) => {
    process.exitCode = exitCode;
  },
  (error: unknown) => {
    if (error instanceof ConfigFaults) {
      for (const fault of error.faults) console.error(fault);
      process.exit(2);
    }
    console.error(sentenceOf(error));
    process.exit(1);
  },
);
