/** What the command table promises to those who carry commands out. */
import { parseRows } from '../../src/doors/resp/command-rows';
import { COMMANDS, allCommands } from '../../src/doors/resp/command-table';
import { findCommand, hasArity } from '../../src/doors/resp/find-command';
import { commandReply } from '../../src/doors/resp/local/command-replies';
import { matchesGlob } from '../../src/doors/resp/local/glob';
import { REFUSALS } from '../../src/doors/resp/refusals';
import { bulkOf, elementsOf, errorOf, replyEnd } from '../support/resp-wire';

const wordsOf = (line: string): Buffer[] => line.split(' ').map((word) => Buffer.from(word, 'latin1'));

const nameOf = (line: string): string | undefined => {
  const found = findCommand(wordsOf(line));
  return typeof found === 'object' ? found.name : found;
};

describe('the table', () => {
  /** What Redis says changes the connection that it is said on, or makes it wait, or ends it. */
  const OF_A_CONNECTION = [
    ...[
      'auth',
      'hello',
      'select',
      'quit',
      'reset',
      'multi',
      'exec',
      'discard',
      'watch',
      'unwatch',
      'monitor',
    ],
    ...[
      'subscribe',
      'psubscribe',
      'ssubscribe',
      'unsubscribe',
      'punsubscribe',
      'sunsubscribe',
      'sync',
      'psync',
    ],
    ...['replconf', 'readonly', 'readwrite', 'asking', 'wait', 'waitaof', 'debug', 'script|debug'],
    ...[
      'client|reply',
      'client|tracking',
      'client|caching',
      'client|setname',
      'client|setinfo',
      'client|pause',
    ],
    ...[
      'client|no-evict',
      'client|no-touch',
      'client|kill',
      'client|unblock',
      'client|unpause',
      'restore-asking',
    ],
  ];

  it('nothing that changes the state of a connection is sent over one that is shared', () => {
    const shared = ['value', 'keyed', 'split', 'everywhere', 'single', 'scan', 'channel'];
    const names = allCommands()
      .filter(({ kind }) => shared.includes(kind))
      .map(({ name }) => name);
    expect(names.filter((name) => OF_A_CONNECTION.includes(name))).toEqual([]);
    expect(names.filter((name) => /^(client|acl|cluster|auth)\|(?!help)/.test(name))).toEqual([]);
    // What waits has a connection of its own.
    const waits = allCommands().filter(({ flags }) => flags.includes('blocking'));
    expect(waits.filter(({ kind }) => kind !== 'blocking')).toEqual([]);
  });

  it('whoever changes data needs more than the right to read, and whoever names keys needs a right', () => {
    const relayed = allCommands().filter(({ kind }) => !['local', 'refused'].includes(kind));
    const optional = ['sort', 'georadius', 'georadiusbymember', 'getex', 'bitfield'];
    const mere = relayed.filter(
      ({ name, flags, scopes }) =>
        flags.includes('write') && !optional.includes(name) && scopes.every((scope) => scope === 'read'),
    );
    expect(mere.map(({ name }) => name)).toEqual([]);
    const free = relayed.filter(({ keySpecs, scopes }) => keySpecs.length > 0 && scopes.length === 0);
    expect(free.map(({ name }) => name)).toEqual(['sunsubscribe']);
  });

  it('what returns data needs the right to read', () => {
    const optional = ['set', 'rename', 'renamenx', 'smove', 'zadd'];
    const blind = allCommands().filter(
      ({ name, kind, keySpecs, scopes }) =>
        kind !== 'refused' &&
        keySpecs.some(({ flags }) => flags.includes('access')) &&
        !optional.includes(name) &&
        !scopes.includes('read'),
    );
    expect(blind.map(({ name }) => name)).toEqual([]);
  });

  it('whoever runs scripts, or administers, may touch every key', () => {
    const powerful = allCommands().filter(
      ({ scopes, kind, keySpecs }) =>
        scopes.includes('admin') || kind === 'single' || (kind === 'everywhere' && keySpecs.length > 0),
    );
    expect(powerful.length).toBeGreaterThan(30);
    expect(powerful.filter(({ isUnbounded }) => !isUnbounded)).toEqual([]);
    for (const name of ['eval', 'evalsha', 'fcall'])
      expect(COMMANDS.get(name)).toMatchObject({
        scopes: ['read', 'write', 'delete', 'admin'],
        isWrite: true,
        isUnbounded: true,
      });
  });

  it('what crashes a Redis, or walks over everything, is for those to whom all keys are granted', () => {
    // A payload is not looked at (`sanitize-dump-payload no`), and a bad one ends the Redis that reads it.
    expect(COMMANDS.get('restore')).toMatchObject({ scopes: ['write', 'admin'], isUnbounded: true });
    expect(COMMANDS.get('keys')).toMatchObject({ scopes: ['read'], isUnbounded: true });
  });

  it('who needs no right to anything asks no Redis for more than a help', () => {
    const free = allCommands().filter(
      ({ kind, scopes, flags }) => kind === 'keyed' && scopes.length === 0 && !flags.includes('help'),
    );
    expect(free.map(({ name }) => name).filter((name) => !name.endsWith('|help'))).toEqual([]);
  });

  it('every refusal has a reason, and every reason a command', () => {
    const refused = allCommands().filter(({ kind }) => kind === 'refused');
    expect(new Set(refused.map(({ refusal }) => refusal))).toEqual(new Set(Object.values(REFUSALS)));
    expect(allCommands().filter(({ kind, refusal }) => kind !== 'refused' && refusal !== undefined)).toEqual(
      [],
    );
  });

  it('before AUTH there are AUTH, HELLO, PING, QUIT and RESET', () => {
    const open = allCommands().filter(({ isOpen }) => isOpen);
    expect(open.map(({ name }) => name).sort()).toEqual(['auth', 'hello', 'ping', 'quit', 'reset']);
  });

  it.each([
    ['a column too few', 'get 2 | readonly | value read'],
    ['an unknown kind', 'get 2 | readonly | valued read | 1:RO'],
    ['no arity', 'get | readonly | value read | 1:RO'],
    ['an unknown reason', 'get 2 | readonly | refused because | 1:RO'],
    ['keys that are not understood', 'get 2 | readonly | value read | first:RO'],
    ['keys with words between them', 'get 2 | readonly | value read | 1:RO 3:RO'],
    ['no container', 'config|get 2 | readonly | value read | 1:RO'],
  ])('a row with %s does not load', (_fault, rows) => {
    expect(() => parseRows({ group: 'string', category: '', rows })).toThrow();
  });
});

