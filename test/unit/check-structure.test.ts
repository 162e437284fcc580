import type { CacheError } from '../../src/core/errors';
import { checkStructure } from '../../src/core/check-structure';

const DEPTH_MAX = 34;
const padding = ' '.repeat(64 * 1024);

function codeOf(json: string): string | undefined {
  try {
    checkStructure(json, DEPTH_MAX);
    return undefined;
  } catch (error) {
    return (error as CacheError).code;
  }
}

it.each([
  ['objects', `[${'{},'.repeat(130_000)}{}]`],
  ['arrays', `[${'[],'.repeat(130_000)}[]]`],
  ['numbers', `[${'1,'.repeat(250_001)}1]`],
  ['fields', `{${'"":0,'.repeat(250_001)}"":0}`],
])('too many %s are refused before they are parsed', (_what, json) => {
  expect(codeOf(json)).toBe('too_large');
});

it('nesting is refused where it becomes too deep, and braces in strings do not count', () => {
  expect(codeOf(padding + '['.repeat(DEPTH_MAX) + ']'.repeat(DEPTH_MAX))).toBeUndefined();
  expect(codeOf(padding + '['.repeat(DEPTH_MAX + 1))).toBe('bad_request');
  expect(codeOf(padding + '{"":'.repeat(DEPTH_MAX + 1))).toBe('bad_request');
  expect(codeOf(`${padding}["${'[{,\\"'.repeat(300_000)}"]`)).toBeUndefined();
});

it('what ends in the middle of a string is looked at to its end', () => {
  expect(codeOf(`${padding}["never closed`)).toBeUndefined();
});

it('short bodies are not looked at: their parsing takes no time', () => {
  expect(codeOf('['.repeat(60_000))).toBeUndefined();
});

it('as many parts as are allowed pass', () => {
  expect(codeOf(`[${'1,'.repeat(240_000)}1]`)).toBeUndefined();
});
