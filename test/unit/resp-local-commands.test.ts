/** What the door answers itself: to whom it tells what, and where that ends. */
import type { Credential } from '../../src/auth/access';
import { CacheError } from '../../src/core/errors';
import { Grants, SCOPES } from '../../src/core/grants';
import { keyFromText } from '../../src/core/key';
import { LOCAL_COMMANDS } from '../../src/doors/resp/local/local-commands';
import type { Facts } from '../../src/doors/resp/local/store-facts';
import { createStoreFacts } from '../../src/doors/resp/local/store-facts';
import { replyToThrown } from '../../src/doors/resp/refusal';
import { OutputLine } from '../../src/doors/resp/reply-line';
import { createState, type RespDeps, type SessionState } from '../../src/doors/resp/session-state';
import { chunkText } from '../support/chunk-text';
import { createFakeClock } from '../support/fake-clock';
import { createRecordingLog } from '../support/log';
import { silentObserver } from '../support/observer';
import { USUAL_LIMITS } from '../support/usual-limits';

const FACTS: Facts = {
  redisVersion: '7.0.15',
  usedMemoryBytes: 123_456,
  maxMemoryBytes: 999_000,
  maxMemoryPolicy: 'noeviction',
  keys: 77,
  keysWithExpiry: 7,
};

const credentialFor = (...prefixes: string[]): Credential => ({
  expiresAtMs: Infinity,
  principal: () => ({ id: 'c', name: 'team', grants: new Grants(SCOPES, prefixes.map(keyFromText)) }),
});

function openState(changes: Partial<RespDeps> = {}) {
  const line = new OutputLine(() => undefined, silentObserver);
  const log = createRecordingLog();
  const sessions = new Set<SessionState>();
  let isClosed = false;
  const failures: unknown[] = [];
  const deps = {
    ...{ log, sessions },
    clock: createFakeClock(),
    facts: { read: () => Promise.resolve(FACTS) },
    startedMs: 0,
    access: {
      admit: (secret: string) => {
        if (secret === 'right') return credentialFor();
        throw new CacheError(secret === 'often' ? 'throttled' : 'unauthenticated', 'No.');
      },
    },
    ...changes,
  } as unknown as RespDeps;
  const end = { close: () => void (isClosed = true), fail: (thrown: unknown) => void failures.push(thrown) };
  const ends = { remoteAddress: '192.0.2.1', remotePort: 1, localAddress: '127.0.0.1', localPort: 2 };
  const state = createState(deps, 1, ends, line, end);
  sessions.add(state);
  const ask = async (...words: (string | Buffer)[]): Promise<string> => {
    const names = words.map((word) => word.toString().toLowerCase());
    const command = LOCAL_COMMANDS.get(names.slice(0, 2).join('|')) ?? LOCAL_COMMANDS.get(names[0]!);
    try {
      await command!(
        state,
        words.map((word) => Buffer.from(word)),
      );
    } catch (thrown) {
      line.write(replyToThrown(thrown));
    }
    await Promise.resolve();
    await Promise.resolve();
    return chunkText(line.takeOutput());
  };
  return { state, ask, failures, isClosed: () => isClosed };
}

it('INFO tells how much is stored and how many are connected only to those to whom all keys are granted', async () => {
  const { state, ask } = openState();
  state.credential = credentialFor();
  const all = await ask('INFO');
  for (const line of [
    'used_memory:123456',
    'connected_clients:1',
    'db0:keys=77',
    'maxmemory_policy:noeviction',
  ])
    expect(all).toContain(line);
  state.credential = credentialFor('team:');
  const own = await ask('INFO', 'everything');
  expect(own).toContain('redis_version:7.0.15');
  expect(own).not.toMatch(/used_memory|connected_clients|blocked_clients|keys=|123456/);
});

it.each([
  ['CLIENT', 'SETNAME'],
  ['CLIENT', 'SETINFO', 'LIB-NAME'],
  ['CLIENT', 'SETINFO', 'LIB-VER'],
])('%s %s %s: what a connection is called has 1 KiB at most', async (...words) => {
  const { state, ask } = openState();
  expect(await ask(...words, 'x'.repeat(1024))).toBe('+OK\r\n');
  expect(await ask(...words, 'y'.repeat(1025))).toMatch(/^-ERR .*1024/);
  expect(state.name + state.libName + state.libVersion).toBe('x'.repeat(1024));
});

it('HELLO takes no longer name either', async () => {
  const { state, ask } = openState();
  state.credential = credentialFor();
  expect(await ask('HELLO', '2', 'SETNAME', 'y'.repeat(1025))).toMatch(/^-ERR .*1024/);
  expect(state.name).toBe('');
});

it('the tenth failed AUTH is the last thing that a connection is told, however they are spread', async () => {
  const { ask, isClosed } = openState();
  for (const words of [
    ...Array<string[]>(5).fill(['AUTH', 'wrong']),
    ['AUTH', 'right'],
    ...Array<string[]>(2).fill(['AUTH', 'often']),
    ...Array<string[]>(2).fill(['HELLO', '2', 'AUTH', 'default', 'wrong']),
  ])
    await ask(...words);
  expect(isClosed()).toBe(false);
  expect(await ask('AUTH', 'wrong')).toMatch(/^-WRONGPASS /);
  expect(isClosed()).toBe(true);
});

it('LOLWUT is a line, and no Redis is asked for it', async () => {
  const { ask } = openState();
  expect(await ask('LOLWUT', 'VERSION', '5', '200', '200', '200')).toMatch(/^\$\d+\r\n.{1,80}\n\r\n$/);
});

it.each([['INFO'], ['HELLO', '2']])(
  '%s that fails when its facts have come ends its connection',
  async (...words) => {
    const { state, ask, failures } = openState({
      facts: { read: () => Promise.reject(new Error('a fault')) },
    });
    state.credential = credentialFor();
    await ask(...words);
    await Promise.resolve();
    expect(failures).toHaveLength(1);
  },
);

it('facts that cannot be asked for are as they were before', async () => {
  const relay = {
    shardCount: 2,
    send: () => {
      throw new CacheError('unavailable', 'Closed.');
    },
  };
  const facts = createStoreFacts({ relay } as never, createFakeClock(), USUAL_LIMITS);
  expect(await facts.read(credentialFor().principal())).toMatchObject({ keys: 0 });
});