describe('finding a command', () => {
  it.each([
    ['get k', 'get'],
    ['GET k', 'get'],
    ['gEt k', 'get'],
    ['SORT_RO k', 'sort_ro'],
    ['config get x', 'config|get'],
    ['CONFIG', 'config'],
    ['Config\x00 get', undefined],
    ['CONFIG GETS x', 'unknown subcommand'],
    ['client NO-EVICT on', 'client|no-evict'],
    ['command', 'command'],
    ['command nope', 'unknown subcommand'],
    ['get\x00', undefined],
    ['ge', undefined],
    ['gett', undefined],
    ['g\xc5t', undefined],
    // A byte that folds to a letter of another one when only its sixth bit is looked at.
    ['config\\get', undefined],
    ['SORT\x1f\x1f', undefined],
    ['config|get x', undefined],
    ['constructor', undefined],
    ['__proto__', undefined],
    ['', undefined],
    ['x'.repeat(100_000), undefined],
  ])('%j is %s', (line, name) => {
    expect(nameOf(line)).toBe(name);
  });

  it('finds every command of the table by its name in either case', () => {
    for (const { name } of allCommands()) {
      const line = name.replace('|', ' ');
      expect([nameOf(line), nameOf(line.toUpperCase())]).toEqual([name, name]);
    }
    expect(findCommand([])).toBeUndefined();
  });

  it.each([
    ['get k', true],
    ['get', false],
    ['get k k', false],
    ['mget', false],
    ['mget a b c', true],
    ['config', false],
    ['config get', false],
    ['config get a b', true],
    ['command', true],
  ])('%s has as many words as it needs: %s', (line, expected) => {
    const spec = findCommand(wordsOf(line));
    if (typeof spec !== 'object') throw new Error('no command');
    expect(hasArity(spec, wordsOf(line))).toBe(expected);
  });
});

