/** Which words of a command are keys: where Redis's own answer is not enough, and what might deceive whoever looks. */
import { findCommand } from '../../src/doors/resp/find-command';
import { keysOf, mayBlock } from '../../src/doors/resp/key-rules';
import { isOption, parseInteger } from '../../src/doors/resp/words';
import type { CommandSpec } from '../../src/doors/resp/command-spec';
import { SAMPLES } from '../support/resp-samples';

function parse(line: string): { spec: CommandSpec; words: Buffer[] } {
  const words = line.split(' ').map((word) => Buffer.from(word, 'latin1'));
  const spec = findCommand(words);
  if (typeof spec !== 'object') throw new Error(`no command: ${line}`);
  return { spec, words };
}

function keysIn(line: string): string {
  const { spec, words } = parse(line);
  return keysOf(spec, words).join(' ');
}

it.each([
  ['MSET a 1 b 2', 'a b'],
  ['BLPOP a b 0', 'a b'],
  ['BITOP AND d a b', 'd a b'],
  ['ZUNIONSTORE d 2 a b WEIGHTS 1 2', 'd a b'],
  ['ZUNIONSTORE d 1 a AGGREGATE MAX', 'd a'],
  ['EVAL s 0 a', ''],
  ['FCALL f 2 a b c', 'a b'],
  ['MSETEX 2 a 1 b 2 EX 10', 'a b'],
  ['XGROUP CREATE k g $', 'k'],
  ['OBJECT FREQ k', 'k'],
  ['SPUBLISH channel m', ''],
  ['SUBSCRIBE channel', ''],
  ['SORT k BY w* GET o* STORE d', 'k d'],
  ['SORT k STORE STORE', 'k STORE'],
  ['SORT k STORE d STORE e', 'k d e'],
  ['SORT k BY STORE GET STORE', 'k'],
  ['SORT k LIMIT 0 STORE', 'k'],
  ['GEORADIUS k 1 2 3 m STORE d STOREDIST e', 'k d e'],
  ['GEORADIUSBYMEMBER k STORE 3 m', 'k'],
  ['XREAD COUNT 1 STREAMS a b 0 0', 'a b'],
  ['XREAD STREAMS STREAMS BLOCK 0 0', 'STREAMS BLOCK'],
  ['XREADGROUP GROUP STREAMS STREAMS STREAMS a >', 'a'],
  ['XREADGROUP GROUP g STREAMS NOACK STREAMS a >', 'a'],
  ['XREADGROUP GROUP g c CLAIM 10 STREAMS a >', 'a'],
])('%s names %j', (line, keys) => {
  expect(keysIn(line)).toBe(keys);
});

it('a key is its bytes, whatever they are', () => {
  expect(keysIn('GET \x00\xff')).toBe('\x00\xff');
  expect(keysIn('DEL k k')).toBe('k k');
});

it('an option that Redis reads although a NUL and more stand behind it is read here too', () => {
  expect(keysIn('SORT k STORE\x00x d')).toBe('k d');
  expect(keysIn('GEORADIUS k 1 2 3 m sToRe\x00 d')).toBe('k d');
  expect(keysIn('XREAD STREAMS\x00no a 0')).toBe('a');
  expect(() => keysIn('SORT k STOREx d')).toThrow('syntax error');
});

it.each([
  ['XREAD STREAMS BLOCK 0', false],
  ['XREAD COUNT 1 BLOCK 0 STREAMS a $', true],
  ['XREAD block\x00x 0 STREAMS a $', true],
  ['XREADGROUP GROUP BLOCK BLOCK STREAMS a >', false],
  ['XREADGROUP GROUP g c BLOCK 0 STREAMS a >', true],
  ['BLPOP a 0', true],
  ['LPOP a', false],
])('%j may block: %s', (line, expected) => {
  const { spec, words } = parse(line);
  expect(mayBlock(spec, words)).toBe(expected);
});

it('each place of each sample that names keys is found, but for what patterns and channels stand in', () => {
  for (const sample of SAMPLES) {
    const { line, command, places } = sample;
    const bytes = sample.words('one', 'two', 'three').map((word) => Buffer.from(word));
    const { spec } = parse(
      bytes
        .map((word) => word.toString('latin1'))
        .join(' ')
        .slice(0, 60),
    );
    if (spec.keys.rule === 'none' || spec.kind === 'refused') continue;
    const patterns = line.match(/\{\d\}[*?]/g)?.length ?? 0;
    expect({ line, keys: new Set(keysOf(spec, bytes)).size }).toEqual({ line, keys: places - patterns });
    expect(command).toBe(spec.name);
  }
});

it.each([
  ['0', 0],
  ['-7', -7],
  ['00', undefined],
  ['-0', undefined],
  ['+1', undefined],
  [' 1', undefined],
  ['1 ', undefined],
  ['1e3', undefined],
  ['0x1', undefined],
  ['', undefined],
  ['9999999999999999', undefined],
])('the number %j is %s', (text, expected) => {
  expect(parseInteger(Buffer.from(text))).toBe(expected);
});

it('an option is no other word that looks like it', () => {
  for (const word of ['GET', 'get', 'gEt', 'get\0', 'GET\0anything'])
    expect(isOption(Buffer.from(word), 'get')).toBe(true);
  for (const word of ['ge', 'gets', '\0get', ' get', '', 'g\0t'])
    expect(isOption(Buffer.from(word), 'get')).toBe(false);
  expect(isOption(undefined, 'get')).toBe(false);
});
