/**
 * Changes on condition of what is stored, against an engine whose answers the test holds back: judged on what the
 * master has, made in place of exactly that, and judged anew when somebody else was first.
 */
import { createKeyring } from '../../src/cipher/keyring';
import type { EtagCondition, Key } from '../../src/core/command';
import { CacheError } from '../../src/core/errors';
import { etagOf } from '../../src/core/etag';
import { LEASE_WITHOUT_END, type Found } from '../../src/core/ports';
import { Session } from '../../src/core/session';
import { encodeValue } from '../../src/core/value';
import { read, remove, write } from '../support/commands';
import { type Asked, createHeldCache, DEADLINE_MS, found, principal } from '../support/held-cache';

const K = 'k' as Key;
const whereIt = (...values: string[]): EtagCondition => ({ isMatch: true, etags: values.map(etagOf) });
const whereItIsNot = (...values: string[]): EtagCondition => ({ isMatch: false, etags: values.map(etagOf) });
const conditionOf = ({ details }: Asked): unknown => ('condition' in details ? details.condition : undefined);
const expecting = (text: string) => ({ expected: Buffer.from(text) });
const settled = () => new Promise(setImmediate);

/** Answers the next question to the engine, which must be this one; gives it back. */
async function answer(
  asked: Asked[],
  what: Asked['what'],
  result: Found | boolean | undefined,
): Promise<Asked> {
  await settled();
  const next = asked.shift();
  expect(next?.what).toBe(what);
  next!.answer(result);
  return next!;
}

describe('a WRITE on condition of a tag', () => {
  it('asks the master what is there, and writes in place of exactly that', async () => {
    const { asked, run } = createHeldCache({ defaultTtlMs: 7000 });
    const session = new Session([], false);
    const reply = run(write('k', 'new', { condition: whereIt('other', 'old'), ack: 1, session }));
    const question = await answer(asked, 'read', found('old'));
    expect(question.details).toEqual({ consistency: 'strong', withLife: false, deadlineMs: DEADLINE_MS });
    const change = await answer(asked, 'write', true);
    expect(change).toMatchObject({
      key: 'k',
      details: {
        text: 'new',
        condition: expecting('old'),
        ttlMs: 7000,
        ack: 1,
        session,
        deadlineMs: DEADLINE_MS,
      },
    });
    expect(await reply).toMatchObject({ command: 'WRITE', status: 'SUCCESS', existed: true });
  });

  it.each([
    ['a value that must not be there', whereItIsNot('old'), 'old', true],
    ['another value than must be there', whereIt('old'), 'third', true],
    ['nothing where a value must be', whereIt('old'), undefined, false],
    ['a value, and no tag can be met', whereIt(), 'old', true],
  ] as const)('finds %s: NOT_STORED, and nothing is written', async (_name, condition, there, existed) => {
    const { asked, run } = createHeldCache();
    const reply = run(write('k', 'new', { condition }));
    await answer(asked, 'read', there === undefined ? undefined : found(there));
    expect(await reply).toMatchObject({ status: 'NOT_STORED', existed });
    expect(asked).toEqual([]);
  });

  it('finds nothing where one value must not be: writes only if that is still so', async () => {
    const { asked, run } = createHeldCache();
    const reply = run(write('k', 'new', { condition: whereItIsNot('old') }));
    await answer(asked, 'read', undefined);
    expect(conditionOf(await answer(asked, 'write', true))).toBe('NX');
    expect(await reply).toMatchObject({ status: 'SUCCESS', existed: false });
  });

  it('that is overtaken reads anew, and is not met by what it then finds', async () => {
    const { asked, run } = createHeldCache();
    const reply = run(write('k', 'mine', { condition: whereIt('v1') }));
    await answer(asked, 'read', found('v1'));
    await answer(asked, 'write', false);
    await answer(asked, 'read', found('v2'));
    expect(await reply).toMatchObject({ status: 'NOT_STORED', existed: true });
    expect(asked).toEqual([]);
  });

  it('that is overtaken by a DELETE is not met, or is met by what is absent', async () => {
    for (const [condition, status] of [
      [whereIt('v1'), 'NOT_STORED'],
      [whereItIsNot('v0'), 'SUCCESS'],
    ] as const) {
      const { asked, run } = createHeldCache();
      const reply = run(write('k', 'mine', { condition }));
      await answer(asked, 'read', found('v1'));
      await answer(asked, 'write', false);
      await answer(asked, 'read', undefined);
      if (status === 'SUCCESS') expect(conditionOf(await answer(asked, 'write', true))).toBe('NX');
      expect(await reply).toMatchObject({ status, existed: false });
    }
  });

  it('that is overtaken where nothing was is judged on what has come', async () => {
    const { asked, run } = createHeldCache();
    const reply = run(write('k', 'mine', { condition: whereItIsNot('v1') }));
    await answer(asked, 'read', undefined);
    await answer(asked, 'write', false);
    await answer(asked, 'read', found('v2'));
    expect(conditionOf(await answer(asked, 'write', true))).toEqual(expecting('v2'));
    expect(await reply).toMatchObject({ status: 'SUCCESS', existed: true });
  });

  it('whose value was sealed anew meanwhile goes on: it is the same value', async () => {
    const cipher = createKeyring([{ id: 'k1', bytes: Buffer.alloc(32, 1) }]);
    const { asked, run } = createHeldCache({ cipher, encryptByDefault: true });
    const [first, second] = [encodeValue(K, 'v1', cipher), encodeValue(K, 'v1', cipher)];
    expect(first.equals(second)).toBe(false);
    const reply = run(write('k', 'mine', { condition: whereIt('v1') }));
    await answer(asked, 'read', found('', { bytes: first }));
    expect(conditionOf(await answer(asked, 'write', false))).toEqual({ expected: first });
    await answer(asked, 'read', found('', { bytes: second }));
    expect(conditionOf(await answer(asked, 'write', true))).toEqual({ expected: second });
    expect(await reply).toMatchObject({ status: 'SUCCESS' });
  });

  it('on something that cannot be read is corrupt_value, and nothing is written', async () => {
    for (const condition of [whereIt('v'), whereItIsNot('v')]) {
      const { asked, run } = createHeldCache();
      const reply = run(write('k', 'new', { condition }));
      await answer(asked, 'read', found('', { bytes: Buffer.of(0xfe, 0x72, 0x63) }));
      expect(await reply).toMatchObject({ status: 'ERROR', error: { code: 'corrupt_value' } });
      expect(asked).toEqual([]);
    }
  });

  it('ends when the engine has no time left, however often it was overtaken', async () => {
    const { asked, run } = createHeldCache();
    const reply = run(write('k', 'mine', { condition: whereItIsNot('v') }));
    for (let round = 0; round < 10; round += 1) {
      await answer(asked, 'read', found(`v${round}`));
      await answer(asked, 'write', false);
    }
    await settled();
    expect(asked[0]!.details).toMatchObject({ deadlineMs: DEADLINE_MS });
    asked[0]!.fail(new CacheError('timeout', 'No time was left.'));
    expect(await reply).toMatchObject({ status: 'ERROR', error: { code: 'timeout' } });
  });

  it('C2: no later READ here sees what was before', async () => {
    const { near, asked, run } = createHeldCache();
    const early = run(read('k'));
    const question = asked.shift()!;
    near.fill(near.takeTicket(K), 'old', Infinity, LEASE_WITHOUT_END);
    const reply = run(write('k', 'new', { condition: whereIt('old') }));
    await answer(asked, 'read', found('old'));
    await answer(asked, 'write', true);
    await reply;
    expect(near.holds(K)).toBe(false);
    question.answer(found('old'));
    await early;
    expect(near.holds(K)).toBe(false);
  });
});

