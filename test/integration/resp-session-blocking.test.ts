/** Commands that wait, through the RESP door. */
import { eventually } from '../support/eventually';
import { ReplyError, type RespClient } from '../support/resp-client';
import { openRespGateway, type RespGateway } from '../support/resp-gateway';
import { startShards, type ShardProcesses } from '../support/redis';

jest.setTimeout(40_000);

let shards: ShardProcesses[];
let gateway: RespGateway;

beforeAll(async () => {
  shards = await startShards(3, 1);
  gateway = await openRespGateway({ shards: shards.map(({ config }) => config), maxInFlight: 2 });
});
afterAll(async () => {
  await gateway.close();
  await Promise.all(shards.map((shard) => shard.stop()));
});

/** Of clients that wait at the masters. */
async function blocked(): Promise<number> {
  const counts = await Promise.all(
    shards.map(async ({ master }) =>
      Number(/blocked_clients:(\d+)/.exec(await master.client.info('clients'))![1]),
    ),
  );
  return counts.reduce((sum, count) => sum + count, 0);
}

async function waiting(client: RespClient, ...words: string[]): Promise<Promise<unknown>[]> {
  const before = await blocked();
  const reply = client.send(...words);
  await eventually(async () => (await blocked()) === before + 1, 5000);
  return [reply];
}

test('what waits is answered when there is something, and commands behind it then', async () => {
  const client = await gateway.connect();
  const other = await gateway.connect();
  const [reply] = await waiting(client, 'BLPOP', 'q:1', '0');
  const behind = client.send('GET', 'q:none');
  expect(await other.send('RPUSH', 'q:1', 'job')).toBe(1);
  expect(await reply).toEqual(['q:1', 'job']);
  expect(await behind).toBeNull();
});

test('each of them goes behind what was sent before it', async () => {
  const client = await gateway.connect();
  for (let round = 0; round < 20; round += 1) {
    expect(
      await client.pipeline(['RPUSH', 'q:2', String(round)], ['BLPOP', 'q:2', '0'], ['LLEN', 'q:2']),
    ).toEqual([1, ['q:2', String(round)], 0]);
  }
});

test('those that wait take no place among the requests at work', async () => {
  const waiters = await Promise.all([gateway.connect(), gateway.connect(), gateway.connect()]);
  const replies: Promise<unknown>[] = [];
  for (const client of waiters) replies.push(...(await waiting(client, 'BLPOP', 'q:3', '0')));
  const other = await gateway.connect();
  expect(await other.send('RPUSH', 'q:3', '1', '2', '3')).toBe(3);
  expect((await Promise.all(replies)).flat()).toHaveLength(6);
});

test('a timeout is null, and nothing is popped later', async () => {
  const client = await gateway.connect();
  expect(await client.send('BLPOP', 'q:4', '0.05')).toBeNull();
  expect(await client.send('BLMOVE', 'q:4', 'q:4', 'LEFT', 'RIGHT', '0.05')).toBeNull();
  expect(await client.send('XREAD', 'BLOCK', '20', 'STREAMS', 'x:4', '$')).toBeNull();
  expect(await client.send('XREAD', 'STREAMS', 'x:4', '0')).toBeNull();
});

test('a client that goes while it waits frees its connection at once, and loses nothing', async () => {
  const client = await gateway.connect();
  const [reply] = await waiting(client, 'BLPOP', 'q:5', '0');
  reply?.catch(() => undefined);
  client.close();
  await eventually(async () => (await blocked()) === 0, 2000);
  const other = await gateway.connect();
  await other.send('RPUSH', 'q:5', 'kept');
  expect(await other.send('LRANGE', 'q:5', '0', '-1')).toEqual(['kept']);
});

test('within a transaction nothing waits', async () => {
  const client = await gateway.connect();
  expect(await client.pipeline(['MULTI'], ['BLPOP', 'q:6', '0'], ['EXEC'])).toEqual(['OK', 'QUEUED', [null]]);
});

test('who was revoked meanwhile is not told what came', async () => {
  const secret = gateway.secretFor(['read', 'write', 'delete']);
  const client = await gateway.connect(secret);
  const [reply] = await waiting(client, 'BLPOP', 'q:7', '0');
  gateway.revoke(secret);
  await (await gateway.connect()).send('RPUSH', 'q:7', 'secret');
  expect(await reply).toEqual(expect.any(ReplyError));
});

test('who loses the right to the key waits no longer, and nothing is popped for them', async () => {
  const secret = gateway.secretFor(['read', 'write', 'delete']);
  const client = await gateway.connect(secret);
  const [reply] = await waiting(client, 'BLPOP', 'q:9', '0');
  gateway.regrant(secret, ['read', 'write', 'delete'], ['mine:']);
  expect(await reply).toEqual(expect.objectContaining({ message: expect.stringMatching(/^NOPERM/) }));
  const other = await gateway.connect();
  await other.send('RPUSH', 'q:9', 'kept');
  expect(await other.send('LRANGE', 'q:9', '0', '-1')).toEqual(['kept']);
  await client.send('RPUSH', 'mine:q', 'job');
  expect(await client.send('BLPOP', 'mine:q', '0')).toEqual(['mine:q', 'job']);
});

test('a key without a right to it is refused before anything waits', async () => {
  const client = await gateway.connect(gateway.secretFor(['read', 'write', 'delete'], ['mine:']));
  const reply = await client.send('BLPOP', 'q:8', '0');
  expect(reply).toEqual(expect.objectContaining({ message: expect.stringMatching(/^NOPERM/) }));
});
