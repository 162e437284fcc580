/** MULTI, EXEC and WATCH through the RESP door, between two gateways with near caches. */
import { SCOPES } from '../../src/core/grants';
import { ReplyError, type RespClient } from '../support/resp-client';
import { openRespGateway, type RespGateway } from '../support/resp-gateway';
import { startShards, type ShardProcesses } from '../support/redis';
import { eventually } from '../support/eventually';

jest.setTimeout(40_000);

const error = (text: string): ReplyError => new ReplyError(text);

describe.each([{ shards: 1 }, { shards: 3 }])('with $shards shards', ({ shards: shardCount }) => {
  let shards: ShardProcesses[];
  let gateways: RespGateway[];
  let a: RespClient;
  let b: RespClient;

  beforeAll(async () => {
    shards = await startShards(shardCount, 1);
    const configs = shards.map(({ config }) => config);
    gateways = [await openRespGateway({ shards: configs }), await openRespGateway({ shards: configs })];
  });
  beforeEach(async () => {
    [a, b] = (await Promise.all(gateways.map((gateway) => gateway.connect()))) as [RespClient, RespClient];
  });
  afterEach(() => {
    a.close();
    b.close();
  });
  afterAll(async () => {
    await Promise.all(gateways.map((gateway) => gateway.close()));
    await Promise.all(shards.map((shard) => shard.stop()));
  });

  /** All that the masters have, with the command that came last on each. */
  async function connections(): Promise<{ master: number; id: string; command: string }[]> {
    const lists = await Promise.all(shards.map(({ master }) => master.client.call('CLIENT', 'LIST')));
    return lists.flatMap((list, master) =>
      [...String(list).matchAll(/^id=(\d+) .* cmd=(\S+)/gm)].map(([, id = '', command = '']) => ({
        master,
        id,
        command,
      })),
    );
  }

  test('what is queued is carried out together, and read behind it', async () => {
    expect(
      await a.pipeline(
        ['SET', '{t}:a', '1'],
        ['GET', '{t}:a'],
        ['MULTI'],
        ['INCR', '{t}:a'],
        ['PING'],
        ['MSET', '{t}:b', 'x', '{t}:c', 'y'],
        ['MGET', '{t}:a', '{t}:b', '{t}:none'],
        ['ECHO', 'hello'],
        ['EXEC'],
        ['GET', '{t}:a'],
      ),
    ).toEqual([
      'OK',
      '1',
      'OK',
      ...Array.from({ length: 5 }, () => 'QUEUED'),
      [2, 'PONG', 'OK', ['2', 'x', null], 'hello'],
      '2',
    ]);
  });

  test('transactions in one packet keep their order', async () => {
    const replies = await a.pipeline(
      ...Array.from({ length: 50 }, (_, at) => [
        ['MULTI'],
        ['SET', '{t}:n', String(at)],
        ['EXEC'],
        ['GET', '{t}:n'],
      ]).flat(),
    );
    expect(replies.filter((_, at) => at % 4 === 3)).toEqual(
      Array.from({ length: 50 }, (_, at) => String(at)),
    );
  });

  test('what cannot be queued is refused at once, and EXEC with it', async () => {
    const aborted = error('EXECABORT Transaction discarded because of previous errors.');
    expect(await a.pipeline(['MULTI'], ['GET'], ['SET', 'k', 'v'], ['EXEC'], ['GET', 'k'])).toEqual([
      'OK',
      error("ERR wrong number of arguments for 'get' command"),
      'QUEUED',
      aborted,
      null,
    ]);
    expect(await a.pipeline(['MULTI'], ['EXEC', 'x'], ['PING'])).toEqual([
      'OK',
      error("EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command"),
      'PONG',
    ]);
    expect(await a.pipeline(['MULTI'], ['NOPE', 'x'], ['EXEC'])).toEqual([
      'OK',
      error("ERR unknown command 'NOPE', with args beginning with: 'x' "),
      aborted,
    ]);
    expect(await a.pipeline(['MULTI'], ['DEBUG', 'SLEEP', '0'], ['EXEC'])).toEqual([
      'OK',
      expect.any(ReplyError),
      aborted,
    ]);
  });

  test('what Redis finds wrong with a command only when it carries it out is found then', async () => {
    const replies = await a.pipeline(
      ['MULTI'],
      ['SET', '{t}:m', 'x'],
      ['MSET', '{t}:m', 'v', '{t}:m'],
      ['ZUNION', 'abc', '{t}:m'],
      ['UNWATCH'],
      ['SORT', '{t}:m', 'BOGUS'],
      ['COPY', '{t}:m', '{t}:n', 'BOGUS'],
      ['GET', '{t}:m'],
      ['EXEC'],
    );
    expect(replies.slice(1, -1)).toEqual(Array.from({ length: 7 }, () => 'QUEUED'));
    expect(replies.at(-1)).toEqual([
      'OK',
      error("ERR wrong number of arguments for 'mset' command"),
      error('ERR value is not an integer or out of range'),
      'OK',
      error('ERR syntax error'),
      error('ERR syntax error'),
      'x',
    ]);
    expect(await a.pipeline(['WATCH', '{t}:m'], ['MULTI'], ['UNWATCH'], ['EXEC'])).toEqual([
      'OK',
      'OK',
      'QUEUED',
      ['OK'],
    ]);
  });

  test('an EXEC that is refused says why, and ends the transaction', async () => {
    const because = (reason: string): ReplyError =>
      error(`EXECABORT Transaction discarded because of: ${reason}`);
    const stranger = await gateways[0]!.connectStranger();
    expect(await stranger.pipeline(['EXEC'], ['EXEC', 'x'], ['RESET'])).toEqual([
      because('NOAUTH Authentication required.'),
      because("wrong number of arguments for 'exec' command"),
      'RESET',
    ]);
    const secret = gateways[0]!.secretFor(['read', 'write']);
    const client = await gateways[0]!.connect(secret);
    await client.send('SUBSCRIBE', 'news');
    expect(await client.send('EXEC')).toEqual(
      because(
        "Can't execute 'exec': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context",
      ),
    );
  });

  test('whoever sends EXEC has the rights of that moment', async () => {
    const [gateway] = gateways as [RespGateway];
    const secret = gateway.secretFor(['read', 'write']);
    const client = await gateway.connect(secret);
    await client.pipeline(['MULTI'], ['SET', '{r}:a', 'x'], ['GET', '{r}:a']);
    gateway.regrant(secret, ['read', 'write'], ['mine:']);
    expect(await client.pipeline(['EXEC'], ['EXEC'])).toEqual([
      error('EXECABORT Transaction discarded because of previous errors.'),
      error('ERR EXEC without MULTI'),
    ]);
    expect(await a.send('EXISTS', '{r}:a')).toBe(0);
    gateway.regrant(secret, ['read', 'write']);
    await client.pipeline(['MULTI'], ['SET', 'mine:a', 'x'], ['GET', 'mine:a']);
    gateway.regrant(secret, ['read', 'write'], ['mine:']);
    expect(await client.send('EXEC')).toEqual(['OK', 'x']);
    if (shardCount > 1) return;
    gateway.regrant(secret, ['read', 'write']);
    expect(await client.pipeline(['MULTI'], ['SCAN', '0', 'COUNT', '1000'])).toEqual(['OK', 'QUEUED']);
    gateway.regrant(secret, ['read', 'write'], ['mine:']);
    expect(await client.send('EXEC')).toEqual([['0', ['mine:a']]]);
  });

  test('another version of the protocol loses what is watched', async () => {
    expect(await a.pipeline(['WATCH', '{w}:k'], ['HELLO', '2'], ['MULTI'], ['EXEC'])).toEqual([
      'OK',
      expect.anything(),
      'OK',
      [],
    ]);
    await a.send('HSET', '{w}:h', 'f', 'v');
    await a.pipeline(['WATCH', '{w}:h'], ['HELLO', '3']);
    expect((await a.sendRaw('HGETALL', '{w}:h')).toString()).toBe('%1\r\n$1\r\nf\r\n$1\r\nv\r\n');
    await a.send('MULTI');
    expect((await a.sendRaw('EXEC')).toString()).toBe('_\r\n');
    expect(await a.pipeline(['WATCH', '{w}:h'], ['MULTI'], ['PING'], ['EXEC'])).toEqual([
      'OK',
      'OK',
      'QUEUED',
      ['PONG'],
    ]);
  });

  test('no more than 1,000 keys are watched at a time, however often each is named', async () => {
    const keys = Array.from({ length: 1001 }, (_, at) => `{w}:${at}`);
    const tooMany = error('ERR A connection watches at most 1000 keys.');
    expect(
      await a.pipeline(
        ['WATCH', ...keys],
        ['WATCH', ...keys.slice(0, 999)],
        ['WATCH', ...Array.from({ length: 2000 }, () => '{w}:5')],
        ['WATCH', '{w}:999', '{w}:1000'],
        ['WATCH', '{w}:999', '{w}:0'],
        ['WATCH', '{w}:1000'],
        ['UNWATCH'],
        ['WATCH', '{w}:1000'],
      ),
    ).toEqual([tooMany, 'OK', 'OK', tooMany, 'OK', tooMany, 'OK', 'OK']);
    await b.send('SET', '{w}:1000', 'changed');
    expect(await a.pipeline(['MULTI'], ['EXEC'])).toEqual(['OK', null]);
  });

  test('MULTI does not nest, and EXEC and DISCARD need it', async () => {
    expect(
      await a.pipeline(
        ['EXEC'],
        ['DISCARD'],
        ['MULTI'],
        ['MULTI'],
        ['WATCH', 'k'],
        ['DISCARD'],
        ['MULTI'],
        ['EXEC'],
      ),
    ).toEqual([
      error('ERR EXEC without MULTI'),
      error('ERR DISCARD without MULTI'),
      'OK',
      error('ERR MULTI calls can not be nested'),
      error('ERR WATCH inside MULTI is not allowed'),
      'OK',
      'OK',
      [],
    ]);
  });

  test('an error within a transaction stands in its place', async () => {
    expect(
      await a.pipeline(['MULTI'], ['SET', '{t}:s', 'x'], ['LPUSH', '{t}:s', 'y'], ['GET', '{t}:s'], ['EXEC']),
    ).toEqual([
      'OK',
      'QUEUED',
      'QUEUED',
      'QUEUED',
      ['OK', error('WRONGTYPE Operation against a key holding the wrong kind of value'), 'x'],
    ]);
  });

  test('a watched key that another gateway changes voids the transaction', async () => {
    await a.send('SET', '{w}:k', '1');
    expect(await a.pipeline(['WATCH', '{w}:k'], ['GET', '{w}:k'])).toEqual(['OK', '1']);
    await b.send('SET', '{w}:k', '2');
    expect(await a.pipeline(['MULTI'], ['SET', '{w}:k', '3'], ['EXEC'], ['GET', '{w}:k'])).toEqual([
      'OK',
      'QUEUED',
      null,
      '2',
    ]);
    expect(await a.pipeline(['WATCH', '{w}:k'], ['MULTI'], ['SET', '{w}:k', '4'], ['EXEC'])).toEqual([
      'OK',
      'OK',
      'QUEUED',
      ['OK'],
    ]);
    expect(await b.send('GET', '{w}:k')).toEqual(expect.stringMatching(/^[24]$/));
  });

  test('UNWATCH, DISCARD and EXEC end the watching', async () => {
    for (const ending of [[['UNWATCH']], [['MULTI'], ['DISCARD']], [['MULTI'], ['EXEC']]]) {
      await a.pipeline(['WATCH', '{w}:k'], ...ending);
      await b.send('SET', '{w}:k', 'changed');
      expect(await a.pipeline(['MULTI'], ['SET', '{w}:k', 'x'], ['EXEC'])).toEqual(['OK', 'QUEUED', ['OK']]);
    }
  });

  test('a watched transaction without commands tells whether the key was changed', async () => {
    await a.send('WATCH', '{w}:k');
    expect(await a.pipeline(['MULTI'], ['PING'], ['EXEC'])).toEqual(['OK', 'QUEUED', ['PONG']]);
    await a.send('WATCH', '{w}:k');
    await b.send('SET', '{w}:k', 'changed');
    expect(await a.pipeline(['MULTI'], ['EXEC'])).toEqual(['OK', null]);
  });

  test('no increment is lost between gateways that watch, read near and write', async () => {
    await a.send('SET', '{w}:n', '0');
    const increment = async (client: RespClient): Promise<void> => {
      for (;;) {
        await client.send('WATCH', '{w}:n');
        const value = Number(await client.send('GET', '{w}:n'));
        const replies = await client.pipeline(['MULTI'], ['SET', '{w}:n', String(value + 1)], ['EXEC']);
        if (replies[2] !== null) return;
      }
    };
    const count = 40;
    await Promise.all(
      [a, b].map(async (client) => {
        for (let at = 0; at < count; at += 1) await increment(client);
      }),
    );
    expect(await a.send('GET', '{w}:n')).toBe(String(2 * count));
  });

  test('while keys are watched, a pipeline keeps its order across the two connections', async () => {
    for (let round = 0; round < 3; round += 1) {
      const value = String(round);
      // Reads on another connection would overtake the writes now.
      for (const { master } of shards) await master.client.call('CLIENT', 'PAUSE', '100', 'WRITE');
      expect(
        await a.pipeline(
          ['WATCH', '{w}:k'],
          ['SET', '{w}:other', value],
          ['GET', '{w}:other'],
          ['SET', 'elsewhere', value],
          ['MGET', '{w}:other', '{w}:none'],
          ['GET', 'elsewhere'],
          ['UNWATCH'],
          ['GET', '{w}:other'],
        ),
      ).toEqual(['OK', 'OK', value, 'OK', [value, null], value, 'OK', value]);
    }
  });

  test.each(['MGET', 'EXISTS', 'TOUCH'])(
    '%s reads what is at the place of the watched keys on the link that watches',
    async (name) => {
      const elsewhere = Array.from({ length: 20 }, (_, at) => `elsewhere:${at}`);
      expect(await a.send('WATCH', '{w}:k')).toBe('OK');
      // Links of clients that have gone end a moment later.
      const [link] = await eventually(async () => {
        const links = (await connections()).filter(({ command }) => command === 'watch');
        return links.length === 1 && links;
      });
      await a.send(name, '{w}:k', ...elsewhere);
      expect(await connections()).toContainEqual({ ...link, command: name.toLowerCase() });
    },
  );

  test('a link that is lost while it watches counts as a change', async () => {
    await a.send('SET', '{w}:lost', '1');
    expect(await a.pipeline(['WATCH', '{w}:lost'], ['GET', '{w}:lost'])).toEqual(['OK', '1']);
    // The one whose last command was GET and that nobody shares.
    for (const { master } of shards) {
      const list = String(await master.client.call('CLIENT', 'LIST'));
      for (const line of list.split('\n').filter((each) => / watch=[1-9]| cmd=get /.test(each)))
        await master.client.call('CLIENT', 'KILL', 'ID', /^id=(\d+)/.exec(line)![1]!).catch(() => undefined);
    }
    await eventually(async () => {
      // Reads go on, on a connection that is shared.
      expect(await a.send('GET', '{w}:lost')).toBe('1');
      return true;
    }, 5000);
    expect(await a.pipeline(['MULTI'], ['SET', '{w}:lost', '2'], ['EXEC'], ['GET', '{w}:lost'])).toEqual([
      'OK',
      'QUEUED',
      null,
      '1',
    ]);
  });

  test('the other protocol spells the same', async () => {
    await a.send('HELLO', '3');
    expect((await a.sendRaw('MULTI')).toString()).toBe('+OK\r\n');
    await a.send('HGETALL', '{t}:h');
    expect((await a.sendRaw('EXEC')).toString()).toBe('*1\r\n%0\r\n');
    await a.send('WATCH', '{w}:k');
    await b.send('SET', '{w}:k', 'changed');
    await a.send('MULTI');
    expect((await a.sendRaw('EXEC')).toString()).toBe('_\r\n');
  });

  test('RESET leaves nothing of it behind', async () => {
    await a.pipeline(['WATCH', '{w}:k'], ['MULTI'], ['SET', '{w}:k', 'x']);
    expect(await a.send('RESET')).toBe('RESET');
    expect(await a.pipeline(['AUTH', 'all-rights'], ['EXEC'])).toEqual([
      'OK',
      error('ERR EXEC without MULTI'),
    ]);
  });
});

