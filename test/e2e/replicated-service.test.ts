/** The built program with `ENGINE=replicated`: three gateways on one Redis that stores nothing. */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { promisify } from 'node:util';
import { SETTINGS } from '../../src/config/settings';
import { eventually } from '../support/eventually';
import { startGateway, type Gateway } from '../support/gateway';
import { startRedis, type RedisProcess } from '../support/redis';

jest.setTimeout(60_000);

interface ReadReply {
  readonly status: string;
  readonly value?: unknown;
  readonly code?: string;
}

let redis: RedisProcess;
let gateways: Gateway[];

beforeAll(async () => {
  redis = await startRedis({ password: 'a-password-of-the-tests' });
  const env = { ENGINE: 'replicated', REPLICATION_URL: redis.url };
  gateways = await Promise.all([1, 2, 3].map(() => startGateway({ env })));
}, 60_000);
afterAll(async () => {
  await Promise.all(gateways.map((gateway) => gateway.stop()));
  await redis.stop();
});

const read = async (gateway: Gateway, key: string, more: object = {}): Promise<ReadReply> =>
  (await gateway.command({ command: 'READ', key, ...more })).json();

it('what is written through one gateway is read through the others within a second', async () => {
  for (const [index, writer] of gateways.entries()) {
    const value = { of: index };
    await writer.command({ command: 'WRITE', key: 'key', value });
    for (const gateway of gateways) {
      await eventually(async () => {
        expect((await read(gateway, 'key')).value).toEqual(value);
        return true;
      }, 1000);
    }
  }
  await gateways[0]!.command({ command: 'DELETE', key: 'key' });
  for (const gateway of gateways) {
    await eventually(async () => (await read(gateway, 'key')).status === 'NOT_FOUND', 1000);
  }
});

it('strong reads and sessions see through another gateway what was just written', async () => {
  const [a, b] = [gateways[0]!, gateways[1]!];
  let session = '';
  for (let n = 0; n < 20; n += 1) {
    const ofA = { ...(await a.bearer()), 'ringcache-session': session };
    const written = await a.post('/cache', { command: 'WRITE', key: 'mine', value: `v${n}` }, ofA);
    session = String(written.headers['ringcache-session']);
    const ofB = { ...(await b.bearer()), 'ringcache-session': session };
    expect((await b.post('/cache', { command: 'READ', key: 'mine' }, ofB)).json().value).toBe(`v${n}`);
    await a.command({ command: 'WRITE', key: 'strong', value: n });
    expect((await read(b, 'strong', { consistency: 'strong' })).value).toBe(n);
  }
});

it('/status names the engine and all gateways, and Redis has no key', async () => {
  const status = (await gateways[0]!.get('/status', await gateways[0]!.bearer())).json();
  expect(status).toMatchObject({ engine: 'replicated', ready: true });
  const { nodes } = status.shards[0];
  expect(nodes.map(({ role }: { role: string }) => role)).toEqual(['master', 'replica', 'replica']);
  expect(await redis.client.dbsize()).toBe(0);
});

it('rewrap encrypts what the gateways have under the new key, while they run', async () => {
  const [oldKey, newKey] = ['old', 'new'].map((id) => `${id}:${randomBytes(32).toString('base64')}`);
  const env = {
    ENGINE: 'replicated',
    REPLICATION_URL: redis.url,
    ENCRYPTION_KEYS: `${newKey!},${oldKey!}`,
    JWT_SECRET: 's'.repeat(32),
  };
  const sealing = await startGateway({ env: { ...env, ENCRYPTION_KEYS: oldKey! } });
  await sealing.command({ command: 'WRITE', key: 'sealed', value: 'secret', ack: 1 });
  await sealing.stop();
  const main = path.join(__dirname, '../../dist/main.js');
  const { stdout } = await promisify(execFile)(process.execPath, [main, 'rewrap'], {
    // Empty is unset, and wins over a `.env`.
    env: {
      PATH: process.env['PATH'],
      ...Object.fromEntries(Object.keys(SETTINGS).map((name) => [name, ''])),
      ...env,
    },
  });
  expect(stdout).toMatch(/^re-encrypted under new: 1$/m);
  const reading = await startGateway({ env: { ...env, ENCRYPTION_KEYS: newKey! } });
  expect((await read(reading, 'sealed')).value).toBe('secret');
  await reading.stop();
});

it('without the bus it reads and writes on, and a gateway that starts is not ready until it is back', async () => {
  const a = gateways[0]!;
  await a.command({ command: 'WRITE', key: 'kept', value: 'v' });
  await redis.kill();
  expect((await read(a, 'kept')).value).toBe('v');
  expect(await read(a, 'kept', { consistency: 'strong' })).toMatchObject({
    status: 'ERROR',
    code: 'unavailable',
  });
  const written = await a.command({ command: 'WRITE', key: 'meanwhile', value: 'w' });
  expect(written.json().status).toBe('SUCCESS');

  const env = { ENGINE: 'replicated', REPLICATION_URL: redis.url };
  const late = await startGateway({ env, waitReady: false });
  try {
    expect((await late.get('/readyz')).status).toBe(503);
    expect(await read(late, 'kept')).toMatchObject({ status: 'ERROR', code: 'unavailable' });
    await redis.restart();
    await eventually(async () => (await late.get('/readyz')).status === 200, 15_000);
    expect((await read(late, 'kept')).value).toBe('v');
    await eventually(async () => (await read(late, 'meanwhile')).value === 'w', 15_000);
    expect((await a.get('/readyz')).status).toBe(200);
  } finally {
    await late.stop();
  }
});
