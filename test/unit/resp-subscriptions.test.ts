/** Subscriptions of a session over two shards whose confirmations and messages come as the test says. */
import type { Key } from '../../src/core/command';
import { Grants, SCOPES, type Principal } from '../../src/core/grants';
import type { SubscriberOptions, Words } from '../../src/core/ports';
import type { CacheRelay } from '../../src/core/relay';
import { findCommand } from '../../src/doors/resp/find-command';
import type { SessionState } from '../../src/doors/resp/session-state';
import { SessionWork } from '../../src/doors/resp/session-work';
import { Subscriptions } from '../../src/doors/resp/subscriptions';
import { eventually } from '../support/eventually';
import { requestBytes } from '../support/resp-wire';
import { USUAL_LIMITS } from '../support/usual-limits';

const PRINCIPAL: Principal = { id: 'p', name: 'p', grants: new Grants(SCOPES, []) };

interface Shard {
  readonly told: string[];
  options: SubscriberOptions | undefined;
  isClosed: boolean;
}

function frame(...words: string[]): Buffer {
  return requestBytes(words);
}

function confirmation(command: string, name: string): Buffer {
  return Buffer.from(`*3\r\n$${command.length}\r\n${command}\r\n$${name.length}\r\n${name}\r\n:1\r\n`);
}

function open() {
  const shards: Shard[] = [0, 1].map(() => ({ told: [], options: undefined, isClosed: false }));
  /** What begins with `one` is there. */
  const where = { one: 1, shardCount: 2 };
  const relay = {
    get shardCount() {
      return where.shardCount;
    },
    defaultTtlMs: 0,
    encryptsByDefault: false,
    shardOf: (key: Key) => (key.startsWith('one') ? where.one : 0),
    subscribe: (at: number, options: SubscriberOptions) => {
      const shard = shards[at]!;
      shard.options = options;
      return Promise.resolve({
        tell: (words: Words) => shard.told.push(words.join(' ')),
        close: () => (shard.isClosed = true),
      });
    },
  } as unknown as CacheRelay;
  const output: string[] = [];
  const state = {
    deps: {
      limits: USUAL_LIMITS,
      clock: { now: () => 0 },
      places: { take: () => true, release: () => undefined },
      upstreams: { take: () => true, release: () => undefined },
      log: { info: () => undefined },
    },
    protocol: 2,
    subscriptions: 0,
    address: 'client',
    credential: { principal: () => PRINCIPAL },
    isClosed: false,
    close() {
      this.isClosed = true;
    },
    replies: {
      owed: 0,
      settled: () => Promise.resolve(),
      write: (reply: Buffer) => output.push(reply.toString().split('\r\n')[2]!),
      push: (message: Buffer) => output.push(message.toString().split('\r\n').at(-2)!),
    },
  };
  const subscriptions = new Subscriptions(new SessionWork(state as unknown as SessionState, relay));
  const perform = (...words: string[]): Promise<void> => performAs(PRINCIPAL, ...words);
  const performAs = (principal: Principal, ...words: string[]): Promise<void> => {
    const buffers = words.map((word) => Buffer.from(word));
    const spec = findCommand(buffers);
    if (spec === undefined || typeof spec === 'string') throw new Error('no command');
    return subscriptions.perform(principal, spec, buffers);
  };
  /** SUBSCRIBE, to channels of the second shard, and each of them confirmed. */
  const subscribe = async (principal: Principal, ...names: string[]): Promise<void> => {
    const done = performAs(principal, 'SUBSCRIBE', ...names);
    for (const name of names) {
      await eventually(() => shards[1]!.told.includes(`subscribe ${name}`));
      shards[1]!.options!.onMessage(confirmation('subscribe', name));
    }
    await done;
  };
  return { shards, where, output, state, subscriptions, perform, performAs, subscribe };
}

test('a message does not come before the confirmation of its subscription', async () => {
  const { shards, output, perform } = open();
  const done = perform('PSUBSCRIBE', 'n*');
  await eventually(() => shards.every(({ told }) => told.length === 1));
  shards[0]!.options!.onMessage(confirmation('psubscribe', 'n*'));
  shards[0]!.options!.onMessage(frame('pmessage', 'n*', 'news', 'too early'));
  expect(output).toEqual([]);
  shards[1]!.options!.onMessage(confirmation('psubscribe', 'n*'));
  await done;
  shards[0]!.options!.onMessage(frame('pmessage', 'n*', 'news', 'in time'));
  expect(output).toEqual(['psubscribe', 'in time']);
});

