/** The built program over a real shard of 1 + 3: what its users and its operator see. */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { Agent, request } from 'node:https';
import path from 'node:path';
import { promisify } from 'node:util';
import { SETTINGS } from '../../src/config/settings';
import { eventually } from '../support/eventually';
import { startGateway, type Gateway } from '../support/gateway';
import { startShard, type ShardProcesses } from '../support/redis';

const run = promisify(execFile);
const ENCRYPTION_KEY = randomBytes(32).toString('base64');

let shard: ShardProcesses;
let gateway: Gateway;

beforeAll(async () => {
  shard = await startShard({ name: 'main', replicas: 3 });
  gateway = await startGateway({
    env: { REDIS_NODES: shard.setting, ENCRYPTION_KEYS: `k1:${ENCRYPTION_KEY}`, ENCRYPT_VALUES: 'false' },
  });
}, 60_000);
afterAll(async () => {
  await gateway.stop();
  await shard.stop();
});

it('a written key is on every node, where redis-cli finds it', async () => {
  await gateway.command({ command: 'WRITE', key: 'seen', value: 'by redis-cli' });
  for (const node of [shard.master, ...shard.replicas]) {
    await eventually(async () => {
      const { stdout } = await run('redis-cli', ['-p', String(node.port), 'GET', 'seen']);
      return stdout === 'by redis-cli\n';
    });
  }
});

it('a key that somebody wrote straight to Redis is read, at first from a replica, then from near', async () => {
  await shard.master.client.set('foreign', 'value');
  await shard.inSync();
  const read = () => gateway.command({ command: 'READ', key: 'foreign' });
  const first = await read();
  expect(first.json()).toEqual({ command: 'READ', status: 'SUCCESS', value: 'value' });
  expect(first.headers['cache-status']).toBe('ringcache; hit; detail=replica');
  expect((await read()).headers['cache-status']).toBe('ringcache; hit; detail=near');
});

it('status shows one master and three replicas in sync', async () => {
  const status = await eventually(async () => {
    const { shards } = (await gateway.get('/status', await gateway.bearer())).json();
    return shards[0].nodes.every((node: { healthy: boolean; lag_bytes?: number }) => node.healthy) && shards;
  });
  expect(status).toHaveLength(1);
  const roles = status[0].nodes.map((node: { role: string }) => node.role).sort();
  expect(roles).toEqual(['master', 'replica', 'replica', 'replica']);
});

it('an encrypted value is read in clear here and nowhere in Redis', async () => {
  const secret = 'canary-of-an-encrypted-value';
  await gateway.command({ command: 'WRITE', key: 'sealed', value: secret, encrypt: true });
  expect((await gateway.command({ command: 'READ', key: 'sealed' })).json()).toMatchObject({ value: secret });
  const stored = await shard.master.client.getBuffer('sealed');
  expect(stored!.includes(secret)).toBe(false);
});

it('no value, token, key or secret is ever in the log', async () => {
  const canary = 'canary-in-a-value-that-nobody-may-log';
  const token = await gateway.login();
  const authorization = { authorization: `Bearer ${token}` };
  for (const body of [
    { command: 'WRITE', key: 'logged', value: canary },
    { command: 'WRITE', key: 'logged', value: { deep: [canary] }, encrypt: true },
    { command: 'READ', key: 'logged' },
    [{ command: 'READ', key: 'logged' }],
    { command: 'WRITE', key: 'logged', value: canary, ttl: -1 },
    { command: canary, key: 'logged' },
  ]) {
    await gateway.post('/cache', body, authorization);
  }
  await gateway.post('/cache', `{"command":"WRITE","value":"${canary}"`, {
    ...authorization,
    'content-type': 'application/json',
  });
  await gateway.post('/login', { api_key: `rck_wrong_${canary}` });
  await gateway.get('/status', { authorization: `Bearer ${token}x` });
  await shard.master.client.hset('no-value', 'field', canary);
  await shard.inSync();
  await gateway.command({ command: 'READ', key: 'no-value' });

  await eventually(() => gateway.lines.some((line) => line.includes('corrupt_value')));
  const log = [...gateway.lines, ...gateway.errorLines].join('\n');
  const requests = gateway.lines.filter((line) => line.includes('"msg":"request"'));
  expect(requests.length).toBeGreaterThan(8);
  for (const secret of [canary, token, gateway.apiKey, ENCRYPTION_KEY, 'a secret of the tests']) {
    expect(log.includes(secret)).toBe(false);
  }
});

