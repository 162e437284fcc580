/** What becomes of a command before it is sent: rights, values, lives, refusals. */
import { findCommand } from '../../src/doors/resp/find-command';
import { relayedCommand, type Relayed, type RelayPolicy } from '../../src/doors/resp/relayed-command';

const POLICY: RelayPolicy = { defaultTtlMs: 0, encryptsByDefault: false, keyBytesMax: 16 };

function relayed(line: string, policy: Partial<RelayPolicy> = {}): Relayed {
  const words = line.split(' ').map((word) => Buffer.from(word, 'latin1'));
  const spec = findCommand(words);
  if (typeof spec !== 'object') throw new Error(`no command: ${line}`);
  return relayedCommand(spec, words, { ...POLICY, ...policy });
}

const textOf = (words: readonly Buffer[]): string => words.map((word) => word.toString('latin1')).join(' ');

describe('rights', () => {
  it.each([
    ['GET k', 'read'],
    ['SET k v', 'write'],
    ['SET k v GET', 'write read'],
    ['SET k v NX get\x00', 'write read'],
    ['SET k GET', 'write'],
    ['SET k v IFEQ get', 'write'],
    ['GETSET k v', 'read write'],
    ['GETEX k', 'read'],
    ['GETEX k PERSIST', 'read write'],
    ['GETDEL k', 'read delete'],
    ['DEL k', 'delete'],
    ['RENAME a b', 'write delete'],
    ['COPY a b', 'read write'],
    ['LPOP k', 'read write'],
    ['DUMP k', 'read'],
    ['ZADD k 1 a', 'write'],
    ['ZADD k 1 incr', 'write'],
    ['ZADD k XX INCR 1 a', 'write read'],
    ['BITFIELD k GET u8 0', 'read'],
    ['BITFIELD k GET u8 0 INCRBY u8 0 1', 'read write'],
    ['BITFIELD k set\x00 u8 0 1', 'read write'],
    ['SORT k', 'read'],
    ['SORT k STORE d', 'read write'],
    ['SORT k sTORe\x00 d', 'read write'],
    ['GEORADIUS k 1 2 3 m', 'read'],
    ['GEORADIUS k 1 2 3 m STOREDIST d', 'read write'],
    ['ZUNIONSTORE d 1 a', 'read write'],
    ['EVAL s 0', 'read write delete admin'],
    ['FLUSHALL', 'delete'],
    ['SLOWLOG GET', 'admin'],
    ['PUBSUB NUMSUB a b', 'read'],
    ['LATENCY HELP', ''],
    ['RESTORE k 0 payload', 'write admin'],
  ])('%j needs %s', (line, scopes) => {
    expect(relayed(line).command.scopes.join(' ')).toBe(scopes);
  });

  it.each([
    ['SORT k', false],
    ['SORT k BY nosort GET #', false],
    ['SORT k BY w*', true],
    ['SORT k GET o', true],
    ['SORT_RO k GET *', true],
    ['EVAL s 1 k', true],
    ['RANDOMKEY', true],
    ['KEYS k*', true],
    ['RESTORE k 0 payload', true],
    ['SCAN 0', false],
    ['GET k', false],
  ])('%s may touch keys that it does not name: %s', (line, expected) => {
    expect(relayed(line).command.isUnbounded).toBe(expected);
  });
});

describe('what a command does', () => {
  const WRITES = { isWrite: true, isRepeatable: false };
  const READS = { isWrite: false, isRepeatable: true, changesUnnamed: false };

  it.each([
    ['SORT k', READS],
    ['SORT k BY w* GET o*', READS],
    ['GEORADIUS k 1 2 3 m', READS],
    ['EVAL_RO s 0', READS],
    ['GET k', READS],
    ['SORT k STORE d', { ...WRITES, changesUnnamed: false }],
    ['SORT k BY w* STORE d', { ...WRITES, changesUnnamed: false }],
    ['GEORADIUS k 1 2 3 m STORE d', { ...WRITES, changesUnnamed: false }],
    ['RESTORE k 0 payload', { ...WRITES, changesUnnamed: false }],
    ['SET k v', { ...WRITES, changesUnnamed: false }],
    ['EVALSHA s 1 k', { ...WRITES, changesUnnamed: true }],
    ['FCALL f 0', { ...WRITES, changesUnnamed: true }],
    ['FLUSHALL', { ...WRITES, changesUnnamed: true }],
    ['SCRIPT LOAD s', { isWrite: false, isRepeatable: false, changesUnnamed: false }],
    ['PUBLISH c m', { isWrite: false, isRepeatable: false, changesUnnamed: false }],
  ])('%s', (line, expected) => {
    expect(relayed(line).command).toMatchObject(expected);
  });
});

