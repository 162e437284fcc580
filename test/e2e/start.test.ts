/**
 * `npm start` on a fresh clone: a copy of what a commit of this tree would hold, with nothing installed or built.
 * The tests build on each other, as the calls of its user do.
 */
import { execFile } from 'node:child_process';
import { cp, lstat, mkdir, readFile, stat } from 'node:fs/promises';
import https from 'node:https';
import path from 'node:path';
import { promisify } from 'node:util';
import { SETTINGS } from '../../src/config/settings';
import { type Child, makeFolder, removeFolder, startChild } from '../support/child';
import { eventually } from '../support/eventually';
import { findFreePort } from '../support/free-port';

const run = promisify(execFile);
const ROOT = path.join(__dirname, '../..');
const INSTALL_MS = 180_000;
const START_MS = 20_000;

let clone: string;
let port: number;
let started: Started | undefined;

beforeAll(async () => {
  clone = await makeFolder();
  const { stdout } = await run('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: ROOT,
  });
  for (const file of new Set(stdout.split('\0').filter(Boolean))) {
    // Never a link: `npm ci` in the copy would reach through one to somebody's real node_modules and empty it.
    const isFile = await lstat(path.join(ROOT, file)).then(
      (found) => found.isFile(),
      () => false,
    );
    if (!isFile) continue;
    await mkdir(path.join(clone, path.dirname(file)), { recursive: true });
    await cp(path.join(ROOT, file), path.join(clone, file));
  }
  port = await findFreePort();
});
afterEach(async () => {
  started?.child.signal('SIGTERM');
  await started?.child.exited;
  started = undefined;
});
afterAll(() => removeFolder(clone));

interface Started {
  readonly child: Child;
  /** All that it said so far. */
  readonly said: () => string;
}

/** The environment of a user who has set nothing, and what this test sets. */
function environment(settings: Record<string, string>): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !Object.hasOwn(SETTINGS, name) && !/^(RINGCACHE_|npm_|NODE_|JEST_)/.test(name),
  );
  return {
    ...Object.fromEntries(inherited),
    PORT: String(port),
    npm_config_prefer_offline: 'true',
    ...settings,
  };
}

/** What `npm start` runs, without npm: killed hard, npm would leave it running. */
function start(settings: Record<string, string> = {}): Started {
  const options = { folder: clone, env: environment(settings) };
  const child = startChild(process.execPath, ['scripts/start.mjs'], options);
  let text = '';
  const hear = (chunk: Buffer): void => void (text += chunk.toString());
  child.stdout.on('data', hear);
  child.stderr.on('data', hear);
  started = { child, said: () => text };
  return started;
}

/** Waits until it has printed its session; fails at once when it ended instead. */
async function ready({ child, said }: Started, withinMs: number): Promise<string> {
  await eventually(() => child.hasExited() || said().includes('DELETE'), withinMs);
  if (child.hasExited()) throw new Error(`it ended:\n${said()}`);
  return said();
}

/** The commands that it prints: from `cd` to the next empty line. */
function sessionOf(said: string): string {
  return /^cd [^]*?\n\n/m.exec(said)?.[0] ?? '';
}

async function paste(commands: string): Promise<string[]> {
  const { stdout } = await run('bash', ['-c', commands], { cwd: '/', env: { PATH: process.env['PATH'] } });
  return stdout.trim().split('\n');
}

function redisPortsOf(said: string): string[] {
  return /^Redis: .*$/m.exec(said)?.[0].match(/\d+/g) ?? [];
}

async function redisCli(redisPort: string, ...words: string[]): Promise<string> {
  const { stdout } = await run('redis-cli', ['-p', redisPort, ...words]);
  return stdout.trim();
}

/** The processes behind these ports. */
async function redisPids(ports: string[]): Promise<number[]> {
  const infos = await Promise.all(ports.map((redisPort) => redisCli(redisPort, 'info', 'server')));
  return infos.map((info) => Number(/process_id:(\d+)/.exec(info)?.[1]));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function readyz(): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    https
      .get({ host: '127.0.0.1', port, path: '/readyz', rejectUnauthorized: false, agent: false }, (reply) => {
        reply.resume();
        resolve(reply.statusCode);
      })
      .on('error', reject);
  });
}

