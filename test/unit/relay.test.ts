/** What the core does for relayed commands, over an engine whose replies the test gives. */
import type { Key } from '../../src/core/command';
import { CacheError } from '../../src/core/errors';
import { NearCache } from '../../src/core/near-cache';
import { LEASE_WITHOUT_END, type Cipher, type EngineRelay, type RelayRequest } from '../../src/core/ports';
import { permit, Relay, visible } from '../../src/core/relay';
import { createKeyring } from '../../src/cipher/keyring';
import { ask, askOn, commandOf, someone, transact, transactOn } from '../support/relay';

function createRelay(more: { cipher?: Cipher; encryptByDefault?: boolean } = {}) {
  const sent: RelayRequest[] = [];
  const forgotten: string[] = [];
  const engine: EngineRelay = {
    shardCount: 1,
    placeOf: () => 0,
    shardOf: () => 0,
    send: (_at, request) => sent.push(request),
    open: () => Promise.resolve({ send: (request) => sent.push(request), close: () => undefined }),
    subscribe: () => Promise.reject(new Error('not asked for')),
  };
  const relay = new Relay(engine, {
    cipher: more.cipher,
    encryptByDefault: more.encryptByDefault ?? false,
    defaultTtlMs: 0,
    forget: (key) => forgotten.push(key),
    forgetAll: () => forgotten.push('everything'),
  });
  return { relay, sent, forgotten };
}

const keyring = createKeyring([{ id: 'k1', bytes: Buffer.alloc(32, 1) }]);

describe('rights', () => {
  const reader = someone(['read'], 'a:');
  const claims: readonly [string, Parameters<typeof commandOf>[1]][] = [
    ['GET b:1', {}],
    ['MGET a:1 b:1', { keys: ['a:1', 'b:1'] }],
    ['SET a:1 v', {}],
    ['GETEX a:1', { scopes: ['read', 'write'] }],
    ['SCAN 0', { keys: [], isUnbounded: true }],
  ];

  it.each(claims)(
    '%s, of which something is not granted, is not sent, in no form',
    async (text, told = {}) => {
      const { relay, sent } = createRelay();
      const by = reader;
      const link = await relay.open(0, { protocol: 2, deadlineMs: 0, onEnd: () => undefined });
      const forms = [
        () => ask(relay, text, { ...told, by }),
        () => transact(relay, [text], { ...told, by }),
        () => askOn(link, text, { ...told, by }),
        () => transactOn(link, [text], { ...told, by }),
      ];
      for (const form of forms) await expect(form()).rejects.toMatchObject({ code: 'forbidden' });
      expect(sent).toEqual([]);
      expect(() => permit(by, commandOf(text, told))).toThrow('may not');
    },
  );

  it('are told only when `send` has returned', async () => {
    const { relay } = createRelay();
    let isTold = false;
    const caller = { settle: () => undefined, fail: () => (isTold = true) };
    const options = { protocol: 2, from: 'master', deadlineMs: 0 } as const;
    relay.send(0, reader, commandOf('GET b:1'), options, caller);
    expect(isTold).toBe(false);
    await Promise.resolve();
    expect(isTold).toBe(true);
  });

  it('let one part of a transaction keep all of it from being sent', async () => {
    const { relay, sent } = createRelay();
    const mixed = transact(relay, ['GET a:1', 'GET b:1'], { by: reader });
    await expect(mixed).rejects.toMatchObject({ code: 'forbidden' });
    expect(sent).toEqual([]);
  });

  it('of all keys allow what is not bounded, of nothing less', () => {
    const scan = commandOf('SCAN 0', { keys: [], isUnbounded: true });
    permit(someone(['read']), scan);
    permit(someone(['read'], 'a:', ''), scan);
    expect(() => permit(someone(['read'], 'a:'), scan)).toThrow();
  });

  it('hide the names of keys that are not granted', () => {
    const keys = ['a:1', 'b:1', 'a', 'a:2'] as Key[];
    expect(visible(reader, keys)).toEqual(['a:1', 'a:2']);
  });
});

