/**
 * One redis-server process of a test, whatever its configuration makes of it: a Redis or a Sentinel. It has a port
 * and a folder of its own, and nothing of it outlives the test.
 */
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Redis } from 'ioredis';
import type { NodeAddress } from '../../src/redis/client';
import type { Certificate } from './certificate';
import { makeFolder, removeFolder, startChild, type Child } from './child';
import { eventually } from './eventually';
import { findFreePort } from './free-port';
import { stopAfterTests } from './leftovers';

export const LOOPBACK = '127.0.0.1';
const CONFIG_FILE = 'redis.conf';
/** In the server's folder. */
export const LOG_FILE = 'redis.log';

export interface ServerOptions {
  /** Asked of clients. */
  readonly password?: string;
  /** It serves TLS, with this certificate. */
  readonly tls?: Certificate;
  /** Arguments that no configuration file can say: `['--sentinel']`. */
  readonly flags?: readonly string[];
  /**
   * The others. They go into a file, which Sentinels rewrite and have rewritten: a server that is started again is
   * what it was last told to be.
   */
  configure(port: number, folder: string): Promise<readonly string[]>;
}

export interface ServerProcess {
  readonly host: string;
  readonly port: number;
  readonly pid: number;
  /** Where its files are. */
  readonly folder: string;
  /** As settings know it. */
  readonly address: NodeAddress;
  /** The same as a URL. */
  readonly url: string;
  /** For a test's own look at the server. It reconnects by itself; its errors show in the commands only. */
  readonly client: Redis;
  /** SIGSTOP: the process answers nothing, its connections stay open. */
  freeze(): void;
  /** SIGCONT. */
  thaw(): void;
  /** SIGKILL; resolves when the process has ended. */
  kill(): Promise<void>;
  /** Starts a killed server again on the same port, from its configuration file; empty unless that keeps data. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** Resolves when the server answers PING. @throws with the end of the server's log when it does not serve. */
export async function startServer(options: ServerOptions): Promise<ServerProcess> {
  const folder = await makeFolder();
  for (let attemptsLeft = 3; ; attemptsLeft--) {
    const port = await findFreePort();
    try {
      await writeFile(path.join(folder, CONFIG_FILE), configText(await options.configure(port, folder)));
      const child = await launch(folder, port, options);
      return await openProcess(folder, port, options, child);
    } catch (failure) {
      if (attemptsLeft <= 1) throw failure;
    }
  }
}

/** `--name value value` as a line `name "value" "value"`; Redis reads quoted text as JSON writes it. */
function configText(args: readonly string[]): string {
  return args.reduce(
    (text, arg) => text + (arg.startsWith('--') ? `\n${arg.slice(2)}` : ` ${JSON.stringify(arg)}`),
    '',
  );
}

async function openProcess(
  folder: string,
  port: number,
  options: ServerOptions,
  first: Child,
): Promise<ServerProcess> {
  const { password, tls } = options;
  let child = first;
  const client = await openClient(port, options);
  const process: ServerProcess = {
    host: LOOPBACK,
    port,
    get pid() {
      return child.pid;
    },
    folder,
    address: { host: LOOPBACK, port, tls: tls !== undefined, username: undefined, password },
    url: `${tls ? 'rediss' : 'redis'}://${password ? `:${encodeURIComponent(password)}@` : ''}${LOOPBACK}:${port}`,
    client,
    freeze: () => child.signal('SIGSTOP'),
    thaw: () => child.signal('SIGCONT'),
    kill: async () => {
      child.signal('SIGKILL');
      await child.exited;
    },
    restart: async () => {
      child = await launch(folder, port, options);
    },
    stop: stopAfterTests(async () => {
      client.disconnect();
      await process.kill();
      await removeFolder(folder);
    }),
  };
  return process;
}

/** @throws with the end of the server's log when it does not serve. */
async function launch(folder: string, port: number, options: ServerOptions): Promise<Child> {
  const child = startChild('redis-server', [path.join(folder, CONFIG_FILE), ...(options.flags ?? [])], {
    folder,
    env: { PATH: globalThis.process.env['PATH'] },
  });
  const client = await openClient(port, options);
  try {
    await eventually(async () => {
      // Another process on this port would answer PING as well, so the pid is asked for.
      return child.hasExited() || (await client.info('server')).includes(`process_id:${child.pid}\r\n`);
    });
    if (child.hasExited()) throw new Error('redis-server ended at once');
    return child;
  } catch (failure) {
    child.signal('SIGKILL');
    const log = await readFile(path.join(folder, LOG_FILE), 'utf8').catch(() => '');
    throw new Error(`redis-server does not serve on port ${port}:\n${log.slice(-1000)}`, { cause: failure });
  } finally {
    client.disconnect();
  }
}

async function openClient(port: number, { password, tls }: ServerOptions): Promise<Redis> {
  const client = new Redis({
    host: LOOPBACK,
    port,
    protocol: 2,
    retryStrategy: () => 20,
    disconnectTimeout: 100,
    maxRetriesPerRequest: null,
    autoResendUnfulfilledCommands: false,
    commandTimeout: 5000,
    ...(password ? { password } : {}),
    ...(tls ? { tls: { ca: await readFile(tls.certFile) } } : {}),
  });
  client.on('error', () => undefined);
  return client;
}
