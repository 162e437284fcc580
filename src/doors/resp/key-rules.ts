/**
 * Which of a command's words are keys. Rights are checked on what is found here, and Redis acts on what it finds itself, so
 * the two must never disagree: a command is read here at least as strictly as Redis reads it when it carries it out.
 * What is refused here might have worked; what is let through means the same to both.
 */
import type { Key } from '../../core/command';
import { CacheError } from '../../core/errors';
import { keyFromBytes } from '../../core/key';
import type { Words } from '../../core/ports';
import type { CommandSpec, KeyRule } from './command-spec';
import { isOption, parseInteger } from './words';

const NONE: readonly Key[] = [];

/** Redis finds it when it carries the command out, so between MULTI and EXEC the command is queued all the same. */
export class Malformed extends CacheError {
  constructor(message: string) {
    super('bad_request', message);
  }
}

/**
 * The keys in the order in which they stand, each as often as it stands there. The words are as many as the command's
 * arity asks for. Channels are no keys here.
 *
 * @throws Malformed in Redis's own words for what it would not carry out
 */
export function keysOf(spec: CommandSpec, words: Words): readonly Key[] {
  const places = keyPlacesOf(spec, words);
  const [first] = places;
  if (first === undefined) return NONE;
  return places.length === 1 ? [keyAt(words, first)] : places.map((place) => keyAt(words, place));
}

const FIRST_WORD: readonly number[] = [1];

/** As `keysOf`, the places of the keys among the words. */
export function keyPlacesOf(spec: CommandSpec, words: Words): readonly number[] {
  const { keys } = spec;
  switch (keys.rule) {
    case 'none':
      return [];
    case 'range':
      if (keys.first === 1 && keys.last === 1) return FIRST_WORD;
      return placesInRange(spec, keys, words);
    case 'counted':
      return countedPlaces(spec, keys, words);
    case 'own':
      return OWN[keys.find](spec, words);
  }
}

/** Whether it may wait: of the kind `blocking`, and XREAD and XREADGROUP only with BLOCK. @throws as `keysOf` */
export function mayBlock(spec: CommandSpec, words: Words): boolean {
  if (spec.kind !== 'blocking') return false;
  return spec.keys.rule !== 'own' || parseXread(spec, words).blocks;
}

function keyAt(words: Words, place: number): Key {
  const word = words[place];
  if (word === undefined) throw syntaxError();
  return keyFromBytes(word);
}

function placesInRange(
  spec: CommandSpec,
  { first, last, step }: Extract<KeyRule, { rule: 'range' }>,
  words: Words,
): number[] {
  const end = last < 0 ? words.length + last : last;
  if ((end - first + 1) % step !== 0) throw arityError(spec);
  return placesFrom(first, end, step);
}

function countedPlaces(
  spec: CommandSpec,
  { at, step, before }: Extract<KeyRule, { rule: 'counted' }>,
  words: Words,
): number[] {
  const count = parseInteger(words[at]);
  const isScript = spec.flags.includes('no_mandatory_keys');
  if (count === undefined || count < (isScript ? 0 : 1)) throw countError(spec, count, isScript);
  const last = at + count * step;
  if (last >= words.length) {
    if (!isScript && spec.name !== 'sintercard') throw syntaxError();
    throw new Malformed("Number of keys can't be greater than number of args");
  }
  const places = placesFrom(at + 1, last, step);
  return before === undefined ? places : [before, ...places];
}

function placesFrom(first: number, last: number, step: number): number[] {
  const places: number[] = [];
  for (let at = first; at <= last; at += step) places.push(at);
  return places;
}

function countError(spec: CommandSpec, count: number | undefined, isScript: boolean): CacheError {
  const isSortedSets = spec.group === 'sorted-set' && !spec.name.endsWith('mpop');
  if (count === undefined && (isScript || isSortedSets)) return integerError();
  if (isScript) return new Malformed("Number of keys can't be negative");
  if (isSortedSets) return new Malformed(`at least 1 input key is needed for '${spec.name}' command`);
  return new Malformed('numkeys should be greater than 0');
}

const OWN: Readonly<
  Record<Extract<KeyRule, { rule: 'own' }>['find'], (spec: CommandSpec, words: Words) => readonly number[]>
