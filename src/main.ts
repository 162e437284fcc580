/**
 * The process: environment in, exit code out. The only file that says `process`.
 *
 *     node dist/main.js                  serve
 *     node dist/main.js client …         manage the clients file
 *     node dist/main.js rewrap           encrypt all stored values again under the first key
 *
 * Exit codes: 0 done; 1 failed; 2 the settings or the words of the command are wrong, nothing was opened.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { runClientCommand } from './auth/client-command';
import type { Config } from './config/config';
import { ConfigFaults, mergeEnvFile, parseClientsFilePath, parseEnv, type Environment } from './config/env';
import { rewrap } from './rewrap';
import { start } from './start';
import { openLog } from './telemetry/log';

/** The folder of package.json. */
const ROOT = path.join(__dirname, '..');
const STANDARD_OUTPUT = 1;

async function main(words: readonly string[]): Promise<number> {
  // Relative paths in the settings are meant from here, wherever the process was started.
  process.chdir(ROOT);
  const [verb, ...rest] = words;
  const environment = readEnvironment();
  switch (verb) {
    case undefined:
      return serve(parseEnv(environment));
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
  const log = openLog(config.logLevel, STANDARD_OUTPUT);
  // Whatever ends the process, the last lines are written; a fault that nobody caught is one of them.
  process.on('exit', () => {
    log.close();
  });
  process.on('uncaughtException', (error) => {
    // The stack and nothing else: errors of libraries carry the arguments they failed on, and those are values.
    log.error({ stack: error.stack }, 'a fault that nobody caught ends the process');
    process.exit(1);
  });
  const stop = stopSignal();
  const service = await start(config, log);
  if (process.send !== undefined) {
    // Started by a program that wants to know when, and on which ports: `npm start`.
    const { port, respPort, grpcPort } = service;
    process.send({ port, respPort, grpcPort });
    process.disconnect();
  }
  await new Promise<void>((resolve) => {
    stop.addEventListener('abort', () => {
      resolve();
    });
    if (stop.aborted) resolve();
  });
  log.info({}, 'stopping');
  await service.stop();
  log.info({}, 'stopped');
  return 0;
}

/** Aborts at the first SIGTERM or SIGINT; the second one of a kind ends the process as the system does. */
function stopSignal(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      controller.abort();
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
