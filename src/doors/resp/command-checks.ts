/** What Redis would do and the door does not, because of a command's further words. */
import { CacheError } from '../../core/errors';
import type { Words } from '../../core/ports';
import type { CommandSpec } from './command-spec';
import { syntaxError } from './key-rules';
import { REFUSALS } from './refusals';
import { isOption } from './words';

/** @throws CacheError `bad_request` */
export function checkContent(
  spec: CommandSpec,
  words: Words,
  { encryptsByDefault }: { readonly encryptsByDefault: boolean },
): void {
  if (spec.name === 'copy') checkCopy(words);
  if (!encryptsByDefault) return;
  if (changesPart(spec, words))
    throw new CacheError('bad_request', 'Values are encrypted here, so a part of one cannot be changed.');
  if (READ_PARTS.has(spec.name))
    throw new CacheError('bad_request', 'Values are encrypted here, so a part of one cannot be read.');
  if (MOVE.has(spec.name)) {
    throw new CacheError(
      'bad_request',
      'Values are encrypted under their keys here, so one cannot be moved to another key.',
    );
  }
}

/** Commands to which a value is bytes, or bits, of which they would tell those of the ciphertext. */
const READ_PARTS: ReadonlySet<string> = new Set([
  ...['getrange', 'substr', 'strlen', 'lcs', 'digest'],
  ...['getbit', 'bitcount', 'bitpos', 'bitop', 'bitfield', 'bitfield_ro'],
]);
/** Whatever lies there: to look first whether it is a string would be too early. */
const MOVE: ReadonlySet<string> = new Set(['rename', 'renamenx', 'copy']);

/** On a connection that is shared, another database would be one that nobody else sees, and nobody empties. */
function checkCopy(words: Words): void {
  for (let at = 3; at < words.length; at += 1) {
    if (isOption(words[at], 'replace')) continue;
    const database = words[at + 1];
    if (!isOption(words[at], 'db') || database === undefined) throw syntaxError();
    if (database.toString('latin1') !== '0') throw new CacheError('bad_request', REFUSALS.database);
    at += 1;
  }
}

/** Whether BITFIELD changes anything. */
export function setsBits(words: Words): boolean {
  return words.slice(2).some((word) => isOption(word, 'set') || isOption(word, 'incrby'));
}

/** Commands that put bytes into the middle of what is stored. */
function changesPart(spec: CommandSpec, words: Words): boolean {
  if (spec.name === 'bitfield') return setsBits(words);
  return ['append', 'setrange', 'setbit'].includes(spec.name);
}