describe('a DELETE on condition of a tag', () => {
  it('removes exactly what was found', async () => {
    const { asked, run } = createHeldCache();
    const reply = run(remove('k', { condition: whereIt('v') }));
    await answer(asked, 'read', found('v'));
    expect(conditionOf(await answer(asked, 'remove', true))).toEqual(expecting('v'));
    expect(await reply).toMatchObject({ command: 'DELETE', status: 'SUCCESS' });
  });

  it.each([
    ['another value', whereIt('v'), 'other', 'NOT_DELETED'],
    ['the value that must not be there', whereItIsNot('v'), 'v', 'NOT_DELETED'],
    ['nothing, where a value must be', whereIt('v'), undefined, 'NOT_FOUND'],
    ['nothing', whereItIsNot('v'), undefined, 'NOT_FOUND'],
  ] as const)('finds %s, and removes nothing', async (_name, condition, there, status) => {
    const { asked, run } = createHeldCache();
    const reply = run(remove('k', { condition }));
    await answer(asked, 'read', there === undefined ? undefined : found(there));
    expect(await reply).toMatchObject({ status });
    expect(asked).toEqual([]);
  });

  it.each([
    ['a value', 'v2', 'NOT_DELETED'],
    ['another DELETE', undefined, 'NOT_FOUND'],
  ] as const)('that is overtaken by %s says so', async (_name, there, status) => {
    const { asked, run } = createHeldCache();
    const reply = run(remove('k', { condition: whereIt('v1') }));
    await answer(asked, 'read', found('v1'));
    await answer(asked, 'remove', false);
    await answer(asked, 'read', there === undefined ? undefined : found(there));
    expect(await reply).toMatchObject({ status });
  });
});

