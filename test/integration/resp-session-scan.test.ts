/** SCAN and KEYS through the RESP door, over shards. */
import { ReplyError, type RespClient } from '../support/resp-client';
import { openRespGateway, type RespGateway } from '../support/resp-gateway';
import { startShards, type ShardProcesses } from '../support/redis';

jest.setTimeout(40_000);

describe.each([{ shards: 1 }, { shards: 3 }])('with $shards shards', ({ shards: shardCount }) => {
  let shards: ShardProcesses[];
  let gateway: RespGateway;
  let client: RespClient;
  const keys = Array.from({ length: 2000 }, (_, at) => `${at % 4 === 0 ? 'mine' : 'other'}:${at}`);

  beforeAll(async () => {
    shards = await startShards(shardCount, 1);
    gateway = await openRespGateway({ shards: shards.map(({ config }) => config) });
    client = await gateway.connect();
    await client.send('MSET', ...keys.flatMap((key) => [key, 'x']));
  });
  afterAll(async () => {
    await gateway.close();
    await Promise.all(shards.map((shard) => shard.stop()));
  });

  const scan = async (
    by: RespClient,
    options: readonly string[] = [],
    between: () => Promise<unknown> = () => Promise.resolve(),
  ): Promise<string[]> => {
    const seen: string[] = [];
    for (let cursor = '0'; ;) {
      const [next, page] = (await by.send('SCAN', cursor, ...options)) as [string, string[]];
      seen.push(...page);
      if (next === '0') return seen;
      cursor = next;
      await between();
    }
  };

  test('every key comes', async () => {
    expect([...new Set(await scan(client))].sort()).toEqual([...keys].sort());
  });

  test('what exists throughout comes while other keys come and go', async () => {
    let round = 0;
    const churn = async (): Promise<void> => {
      round += 1;
      const some = Array.from({ length: 100 }, (_, at) => `churn:${round}:${at}`);
      await client.send('MSET', ...some.flatMap((key) => [key, 'x']));
      if (round % 2 === 0) await client.send('DEL', ...some.slice(0, 80));
    };
    const seen = new Set(await scan(client, ['COUNT', '50'], churn));
    expect(keys.filter((key) => !seen.has(key))).toEqual([]);
    const churned = (await scan(client, ['MATCH', 'churn:*', 'COUNT', '1000'])).filter(Boolean);
    await client.send('DEL', ...new Set(churned));
  });

  test('MATCH, COUNT and TYPE are heeded', async () => {
    expect(new Set(await scan(client, ['MATCH', 'mine:*', 'COUNT', '500'])).size).toBe(500);
    expect(await scan(client, ['TYPE', 'hash', 'COUNT', '1000'])).toEqual([]);
    const [, page] = (await client.send('SCAN', '0', 'COUNT', '3')) as [string, string[]];
    expect(page.length).toBeLessThan(20);
  });

  test('a client hears only of keys that it has rights to', async () => {
    const other = await gateway.connect(gateway.secretFor(['read'], ['mine:']));
    const mine = keys.filter((key) => key.startsWith('mine:')).sort();
    expect([...new Set(await scan(other))].sort()).toEqual(mine);
    expect(await scan(other, ['MATCH', 'other:*', 'COUNT', '1000'])).toEqual([]);
    for (const refused of [
      ['DBSIZE'],
      ['KEYS', 'mine:*'],
      ['RANDOMKEY'],
      ['FLUSHALL'],
      ['MGET', 'mine:0', 'other:1'],
      ['DEL', 'mine:0', 'other:1'],
    ]) {
      expect(await other.send(...refused)).toEqual(
        expect.objectContaining({ message: expect.stringMatching(/^NOPERM/) }),
      );
    }
  });

  test('a command with one key that it has no right to does nothing with the others', async () => {
    const other = await gateway.connect(gateway.secretFor(['read', 'write', 'delete'], ['mine:']));
    const mine = Array.from({ length: 9 }, (_, at) => `mine:new:${at}`);
    const forbidden = expect.objectContaining({ message: expect.stringMatching(/^NOPERM/) });
    expect(await other.send('MSET', ...mine.flatMap((key) => [key, 'x']), 'other:0', 'y')).toEqual(forbidden);
    expect(await client.send('EXISTS', ...mine)).toBe(0);
    await other.send('MSET', ...mine.flatMap((key) => [key, 'x']));
    for (const command of ['DEL', 'UNLINK', 'TOUCH', 'EXISTS', 'MGET']) {
      expect(await other.send(command, ...mine, 'other:0')).toEqual(forbidden);
    }
    expect(await other.send('DEL', ...mine)).toBe(mine.length);
    expect(await client.send('GET', 'other:1')).toBe('x');
  });

  test('what is no cursor is refused as Redis does', async () => {
    for (const cursor of ['x', '1 ', ' 1', '-', '0x1', '18446744073709551616', '99999999999999999999999']) {
      expect(await client.send('SCAN', cursor)).toEqual(new ReplyError('ERR invalid cursor'));
    }
    expect(await client.send('SCAN', '0', 'COUNT', '0')).toEqual(new ReplyError('ERR syntax error'));
  });

  test('KEYS, DBSIZE and RANDOMKEY are of all shards', async () => {
    expect([...((await client.send('KEYS', '*')) as string[])].sort()).toEqual([...keys].sort());
    expect(await client.send('DBSIZE')).toBe(keys.length);
    expect(keys).toContain(await client.send('RANDOMKEY'));
  });

  test('scripts are loaded on every shard', async () => {
    const sha = (await client.send('SCRIPT', 'LOAD', "return redis.call('GET', KEYS[1])")) as string;
    for (const key of keys.slice(0, 10)) expect(await client.send('EVALSHA', sha, '1', key)).toBe('x');
    expect(await client.send('SCRIPT', 'EXISTS', sha, '0'.repeat(40))).toEqual([1, 0]);
    expect(await client.send('SCRIPT', 'FLUSH')).toBe('OK');
    expect(await client.send('SCRIPT', 'EXISTS', sha)).toEqual([0]);
  });

  test('with one shard SCAN and KEYS work within a transaction', async () => {
    const replies = await client.pipeline(['MULTI'], ['SCAN', '0', 'COUNT', '5'], ['DBSIZE'], ['EXEC']);
    if (shardCount === 1) {
      expect(replies[3]).toEqual([[expect.stringMatching(/^\d+$/), expect.any(Array)], keys.length]);
    } else {
      expect(replies[1]).toEqual(new ReplyError('ERR Command not allowed inside a transaction'));
    }
  });
});