describe('strings', () => {
  it.each([
    ...[
      'SET k v',
      'APPEND k v',
      'SETBIT k 0 1',
      'PFADD k a',
      'DEL k',
      'RENAME a b',
      'EXPIRE k 1',
      'SORT k STORE d',
    ],
    ...[
      'SINTERSTORE d a',
      'SUNIONSTORE d a',
      'ZUNIONSTORE d 1 a',
      'ZRANGESTORE d a 0 1',
      'GEOSEARCHSTORE d a FROMMEMBER m BYBOX 1 1 m',
    ],
    ...[
      'GEORADIUS k 1 2 3 m STORE d',
      'RESTORE k 0 x',
      'COPY a b',
      'GETEX k EX 1',
      'BITOP NOT d a',
      'PFMERGE d a',
    ],
  ])('may be changed by %s', (line) => {
    expect(relayed(line).command.changesStrings).toBe(true);
  });

  it.each([
    ...[
      'HSET k f v',
      'HDEL k f',
      'LPUSH k a',
      'LPOP k',
      'LMOVE a b LEFT LEFT',
      'RPOPLPUSH a b',
      'SADD k a',
      'SMOVE a b m',
    ],
    ...[
      'SPOP k',
      'ZADD k 1 a',
      'ZPOPMIN k',
      'XADD k * f v',
      'XACK k g 1',
      'GEOADD k 1 2 a',
      'GET k',
      'SORT k',
      'HGET k f',
    ],
  ])('are left as they are by %s', (line) => {
    expect(relayed(line).command.changesStrings).toBe(false);
  });
});

describe('values', () => {
  it.each([
    ['SET k v', 'k=v', 'raw'],
    ['SET k v XX GET', 'k=v', 'value'],
    ['GETSET k v', 'k=v', 'value'],
    ['SETNX k v', 'k=v', 'raw'],
    ['SETEX k 10 v', 'k=v', 'raw'],
    ['PSETEX k 10 v', 'k=v', 'raw'],
    ['MSET a 1 b 2', 'a=1 b=2', 'raw'],
    ['MSETNX a 1 b 2', 'a=1 b=2', 'raw'],
    ['MSETEX 2 a 1 b 2 PX 5', 'a=1 b=2', 'raw'],
    ['GET k', '', 'value'],
    ['GETDEL k', '', 'value'],
    ['GETEX k EX 5', '', 'value'],
    ['MGET a b', '', 'values'],
    ['APPEND k v', '', 'raw'],
    ['HSET k f v', '', 'raw'],
  ])('%s has the values %j, and a reply that is %s', (line, values, reading) => {
    const { command, reading: read } = relayed(line);
    const found = command.values.map(({ at, key }) => `${key}=${command.words[at]?.toString()}`);
    expect([found.join(' '), read]).toEqual([values, reading]);
  });
});

