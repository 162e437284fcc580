import type { Key } from '../../src/core/command';
import { CacheError } from '../../src/core/errors';
import { encodeValue } from '../../src/core/value';
import { replyEnd } from '../../src/lib/whole-reply';
import { openValues, type ValuePlaces } from '../../src/doors/resp/value-reply';
import { replyEnd as replyEndOfTests } from '../support/resp-wire';
import { Random } from '../torture/random';

const MAGIC = '\xfe\x72\x63';
const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');
const bulk = (text: string): string => `$${text.length}\r\n${text}\r\n`;

/** Opens an envelope by telling for which key it was asked; that of `bad` is broken. */
function open(key: Key, stored: Buffer): Buffer {
  if (key === 'bad') throw new CacheError('corrupt_value', 'The stored value\r\ncannot be read.');
  return bytes(`${key} has ${stored.toString('latin1', MAGIC.length)}`);
}

const value = (key: string): ValuePlaces => ({ kind: 'value', key: key as Key });
const values = (...keys: string[]): ValuePlaces => ({ kind: 'values', keys: keys as Key[] });
const replies = (...places: (ValuePlaces | undefined)[]): ValuePlaces => ({ kind: 'replies', places });

const BROKEN = '-ERR The stored value  cannot be read.\r\n';

it.each<[string, string, ValuePlaces, string]>([
  ['a value', bulk(`${MAGIC}1`), value('k'), bulk('k has 1')],
  ['an empty envelope', bulk(MAGIC), value('k'), bulk('k has ')],
  ['one that does not open', bulk(`${MAGIC}1`), value('bad'), BROKEN],
  [
    'values: each by its own key',
    `*4\r\n${bulk('plain')}$-1\r\n${bulk(`${MAGIC}1`)}${bulk(`${MAGIC}2`)}`,
    values('a', 'b', 'c', 'bad'),
    `*4\r\n${bulk('plain')}$-1\r\n${bulk('c has 1')}${BROKEN}`,
  ],
  [
    'the replies of a transaction, at their places only',
    `*5\r\n+OK\r\n${bulk(`${MAGIC}1`)}*2\r\n*1\r\n${bulk(`${MAGIC}x`)}:1\r\n*1\r\n${bulk(`${MAGIC}2`)}${bulk(`${MAGIC}3`)}`,
    replies(undefined, value('a'), undefined, values('b')),
    `*5\r\n+OK\r\n${bulk('a has 1')}*2\r\n*1\r\n${bulk(`${MAGIC}x`)}:1\r\n*1\r\n${bulk('b has 2')}${bulk(`${MAGIC}3`)}`,
  ],
  [
    'behind what RESP3 has',
    `*3\r\n%1\r\n+a\r\n=5\r\ntxt:x\r\n_\r\n${bulk(`${MAGIC}1`)}`,
    replies(undefined, value('a'), value('b')),
    `*3\r\n%1\r\n+a\r\n=5\r\ntxt:x\r\n_\r\n${bulk('b has 1')}`,
  ],
])('%s', (_name, reply, places, expected) => {
  expect(openValues(bytes(reply), places, open).toString('latin1')).toBe(expected);
});

it.each<[string, string, ValuePlaces]>([
  ['a plain value', bulk('plain'), value('k')],
  ['an empty one', bulk(''), value('k')],
  ['one that only contains the magic', bulk(` ${MAGIC}`), value('k')],
  ['half a magic', bulk('\xfe\x72'), value('k')],
  ['null', '$-1\r\n', value('k')],
  ['null of RESP3', '_\r\n', value('k')],
  ['an error that quotes the magic', `-ERR ${MAGIC}\r\n`, value('k')],
  ['plain values', `*2\r\n${bulk('a')}${bulk(`a${MAGIC}`)}`, values('a', 'b')],
  ['EXEC that did nothing', '*-1\r\n', replies(value('a'))],
  ['EXEC of a transaction that was void', '-EXECABORT …\r\n', replies(value('a'))],
  ['an error among the replies', `*1\r\n-WRONGTYPE ${MAGIC}\r\n`, replies(value('a'))],
])('passed on as it came, not copied: %s', (_name, reply, places) => {
  const whole = bytes(reply);
  expect(openValues(whole, places, open)).toBe(whole);
});

it('an envelope that the core made is opened from the bytes that were stored', () => {
  const stored = encodeValue('k' as Key, bytes(`${MAGIC} is no envelope`), undefined);
  const seen: Buffer[] = [];
  openValues(
    Buffer.concat([bytes(`$${stored.length}\r\n`), stored, bytes('\r\n')]),
    value('k'),
    (_key, given) => {
      seen.push(given);
      return given;
    },
  );
  expect(seen).toEqual([stored]);
});

it('finds the end of any reply', () => {
  const random = new Random('replies');
  const simple = [
    '+OK\r\n',
    '-ERR x\r\n',
    ':-1\r\n',
    '$-1\r\n',
    '*-1\r\n',
    '_\r\n',
    ',1.5\r\n',
    '#t\r\n',
    '(12\r\n',
  ];
  const reply = (depth: number): string => {
    const kind = random.pick(depth > 3 ? ['s', '$'] : ['s', '$', '*', '~', '>', '%', '|', '=', '!']);
    const count = Math.floor(random.between(0, 4));
    if (kind === 's') return random.pick(simple);
    if ('$=!'.includes(kind))
      return `${kind}${count * 30}\r\n${'*1\r\n$-1\r\n\0'.repeat(count * 3).slice(0, count * 30)}\r\n`;
    const elements = kind === '%' ? 2 * count : kind === '|' ? 2 * count + 1 : count;
    return `${kind}${count}\r\n${Array.from({ length: elements }, () => reply(depth + 1)).join('')}`;
  };
  for (let round = 0; round < 2000; round += 1) {
    const [before, own] = [bytes(reply(0)), bytes(reply(0))];
    const all = Buffer.concat([before, own, bytes('+behind\r\n')]);
    expect(replyEnd(all, before.length)).toBe(before.length + own.length);
    expect(replyEndOfTests(all, before.length)).toBe(before.length + own.length);
  }
});
