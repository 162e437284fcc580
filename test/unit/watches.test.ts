import { Json, type Key, type Reply, type Value } from '../../src/core/command';
import { CacheError } from '../../src/core/errors';
import { Grants, type Principal, type Scope } from '../../src/core/grants';
import { type Seen, type Watch, Watches } from '../../src/core/watches';

const SECOND_MS = 1000;

beforeEach(() => {
  jest.useFakeTimers();
});
afterEach(() => {
  jest.useRealTimers();
});

function principal(scopes: readonly Scope[] = ['read'], prefixes: readonly string[] = []): Principal {
  return { id: 'id', name: 'name', grants: new Grants(scopes, prefixes as Key[]) };
}
const reader = principal();

const found = (value: Value): Reply => ({ command: 'READ', status: 'SUCCESS', value, source: 'master' });
const ABSENT: Reply = { command: 'READ', status: 'NOT_FOUND' };
const failed = (code: 'unavailable' | 'corrupt_value'): Reply => ({
  command: 'READ',
  status: 'ERROR',
  error: new CacheError(code, 'message'),
});

/** Watches over reads that the test answers, in the order in which they were asked for. */
function createHeldWatches() {
  const asked: { readonly key: string; readonly answer: (reply: Reply) => Promise<void> }[] = [];
  const held = new Set<string>();
  const watches = new Watches({
    read: (key) =>
      new Promise((resolve) => {
        const answer = async (reply: Reply): Promise<void> => {
          resolve(reply);
          await settle();
        };
        asked.push({ key, answer });
      }),
    holds: (key) => held.has(key),
    clock: { now: () => performance.now(), wallMs: () => 0 },
  });
  const changed = (key: string): void => watches.changed(key as Key);
  const changedAll = (): void => watches.changedAll();
  const open = (keys: readonly string[], caller: () => Principal = () => reader): Watch =>
    watches.open(caller, keys as Key[]);
  return { asked, held, changed, changedAll, open };
}

/** What the calls of `next` have come to so far. */
function collect(watch: Watch) {
  const seen: (Value | undefined)[] = [];
  const state = { seen, failure: undefined as CacheError | undefined };
  const tell = async (): Promise<never> => {
    for (;;) seen.push((await watch.next()).value);
  };
  void tell().catch((thrown: unknown) => {
    state.failure = thrown as CacheError;
  });
  return state;
}

/** All promises that can settle have. */
async function settle(ms = 0): Promise<void> {
  await jest.advanceTimersByTimeAsync(ms);
}
/** Longer than the pause between two reads of one key, shorter than until the next look around. */
const PAUSE_MS = 50;

it('tells each key as it is, present or absent, and then waits', async () => {
  const { open, asked } = createHeldWatches();
  const told = collect(open(['a', 'b']));
  await asked[0]!.answer(found('v'));
  await asked[1]!.answer(ABSENT);
  expect(told.seen).toEqual(['v', undefined]);
  await settle(PAUSE_MS);
  expect(asked).toHaveLength(2);
});

it('a change while the first read is under way is told, whichever of both the read has seen', async () => {
  const { open, asked, changed } = createHeldWatches();
  const told = collect(open(['k']));
  changed('k');
  await asked[0]!.answer(found('before'));
  await settle(PAUSE_MS);
  await asked[1]!.answer(found('after'));
  expect(told.seen).toEqual(['before', 'after']);
});

it('two changes while one read is under way cost one read more, which sees both', async () => {
  const { open, asked, changed } = createHeldWatches();
  const told = collect(open(['k']));
  changed('k');
  changed('k');
  changed('k');
  await asked[0]!.answer(found('1'));
  await settle(PAUSE_MS);
  await asked[1]!.answer(found('3'));
  await settle(PAUSE_MS);
  expect(asked).toHaveLength(2);
  expect(told.seen).toEqual(['1', '3']);
});

it('one read tells all who watch the key', async () => {
  const { open, asked, changed } = createHeldWatches();
  const first = collect(open(['k']));
  await asked[0]!.answer(found('1'));
  await settle(PAUSE_MS);
  const second = collect(open(['k']));
  await asked[1]!.answer(found('1'));
  await settle(PAUSE_MS);
  changed('k');
  await asked[2]!.answer(found('2'));
  expect([first.seen, second.seen]).toEqual([
    ['1', '2'],
    ['1', '2'],
  ]);
  expect(asked).toHaveLength(3);
});