describe('what a change made old', () => {
  const outcomes: readonly [string, (request: RelayRequest) => void][] = [
    ['settled', (request) => request.settle(Buffer.from('+OK\r\n'))],
    ['answered with an error', (request) => request.settle(Buffer.from('-ERR no\r\n'))],
    ['failed', (request) => request.fail(new CacheError('timeout', 'late'))],
  ];

  it.each(outcomes)('is forgotten before its caller hears that it %s', async (_name, end) => {
    const { relay, sent, forgotten } = createRelay();
    const heard = ask(relay, 'RENAME a b', { keys: ['a', 'b'] }).then(
      () => [...forgotten],
      () => [...forgotten],
    );
    expect(forgotten).toEqual([]);
    end(sent[0]!);
    expect(forgotten).toEqual(['a', 'b']);
    expect(await heard).toEqual(['a', 'b']);
  });

  it('is everything where it cannot name its keys, and each key of a transaction', async () => {
    const { relay, sent, forgotten } = createRelay();
    void ask(relay, 'FLUSHALL', { keys: [], isUnbounded: true });
    sent[0]!.settle(Buffer.from('+OK\r\n'));
    void transact(relay, ['SET a 1', 'GET b', 'DEL c', 'SET a 2']);
    sent[1]!.settle(Buffer.from('*0\r\n'));
    expect(forgotten).toEqual(['everything', 'a', 'b', 'c']);
    await expect(Promise.resolve()).resolves.toBeUndefined();
  });

  it('is what it names where it only tells of others, or needs the right to all', () => {
    const { relay, sent, forgotten } = createRelay();
    void ask(relay, 'SORT l BY w*', { keys: ['l'], isUnbounded: true, isWrite: false, isRepeatable: true });
    void ask(relay, 'RESTORE k', { isUnbounded: true, changesUnnamed: false });
    void transact(relay, ['RESTORE m'], { isUnbounded: true, changesUnnamed: false });
    for (const request of sent) request.settle(Buffer.from('+OK\r\n'));
    expect(forgotten).toEqual(['k', 'm']);
    expect(sent.map(({ changesUnnamed, isUnbounded }) => [changesUnnamed, isUnbounded])).toEqual(
      Array(3).fill([false, true]),
    );
  });

  it('is announced where it may have been a string', () => {
    const { relay, sent } = createRelay();
    void ask(relay, 'HSET h f v', { changesStrings: false });
    void ask(relay, 'SET k v');
    void transact(relay, ['SET a 1', 'GET b', 'SET a 2']);
    void transact(relay, ['HSET h f'], { changesStrings: false });
    expect(sent.map(({ announced }) => announced)).toEqual([[], ['k'], ['a'], []]);
  });

  it('is nothing for a read', () => {
    const { relay, sent, forgotten } = createRelay();
    void ask(relay, 'GET a', { from: 'any' });
    expect(sent[0]).toMatchObject({ from: 'any', isWrite: false });
    sent[0]!.settle(Buffer.from('$-1\r\n'));
    expect(forgotten).toEqual([]);
  });

  it('goes to the master, whatever the door asks for', () => {
    const { relay, sent } = createRelay();
    void ask(relay, 'SET a 1', { from: 'any' });
    expect(sent[0]).toMatchObject({ from: 'master' });
  });
});

describe('values', () => {
  const key = 'k' as Key;

  it('are sealed for their key where the deployment says so, and opened again', () => {
    const { relay, sent } = createRelay({ cipher: keyring, encryptByDefault: true });
    void ask(relay, 'SET k secret', { values: [{ at: 2, key }] });
    const stored = sent[0]!.commands[0]![2]!;
    expect(stored.includes('secret')).toBe(false);
    expect(relay.openValue(key, stored).toString()).toBe('secret');
    expect(() => relay.openValue('other' as Key, stored)).toThrow('cannot be decrypted');
  });

  it('are sent as they are where nothing is encrypted, and words that are none always', () => {
    const { relay, sent } = createRelay({ cipher: keyring });
    void ask(relay, 'SET k plain', { values: [{ at: 2, key }] });
    expect(sent[0]!.commands[0]!.join(' ')).toBe('SET k plain');
  });

  it('that look like an envelope are enveloped, so that they come back as they were', () => {
    const { relay, sent } = createRelay();
    const bytes = '\xfe\x72\x63\x01\x00x';
    void ask(relay, `SET k ${bytes}`, { values: [{ at: 2, key }] });
    const stored = sent[0]!.commands[0]![2]!;
    expect(stored.toString('latin1')).not.toBe(bytes);
    expect(relay.openValue(key, stored).toString('latin1')).toBe(bytes);
  });

  it('are never stored open where they should be sealed and there is no key', async () => {
    const { relay, sent } = createRelay({ encryptByDefault: true });
    const refused = ask(relay, 'SET k v', { values: [{ at: 2, key }] });
    await expect(refused).rejects.toMatchObject({ code: 'bad_request' });
    expect(sent).toEqual([]);
  });
});

it('forgetting everything voids entries and tickets, and lets later fills in', () => {
  const clock = { now: () => 0, wallMs: () => 0 };
  const near = new NearCache({ entries: 10, bytes: 10_000, ttlMs: 1000, clock });
  const [a, b] = ['a', 'b'] as Key[];
  near.fill(near.takeTicket(a!), 'old', Infinity, LEASE_WITHOUT_END);
  const late = near.takeTicket(b!);
  near.forgetAll();
  near.fill(late, 'old', Infinity, LEASE_WITHOUT_END);
  expect([near.get(a!), near.get(b!), near.status().entries]).toEqual([undefined, undefined, 0]);
  near.fill(near.takeTicket(a!), 'new', Infinity, LEASE_WITHOUT_END);
  expect(near.get(a!)).toBe('new');
});