> = {
  sort: (spec, words) => withStores(parseSort(spec, words).storesAt),
  georadius: (spec, words) => withStores(parseGeoradius(spec, words)),
  xread: (spec, words) => {
    const { streamsAt, count } = parseXread(spec, words);
    return placesFrom(streamsAt, streamsAt + count - 1, 1);
  },
};

/** Of several STORE the last one holds for Redis, and another for those who ask it for the keys: so all of them do. */
function withStores(storesAt: readonly number[]): readonly number[] {
  return storesAt.length === 0 ? FIRST_WORD : [1, ...storesAt];
}

/** What SORT's options say; `looksUp`: it reads keys that are made of what it sorts. @throws CacheError `bad_request` */
export function parseSort(
  spec: CommandSpec,
  words: Words,
): { readonly storesAt: readonly number[]; readonly looksUp: boolean } {
  const storesAt: number[] = [];
  let looksUp = false;
  for (let at = 2; at < words.length; at += 1) {
    const word = words[at];
    const left = words.length - at - 1;
    if (isOption(word, 'asc') || isOption(word, 'desc') || isOption(word, 'alpha')) continue;
    if (isOption(word, 'limit') && left >= 2) {
      at += 2;
    } else if (isOption(word, 'store') && left >= 1 && spec.isWrite) {
      at += 1;
      storesAt.push(at);
    } else if (isOption(word, 'by') && left >= 1) {
      at += 1;
      // A pattern without a star stands for itself, and means not to sort.
      looksUp ||= words[at]?.includes('*') === true;
    } else if (isOption(word, 'get') && left >= 1) {
      at += 1;
      looksUp ||= words[at]?.equals(ELEMENT) !== true;
    } else throw syntaxError();
  }
  return { storesAt, looksUp };
}

/** In GET of SORT: the element itself. */
const ELEMENT = Buffer.from('#');

/** Where the keys are that GEORADIUS or GEORADIUSBYMEMBER stores in. */
function parseGeoradius(spec: CommandSpec, words: Words): readonly number[] {
  const storesAt: number[] = [];
  for (let at = -spec.arity; at < words.length; at += 1) {
    const word = words[at];
    const left = words.length - at - 1;
    if (['withdist', 'withhash', 'withcoord', 'any', 'asc', 'desc'].some((option) => isOption(word, option)))
      continue;
    if (isOption(word, 'count') && left >= 1) {
      at += 1;
      if (parseInteger(words[at]) === undefined) throw integerError();
    } else if ((isOption(word, 'store') || isOption(word, 'storedist')) && left >= 1) {
      at += 1;
      storesAt.push(at);
    } else throw syntaxError();
  }
  return storesAt;
}

/** The options of XREAD and XREADGROUP, up to STREAMS: behind it are the keys and, as many, the ids. */
function parseXread(
  spec: CommandSpec,
  words: Words,
): { readonly streamsAt: number; readonly count: number; readonly blocks: boolean } {
  const isGroup = spec.name === 'xreadgroup';
  let blocks = false;
  for (let at = 1; at < words.length; at += 1) {
    const word = words[at];
    const left = words.length - at - 1;
    if (isOption(word, 'streams') && left >= 1) {
      if (left % 2 === 0) return { streamsAt: at + 1, count: left / 2, blocks };
      throw new Malformed(
        "Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified.",
      );
    }
    if (isOption(word, 'block') && left >= 1) {
      at += 1;
      blocks = true;
    } else if (isOption(word, 'count') && left >= 1) {
      at += 1;
    } else if (isGroup && isOption(word, 'claim') && left >= 1) {
      at += 1;
    } else if (isGroup && isOption(word, 'group') && left >= 2) {
      at += 2;
    } else if (!isGroup || !isOption(word, 'noack')) throw syntaxError();
  }
  throw syntaxError();
}

function integerError(): CacheError {
  return new Malformed('value is not an integer or out of range');
}

export function syntaxError(): CacheError {
  return new Malformed('syntax error');
}

function arityError({ name }: CommandSpec): CacheError {
  return new Malformed(`wrong number of arguments for '${name}' command`);
}