describe('a life for values that have none of their own', () => {
  it.each([
    ['SET k v', 'SET k v PX 5000', 'raw'],
    ['SET k v NX GET', 'SET k v NX GET PX 5000', 'value'],
    ['SET k v EX 10', 'SET k v EX 10', 'raw'],
    ['SET k v keepttl', 'SET k v keepttl', 'raw'],
    ['SET k v PXAT\x00 10', 'SET k v PXAT\x00 10', 'raw'],
    ['SET k px', 'SET k px PX 5000', 'raw'],
    ['SET k v IFEQ px', 'SET k v IFEQ px PX 5000', 'raw'],
    ['SETNX k v', 'SET k v PX 5000 NX', 'one-if-ok'],
    ['GETSET k v', 'SET k v PX 5000 GET', 'value'],
    ['SETEX k 10 v', 'SETEX k 10 v', 'raw'],
    ['MSETNX a 1', 'MSETNX a 1', 'raw'],
    ['INCR k', 'INCR k', 'raw'],
  ])('%j becomes %j', (line, expected, reading) => {
    const { command, reading: read, parts } = relayed(line, { defaultTtlMs: 5_000 });
    expect([textOf(command.words), read, parts]).toEqual([expected, reading, undefined]);
    for (const { at, key } of command.values)
      expect([key, String(command.words[at])]).toEqual([
        key,
        line.split(' ')[line.startsWith('SETEX') ? 3 : 2],
      ]);
  });

  it('MSET becomes one SET a key', () => {
    const { parts, reading } = relayed('MSET a 1 b 2', { defaultTtlMs: 5_000 });
    expect(parts?.map(({ words, keys }) => [textOf(words), keys])).toEqual([
      ['SET a 1 PX 5000', ['a']],
      ['SET b 2 PX 5000', ['b']],
    ]);
    expect(parts?.map(({ values }) => values)).toEqual([[{ at: 2, key: 'a' }], [{ at: 2, key: 'b' }]]);
    expect(reading).toBe('ok-of-parts');
  });
});

describe('what is refused', () => {
  it.each([
    'APPEND k v',
    'SETRANGE k 0 v',
    'SETBIT k 0 1',
    'BITFIELD k SET u8 0 1',
    'BITFIELD k GET u8 0 INCRBY\x00 u8 0 1',
  ])('%j where values are encrypted', (line) => {
    expect(() => relayed(line, { encryptsByDefault: true })).toThrow('Values are encrypted here');
    expect(() => relayed(line)).not.toThrow();
  });

  it.each([
    ...['GETRANGE k 0 1', 'SUBSTR k 0 1', 'STRLEN k', 'LCS a b', 'GETBIT k 0', 'BITCOUNT k', 'BITPOS k 1'],
    ...['BITOP AND d a b', 'BITFIELD k GET u8 0', 'BITFIELD_RO k GET u8 0'],
  ])('%j where values are encrypted, which would tell of the ciphertext', (line) => {
    expect(() => relayed(line, { encryptsByDefault: true })).toThrow('so a part of one cannot be read');
    expect(() => relayed(line)).not.toThrow();
  });

  it.each(['RENAME a b', 'RENAMENX a b', 'COPY a b'])('%j where values are encrypted', (line) => {
    expect(() => relayed(line, { encryptsByDefault: true })).toThrow('cannot be moved to another key');
    expect(() => relayed(line)).not.toThrow();
  });

  it('a key that is too long, with its own code', () => {
    expect(() => relayed(`MGET a ${'k'.repeat(16)}`)).not.toThrow();
    expect(() => relayed(`MGET a ${'k'.repeat(17)}`)).toThrow(
      expect.objectContaining({ code: 'too_large', message: 'A key has at most 16 bytes.' }),
    );
  });

  it.each([
    ['COPY a b DB 1', 'one database'],
    ['COPY a b replace db\x00 1', 'one database'],
    ['COPY a b DB 00', 'one database'],
    ['COPY a b DB', 'syntax error'],
    ['COPY a b BOGUS', 'syntax error'],
    ['MSET a 1 b', "wrong number of arguments for 'mset' command"],
    ['SELECT 0', 'not allowed inside a transaction'],
    ['PING', 'not allowed inside a transaction'],
    ['SUBSCRIBE c', 'not allowed inside a transaction'],
    ['CLIENT SETNAME x', 'not allowed inside a transaction'],
    ['CLIENT REPLY OFF', 'not allowed inside a transaction'],
    ['MULTI', 'not allowed inside a transaction'],
    ['WATCH k', 'not allowed inside a transaction'],
    ['SHUTDOWN', 'not allowed inside a transaction'],
  ])('%j: %s', (line, message) => {
    expect(() => relayed(line)).toThrow(message);
  });

  it('but not COPY within the one database', () => {
    expect(() => relayed('COPY a b DB 0 REPLACE')).not.toThrow();
  });
});