it('who begins to watch is not told what a read that left before brings', async () => {
  const { open, asked } = createHeldWatches();
  const first = collect(open(['k']));
  const second = collect(open(['k']));
  await asked[0]!.answer(found('old'));
  expect([first.seen, second.seen]).toEqual([['old'], []]);
  await settle(PAUSE_MS);
  await asked[1]!.answer(found('new'));
  expect([first.seen, second.seen]).toEqual([['old', 'new'], ['new']]);
});

it.each<[string, Value, Value]>([
  ['text', 'v', 'v'],
  ['bytes', Buffer.of(255), Buffer.of(255)],
  ['JSON', new Json('1'), new Json('1')],
])('a value that is the same again is not told: %s', async (_kind, one, same) => {
  const { open, asked, changed } = createHeldWatches();
  const told = collect(open(['k']));
  await asked[0]!.answer(found(one));
  await settle(PAUSE_MS);
  changed('k');
  await asked[1]!.answer(found(same));
  await settle(PAUSE_MS);
  changed('k');
  await asked[2]!.answer(found('other'));
  expect(told.seen).toEqual([one, 'other']);
});

it('what is slow to ask is told the last value, and what was in between is not kept', async () => {
  const { open, asked, changed } = createHeldWatches();
  const watch = open(['k']);
  const first = watch.next();
  await asked[0]!.answer(found('1'));
  await first;
  for (const [index, value] of ['2', '3', '4'].entries()) {
    await settle(PAUSE_MS);
    changed('k');
    await asked[index + 1]!.answer(found(value));
  }
  await settle(PAUSE_MS);
  const next = watch.next();
  await asked[4]!.answer(found('4'));
  expect(await next).toMatchObject({ value: '4' });
});

it('a value that has changed back before it was asked for is not told', async () => {
  const { open, asked, changed } = createHeldWatches();
  const watch = open(['k']);
  const first = watch.next();
  await asked[0]!.answer(found('1'));
  await first;
  await settle(PAUSE_MS);
  changed('k');
  await asked[1]!.answer(found('2'));
  await settle(PAUSE_MS);
  changed('k');
  await asked[2]!.answer(found('1'));
  await settle(PAUSE_MS);
  let told: Seen | undefined;
  void watch.next().then((seen) => (told = seen));
  await settle(PAUSE_MS);
  expect([told, asked.length]).toEqual([undefined, 3]);
});

it('a key that is changed without end is read a hundred times a second, and all of it ends told', async () => {
  const { open, asked, changed } = createHeldWatches();
  const told = collect(open(['k']));
  for (let ms = 0; ms < 1000; ms++) {
    changed('k');
    await asked.at(-1)!.answer(found(String(ms)));
    await settle(1);
  }
  await settle(PAUSE_MS);
  await asked.at(-1)!.answer(found('last'));
  expect(asked.length).toBeLessThan(120);
  expect(told.seen.at(-1)).toBe('last');
});

describe('what nobody promises to announce', () => {
  it('is read each second while the near cache does not hold it, and not while it does', async () => {
    const { open, asked, held } = createHeldWatches();
    const told = collect(open(['held', 'unheld']));
    held.add('held');
    await asked[0]!.answer(found('v'));
    await asked[1]!.answer(found('1'));
    await settle(SECOND_MS);
    expect(asked.map(({ key }) => key)).toEqual(['held', 'unheld', 'unheld']);
    await asked[2]!.answer(found('2'));
    await settle(SECOND_MS);
    expect(asked).toHaveLength(4);
    expect(told.seen).toEqual(['v', '1', '2']);
  });

  it('is not read twice at a time, however long it takes', async () => {
    const { open, asked } = createHeldWatches();
    open(['k']);
    await settle(5 * SECOND_MS);
    expect(asked).toHaveLength(1);
  });

  it('is not read when nobody watches any more', async () => {
    const { open, asked, changed } = createHeldWatches();
    const watch = open(['k']);
    await asked[0]!.answer(ABSENT);
    watch.close(new CacheError('unavailable', 'over'));
    changed('k');
    await settle(5 * SECOND_MS);
    expect(asked).toHaveLength(1);
    expect(jest.getTimerCount()).toBe(0);
  });
});

