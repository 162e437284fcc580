/**
 * `npm start` on a fresh clone: a copy of what a commit of this tree would hold, with nothing installed or built.
 * The tests build on each other, as the calls of its user do.
 */
import { execFile } from 'node:child_process';
import { readFile, stat } from 'node:fs/promises';
import https from 'node:https';
import path from 'node:path';
import { promisify } from 'node:util';
import { eventually } from '../support/eventually';
import { type FreshClone, makeFreshClone } from '../support/fresh-clone';

const run = promisify(execFile);
const INSTALL_MS = 180_000;
const START_MS = 20_000;

let clone: FreshClone;

beforeAll(async () => {
  clone = await makeFreshClone();
});
afterEach(() => clone.stop());

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
      .get(
        { host: '127.0.0.1', port: clone.port, path: '/readyz', rejectUnauthorized: false, agent: false },
        (reply) => {
          reply.resume();
          resolve(reply.statusCode);
        },
      )
      .on('error', reject);
  });
}

let secrets: string;

it(
  'a fresh clone becomes a ring of one master and three replicas with one command',
  async () => {
    const { scripts } = JSON.parse(await readFile(path.join(clone.folder, 'package.json'), 'utf8'));
    expect(scripts.start).toBe('node scripts/start.mjs');
    const said = await clone.start().ready(INSTALL_MS);
    expect(await readyz()).toBe(200);
    for (const file of ['.env', 'certs/key.pem']) {
      expect([file, (await stat(path.join(clone.folder, file))).mode & 0o777]).toEqual([file, 0o600]);
    }
    secrets = await readFile(path.join(clone.folder, '.env'), 'utf8');
    for (const secret of secrets.match(/(?<=^\w+=).+$/gm)!) expect(said).not.toContain(secret);

    const session = sessionOf(said);
    expect(await paste(session)).toEqual([
      '{"command":"WRITE","status":"SUCCESS","value":"my_value"}',
      '{"command":"READ","status":"SUCCESS","value":"my_value"}',
      '{"command":"DELETE","status":"SUCCESS","message":"my_key Key deleted"}',
    ]);

    const withoutDelete = session.slice(0, session.lastIndexOf('curl'));
    const lines = await paste(
      `${withoutDelete}\ncurl -sk https://localhost:${clone.port}/status -H "Authorization: Bearer $AT"`,
    );
    const status = JSON.parse(lines.at(-1)!);
    const [master, ...replicas] = redisPortsOf(said);
    expect(replicas).toHaveLength(3);
    expect(said).toContain(` REDIS_NODES=main=redis://127.0.0.1:${master},`);
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
    const began = clone.start();
    const said = await began.ready(START_MS);
    expect(said).not.toMatch(/Installing|Building|Making|Wrote/);
    expect(await readFile(path.join(clone.folder, '.env'), 'utf8')).toBe(secrets);

    const pids = await redisPids(redisPortsOf(said));
    expect(pids.map(isAlive)).toEqual([true, true, true, true]);
    began.child.signal('SIGINT');
    expect(await began.child.exited).toBe(0);
    // What it said last may still be on its way through the pipe.
    await eventually(() => began.said().includes('"msg":"stopped"'));
    expect(pids.map(isAlive)).toEqual([false, false, false, false]);
    await expect(readyz()).rejects.toThrow('ECONNREFUSED');
  },
  2 * START_MS,
);

it(
  'killed outright, it takes the service and Redis with it',
  async () => {
    const began = clone.start();
    const pids = await redisPids(redisPortsOf(await began.ready(START_MS)));
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
    const nowhere = path.join(clone.folder, 'nowhere');
    const began = clone.start({
      PATH: nowhere,
      RINGCACHE_NO_INSTALL: '1',
    });
    const said = await began.ready(START_MS);
    expect(said).toMatch(/^No Redis here: .*For the real ring: install /m);
    await eventually(() => began.said().includes('"engine":"memory"'));
    expect(await paste(sessionOf(said))).toHaveLength(3);
  },
  START_MS,
);

it(
  'where the settings name the engine, no Redis is started',
  async () => {
    const said = await clone.start({ ENGINE: 'memory' }).ready(START_MS);
    expect(said).not.toContain('Redis:');
  },
  START_MS,
);

it(
  'faulty settings end it with code 2 and their names',
  async () => {
    const { child, said } = clone.start({ PORT: 'x', GRPC_PORT: 'y' });
    expect(await child.exited).toBe(2);
    expect(said()).toMatch(/^PORT: /m);
    expect(said()).toMatch(/^GRPC_PORT: /m);
  },
  START_MS,
);
