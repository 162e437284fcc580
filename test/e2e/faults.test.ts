/** What a caller over HTTPS sees while nodes of the shard behind it are broken on purpose. */
import { eventually } from '../support/eventually';
import { startGateway, type Gateway } from '../support/gateway';
import { startShard, type ShardProcesses } from '../support/redis';

/** As `REQUEST_TIMEOUT_MS` has it, and what a busy machine adds. */
const DEADLINE_MS = 2000 + 500;
const ANSWERS_MIN = 200;
const KEYS = Array.from({ length: 40 }, (_, n) => `key-${n}`);

let shard: ShardProcesses;
let gateway: Gateway;

beforeEach(async () => {
  shard = await startShard({ name: 'main', replicas: 3 });
  // Without a near cache each READ goes to Redis.
  gateway = await startGateway({ env: { REDIS_NODES: shard.setting, NEAR_ENTRIES: '0' } });
  await gateway.command(KEYS.map((key) => ({ command: 'WRITE', key, value: 'v' })));
  await shard.inSync();
}, 60_000);
afterEach(async () => {
  await gateway.stop();
  await shard.stop();
});

interface Answer {
  readonly command: 'READ' | 'WRITE';
  readonly status: number;
  readonly tookMs: number;
}

/**
 * Eight clients, that write every fourth key and read the others, until `until` has resolved and there are answers
 * enough to speak of load: a fault may be noticed within a few milliseconds.
 */
async function loadUntil(until: Promise<unknown>): Promise<readonly Answer[]> {
  const answers: Answer[] = [];
  let over = false;
  const ended = until.finally(() => {
    over = true;
  });
  const client = async (id: number): Promise<void> => {
    for (let n = id; !over || answers.length < ANSWERS_MIN; n += 1) {
      const key = KEYS[n % KEYS.length]!;
      const command = n % 4 === 0 ? 'WRITE' : 'READ';
      const sentMs = performance.now();
      const { status } = await gateway.command({ command, key, ...(command === 'WRITE' && { value: 'v' }) });
      answers.push({ command, status, tookMs: performance.now() - sentMs });
    }
  };
  await Promise.all([ended, ...Array.from({ length: 8 }, (_, id) => client(id))]);
  return answers;
}

const nodes = async (): Promise<readonly { role: string; healthy: boolean }[]> =>
  (await gateway.get('/status', await gateway.bearer())).json().shards[0].nodes;

it.each(['SIGKILL', 'SIGSTOP'] as const)('%s of a replica under load: no request fails', async (signal) => {
  const victim = shard.replicas[0]!;
  const struck = async (): Promise<void> => {
    if (signal === 'SIGKILL') await victim.kill();
    else victim.freeze();
    await eventually(async () => (await nodes()).some(({ healthy }) => !healthy));
  };
  const answers = [...(await loadUntil(struck())), ...(await loadUntil(eventually(nodes)))];
  expect(answers.length).toBeGreaterThan(20);
  expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
  victim.thaw();
});

it('SIGKILL of the master: WRITE is answered 503 within the deadline, READ goes on, and WRITE returns with it', async () => {
  const masterIsGone = async (): Promise<void> => {
    await shard.master.kill();
    await eventually(async () => (await nodes()).some(({ role, healthy }) => role === 'master' && !healthy));
  };
  const struck = await loadUntil(masterIsGone());
  for (const { command, status, tookMs } of struck) {
    expect(tookMs).toBeLessThan(DEADLINE_MS);
    if (command === 'READ') expect(status).toBe(200);
    else expect([200, 503]).toContain(status);
  }
  expect((await gateway.command({ command: 'WRITE', key: 'other', value: 'v' })).status).toBe(503);
  expect((await gateway.command({ command: 'WRITE', key: 'other', value: 'v' })).headers['retry-after']).toBe(
    '1',
  );
  expect((await gateway.get('/readyz')).status).toBe(200);

  await shard.master.restart();
  const backMs = performance.now();
  await eventually(
    async () => (await gateway.command({ command: 'WRITE', key: 'x', value: 'v' })).status === 200,
  );
  expect(performance.now() - backMs).toBeLessThan(1000);
});

it('without any node of the shard the service says so at once, and is ready again by itself', async () => {
  const all = [shard.master, ...shard.replicas];
  await Promise.all(all.map((node) => node.kill()));
  await eventually(async () => (await gateway.get('/readyz')).status === 503);
  expect((await gateway.command({ command: 'READ', key: 'key-0' })).status).toBe(503);
  expect((await gateway.get('/livez')).status).toBe(200);
  await Promise.all(all.map((node) => node.restart()));
  await eventually(async () => (await gateway.get('/readyz')).status === 200);
});
