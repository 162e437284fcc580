/** The name of a value: the same for the same value, whoever stored it and however. */
import { createKeyring } from '../../src/cipher/keyring';
import { Json, type Key, type Value } from '../../src/core/command';
import { etagOf, isMet } from '../../src/core/etag';
import { decodeValue, encodeValue } from '../../src/core/value';

const KEY = 'key' as Key;
const BYTES = Buffer.of(0xff, 0xfe, 0);

const VALUES: readonly (readonly [string, Value])[] = [
  ['nothing', ''],
  ['text', 'value'],
  ['text like a number', '1'],
  ['text like JSON', '{"a":1}'],
  ['text beyond ASCII', 'é😀'],
  ['text with half a pair', '\ud800'],
  ['text with what stands in place of half a pair', '\ufffd'],
  ['text like the JSON of half a pair', '"\\ud800"'],
  ['bytes', BYTES],
  ['bytes with the magic of an envelope', Buffer.of(0xfe, 0x72, 0x63, 1, 1)],
  ['a number', new Json('1')],
  ['null', new Json('null')],
  ['an object', new Json('{"a":1}')],
];

it('no two values have the same, be their bytes the same', () => {
  const tags = VALUES.map(([, value]) => etagOf(value));
  expect(new Set(tags).size).toBe(VALUES.length);
});

it.each(VALUES)('of %s it can stand in an entity tag as it is, and has no dot', (_name, value) => {
  expect(etagOf(value)).toMatch(/^[A-Za-z0-9_-]{24,25}$/);
});

it.each(VALUES)('of %s it is the same after it was stored, in plain or under any key', (_name, value) => {
  const keyrings = [1, 2].map((id) => createKeyring([{ id: `k${id}`, bytes: Buffer.alloc(32, id) }]));
  for (const cipher of [undefined, ...keyrings]) {
    const stored = encodeValue(KEY, value, cipher);
    expect(etagOf(decodeValue(KEY, stored, cipher))).toBe(etagOf(value));
  }
});

it('bytes that spell text have the tag of the text', () => {
  expect(etagOf(Buffer.from('é'))).toBe(etagOf('é'));
});

it('it does not change from one version of this program to the next', () => {
  expect([etagOf('value'), etagOf(new Json('1'))]).toEqual([
    'zUJATVKtVcz6mspK3IKKpYAK',
    'ja4ayc_80_OGda4BO_1o_V0et',
  ]);
});

describe('a condition', () => {
  const one = { isMatch: true, etags: [etagOf('other'), etagOf('value')] };
  const none = { isMatch: false, etags: one.etags };
  it.each<[string, Value | undefined, boolean, boolean]>([
    ['the value', 'value', true, false],
    ['another value', 'third', false, true],
    ['the same bytes as JSON', new Json('value'), false, true],
    ['nothing', undefined, false, true],
  ])('on %s', (_name, value, meetsOne, meetsNone) => {
    expect([isMet(one, value), isMet(none, value)]).toEqual([meetsOne, meetsNone]);
  });

  it('on no tag at all is met by nothing, or by everything', () => {
    expect(isMet({ isMatch: true, etags: [] }, 'value')).toBe(false);
    expect(isMet({ isMatch: true, etags: [] }, undefined)).toBe(false);
    expect(isMet({ isMatch: false, etags: [] }, 'value')).toBe(true);
  });
});
