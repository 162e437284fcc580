/** Sessions that watch keys or wait, over links to the store that reply and end as the test says. */
import type { Key } from '../../src/core/command';
import { CacheError } from '../../src/core/errors';
import { Grants, SCOPES, type Principal } from '../../src/core/grants';
import type { LinkOptions } from '../../src/core/ports';
import type { CacheRelay, RelayCaller, RelayedCommand } from '../../src/core/relay';
import { BlockingCommands } from '../../src/doors/resp/blocking-commands';
import { findCommand } from '../../src/doors/resp/find-command';
import type { SessionState } from '../../src/doors/resp/session-state';
import { SessionWork } from '../../src/doors/resp/session-work';
import { Transaction } from '../../src/doors/resp/transaction';
import { eventually } from '../support/eventually';
import { USUAL_LIMITS } from '../support/usual-limits';

const ALL: Principal = { id: 'p', name: 'p', grants: new Grants(SCOPES, []) };
const OK = Buffer.from('+OK\r\n');
const WRONG_TYPE = Buffer.from('-WRONGTYPE no\r\n');
const NULL = '*-1\r\n';

interface Link {
  readonly options: LinkOptions;
  readonly asked: { readonly words: string; readonly caller: RelayCaller }[];
  isClosed: boolean;
}

function open() {
  const links: Link[] = [];
  const output: string[] = [];
  let nowMs = 0;
  const relay = {
    shardCount: 2,
    defaultTtlMs: 0,
    encryptsByDefault: false,
    placeOf: (key: Key) => (key.startsWith('other') ? 1 : 0),
    open: (_at: Key, options: LinkOptions) => {
      const link: Link = { options, asked: [], isClosed: false };
      const ask = (words: string, caller: RelayCaller): void => void link.asked.push({ words, caller });
      links.push(link);
      return Promise.resolve({
        send: (_who: Principal, { words }: RelayedCommand, _how: unknown, caller: RelayCaller) =>
          ask(words.join(' '), caller),
        transact: (_who: Principal, _commands: unknown, _how: unknown, caller: RelayCaller) =>
          ask('transaction', caller),
        close: () => (link.isClosed = true),
      });
    },
  } as unknown as CacheRelay;
  const budget = { take: () => true, release: () => undefined };
  const state = {
    deps: {
      limits: USUAL_LIMITS,
      clock: { now: () => nowMs },
      places: budget,
      upstreams: budget,
    },
    protocol: 2,
    isBlocked: false,
    credential: { principal: () => ALL },
    replies: {
      owed: 0,
      settled: () => Promise.resolve(),
      write: (reply: Buffer) => output.push(reply.toString()),
      take: () => ({ settle: (reply: Buffer) => output.push(reply.toString()) }),
    },
  } as unknown as SessionState;
  const work = new SessionWork(state, relay);
  const transaction = new Transaction(work);
  const blocking = new BlockingCommands(work);
  const sayAs = (principal: Principal, line: string): undefined | Promise<void> => {
    const words = line.split(' ').map((word) => Buffer.from(word));
    const spec = findCommand(words);
    if (spec === undefined || typeof spec === 'string') throw new Error('no command');
    if (spec.kind === 'blocking') return blocking.perform(principal, spec, words);
    if (spec.kind === 'transaction') return transaction.perform(principal, spec, words);
    transaction.queue(principal, spec, words);
    return undefined;
  };
  /** What is asked on that link next is replied to. */
  const say = async (line: string, at: number, reply: Buffer | CacheError): Promise<void> => {
    const before = links[at]?.asked.length ?? 0;
    const done = sayAs(ALL, line);
    await eventually(() => links[at]?.asked.length === before + 1);
    const { caller } = links[at]!.asked[before]!;
    if (reply instanceof CacheError) caller.fail(reply);
    else caller.settle(reply);
    await done;
  };
  const advance = (ms: number): void => void (nowMs += ms);
  return { links, output, work, transaction, advance, sayAs, say };
}

const FAILURES: readonly (Buffer | CacheError)[] = [
  Buffer.from('-MOVED 1 127.0.0.1:1\r\n'),
  new CacheError('timeout', 'Too late.'),
];

test.each(FAILURES)(
  'a WATCH that fails watches nothing, and loses what was watched before',
  async (failure) => {
    const { links, output, sayAs, say } = open();
    await say('WATCH a', 0, OK);
    await say('WATCH b', 0, failure);
    expect(links[0]!.isClosed).toBe(true);
    await sayAs(ALL, 'MULTI');
    await sayAs(ALL, 'SET a 1');
    await sayAs(ALL, 'EXEC');
    expect(output.at(-1)).toBe(NULL);
    await say('WATCH b', 1, OK);
    expect(links[1]!.asked[0]!.words).toBe('WATCH b');
  },
);

test.each(FAILURES)('… and a first one leaves nothing watched, nor a link', async (failure) => {
  const { links, work, say } = open();
  await say('WATCH a', 0, failure);
  expect([work.watched, links[0]!.isClosed]).toEqual([undefined, true]);
  await say('WATCH a', 1, OK);
  expect(links[1]!.asked[0]!.words).toBe('WATCH a');
});

test('a link that ends right behind the reply to WATCH has lost what it watches', async () => {
  const { links, output, sayAs } = open();
  const done = sayAs(ALL, 'WATCH a');
  await eventually(() => links[0]?.asked.length === 1);
  links[0]!.asked[0]!.caller.settle(OK);
  links[0]!.options.onEnd();
  await done;
  await sayAs(ALL, 'MULTI');
  await sayAs(ALL, 'SET a 1');
  await sayAs(ALL, 'EXEC');
  expect(output.at(-1)).toBe(NULL);
});

test('a link that is in use again is not taken for one that has rested for long', async () => {
  const { links, transaction, advance, sayAs, say } = open();
  await say('WATCH a', 0, OK);
  await say('UNWATCH', 0, OK);
  advance(40_000);
  const done = sayAs(ALL, 'WATCH a');
  await eventually(() => links[0]!.asked.length === 3);
  transaction.recheck();
  expect(links[0]!.isClosed).toBe(false);
  links[0]!.asked[2]!.caller.settle(OK);
  await done;
});

test('what waits and is refused waits on another link the next time: the key may be elsewhere', async () => {
  for (const failure of [...FAILURES, WRONG_TYPE]) {
    const { links, say } = open();
    await say('BLPOP a 0', 0, NULL_REPLY);
    await say('BLPOP a 0', 0, failure);
    expect(links[0]!.isClosed).toBe(true);
    await say('BLPOP a 0', 1, NULL_REPLY);
    expect(links).toHaveLength(2);
  }
});

const NULL_REPLY = Buffer.from(NULL);

test('who may not use keys is not told that they are at different places', async () => {
  const { sayAs } = open();
  const narrow: Principal = { ...ALL, grants: new Grants(SCOPES, ['mine:' as Key]) };
  for (const line of ['WATCH mine:a other', 'BLPOP mine:a other 0', 'MULTI', 'RENAME mine:a other']) {
    const attempt = async (): Promise<void> => sayAs(narrow, line);
    if (line === 'MULTI') await attempt();
    else await expect(attempt()).rejects.toMatchObject({ code: 'forbidden' });
  }
});
