/** Snapshots of the built program: what is there again after it was killed or stopped, and what never comes back (F16, R12). */
import { execFileSync } from 'node:child_process';
import { promises as fs } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { Redis } from 'ioredis';
import { makeFolder, startChild } from '../support/child';
import { eventually } from '../support/eventually';
import { startGateway, type Gateway } from '../support/gateway';
import { startShard } from '../support/redis';
import { names, readFile, writeFile, savedEntry } from '../support/snapshots';
import { Random } from '../torture/random';

const DIST = path.join(__dirname, '../../dist');
const ENCRYPTION_KEY = Buffer.alloc(32, 7).toString('base64');

let folder: string;
let file: string;

beforeEach(async () => {
  folder = await makeFolder();
  file = path.join(folder, 'snapshot');
});

const memory = (env: Readonly<Record<string, string>> = {}): Promise<Gateway> =>
  startGateway({ env: { ENGINE: 'memory', SNAPSHOT_FILE: file, ...env } });

async function killed(gateway: Gateway): Promise<void> {
  gateway.kill('SIGKILL');
  expect(await gateway.stop()).toBeNull();
}

const snapshot = async (gateway: Gateway) => gateway.post('/snapshot', '', await gateway.bearer());

async function read(gateway: Gateway, key: string): Promise<unknown> {
  return (await gateway.command({ command: 'READ', key })).json().value as unknown;
}

async function ttlOf(gateway: Gateway, key: string): Promise<unknown> {
  return (await gateway.get(`/ring/${key}`, await gateway.bearer())).json().ttl as unknown;
}

describe('ENGINE=memory', () => {
  it('has after SIGKILL what was saved, with what is left of its life, and nothing that was written later', async () => {
    const before = await memory({ ENCRYPTION_KEYS: `k1:${ENCRYPTION_KEY}`, ENCRYPT_VALUES: 'false' });
    await before.command({ command: 'WRITE', key: 'text', value: 'täxt' });
    await before.command({ command: 'WRITE', key: 'json', value: { a: [1, null] } });
    await before.command({ command: 'WRITE', key: 'ends', value: 'later', ttl: 600 });
    await before.command({ command: 'WRITE', key: 'ended', value: 'soon', ttl: 0.3 });
    await before.command({ command: 'WRITE', key: 'sealed', value: 'a secret of the test', encrypt: true });
    const saved = await snapshot(before);
    expect(saved.status).toBe(200);
    const { size, mode } = await fs.stat(file);
    expect(saved.json()).toEqual({ status: 'SUCCESS', entries: 5, bytes: size, seconds: expect.any(Number) });
    expect(mode & 0o777).toBe(0o600);
    await before.command({ command: 'WRITE', key: 'late', value: 'lost' });
    const ttl = (await ttlOf(before, 'ends')) as number;
    await killed(before);

    // Encrypted values lie there as they were stored; others as they are.
    const bytes = await fs.readFile(file);
    expect(bytes.includes('a secret of the test')).toBe(false);
    expect(bytes.includes('täxt')).toBe(true);
    expect(before.lines.join('\n')).not.toContain('a secret of the test');

    const after = await memory({ ENCRYPTION_KEYS: `k1:${ENCRYPTION_KEY}` });
    expect(await read(after, 'text')).toBe('täxt');
    expect(await read(after, 'json')).toEqual({ a: [1, null] });
    expect(await read(after, 'sealed')).toBe('a secret of the test');
    expect(await read(after, 'ended')).toBeUndefined();
    expect(await read(after, 'late')).toBeUndefined();
    const left = (await ttlOf(after, 'ends')) as number;
    expect(left).toBeLessThan(ttl);
    expect(left).toBeGreaterThan(ttl - 60);
    await after.stop();
  }, 60_000);

  it('saves when it is stopped, all that was acked', async () => {
    const before = await memory();
    const keys = Array.from({ length: 500 }, (_, at) => `k${at}`);
    await before.command(keys.map((key) => ({ command: 'WRITE', key, value: key })));
    expect(await before.stop()).toBe(0);
    expect(await readFile(file)).toHaveLength(500);
    const after = await memory();
    const replies = (await after.command(keys.map((key) => ({ command: 'READ', key })))).json();
    expect(replies.map(({ value }: { value: string }) => value)).toEqual(keys);
    await after.stop();
  }, 60_000);

  it('F16: starts without a file that is damaged, says so, and keeps it', async () => {
    await writeFile(file, [Array.from({ length: 5000 }, (_, at) => savedEntry(`k${at}`))]);
    const damaged = await fs.readFile(file);
    damaged[damaged.length - 50]! ^= 4;
    await fs.writeFile(file, damaged);
    const gateway = await memory();
    expect(await read(gateway, 'k1')).toBeUndefined();
    expect(gateway.lines.some((line) => line.includes('the snapshot cannot be used'))).toBe(true);
    expect((await fs.readFile(`${file}.damaged-1`)).equals(damaged)).toBe(true);
    await gateway.stop();
    expect(await readFile(file)).toEqual([]);
  }, 60_000);

  it('409 where SNAPSHOT_FILE is not set', async () => {
    const gateway = await memory({ SNAPSHOT_FILE: '' });
    expect((await snapshot(gateway)).status).toBe(409);
    await gateway.stop();
  }, 60_000);

  it('a start that fails leaves the last one', async () => {
    await writeFile(file, [[savedEntry('kept')]]);
    const { ino } = await fs.stat(file);
    await expect(memory({ TLS_CERT_FILE: 'none.pem' })).rejects.toThrow('none.pem');
    expect((await fs.stat(file)).ino).toBe(ino);
  }, 60_000);
});

