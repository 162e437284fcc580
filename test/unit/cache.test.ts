/**
 * The core against an engine whose answers the test holds back, so that each interleaving happens as written.
 */
import { createKeyring } from '../../src/cipher/keyring';
import type { Key } from '../../src/core/command';
import { CacheError } from '../../src/core/errors';
import { LEASE_WITHOUT_END } from '../../src/core/ports';
import { encodeValue } from '../../src/core/value';
import { read, remove, write } from '../support/commands';
import { anyone, createHeldCache, DEADLINE_MS, found, principal } from '../support/held-cache';

const K = 'k' as Key;

const hit = (value: string, source: string) => ({ command: 'READ', status: 'SUCCESS', value, source });

describe('a READ', () => {
  it('asks the engine once and then answers from the near cache, in the same tick', async () => {
    const { cache, asked, run } = createHeldCache();
    const first = run(read('k'));
    asked[0]!.answer(found('v'));
    expect(await first).toEqual(hit('v', 'replica'));
    expect(cache.execute(anyone, read('k'), DEADLINE_MS)).toEqual(hit('v', 'near'));
    expect(asked).toHaveLength(1);
  });

  it('shares the flight of others that miss the same key', async () => {
    const { asked, run } = createHeldCache();
    const both = Promise.all([run(read('k')), run(read('k'))]);
    expect(asked).toHaveLength(1);
    asked[0]!.answer(found('v'));
    expect(await both).toEqual([hit('v', 'replica'), hit('v', 'replica')]);
  });

  it('that boarded a flight with less time than its own departs once more when that comes too late', async () => {
    const { cache, asked, clock } = createHeldCache();
    const hasty = Promise.resolve(cache.execute(anyone, read('k'), 100));
    const patient = Promise.resolve(cache.execute(anyone, read('k'), 2000));
    clock.nowMs = 100;
    asked[0]!.fail(new CacheError('timeout', 'late'));
    expect(await hasty).toMatchObject({ error: { code: 'timeout' } });
    expect(asked[1]).toMatchObject({ key: 'k', details: { deadlineMs: 2000 } });
    asked[1]!.answer(found('v'));
    expect(await patient).toEqual(hit('v', 'replica'));
  });

  it('R13: does not remember a miss', async () => {
    const { asked, run } = createHeldCache();
    const first = run(read('k'));
    asked[0]!.answer(undefined);
    expect(await first).toEqual({ command: 'READ', status: 'NOT_FOUND' });
    void run(read('k'));
    expect(asked).toHaveLength(2);
  });

  it('does not remember a value whose life is not known', async () => {
    const { near, asked, run } = createHeldCache();
    const first = run(read('k'));
    asked[0]!.answer(found('v', { remainingMs: undefined }));
    await first;
    expect(near.holds(K)).toBe(false);
  });

  it('R7: remembers a value for its own remaining life, counted from the question', async () => {
    const { near, asked, run, clock } = createHeldCache();
    clock.nowMs = 1000;
    const first = run(read('k'));
    clock.nowMs = 1400;
    asked[0]!.answer(found('v', { remainingMs: 500, askedAtMs: 1000 }));
    await first;
    clock.nowMs = 1499;
    expect(near.holds(K)).toBe(true);
    clock.nowMs = 1500;
    expect(near.holds(K)).toBe(false);
  });

  it.each(['strong', 'session'] as const)(
    'that is %s passes the near cache and the flights by',
    async (consistency) => {
      const { near, asked, run } = createHeldCache();
      near.fill(near.takeTicket(K), 'old', Infinity, LEASE_WITHOUT_END);
      void run(read('other'));
      const strong = run(read('k', consistency));
      expect(asked[1]).toMatchObject({ key: 'k', details: { consistency } });
      asked[1]!.answer(found('new', { source: 'master' }));
      expect(await strong).toEqual(hit('new', 'master'));
    },
  );

  it('that fails says so in a reply, and takes no place in the near cache', async () => {
    const { asked, run } = createHeldCache();
    const reply = run(read('k'));
    asked[0]!.fail(new CacheError('unavailable', 'gone'));
    expect(await reply).toMatchObject({ command: 'READ', status: 'ERROR', error: { code: 'unavailable' } });
  });

  it('that fails in a way nobody foresaw is internal, and tells the caller nothing', async () => {
    const { asked, run } = createHeldCache();
    const reply = run(read('k'));
    asked[0]!.fail(new TypeError('secret detail'));
    const { error } = (await reply) as { error: CacheError };
    expect(error.code).toBe('internal');
    expect(error.message).not.toContain('secret');
    expect(error.cause).toBeInstanceOf(TypeError);
  });
});

