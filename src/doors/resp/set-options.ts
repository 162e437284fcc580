/** The options of SET, as far as the core has words for them. */
import { CacheError } from '../../core/errors';
import { TTL_MS_MAX } from '../../core/limits';
import type { Words } from '../../core/ports';
import { syntaxError } from './key-rules';
import { isOption, parseInteger } from './words';

export interface SetOptions {
  /** Whole milliseconds; undefined: the deployment's default. */
  readonly ttlMs: number | undefined;
  readonly condition: 'NX' | 'XX' | undefined;
}

/** How a life is said: in which unit, and from now on or as a point in time. */
const LIVES = [
  { option: 'ex', unitMs: 1000, isPoint: false },
  { option: 'px', unitMs: 1, isPoint: false },
  { option: 'exat', unitMs: 1000, isPoint: true },
  { option: 'pxat', unitMs: 1, isPoint: true },
] as const;

/**
 * The words behind the value. undefined: options that the core has no word for.
 * @throws CacheError `bad_request` in Redis's words
 */
export function parseSetOptions(words: Words, wallMs: number): SetOptions | undefined {
  let ttlMs: number | undefined;
  let condition: 'NX' | 'XX' | undefined;
  let isOther = false;
  for (let at = 3; at < words.length; at += 1) {
    const life = LIVES.find(({ option }) => isOption(words[at], option));
    if (life !== undefined) {
      at += 1;
      if (ttlMs !== undefined || at >= words.length) throw syntaxError();
      ttlMs = parseLife(words[at], life.unitMs, life.isPoint ? wallMs : undefined, 'set');
    } else if (isOption(words[at], 'nx') && condition !== 'XX') condition = 'NX';
    else if (isOption(words[at], 'xx') && condition !== 'NX') condition = 'XX';
    else if (isOption(words[at], 'get') || isOption(words[at], 'keepttl')) isOther = true;
    else throw syntaxError();
  }
  return isOther ? undefined : { ttlMs, condition };
}

/**
 * A life in whole milliseconds. `sinceMs`: it is a point in time; what lies in the past ends at once.
 * @throws CacheError `bad_request` in Redis's words
 */
export function parseLife(
  word: Buffer | undefined,
  unitMs: number,
  sinceMs: number | undefined,
  command: string,
): number {
  const count = parseInteger(word);
  if (count === undefined) throw new CacheError('bad_request', 'value is not an integer or out of range');
  if (count <= 0) throw new CacheError('bad_request', `invalid expire time in '${command}' command`);
  const lifeMs = Math.ceil(count * unitMs - (sinceMs ?? 0));
  return Math.min(Math.max(lifeMs, 1), TTL_MS_MAX);
}