test('what comes in one packet with the confirmation is not lost, nor is it told before it', async () => {
  const { shards, output, perform } = open();
  const done = perform('SUBSCRIBE', 'one');
  await eventually(() => shards[1]!.told.length === 1);
  shards[1]!.options!.onMessage(confirmation('subscribe', 'one'));
  shards[1]!.options!.onMessage(frame('message', 'one', 'first'));
  expect(output).toEqual(['subscribe', 'first']);
  await done;
  const left = perform('UNSUBSCRIBE', 'one');
  await eventually(() => shards[1]!.told.length === 2);
  shards[1]!.options!.onMessage(frame('message', 'one', 'last'));
  shards[1]!.options!.onMessage(confirmation('unsubscribe', 'one'));
  shards[1]!.options!.onMessage(frame('message', 'one', 'too late'));
  expect(output).toEqual(['subscribe', 'first', 'last', 'unsubscribe']);
  await left;
});

test('a shard channel that moves to another shard ends the connection', async () => {
  const { shards, state, output, perform } = open();
  const done = perform('SSUBSCRIBE', 'one');
  await eventually(() => shards[1]!.told.length === 1);
  shards[1]!.options!.onMessage(confirmation('ssubscribe', 'one'));
  await done;
  shards[1]!.options!.onMessage(confirmation('sunsubscribe', 'other'));
  expect(state.isClosed).toBe(false);
  shards[1]!.options!.onMessage(confirmation('sunsubscribe', 'one'));
  expect(state.isClosed).toBe(true);
  shards[1]!.options!.onMessage(frame('smessage', 'one', 'too late'));
  expect(output).toEqual(['ssubscribe']);
});

test('a shard that refuses a subscription ends the connection at once', async () => {
  const { shards, state, perform } = open();
  const done = perform('SSUBSCRIBE', 'one');
  await eventually(() => shards[1]!.told.length === 1);
  shards[1]!.options!.onMessage(Buffer.from('-MOVED 1 127.0.0.1:1\r\n'));
  await expect(done).rejects.toMatchObject({ code: 'unavailable' });
  expect(state.isClosed).toBe(true);
});

test('unsubscribing goes where the channel was subscribed to, wherever it would be now', async () => {
  const { shards, where, output, perform, subscribe } = open();
  await subscribe(PRINCIPAL, 'one');
  where.one = 0;
  const done = perform('UNSUBSCRIBE', 'one');
  await eventually(() => shards.some(({ told }) => told.includes('unsubscribe one')));
  shards[1]!.options!.onMessage(confirmation('unsubscribe', 'one'));
  await done;
  expect(shards[0]!.told).toEqual([]);
  expect(output).toEqual(['subscribe', 'unsubscribe']);
});

test('other shards than those that were subscribed to end the connection', async () => {
  const { where, state, subscriptions, perform, subscribe } = open();
  await subscribe(PRINCIPAL, 'one');
  subscriptions.recheck();
  expect(state.isClosed).toBe(false);
  where.shardCount = 3;
  await expect(perform('SUBSCRIBE', 'one:b')).rejects.toMatchObject({ code: 'unavailable' });
  expect(state.isClosed).toBe(true);

  const idle = open();
  await idle.subscribe(PRINCIPAL, 'one');
  idle.where.shardCount = 3;
  idle.subscriptions.recheck();
  expect(idle.state.isClosed).toBe(true);
});

test('a pattern of reserved channels alone never brings a message of theirs', async () => {
  for (const pattern of ['__redis__*', '__redis__:inv*', 'ring*', 'ringcache:announcement?']) {
    const { shards, output, perform } = open();
    const done = perform('PSUBSCRIBE', pattern);
    await eventually(() => shards.every(({ told }) => told.length === 1));
    for (const { options } of shards) options!.onMessage(confirmation('psubscribe', pattern));
    await done;
    for (const { options } of shards) {
      for (const channel of ['__redis__:invalidate', 'ringcache:announcements'])
        options!.onMessage(frame('pmessage', pattern, channel, 'secret'));
    }
    expect(output).toEqual(['psubscribe']);
  }
});