describe('after an acked change on this gateway (C2)', () => {
  it.each([
    ['WRITE', write('k', 'new'), true],
    ['DELETE', remove('k'), true],
  ])('%s: a value that a READ brings late is never kept', async (_name, change, answer) => {
    const { near, asked, run } = createHeldCache();
    const early = run(read('k'));
    const changed = run(change);
    asked[1]!.answer(answer);
    await changed;
    asked[0]!.answer(found('old'));
    expect(await early).toEqual(hit('old', 'replica'));
    expect(near.holds(K)).toBe(false);
  });

  it('a READ does not board a flight that left before', async () => {
    const { asked, run } = createHeldCache();
    const early = run(read('k'));
    const written = run(write('k', 'new'));
    asked[1]!.answer(true);
    await written;
    const later = run(read('k'));
    expect(asked).toHaveLength(3);
    asked[2]!.answer(found('new'));
    asked[0]!.answer(found('old'));
    expect(await later).toEqual(hit('new', 'replica'));
    expect(await early).toEqual(hit('old', 'replica'));
  });

  it('a READ does not hit what was kept while the change was under way', async () => {
    const { asked, run } = createHeldCache();
    const written = run(write('k', 'new'));
    const meanwhile = run(read('k'));
    asked[1]!.answer(found('old'));
    await meanwhile;
    asked[0]!.answer(true);
    await written;
    void run(read('k'));
    expect(asked).toHaveLength(3);
  });

  it('R8: a WRITE puts nothing in the near cache, where a later foreign change may have been announced', async () => {
    const { cache, near, asked, run } = createHeldCache();
    const written = run(write('k', 'mine'));
    // Redis has carried out this WRITE, then somebody else's, and that was announced before this one's reply came.
    cache.forget(K);
    asked[0]!.answer(true);
    await written;
    expect(near.holds(K)).toBe(false);
    void run(read('k'));
    expect(asked).toHaveLength(2);
  });

  it('even one that failed, since it may stand', async () => {
    const { near, asked, run } = createHeldCache();
    near.fill(near.takeTicket(K), 'old', Infinity, LEASE_WITHOUT_END);
    const written = run(write('k', 'new'));
    asked[0]!.fail(new CacheError('timeout', 'no answer'));
    expect(await written).toMatchObject({ status: 'ERROR' });
    expect(near.holds(K)).toBe(false);
  });
});

describe('after a foreign change was announced', () => {
  it('R1: a value that a READ brings late is answered and never kept', async () => {
    const { cache, near, asked, run } = createHeldCache();
    const early = run(read('k'));
    cache.forget(K);
    asked[0]!.answer(found('old'));
    expect(await early).toEqual(hit('old', 'replica'));
    expect(near.holds(K)).toBe(false);
  });

  it('R1: a READ does not board a flight that left before', async () => {
    const { cache, asked, run } = createHeldCache();
    void run(read('k'));
    cache.forget(K);
    const later = run(read('k'));
    expect(asked).toHaveLength(2);
    asked[1]!.answer(found('new'));
    expect(await later).toEqual(hit('new', 'replica'));
  });

  it('R4, R9: a value that was read under a lease that has ended since is not kept', async () => {
    const { near, asked, run } = createHeldCache();
    const lease = { endsMs: Infinity };
    const early = run(read('k'));
    lease.endsMs = -Infinity;
    asked[0]!.answer(found('old', { lease }));
    await early;
    expect(near.status().entries).toBe(0);
  });

  it('R5: a value of which no change would be announced is not kept', async () => {
    const { near, asked, run } = createHeldCache();
    const reply = run(read('k'));
    asked[0]!.answer(found('v', { lease: undefined }));
    await reply;
    expect(near.status().entries).toBe(0);
  });
});

it('R14: a value that does not decrypt is corrupt, and is not kept', async () => {
  const keyring = (id: string) => createKeyring([{ id, bytes: Buffer.alloc(32, id) }]);
  const { near, asked, run } = createHeldCache({ cipher: keyring('new') });
  const reply = run(read('k'));
  asked[0]!.answer(found('', { bytes: encodeValue(K, 'secret', keyring('retired')) }));
  expect(await reply).toMatchObject({ status: 'ERROR', error: { code: 'corrupt_value' } });
  expect(near.status().entries).toBe(0);
});