describe('ENGINE=ring', () => {
  it('R12: reads again what was near, and never serves what was changed or deleted while it was away', async () => {
    const shard = await startShard({ name: 'one', replicas: 1 });
    const env = { REDIS_NODES: shard.setting, SNAPSHOT_FILE: file };
    const before = await startGateway({ env });
    const keys = Array.from({ length: 200 }, (_, at) => `k${at}`);
    await before.command(keys.map((key) => ({ command: 'WRITE', key, value: 'a value of before' })));
    await before.command(keys.map((key) => ({ command: 'READ', key })));
    await eventually(async () => (await near(before)).entries === 200, 10_000);
    expect(await before.stop()).toBe(0);
    // No value of Redis lies in the file.
    expect((await fs.readFile(file)).includes('a value of before')).toBe(false);
    expect(await readFile(file)).toHaveLength(200);

    const redis = new Redis(shard.master.port, '127.0.0.1');
    await redis.set('k1', 'changed meanwhile');
    await redis.del('k2');
    await redis.wait(1, 5000);

    const after = await startGateway({ env });
    expect(await read(after, 'k1')).toBe('changed meanwhile');
    expect(await read(after, 'k2')).toBeUndefined();
    await eventually(() => after.lines.some((line) => line.includes('near cache warmed up')), 20_000);
    expect((await near(after)).entries).toBe(199);
    for (const key of ['k0', 'k1', 'k199']) {
      const reply = await after.command({ command: 'READ', key });
      expect(reply.headers['cache-status']).toBe('ringcache; hit; detail=near');
      expect(reply.json().value).toBe(key === 'k1' ? 'changed meanwhile' : 'a value of before');
    }
    expect(after.lines.join('\n')).not.toContain('a value of before');
    // What was warmed up hears of changes like all else.
    await redis.set('k3', 'changed now');
    await eventually(async () => (await read(after, 'k3')) === 'changed now');
    redis.disconnect();
    await after.stop();
    await shard.stop();
  }, 120_000);

  async function near(gateway: Gateway): Promise<{ readonly entries: number }> {
    return (await gateway.get('/status', await gateway.bearer())).json().near as { readonly entries: number };
  }
});

/** Writes one snapshot after the other, each with the same value in all its entries, and tells of each. */
const WRITER = `
  const { writeSnapshot } = require(process.argv[1] + '/snapshot/write-snapshot.js');
  const header = { kind: 'entries', savedAtMs: 1, marks: { asOfMs: 1, horizon: 0 } };
  function* pages(round) {
    for (let page = 0; page < 20; page += 1)
      yield Array.from({ length: 1000 }, (_, at) => ({
        key: page + '-' + at, bytes: Buffer.from(String(round)), expiresAtMs: Infinity, time: 0, origin: '' }));
  }
  (async () => {
    for (let round = 1; ; round += 1) {
      await writeSnapshot(process.argv[2], header, pages(round), new AbortController().signal);
      console.log(round);
    }
  })();
`;

it.each([1, 2, 3, 4, 5, 6, 7, 8])(
  'F16: killed while it writes, it leaves a whole one: seed %d',
  async (seed) => {
    const random = new Random(`kill ${seed}`);
    const writer = startChild(process.execPath, ['-e', WRITER, DIST, file], { folder, env: {} });
    let written = 0;
    createInterface({ input: writer.stdout }).on('line', (line) => (written = Number(line)));
    await eventually(() => written >= 1, 20_000);
    const killAt = performance.now() + random.between(0, 150);
    await eventually(() => performance.now() >= killAt);
    writer.signal('SIGKILL');
    await writer.exited;
    const entries = await readFile(file);
    const rounds = new Set(entries.map(({ bytes }) => String(bytes)));
    expect([entries.length, rounds.size]).toEqual([20_000, 1]);
    // One more may have been renamed and not told of.
    const [round] = rounds;
    expect(Number(round)).toBeGreaterThanOrEqual(written);
    await writeFile(file, [[savedEntry('next')]]);
    expect(await names(folder)).toEqual(['snapshot']);
  },
  60_000,
);

/** As somebody who may not read the file. */
const READER = `
  const { createSnapshots } = require(process.argv[1] + '/snapshot/snapshots.js');
  const say = (fields, message) => console.log(message + ' ' + fields.cause);
  const log = { debug() {}, info: say, warn: say, error: say, request() {} };
  const clock = { now: () => performance.now(), wallMs: Date.now };
  const content = { load() { console.log('loaded'); }, marks: () => ({ asOfMs: 0, horizon: 0 }), pages: () => [] };
  createSnapshots({ file: process.argv[2], intervalMs: 1000, clock, log }).load(content);
`;

it('F16: starts without a file that it may not read, says so, and keeps it', async () => {
  await writeFile(file, [[savedEntry('k')]]);
  await fs.chmod(file, 0);
  await fs.chmod(folder, 0o777);
  // A copy: who is nobody may not look into the folder of whoever runs the tests.
  for (const part of ['snapshot', 'core', 'lib']) {
    await fs.cp(path.join(DIST, part), path.join(folder, 'dist', part), { recursive: true });
  }
  const nobody = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};
  const told = execFileSync(process.execPath, ['-e', READER, path.join(folder, 'dist'), file], {
    ...nobody,
    cwd: folder,
    encoding: 'utf8',
  });
  expect(told).toContain('the snapshot cannot be used; starting without it EACCES');
  expect(told).not.toContain('loaded');
  expect(await names(folder)).toEqual(['dist', 'snapshot.damaged-1']);
});