describe('COMMAND', () => {
  const textsOf = (line: string): string[] =>
    elementsOf(commandReply(wordsOf(line), 2)).elements.map((element) => String(bulkOf(element)));

  it('counts and lists the same commands as it tells of', () => {
    const count = Number(commandReply(wordsOf('COMMAND COUNT'), 2).toString('latin1', 1));
    expect(count).toBe(COMMANDS.size);
    expect(textsOf('COMMAND LIST')).toEqual([...COMMANDS.keys()]);
    for (const protocol of [2, 3] as const) {
      const all = commandReply(wordsOf('COMMAND'), protocol);
      expect(elementsOf(all).elements).toHaveLength(count);
      expect(commandReply(wordsOf('COMMAND INFO'), protocol)).toEqual(all);
    }
  });

  it('every reply is one whole reply in both protocols', () => {
    for (const line of [
      '',
      ' INFO get nope config|get',
      ' DOCS',
      ' DOCS get nope',
      ' LIST',
      ' HELP',
      ' COUNT',
    ])
      for (const protocol of [2, 3] as const) {
        const reply = commandReply(wordsOf(`COMMAND${line}`), protocol);
        expect({ line, end: replyEnd(reply) }).toEqual({ line, end: reply.length });
        expect(errorOf(reply)).toBeUndefined();
      }
  });

  it('filters by pattern, category and module', () => {
    expect(textsOf('COMMAND LIST FILTERBY PATTERN xgroup|*')).toContain('xgroup|create');
    expect(textsOf('COMMAND LIST FILTERBY PATTERN [gs]et').sort()).toEqual(['get', 'set']);
    expect(textsOf('COMMAND LIST filterby aclcat GEO')).toContain('geoadd');
    expect(textsOf('COMMAND LIST FILTERBY MODULE json')).toEqual([]);
    expect(() => commandReply(wordsOf('COMMAND LIST FILTERBY'), 2)).toThrow('syntax error');
    expect(() => commandReply(wordsOf('COMMAND LIST get'), 2)).toThrow('syntax error');
  });

  it('fits no pattern that is longer than any name has use for', () => {
    for (const pattern of [`*[${'a'.repeat(100_000)}`, '*'.repeat(65)])
      expect(textsOf(`COMMAND LIST FILTERBY PATTERN ${pattern}`)).toEqual([]);
    expect(textsOf(`COMMAND LIST FILTERBY PATTERN ${'*'.repeat(64)}`)).toContain('get');
  });

  it('tells of a thousand at a time and no more', () => {
    for (const [line, count] of [
      ['INFO', 1000],
      ['DOCS', 2000],
    ] as const) {
      const reply = commandReply(wordsOf(`COMMAND ${line}${' cluster'.repeat(1000)}`), 2);
      expect(reply.toString('latin1', 0, 8).split('\r\n')[0]).toBe(`*${count}`);
      expect(() => commandReply(wordsOf(`COMMAND ${line}${' get'.repeat(1001)}`), 2)).toThrow(
        'at most 1,000 commands',
      );
    }
  });

  it.each([
    ['nope a', 'Invalid command specified'],
    ['config nope a', 'Invalid command specified'],
    ['get a b', 'Invalid number of arguments specified for command'],
    ['ping a', 'The command has no key arguments'],
    ['zunion 0 a', 'Invalid arguments specified for command'],
  ])('GETKEYS %s: %s', (line, message) => {
    expect(() => commandReply(wordsOf(`COMMAND GETKEYS ${line}`), 2)).toThrow(message);
  });

  it('says in DOCS why a command is refused', () => {
    expect(commandReply(wordsOf('COMMAND DOCS shutdown'), 3).toString()).toContain(REFUSALS.server);
  });
});

describe('a pattern', () => {
  it.each([
    ['*', '', true],
    ['', '', true],
    ['', 'a', false],
    ['a*c', 'abbbc', true],
    ['a*c', 'abbbd', false],
    ['?', '', false],
    ['h[a-c]llo', 'hbllo', true],
    ['h[c-a]llo', 'hbllo', true],
    ['h[^e]llo', 'hello', false],
    ['h[^e]llo', 'hallo', true],
    ['h[ab', 'hb', true],
    ['\\*', '*', true],
    ['\\*', 'a', false],
    ['[\\]]', ']', true],
    ['a*b*c*', 'aXbXcX', true],
  ])('%s fits %j: %s', (pattern, text, expected) => {
    expect(matchesGlob(pattern, text)).toBe(expected);
  });

  it('of many stars takes no time', () => {
    expect(matchesGlob(`${'a*'.repeat(2_000)}b`, 'a'.repeat(2_000))).toBe(false);
  });
});