describe('a WRITE', () => {
  it('hands on its life, its condition and its acks, and the default life where it names none', () => {
    const { asked, run } = createHeldCache({ defaultTtlMs: 7000 });
    void run(write('k', 'v', { ttlMs: 1500, condition: 'NX', ack: 2 }));
    void run(write('k', 'v'));
    void run(write('k', 'v', { ttlMs: 0 }));
    expect(asked[0]!.details).toMatchObject({
      ttlMs: 1500,
      condition: 'NX',
      ack: 2,
      deadlineMs: DEADLINE_MS,
    });
    expect(asked[1]!.details).toMatchObject({ ttlMs: 7000, condition: undefined, ack: 0 });
    expect(asked[2]!.details).toMatchObject({ ttlMs: 0 });
  });

  it('whose condition is not met is NOT_STORED', async () => {
    const { asked, run } = createHeldCache();
    const reply = run(write('k', 'v', { condition: 'XX' }));
    asked[0]!.answer(false);
    expect(await reply).toMatchObject({ command: 'WRITE', status: 'NOT_STORED' });
  });

  it('that asks for encryption where there are no keys is refused, and nothing is stored', async () => {
    const { asked, run } = createHeldCache();
    expect(await run(write('k', 'v', { encrypt: true }))).toMatchObject({ error: { code: 'bad_request' } });
    expect(asked).toHaveLength(0);
  });

  it('tells apart a key that was deleted and one that was not there', async () => {
    const { asked, run } = createHeldCache();
    const replies = Promise.all([run(remove('a')), run(remove('b'))]);
    asked[0]!.answer(true);
    asked[1]!.answer(false);
    expect((await replies).map((reply) => reply.status)).toEqual(['SUCCESS', 'NOT_FOUND']);
  });
});

describe('rights', () => {
  const commands = [read('team-a:k'), write('team-a:k', 'v'), remove('team-a:k')];

  it.each([
    ['read', ['READ']],
    ['write', ['WRITE']],
    ['delete', ['DELETE']],
    ['admin', []],
  ] as const)('the scope %s allows %j and nothing else', async (scope, allowed) => {
    for (const command of commands) {
      const { asked, run } = createHeldCache();
      const reply = run(command, principal([scope]));
      if ((allowed as readonly string[]).includes(command.command)) expect(asked).toHaveLength(1);
      else {
        expect(await reply).toMatchObject({ status: 'ERROR', error: { code: 'forbidden' } });
        expect(asked).toHaveLength(0);
      }
    }
  });

  it('a key outside the prefixes is refused whether it exists or not, near cache included', async () => {
    const { near, asked, run } = createHeldCache();
    const guest = principal(['read', 'write', 'delete'], ['team-b:', 'team-c:']);
    near.fill(near.takeTicket('team-a:k' as Key), 'v', Infinity, LEASE_WITHOUT_END);
    for (const command of commands) {
      expect(await run(command, guest)).toMatchObject({ status: 'ERROR', error: { code: 'forbidden' } });
    }
    expect(asked).toHaveLength(0);
    void run(read('team-c:k'), guest);
    expect(asked).toHaveLength(1);
  });

  it('the place of a key is for admins who may see the key', async () => {
    const { cache } = createHeldCache();
    const guest = principal(['read', 'write', 'delete']);
    await expect(cache.locate(guest, K, 1)).rejects.toMatchObject({ code: 'forbidden' });
    await expect(cache.locate(principal(['admin'], ['x:']), K, 1)).rejects.toMatchObject({
      code: 'forbidden',
    });
    await expect(cache.locate(anyone, K, 1)).resolves.toMatchObject({ shard: 's', near: false });
  });
});