describe('when any key may have been changed', () => {
  it('all are read that the near cache does not hold any more, at once', async () => {
    const { open, asked, changedAll, held } = createHeldWatches();
    const told = collect(open(['a', 'b', 'held again']));
    for (const each of [...asked]) await each.answer(found('1'));
    await settle(PAUSE_MS);
    held.add('held again');
    changedAll();
    await settle();
    expect(asked.slice(3).map(({ key }) => key)).toEqual(['a', 'b']);
    for (const each of asked.slice(3)) await each.answer(ABSENT);
    expect(told.seen).toEqual(['1', '1', '1', undefined, undefined]);
  });

  it('while they are looked at, they are looked at once more', async () => {
    const { open, asked, changedAll } = createHeldWatches();
    const told = collect(open(['k']));
    await asked[0]!.answer(found('1'));
    await settle(PAUSE_MS);
    changedAll();
    changedAll();
    changedAll();
    await asked[1]!.answer(found('1'));
    await settle(PAUSE_MS);
    await asked[2]!.answer(found('2'));
    await settle(PAUSE_MS);
    expect(asked).toHaveLength(3);
    expect(told.seen).toEqual(['1', '2']);
  });
});

describe('rights', () => {
  it.each([
    ['without the scope read', principal(['write', 'delete', 'admin'])],
    ['for another prefix', principal(['read'], ['other:'])],
  ])('%s nothing is read', (_name, caller) => {
    const { open, asked } = createHeldWatches();
    expect(() => open(['k'], () => caller)).toThrow(expect.objectContaining({ code: 'forbidden' }));
    expect(asked).toHaveLength(0);
  });

  it('that end, end the watch before the next value is told', async () => {
    const { open, asked, changed } = createHeldWatches();
    let caller = reader;
    const told = collect(open(['k'], () => caller));
    await asked[0]!.answer(found('1'));
    await settle(PAUSE_MS);
    changed('k');
    caller = principal(['write']);
    await asked[1]!.answer(found('2'));
    expect(told.seen).toEqual(['1']);
    expect(told.failure).toMatchObject({ code: 'forbidden' });
  });

  it('that end, end a watch that has nothing to tell within a fifth of a second', async () => {
    const { open, asked } = createHeldWatches();
    let isRevoked = false;
    const told = collect(
      open(['k'], () => {
        if (isRevoked) throw new CacheError('unauthenticated', 'revoked');
        return reader;
      }),
    );
    await asked[0]!.answer(found('1'));
    isRevoked = true;
    await settle(200);
    expect(told.failure).toMatchObject({ code: 'unauthenticated' });
  });
});

describe('a key that cannot be read', () => {
  it('ends a watch at once that was told nothing of it', async () => {
    const { open, asked } = createHeldWatches();
    const told = collect(open(['k']));
    await asked[0]!.answer(failed('unavailable'));
    expect(told.failure).toMatchObject({ code: 'unavailable' });
  });

  it('is tried each second, and what it is then is told', async () => {
    const { open, asked } = createHeldWatches();
    const told = collect(open(['k']));
    await asked[0]!.answer(found('1'));
    for (const index of [1, 2, 3]) {
      await settle(SECOND_MS);
      await asked[index]!.answer(failed('unavailable'));
    }
    await settle(SECOND_MS);
    await asked[4]!.answer(found('2'));
    expect(told).toMatchObject({ seen: ['1', '2'], failure: undefined });
  });

  it('ends a watch when it has been so for five seconds', async () => {
    const { open, asked } = createHeldWatches();
    const told = collect(open(['k']));
    await asked[0]!.answer(found('1'));
    for (const index of [1, 2, 3, 4, 5, 6]) {
      expect(told.failure).toBeUndefined();
      await settle(SECOND_MS);
      await asked[index]!.answer(failed('corrupt_value'));
    }
    expect(told.failure).toMatchObject({ code: 'corrupt_value' });
  });
});

describe('limits', () => {
  it('there are a thousand watches at most, and one that ends makes room', () => {
    const { open } = createHeldWatches();
    const watches = Array.from({ length: 1000 }, () => open(['k']));
    expect(() => open(['k'])).toThrow(expect.objectContaining({ code: 'unavailable' }));
    watches[0]!.close(new CacheError('unavailable', 'over'));
    expect(() => open(['k'])).not.toThrow();
  });

  it('there are ten thousand watched keys at most, each counted once', () => {
    const { open } = createHeldWatches();
    const keysOf = (at: number): string[] => Array.from({ length: 100 }, (_, key) => `${at} ${key}`);
    for (let at = 0; at < 100; at++) open(keysOf(at));
    expect(() => open(['one more'])).toThrow(expect.objectContaining({ code: 'unavailable' }));
    expect(() => open(keysOf(0))).not.toThrow();
  });
});