let secrets: string;

it(
  'a fresh clone becomes a ring of one master and three replicas with one command',
  async () => {
    const { scripts } = JSON.parse(await readFile(path.join(clone, 'package.json'), 'utf8'));
    expect(scripts.start).toBe('node scripts/start.mjs');
    const said = await ready(start(), INSTALL_MS);
    expect(await readyz()).toBe(200);
    for (const file of ['.env', 'certs/key.pem']) {
      expect([file, (await stat(path.join(clone, file))).mode & 0o777]).toEqual([file, 0o600]);
    }
    secrets = await readFile(path.join(clone, '.env'), 'utf8');
    for (const secret of secrets.match(/(?<=^\w+=).+$/gm)!) expect(said).not.toContain(secret);

    const session = sessionOf(said);
    expect(await paste(session)).toEqual([
      '{"command":"WRITE","status":"SUCCESS","value":"my_value"}',
      '{"command":"READ","status":"SUCCESS","value":"my_value"}',
      '{"command":"DELETE","status":"SUCCESS","message":"my_key Key deleted"}',
    ]);

    const withoutDelete = session.slice(0, session.lastIndexOf('curl'));
    const lines = await paste(
      `${withoutDelete}\ncurl -sk https://localhost:${port}/status -H "Authorization: Bearer $AT"`,
    );
    const status = JSON.parse(lines.at(-1)!);
    const [master, ...replicas] = redisPortsOf(said);
    expect(replicas).toHaveLength(3);
    expect(JSON.stringify(status)).toContain(`127.0.0.1:${master}`);
    for (const replica of replicas) {
      expect(JSON.stringify(status)).toContain(`127.0.0.1:${replica}`);
      await eventually(async () => (await redisCli(replica, 'get', 'my_key')) === 'my_value');
    }
  },
  INSTALL_MS + START_MS,
);

it(
  'a second start finds everything done, and Ctrl-C leaves no process behind',
  async () => {
    const began = start();
    const said = await ready(began, START_MS);
    expect(said).not.toMatch(/Installing|Building|Making|Wrote/);
    expect(await readFile(path.join(clone, '.env'), 'utf8')).toBe(secrets);

    const pids = await redisPids(redisPortsOf(said));
    expect(pids.map(isAlive)).toEqual([true, true, true, true]);
    began.child.signal('SIGINT');
    expect(await began.child.exited).toBe(0);
    expect(began.said()).toContain('"msg":"stopped"');
    expect(pids.map(isAlive)).toEqual([false, false, false, false]);
    await expect(readyz()).rejects.toThrow('ECONNREFUSED');
  },
  2 * START_MS,
);

it(
  'killed outright, it takes the service and Redis with it',
  async () => {
    const began = start();
    const pids = await redisPids(redisPortsOf(await ready(began, START_MS)));
    began.child.signal('SIGKILL');
    await eventually(() => !pids.some(isAlive));
    await eventually(() =>
      readyz().then(
        () => false,
        () => true,
      ),
    );
  },
  2 * START_MS,
);

it(
  'without Redis, and forbidden to install it, the values stay in memory and a line says so',
  async () => {
    const nowhere = path.join(clone, 'nowhere');
    const began = start({
      PATH: nowhere,
      RINGCACHE_NO_INSTALL: '1',
    });
    const said = await ready(began, START_MS);
    expect(said).toMatch(/^No Redis here: .*For the real ring: install /m);
    await eventually(() => began.said().includes('"engine":"memory"'));
    expect(await paste(sessionOf(said))).toHaveLength(3);
  },
  START_MS,
);

it(
  'where the settings name the engine, no Redis is started',
  async () => {
    const said = await ready(start({ ENGINE: 'memory' }), START_MS);
    expect(said).not.toContain('Redis:');
  },
  START_MS,
);

it(
  'faulty settings end it with code 2 and their names',
  async () => {
    const { child, said } = start({ PORT: 'x', GRPC_PORT: '1' });
    expect(await child.exited).toBe(2);
    expect(said()).toMatch(/^PORT: /m);
    expect(said()).toMatch(/^GRPC_PORT: /m);
  },
  START_MS,
);
