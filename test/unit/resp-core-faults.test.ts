/** A core that throws where it should reply: the client is told, and no place among the requests at work is lost. */
import type { Command, Reply } from '../../src/core/command';
import { Grants, SCOPES, type Principal } from '../../src/core/grants';
import type { CacheRelay } from '../../src/core/relay';
import { findCommand } from '../../src/doors/resp/find-command';
import { MemoryCommands } from '../../src/doors/resp/memory-commands';
import type { SessionState } from '../../src/doors/resp/session-state';
import { SessionWork } from '../../src/doors/resp/session-work';
import { readValue } from '../../src/doors/resp/value-commands';
import { Budget } from '../../src/lib/budget';
import { eventually } from '../support/eventually';
import { USUAL_LIMITS } from '../support/usual-limits';

const ALL: Principal = { id: 'p', name: 'p', grants: new Grants(SCOPES, []) };
const INTERNAL = '-ERR Something went wrong inside ringcache.\r\n';

function open() {
  const places = new Budget(10);
  const output: string[] = [];
  const execute = (_who: Principal, { key }: Extract<Command, { key: unknown }>): Promise<Reply> => {
    if (key === 'bad') throw new TypeError('a fault of ours');
    return Promise.reject(new TypeError('another one'));
  };
  const state = {
    deps: {
      places,
      limits: USUAL_LIMITS,
      clock: { now: () => 0, wallMs: () => 0 },
      cache: { hasNear: true, execute },
    },
    protocol: 2,
    replies: {
      write: (reply: Buffer) => output.push(reply.toString()),
      take: () => ({ settle: (reply: Buffer) => output.push(reply.toString()) }),
    },
  } as unknown as SessionState;
  const wordsOf = (line: string) => line.split(' ').map((word) => Buffer.from(word));
  const specOf = (line: string) => {
    const spec = findCommand(wordsOf(line));
    if (spec === undefined || typeof spec === 'string') throw new Error('no command');
    return spec;
  };
  return { places, output, state, wordsOf, specOf };
}

test('GET through the near cache', () => {
  const { places, state, wordsOf, specOf } = open();
  const work = new SessionWork(state, { defaultTtlMs: 0 } as CacheRelay);
  expect(() => readValue(work, ALL, specOf('GET bad'), wordsOf('GET bad'))).toThrow(TypeError);
  expect(places.taken).toBe(0);
});

test.each(['GET bad', 'SET bad 1', 'MGET other bad', 'MSET bad 1 other 2', 'DEL other bad'])(
  'where values are in memory: %s',
  async (line) => {
    const { places, output, state, wordsOf, specOf } = open();
    new MemoryCommands(state).perform(ALL, specOf(line), wordsOf(line));
    await eventually(() => output.length === 1);
    expect(output).toEqual([INTERNAL]);
    expect(places.taken).toBe(0);
  },
);