describe('rights', () => {
  const changes = [
    ['write', write('k', 'v', { condition: whereIt('v') })],
    ['delete', remove('k', { condition: whereItIsNot('v') })],
  ] as const;

  it.each(changes)('the scope %s alone asks nothing about the value', async (scope, command) => {
    const { asked, run } = createHeldCache();
    expect(await run(command, principal([scope]))).toMatchObject({ error: { code: 'forbidden' } });
    expect(asked).toEqual([]);
    void run(command, principal([scope, 'read']));
    expect(asked).toMatchObject([{ what: 'read' }]);
  });

  it('a key outside the prefixes is refused before anything is asked', async () => {
    const { asked, run } = createHeldCache();
    const guest = principal(['read', 'write', 'delete'], ['other:']);
    for (const [, command] of changes) {
      expect(await run(command, guest)).toMatchObject({ error: { code: 'forbidden' } });
    }
    expect(asked).toEqual([]);
  });

  it.each(['NX', 'XX'] as const)('%s needs no more than write', (condition) => {
    const { asked, run } = createHeldCache();
    void run(write('k', 'v', { condition }), principal(['write']));
    expect(asked).toHaveLength(1);
  });
});

describe('whether a value was there', () => {
  it('is told by the condition that is met: NX first', async () => {
    const { asked, run } = createHeldCache();
    const reply = run(write('k', 'v', { tellsExisted: true }));
    expect(conditionOf(await answer(asked, 'write', true))).toBe('NX');
    expect(await reply).toMatchObject({ status: 'SUCCESS', existed: false });
  });

  it('is told after as many attempts as others make necessary', async () => {
    const { asked, run } = createHeldCache();
    const reply = run(write('k', 'v', { tellsExisted: true }));
    const conditions = [];
    // Somebody else removes and writes the key in between.
    for (const isMet of [false, false, false, true]) {
      conditions.push(conditionOf(await answer(asked, 'write', isMet)));
    }
    expect(conditions).toEqual(['NX', 'XX', 'NX', 'XX']);
    expect(await reply).toMatchObject({ status: 'SUCCESS', existed: true });
    expect(asked).toEqual([]);
  });

  it('is looked for with XX first where a value is near', async () => {
    const { asked, run } = createHeldCache();
    const before = run(read('k'));
    await answer(asked, 'read', found('old'));
    await before;
    const reply = run(write('k', 'v', { tellsExisted: true }));
    expect(conditionOf(await answer(asked, 'write', true))).toBe('XX');
    expect(await reply).toMatchObject({ status: 'SUCCESS', existed: true });
  });

  it.each([
    ['NX', true, false],
    ['NX', false, true],
    ['XX', true, true],
    ['XX', false, false],
  ] as const)('%s tells by itself: met %s, existed %s', async (condition, isMet, existed) => {
    const { asked, run } = createHeldCache();
    const reply = run(write('k', 'v', { condition, tellsExisted: true }));
    expect(conditionOf(await answer(asked, 'write', isMet))).toBe(condition);
    expect(await reply).toMatchObject({ status: isMet ? 'SUCCESS' : 'NOT_STORED', existed });
    expect(asked).toEqual([]);
  });

  it('is not asked for by a WRITE that does not want to know', async () => {
    const { asked, run } = createHeldCache();
    const reply = run(write('k', 'v'));
    expect(conditionOf(await answer(asked, 'write', true))).toBeUndefined();
    expect(await reply).toMatchObject({ existed: undefined });
  });
});

describe('changes on condition of one key', () => {
  const unlessOther = { condition: whereItIsNot('other') };

  it('take turns, so that n of them cost 2n questions', async () => {
    const { asked, run } = createHeldCache();
    const replies = ['a', 'b', 'c'].map((text) => run(write('k', text, unlessOther)));
    for (const before of ['old', 'a', 'b']) {
      await answer(asked, 'read', found(before));
      await settled();
      expect(asked).toHaveLength(1);
      expect(conditionOf(await answer(asked, 'write', true))).toEqual(expecting(before));
    }
    for (const reply of await Promise.all(replies)) expect(reply.status).toBe('SUCCESS');
    await settled();
    expect(asked).toEqual([]);
  });

  it('do not wait for those of another key, nor for a plain WRITE', async () => {
    const { asked, run } = createHeldCache();
    void run(write('k', 'a', unlessOther));
    void run(write('other', 'b', unlessOther));
    void run(write('k', 'c'));
    await settled();
    expect(asked.map(({ what, key }) => [what, key])).toEqual([
      ['read', 'k'],
      ['read', 'other'],
      ['write', 'k'],
    ]);
  });

  it('go on when one of them fails', async () => {
    const { asked, run } = createHeldCache();
    const first = run(write('k', 'a', unlessOther));
    const second = run(remove('k', unlessOther));
    await settled();
    asked.shift()!.fail(new CacheError('unavailable', 'away'));
    expect(await first).toMatchObject({ status: 'ERROR' });
    await answer(asked, 'read', found('old'));
    await answer(asked, 'remove', true);
    expect(await second).toMatchObject({ status: 'SUCCESS' });
  });
});