describe('a batch', () => {
  it('runs different keys in parallel and the commands of one key in their order', async () => {
    const { cache, asked } = createHeldCache();
    const replies = cache.executeBatch(
      anyone,
      [write('a', '1'), read('a'), write('b', '2'), remove('a')],
      DEADLINE_MS,
    );
    expect(asked.map(({ what, key }) => `${what} ${key}`)).toEqual(['write a', 'write b']);
    asked[1]!.answer(true);
    asked[0]!.answer(true);
    await new Promise(setImmediate);
    expect(asked.slice(2).map(({ what, key }) => `${what} ${key}`)).toEqual(['read a']);
    asked[2]!.answer(found('1'));
    await new Promise(setImmediate);
    expect(asked[3]).toMatchObject({ what: 'remove', key: 'a' });
    asked[3]!.answer(true);
    expect(await replies).toMatchObject([
      { command: 'WRITE', status: 'SUCCESS' },
      hit('1', 'replica'),
      { command: 'WRITE', status: 'SUCCESS' },
      { command: 'DELETE', status: 'SUCCESS' },
    ]);
  });

  it('of near hits is answered in the same tick', () => {
    const { cache, near } = createHeldCache();
    near.fill(near.takeTicket(K), 'v', Infinity, LEASE_WITHOUT_END);
    expect(cache.executeBatch(anyone, [read('k'), read('k')], DEADLINE_MS)).toEqual([
      hit('v', 'near'),
      hit('v', 'near'),
    ]);
  });

  it('goes on after a command that failed, on the same key too', async () => {
    const { cache, asked } = createHeldCache();
    const replies = cache.executeBatch(anyone, [write('a', '1'), read('a')], DEADLINE_MS);
    asked[0]!.fail(new CacheError('out_of_memory', 'full'));
    await new Promise(setImmediate);
    asked[1]!.answer(undefined);
    expect(await replies).toMatchObject([{ status: 'ERROR' }, { status: 'NOT_FOUND' }]);
  });

  it('whose values do not fit into one answer is answered as far as they do', async () => {
    const { cache, asked } = createHeldCache();
    const replies = cache.executeBatch(anyone, [read('a'), read('b'), read('c'), remove('d')], DEADLINE_MS);
    const value = 'x'.repeat(30 * 1024 * 1024);
    for (const question of asked) question.answer(question.what === 'read' ? found(value) : true);
    expect(
      (await replies).map((reply) => (reply.status === 'ERROR' ? reply.error.code : reply.status)),
    ).toEqual(['SUCCESS', 'SUCCESS', 'too_large', 'SUCCESS']);
  });

  it('carries out no further READ once a value did not fit, and every change', async () => {
    const { cache, asked } = createHeldCache();
    const keys = Array.from({ length: 100 }, (_, n) => `k${n}`);
    const replies = cache.executeBatch(
      anyone,
      [...keys.map((key) => read(key)), write('w', 'v')],
      DEADLINE_MS,
    );
    const value = 'x'.repeat(8 * 1024 * 1024);
    for (let answered = 0; asked.at(-1)?.what !== 'write';) {
      // Values of this size are asked for two at a time once their size is known.
      expect(asked.length - answered).toBeLessThanOrEqual(answered === 0 ? 16 : 2);
      for (; answered < asked.length; answered += 1) asked[answered]!.answer(found(value));
      await new Promise(setImmediate);
    }
    asked.at(-1)!.answer(true);
    const statuses = (await replies).map((reply) => reply.status);
    expect(statuses.slice(0, 8)).toEqual(Array.from({ length: 8 }, () => 'SUCCESS'));
    expect(new Set(statuses.slice(8, 100))).toEqual(new Set(['ERROR']));
    expect(statuses[100]).toBe('SUCCESS');
    expect(asked.filter(({ what }) => what === 'read')).toHaveLength(16);
  });

  it('asks the engine for a bounded number of keys at a time', async () => {
    const { cache, asked } = createHeldCache();
    const commands = Array.from({ length: 1000 }, (_, n) => read(`k${n}`));
    const replies = cache.executeBatch(anyone, commands, DEADLINE_MS);
    let rounds = 0;
    for (let answered = 0; answered < 1000; rounds += 1) {
      expect(asked.length - answered).toBeLessThanOrEqual(250);
      for (; answered < asked.length; answered += 1) asked[answered]!.answer(found(`v${answered}`));
      await new Promise(setImmediate);
    }
    expect(rounds).toBe(5);
    expect((await replies).map((reply) => 'value' in reply && reply.value)).toEqual(
      commands.map((_, n) => `v${n}`),
    );
  });
});

it('with the near cache off, misses are still shared and nothing is kept', async () => {
  const { near, asked, run } = createHeldCache({ nearEntries: 0 });
  const both = Promise.all([run(read('k')), run(read('k'))]);
  expect(asked).toHaveLength(1);
  expect(asked[0]!.details).toMatchObject({ withLife: false });
  asked[0]!.answer(found('v'));
  await both;
  expect(near.holds(K)).toBe(false);
});