it('a request has its line: who, what, the outcome, where from, how long', async () => {
  const reply = await gateway.command({ command: 'READ', key: 'nowhere' });
  expect(reply.headers['cache-status']).toBe('ringcache; fwd=miss');
  const line = await eventually(() => gateway.lines.find((each) => each.includes('"outcome":"NOT_FOUND"')));
  expect(JSON.parse(line)).toMatchObject({
    request_id: expect.stringMatching(/./),
    client: 'api-key',
    command: 'READ',
    outcome: 'NOT_FOUND',
    status: 200,
    duration_ms: expect.any(Number),
  });
});

it('all faults of the settings are told at once, and nothing is opened', async () => {
  await expect(
    startGateway({ env: { JWT_SECRET: 'short', PORT: 'http', RINGCACHE_TYPO: '1', COHERENCE: 'tracking' } }),
  ).rejects.toThrow(/JWT_SECRET[^]*|PORT[^]*|RINGCACHE_TYPO[^]*|COHERENCE/);
  const failure = await startGateway({
    env: { JWT_SECRET: 'short', PORT: 'http', RINGCACHE_TYPO: '1', COHERENCE: 'kafka' },
  }).catch((error: unknown) => String(error));
  for (const name of ['JWT_SECRET', 'PORT', 'RINGCACHE_TYPO', 'COHERENCE']) expect(failure).toContain(name);
  expect(failure).not.toContain('listening');
});

it('a start that fails says what failed, and what the system says of it', async () => {
  await expect(startGateway({ env: { PORT: String(gateway.port) } })).rejects.toThrow(
    `Cannot listen on 127.0.0.1:${gateway.port}. (EADDRINUSE)`,
  );
  await expect(startGateway({ env: { TLS_CERT_FILE: 'none.pem' } })).rejects.toThrow(
    'Cannot read none.pem. (ENOENT)',
  );
});

/** One of the tools, with no setting but these: what it prints, after its exit code. */
async function runTool(words: string, settings: Record<string, string>): Promise<string> {
  const unset = Object.fromEntries(Object.keys(SETTINGS).map((name) => [name, '']));
  const args = [path.join(__dirname, '../../dist/main.js'), ...words.split(' ')];
  try {
    return `0: ${(await run(process.execPath, args, { env: { ...unset, ...settings } })).stdout}`;
  } catch (failure) {
    const { code, stdout } = failure as { code: number; stdout: string };
    return `${code}: ${stdout}`;
  }
}

it('the clients are managed without any of the service’s secrets', async () => {
  const listed = await runTool('client list', { CLIENTS_FILE: 'nobody.json', PORT: 'x' });
  expect(listed).toBe('0: There are no clients in nobody.json.\n');
});

it('rewrap says which setting it lacks, rather than that there is nothing to do', async () => {
  const settings = { JWT_SECRET: 's'.repeat(32), ENCRYPTION_KEYS: `k1:${ENCRYPTION_KEY}` };
  expect(await runTool('rewrap', settings)).toMatch(/^2: REDIS_NODES is not set/);
});

it('SIGTERM under load: not ready at once, and no request fails that was taken', async () => {
  const stopping = await startGateway({ env: { REDIS_NODES: shard.setting } });
  const headers = { ...(await stopping.bearer()), 'content-type': 'application/json' };
  const agent = new Agent({ keepAlive: true, rejectUnauthorized: false });
  let answered = 0;
  const failures: unknown[] = [];

  /** True: answered. False: the connection came to nothing before the service had it, as when none listens. */
  const ask = (): Promise<boolean> =>
    new Promise((resolve) => {
      let taken = false;
      const asked = request(
        { agent, port: stopping.port, method: 'POST', path: '/cache', headers },
        (reply) => {
          reply.resume().on('end', () => {
            answered += 1;
            if (reply.statusCode !== 200) failures.push(reply.statusCode);
            resolve(true);
          });
        },
      );
      asked.on('socket', (socket) => {
        taken = asked.reusedSocket;
        socket.once('secureConnect', () => (taken = true));
      });
      asked.on('error', (error) => {
        if (taken) failures.push(error);
        resolve(false);
      });
      asked.end('{"command":"READ","key":"seen"}');
    });
  const client = async (): Promise<void> => {
    while (await ask());
  };

  const load = Promise.all(Array.from({ length: 8 }, client));
  await eventually(() => answered > 50);
  const exit = stopping.stop();
  await eventually(async () => (await stopping.get('/readyz')).status === 503);
  expect(await exit).toBe(0);
  await load;
  agent.destroy();
  expect(failures).toEqual([]);
}, 20_000);
