/** Lists of entity tags: RFC 9110 8.8.3, 13.1.1, 13.1.2 and the lists of 5.6.1. */
import { parseEntityTags } from '../../src/doors/http/rest/entity-tags';

const parse = (text: string) => parseEntityTags('If-Match', text);
const strong = (opaque: string) => ({ isWeak: false, opaque });
const weak = (opaque: string) => ({ isWeak: true, opaque });

it.each(['*', ' * ', '\t*'])('%j is whatever is there', (text) => {
  expect(parse(text)).toBe('*');
});

it.each([
  ['"a"', [strong('a')]],
  ['W/"a"', [weak('a')]],
  ['"a","b"', [strong('a'), strong('b')]],
  ['"a" \t,\t W/"b", "c"', [strong('a'), weak('b'), strong('c')]],
  ['"a,b",W/",,"', [strong('a,b'), weak(',,')]],
  ['""', [strong('')]],
  ['"*"', [strong('*')]],
  ['"W/"', [strong('W/')]],
  [`"!#~\u0080\u00ff'\\"`, [strong(`!#~\u0080\u00ff'\\`)]],
  [',, "a" , ,"b",', [strong('a'), strong('b')]],
])('%j are these tags', (text, tags) => {
  expect(parse(text)).toEqual(tags);
});

it.each([
  ...['', ' ', ',', ', ,', 'a', '"a', 'a"', '"a" "b"', '"a""b"', '"a";"b"', "'a'", 'w/"a"', 'W/ "a"', 'W/a'],
  ...[
    'W/',
    '*, "a"',
    '"a", *',
    '**',
    '*,*',
    '"a\u0001"',
    '"a\tb"',
    '"a b"',
    '"\u007f"',
    '"\u0100"',
    '"a"\n',
    'W/W/"a"',
  ],
])('%j is refused, with the field named', (text) => {
  expect(() => parse(text)).toThrow(
    expect.objectContaining({
      code: 'bad_request',
      message: expect.stringMatching(/^If-Match /) as string,
    }) as Error,
  );
});

it('100 tags are read, 101 refused', () => {
  const list = (count: number) => Array.from({ length: count }, (_, n) => `"${n}"`).join(',');
  expect(parse(list(100))).toHaveLength(100);
  expect(() => parse(list(101))).toThrow(expect.objectContaining({ code: 'bad_request' }) as Error);
});

it.each([
  ['blanks', `"a"${' '.repeat(200_000)}x`],
  ['commas', `${','.repeat(200_000)}x`],
  ['an open tag', `"${'a'.repeat(200_000)}`],
  ['blanks and open tags', ' "'.repeat(100_000)],
])('a long run of %s takes no longer than reading it', (_name, text) => {
  // Looking at each blank for each blank takes minutes of the processor; how busy it is with others does not count.
  const before = process.cpuUsage();
  expect(() => parse(text)).toThrow();
  expect(process.cpuUsage(before).user / 1e6).toBeLessThan(5);
});
