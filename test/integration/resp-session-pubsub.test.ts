/** Publishing and subscribing through the RESP door, over shards. */
import { eventually } from '../support/eventually';
import type { RespClient } from '../support/resp-client';
import { ReplyError } from '../support/resp-client';
import { openRespGateway, type RespGateway } from '../support/resp-gateway';
import { startShards, type ShardProcesses } from '../support/redis';

jest.setTimeout(40_000);

const CHANNELS = Array.from({ length: 12 }, (_, at) => `news:${at}`);

describe.each([{ shards: 1 }, { shards: 3 }])('with $shards shards', ({ shards: shardCount }) => {
  let shards: ShardProcesses[];
  let gateway: RespGateway;
  let publisher: RespClient;
  let subscriber: RespClient;

  beforeAll(async () => {
    shards = await startShards(shardCount, 0);
    gateway = await openRespGateway({ shards: shards.map(({ config }) => config) });
  });
  beforeEach(async () => {
    publisher = await gateway.connect();
    subscriber = await gateway.connect();
  });
  afterEach(() => {
    publisher.close();
    subscriber.close();
  });
  afterAll(async () => {
    await gateway.close();
    await Promise.all(shards.map((shard) => shard.stop()));
  });

  const subscribe = async (client: RespClient, command: string, names: readonly string[]): Promise<void> => {
    const first = await client.send(command, ...names);
    expect(first).toEqual([command.toLowerCase(), names[0], expect.any(Number)]);
    for (const name of names.slice(1)) {
      expect(await client.next()).toEqual([command.toLowerCase(), name, expect.any(Number)]);
    }
  };

  test('a message reaches each subscriber once, whichever shard its channel is on', async () => {
    await subscribe(subscriber, 'SUBSCRIBE', CHANNELS);
    for (const channel of CHANNELS) {
      expect(await publisher.send('PUBLISH', channel, `to ${channel}`)).toBe(1);
      expect(await subscriber.next()).toEqual(['message', channel, `to ${channel}`]);
    }
    expect(await publisher.send('PUBSUB', 'NUMSUB', ...CHANNELS)).toEqual(
      CHANNELS.flatMap((name) => [name, 1]),
    );
    expect([...((await publisher.send('PUBSUB', 'CHANNELS', 'news:*')) as string[])].sort()).toEqual(
      [...CHANNELS].sort(),
    );
  });

  test('a pattern matches on all shards, once each', async () => {
    await subscribe(subscriber, 'PSUBSCRIBE', ['news:*']);
    for (const channel of CHANNELS) await publisher.send('PUBLISH', channel, 'x');
    const seen = [];
    for (let at = 0; at < CHANNELS.length; at += 1) seen.push(await subscriber.next());
    // A channel keeps its order; channels on different shards have none.
    expect(seen.map((message) => (message as string[])[2]).sort()).toEqual([...CHANNELS].sort());
    expect(await publisher.send('PUBSUB', 'NUMPAT')).toBe(1);
    expect(await subscriber.send('PING', 'over')).toEqual(['pong', 'over']);
  });

  test('confirmations count over all shards, and unsubscribing from all names each', async () => {
    expect(await subscriber.send('SUBSCRIBE', 'c:1', 'c:2', 'c:3')).toEqual(['subscribe', 'c:1', 1]);
    expect(await subscriber.next()).toEqual(['subscribe', 'c:2', 2]);
    expect(await subscriber.next()).toEqual(['subscribe', 'c:3', 3]);
    expect(await subscriber.send('PSUBSCRIBE', 'p:*')).toEqual(['psubscribe', 'p:*', 4]);
    expect(await subscriber.send('SSUBSCRIBE', 's:1')).toEqual(['ssubscribe', 's:1', 1]);
    expect(await subscriber.send('SUBSCRIBE', 'c:1')).toEqual(['subscribe', 'c:1', 4]);
    expect(await subscriber.send('GET', 'x')).toEqual(
      new ReplyError(
        "ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context",
      ),
    );
    expect(await subscriber.send('UNSUBSCRIBE')).toEqual(['unsubscribe', 'c:1', 3]);
    expect(await subscriber.next()).toEqual(['unsubscribe', 'c:2', 2]);
    expect(await subscriber.next()).toEqual(['unsubscribe', 'c:3', 1]);
    expect(await subscriber.send('SUNSUBSCRIBE')).toEqual(['sunsubscribe', 's:1', 0]);
    expect(await subscriber.send('PUNSUBSCRIBE', 'p:*')).toEqual(['punsubscribe', 'p:*', 0]);
    expect(await subscriber.send('UNSUBSCRIBE')).toEqual(['unsubscribe', null, 0]);
    expect(await subscriber.send('SET', 'x', '1')).toBe('OK');
    expect(await publisher.send('PUBLISH', 'c:1', 'nobody')).toBe(0);
  });

  test('what is published on a shard channel reaches its subscribers', async () => {
    expect(await subscriber.send('SSUBSCRIBE', 's:2')).toEqual(['ssubscribe', 's:2', 1]);
    expect(await publisher.send('SPUBLISH', 's:2', 'x')).toBe(1);
    expect(await subscriber.next()).toEqual(['smessage', 's:2', 'x']);
  });

  test('in RESP3 messages are pushes, and come while other commands are asked and wait', async () => {
    await subscriber.send('HELLO', '3');
    subscriber.write('SUBSCRIBE news:1\r\n');
    expect(await subscriber.nextPush()).toEqual(['subscribe', 'news:1', 1]);
    expect(await subscriber.send('SET', 'r3', '1')).toBe('OK');
    expect(await subscriber.send('PING')).toBe('PONG');
    const popped = subscriber.send('BLPOP', 'r3:q', '0');
    await eventually(async () => (await publisher.send('PUBLISH', 'news:1', 'while blocked')) === 1, 2000);
    expect(await subscriber.nextPush()).toEqual(['message', 'news:1', 'while blocked']);
    await publisher.send('RPUSH', 'r3:q', 'job');
    expect(await popped).toEqual(['r3:q', 'job']);
  });

  test('events of keys come from every shard', async () => {
    for (const { master } of shards) await master.client.config('SET', 'notify-keyspace-events', 'KEA');
    await subscribe(subscriber, 'SUBSCRIBE', ['__keyevent@0__:del']);
    const keys = Array.from({ length: 9 }, (_, at) => `event:${at}`);
    await subscribe(
      subscriber,
      'SUBSCRIBE',
      keys.map((key) => `__keyspace@0__:${key}`),
    );
    const spaces = await gateway.connect();
    await subscribe(spaces, 'PSUBSCRIBE', ['__keyspace@0__:event:*']);
    for (const key of keys) await publisher.pipeline(['SET', key, 'x'], ['DEL', key]);
    const seen = [];
    for (let at = 0; at < 3 * keys.length; at += 1)
      seen.push(((await subscriber.next()) as string[]).slice(1));
    for (const key of keys) {
      expect(seen).toContainEqual(['__keyevent@0__:del', key]);
      expect(seen).toContainEqual([`__keyspace@0__:${key}`, 'set']);
      expect(seen).toContainEqual([`__keyspace@0__:${key}`, 'del']);
    }
    for (let at = 0; at < 2 * keys.length; at += 1) {
      expect(((await spaces.next()) as string[]).slice(0, 2)).toEqual(['pmessage', '__keyspace@0__:event:*']);
    }
    for (const { master } of shards) await master.client.config('SET', 'notify-keyspace-events', '');
  });

  test('a connection to the store that is lost ends that of the subscriber', async () => {
    await subscribe(subscriber, 'PSUBSCRIBE', ['lost:*']);
    for (const { master } of shards) await master.client.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
    await eventually(() => subscriber.hasEnded, 5000);
  });

  test('… at once, while it waits for an element too', async () => {
    await subscriber.send('HELLO', '3');
    subscriber.write('SUBSCRIBE lost:3\r\n');
    await subscriber.nextPush();
    subscriber.write('BLPOP lost:q 0\r\n');
    const blocked = async (): Promise<boolean> =>
      (await Promise.all(shards.map(({ master }) => master.client.info('clients')))).some((info) =>
        /blocked_clients:1/.test(info),
      );
    await eventually(blocked, 5000);
    for (const { master } of shards) await master.client.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
    await eventually(() => subscriber.hasEnded, 5000);
    await eventually(async () => !(await blocked()), 5000);
  });

  test('what a shard has counted as delivered while somebody subscribes is delivered', async () => {
    for (let round = 0; round < 20; round += 1) {
      const name = `hammer:${round}`;
      const client = await gateway.connect();
      const seen = { isConfirmed: false };
      const confirmation = client.send('SUBSCRIBE', name).finally(() => (seen.isConfirmed = true));
      let sent = 0;
      let counted = 0;
      while (!seen.isConfirmed || counted === 0) {
        const messages = Array.from({ length: 20 }, (_, at) => ['PUBLISH', name, String(sent + at)]);
        sent += messages.length;
        for (const count of await publisher.pipeline(...messages)) counted += Number(count);
      }
      expect(await confirmation).toEqual(['subscribe', name, 1]);
      for (let at = sent - counted; at < sent; at += 1)
        expect(await client.next()).toEqual(['message', name, String(at)]);
      client.close();
    }
  });

  test('a client hears only of what it has rights to, until it is revoked', async () => {
    const secret = gateway.secretFor(['read', 'write'], ['mine:']);
    const client = await gateway.connect(secret);
    for (const refused of [
      ['SUBSCRIBE', 'other'],
      ['SUBSCRIBE', 'mine:a', 'other'],
      ['PSUBSCRIBE', '*'],
      ['PSUBSCRIBE', 'mine*'],
      ['PSUBSCRIBE', '\\mine:*'],
      ['PSUBSCRIBE', '[m]ine:*'],
      ['SSUBSCRIBE', 'other'],
      ['SUBSCRIBE', '__keyspace@0__:mine:a'],
      ['PUBLISH', 'other', 'x'],
      ['PUBSUB', 'NUMSUB', 'other'],
      ['PUBSUB', 'NUMPAT'],
    ]) {
      expect(await client.send(...refused)).toEqual(
        expect.objectContaining({ message: expect.stringMatching(/^NOPERM/) }),
      );
    }
    await subscribe(client, 'SUBSCRIBE', ['mine:a']);
    await subscribe(client, 'PSUBSCRIBE', ['mine:*']);
    expect(await publisher.send('PUBLISH', 'mine:a', 'x')).toBe(2);
    expect([await client.next(), await client.next()]).toEqual(
      expect.arrayContaining([
        ['message', 'mine:a', 'x'],
        ['pmessage', 'mine:*', 'mine:a', 'x'],
      ]),
    );
    gateway.revoke(secret);
    await publisher.send('PUBLISH', 'mine:a', 'secret');
    await eventually(() => client.hasEnded, 5000);
    expect(client.unasked).toBe(0);
  });

  test('channels of the gateway and of Redis are nobody else’s', async () => {
    for (const name of ['__redis__:invalidate', 'ringcache:announcements']) {
      for (const command of ['SUBSCRIBE', 'SSUBSCRIBE']) {
        expect(await publisher.send(command, name)).toEqual(expect.any(ReplyError));
      }
      expect(await publisher.send('PUBLISH', name, 'x')).toEqual(expect.any(ReplyError));
    }
    await subscribe(subscriber, 'PSUBSCRIBE', ['*']);
    for (const { master } of shards) await master.client.publish('ringcache:announcements', 'x');
    await publisher.send('PUBLISH', 'last', 'x');
    expect(await subscriber.next()).toEqual(['pmessage', '*', 'last', 'x']);
  });

  test('RESET ends all subscriptions', async () => {
    await subscribe(subscriber, 'SUBSCRIBE', ['news:2']);
    expect(await subscriber.send('RESET')).toBe('RESET');
    await eventually(async () => (await publisher.send('PUBLISH', 'news:2', 'x')) === 0, 2000);
    expect(await subscriber.send('AUTH', 'all-rights')).toBe('OK');
    expect(await subscriber.send('GET', 'x-y-z')).toBeNull();
  });

  test('a subscriber that does not read is closed, and bounded until then', async () => {
    await subscribe(subscriber, 'SUBSCRIBE', ['flood']);
    subscriber.socket.pause();
    const message = 'x'.repeat(900_000);
    await eventually(async () => (await publisher.send('PUBLISH', 'flood', message)) === 0, 20_000);
    expect(gateway.log.lines.map(({ fields }) => (fields as { reason?: string }).reason)).toContainEqual(
      expect.stringMatching(/^(too many replies were not read|replies were read too slowly)$/),
    );
  });
});