test('keys of a transaction are at one place', async () => {
  const shards = await startShards(3, 0);
  const gateway = await openRespGateway({ shards: shards.map(({ config }) => config) });
  try {
    const client = await gateway.connect();
    const keys = Array.from({ length: 20 }, (_, at) => `place:${at}`);
    const replies = await client.pipeline(['MULTI'], ...keys.map((key) => ['SET', key, 'x']), ['EXEC']);
    const crossed = error("CROSSSLOT Keys in request don't hash to the same slot");
    expect(replies.slice(1, -1)).toContainEqual(crossed);
    expect(replies.at(-1)).toEqual(error('EXECABORT Transaction discarded because of previous errors.'));
    expect(await client.send('EXISTS', ...keys)).toBe(0);
    expect(await client.send('WATCH', ...keys)).toEqual(crossed);
    expect(await client.send('SINTER', ...keys)).toEqual(crossed);
    const forbidden = expect.objectContaining({ message: expect.stringMatching(/^NOPERM/) });
    const narrow = await gateway.connect(gateway.secretFor(SCOPES, ['place:']));
    for (const key of keys) {
      const other = `not-${key}`;
      expect(
        await narrow.pipeline(
          ['RENAME', 'place:0', other],
          ['DEL', 'place:0', other],
          ['WATCH', 'place:0', other],
          ['BLPOP', 'place:0', other, '0'],
          ['MULTI'],
          ['SET', 'place:0', 'x'],
          ['SET', other, 'x'],
          ['DISCARD'],
        ),
      ).toEqual([...Array.from({ length: 4 }, () => forbidden), 'OK', 'QUEUED', forbidden, 'OK']);
    }
  } finally {
    await gateway.close();
    await Promise.all(shards.map((shard) => shard.stop()));
  }
});

test('a key without a right to it cannot be queued', async () => {
  const shards = await startShards(1, 0);
  const gateway = await openRespGateway({ shards: shards.map(({ config }) => config) });
  try {
    const client = await gateway.connect(gateway.secretFor(['read', 'write'], ['mine:']));
    const replies = await client.pipeline(['MULTI'], ['SET', 'mine:a', 'x'], ['SET', 'other', 'x'], ['EXEC']);
    expect(replies[2]).toEqual(expect.objectContaining({ message: expect.stringMatching(/^NOPERM/) }));
    expect(replies[3]).toEqual(error('EXECABORT Transaction discarded because of previous errors.'));
    expect(await client.send('WATCH', 'other')).toEqual(
      expect.objectContaining({ message: expect.stringMatching(/^NOPERM/) }),
    );
    expect(await client.send('GET', 'mine:a')).toBeNull();
  } finally {
    await gateway.close();
    await Promise.all(shards.map((shard) => shard.stop()));
  }
});