test('what matches a pattern comes from the shard of its channel alone, and events from all', async () => {
  const { shards, output, perform } = open();
  const done = perform('PSUBSCRIBE', '*');
  await eventually(() => shards.every(({ told }) => told.length === 1));
  for (const { options } of shards) options!.onMessage(confirmation('psubscribe', '*'));
  await done;
  for (const [at, { options }] of shards.entries()) {
    for (const channel of [
      'one',
      'zero',
      '__keyspace@0__:one',
      '__keyevent@0__:del',
      'ringcache:announcements',
    ]) {
      options!.onMessage(frame('pmessage', '*', channel, `${channel} ${at}`));
    }
  }
  expect(output.slice(1)).toEqual([
    'zero 0',
    '__keyevent@0__:del 0',
    'one 1',
    '__keyspace@0__:one 1',
    '__keyevent@0__:del 1',
  ]);
});

test('who has lost the right to a channel hears no more of it, and is shown out', async () => {
  const { shards, output, state, perform } = open();
  const done = perform('SUBSCRIBE', 'one', 'one:b');
  for (const name of ['one', 'one:b']) {
    await eventually(() => shards[1]!.told.includes(`subscribe ${name}`));
    shards[1]!.options!.onMessage(confirmation('subscribe', name));
  }
  await done;
  let grants = new Grants(SCOPES, ['one' as Key]);
  state.credential.principal = () => ({ ...PRINCIPAL, grants });
  shards[1]!.options!.onMessage(frame('message', 'one', 'still'));
  grants = new Grants(SCOPES, ['one:' as Key]);
  shards[1]!.options!.onMessage(frame('message', 'one:b', 'no more'));
  shards[1]!.options!.onMessage(frame('message', 'one', 'no more'));
  expect(output).toEqual(['subscribe', 'subscribe', 'still']);
  expect(state.isClosed).toBe(true);
});

test('a new subscription does not hide that the right to an earlier one is gone', async () => {
  const { shards, output, state, subscriptions, performAs, subscribe } = open();
  await subscribe(PRINCIPAL, 'one:old');
  const narrowed: Principal = { ...PRINCIPAL, grants: new Grants(SCOPES, ['one:new' as Key]) };
  state.credential.principal = () => narrowed;
  await expect(performAs(narrowed, 'SUBSCRIBE', 'one:new')).rejects.toMatchObject({ code: 'forbidden' });
  expect(() => subscriptions.recheck()).toThrow(expect.objectContaining({ code: 'forbidden' }));
  shards[1]!.options!.onMessage(frame('message', 'one:old', 'no more'));
  expect(output).toEqual(['subscribe']);
  expect(state.isClosed).toBe(true);
});

test('what becomes subscribed after the rights have changed is checked against those of now', async () => {
  const { shards, state, subscriptions, performAs, subscribe } = open();
  await subscribe(PRINCIPAL, 'one:a');
  const done = performAs(PRINCIPAL, 'SUBSCRIBE', 'one:b');
  await eventually(() => shards[1]!.told.includes('subscribe one:b'));
  const narrowed: Principal = { ...PRINCIPAL, grants: new Grants(SCOPES, ['one:a' as Key]) };
  state.credential.principal = () => narrowed;
  subscriptions.recheck();
  shards[1]!.options!.onMessage(confirmation('subscribe', 'one:b'));
  await done;
  expect(() => subscriptions.recheck()).toThrow(expect.objectContaining({ code: 'forbidden' }));
});

test('no more than 1,000 patterns and 16,384 channels, however often each is named', async () => {
  const { performAs, shards } = open();
  const names = (count: number): string[] => Array.from({ length: count }, (_, at) => `one:${at}`);
  await expect(performAs(PRINCIPAL, 'PSUBSCRIBE', ...names(1001))).rejects.toMatchObject({
    code: 'too_large',
  });
  await expect(performAs(PRINCIPAL, 'SUBSCRIBE', ...names(16_385))).rejects.toMatchObject({
    code: 'too_large',
  });
  expect(shards.flatMap(({ told }) => told)).toEqual([]);
  // It is let in; nobody confirms it.
  performAs(PRINCIPAL, 'PSUBSCRIBE', ...names(1000), ...names(1000)).catch(() => undefined);
  await eventually(() => shards.every(({ told }) => told.length === 1));
});

test('a connection that is lost ends that of the client, and the end of the client closes all of them', async () => {
  const { shards, state, subscriptions, perform } = open();
  const done = perform('SUBSCRIBE', 'one');
  await eventually(() => shards[1]!.told.length === 1);
  shards[1]!.options!.onMessage(confirmation('subscribe', 'one'));
  await done;
  expect(state.subscriptions).toBe(1);
  expect(shards[0]!.options).toBeUndefined();
  shards[1]!.options!.onEnd();
  expect(state.isClosed).toBe(true);
  subscriptions.end();
  await eventually(() => shards[1]!.isClosed);
});
