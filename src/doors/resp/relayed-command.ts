/**
 * A command of a caller as it is sent on: what it needs to be allowed, which of its words are values, what becomes of the
 * life that values have without one of their own, and how its reply is read.
 */
import type { Key } from '../../core/command';
import { CacheError } from '../../core/errors';
import type { Scope } from '../../core/grants';
import type { Words } from '../../core/ports';
import type { RelayedCommand, ValueWord } from '../../core/relay';
import type { CommandSpec } from './command-spec';
import { checkContent, setsBits } from './command-checks';
import { checkKeyBytes } from './key-bytes';
import { keyPlacesOf, keysOf, parseSort } from './key-rules';
import { isOption } from './words';

/** What is the same for all commands of a deployment. */
export interface RelayPolicy {
  /** 0: values live until they are deleted or evicted. */
  readonly defaultTtlMs: number;
  readonly encryptsByDefault: boolean;
  readonly keyBytesMax: number;
}

/**
 * How a reply becomes that of the caller's command:
 *
 * - `raw`: it is it
 * - `value`: it is the value of the command's first key; `values`: an array of those of its keys, in their order
 * - `one-if-ok`: 1 for OK and 0 for null
 * - `ok-of-parts`: of EXEC's array the first error, or OK
 *
 * An error is handed on as it is.
 */
export type Reading = 'raw' | 'value' | 'values' | 'one-if-ok' | 'ok-of-parts';

export interface Relayed {
  readonly command: RelayedCommand;
  /** What is sent in the command's place, as one step. */
  readonly parts: readonly RelayedCommand[] | undefined;
  readonly reading: Reading;
}

/**
 * What is sent for a command. Its words are as many as its arity asks for, and those of `split` may be a part of what
 * the caller said.
 *
 * @throws CacheError `bad_request` in Redis's words for what is malformed, in ours for what cannot be done here;
 * `too_large` for a key
 */
export function relayedCommand(spec: CommandSpec, words: Words, policy: RelayPolicy): Relayed {
  if (!RELAYED_KINDS.has(spec.kind))
    throw new CacheError('bad_request', 'Command not allowed inside a transaction');
  const keys = keysOf(spec, words);
  checkKeyBytes(keys, policy.keyBytesMax);
  checkContent(spec, words, policy);
  const { reading, valuesFrom } = VALUES[spec.name] ?? PLAIN;
  const isWrite = spec.isWrite && (!STORES_IF_TOLD.has(spec.name) || storesToo(spec, words) !== undefined);
  const command: RelayedCommand = {
    words,
    keys,
    scopes: scopesOf(spec, words),
    isUnbounded: spec.isUnbounded || isUnboundedSort(spec, words),
    isWrite,
    changesStrings: isWrite && spec.changesStrings,
    changesUnnamed: spec.changesUnnamed,
    isRepeatable: !isWrite && (spec.isWrite || spec.flags.includes('readonly')),
    values: valuesFrom === undefined ? NO_VALUES : valuesAfter(keys, keyPlacesOf(spec, words), valuesFrom),
  };
  const isGetting = spec.name === 'set' && hasSetOption(words, ['get']);
  const plain: Relayed = { command, parts: undefined, reading: isGetting ? 'value' : reading };
  return policy.defaultTtlMs > 0 ? withLife(spec, plain, policy.defaultTtlMs) : plain;
}

/** The others are answered by the door, or on connections of their own, or not at all. */
const RELAYED_KINDS: ReadonlySet<string> = new Set([
  ...['value', 'keyed', 'split', 'everywhere', 'single', 'scan', 'blocking', 'channel'],
]);

const NO_VALUES: readonly ValueWord[] = [];

interface ValueRule {
  readonly reading: Reading;
  /** How many words behind its key a value stands; undefined: there is none in the words. */
  readonly valuesFrom: number | undefined;
}

const PLAIN: ValueRule = { reading: 'raw', valuesFrom: undefined };

/** The commands that speak of whole values. */
const VALUES: Readonly<Record<string, ValueRule>> = {
  get: { reading: 'value', valuesFrom: undefined },
  getdel: { reading: 'value', valuesFrom: undefined },
  getex: { reading: 'value', valuesFrom: undefined },
  mget: { reading: 'values', valuesFrom: undefined },
  getset: { reading: 'value', valuesFrom: 1 },
  set: { reading: 'raw', valuesFrom: 1 },
  setnx: { reading: 'raw', valuesFrom: 1 },
  setex: { reading: 'raw', valuesFrom: 2 },
  psetex: { reading: 'raw', valuesFrom: 2 },
  mset: { reading: 'raw', valuesFrom: 1 },
  msetnx: { reading: 'raw', valuesFrom: 1 },
  msetex: { reading: 'raw', valuesFrom: 1 },
};

function valuesAfter(keys: readonly Key[], places: readonly number[], distance: number): ValueWord[] {
  return keys.map((key, index) => ({ at: (places[index] ?? 0) + distance, key }));
}

/** What the caller needs for the command with these options. @throws as `keysOf` */
export function scopesOf(spec: CommandSpec, words: Words): readonly Scope[] {
  const more = MORE_SCOPES[spec.name]?.(spec, words);
  return more === undefined ? spec.scopes : [...spec.scopes, more];
}

/** Options that read or change what the plain command does not. */
const MORE_SCOPES: Readonly<Record<string, (spec: CommandSpec, words: Words) => Scope | undefined>> = {
  set: (_spec, words) => (hasSetOption(words, ['get']) ? 'read' : undefined),
  getex: (_spec, words) => (words.length > 2 ? 'write' : undefined),
  zadd: (_spec, words) => (hasIncrement(words) ? 'read' : undefined),
  bitfield: (_spec, words) => (setsBits(words) ? 'write' : undefined),
  sort: storesToo,
  georadius: storesToo,
  georadiusbymember: storesToo,
};

/** Of these Redis says that they write, and they do so only where their options name a key for it. */
const STORES_IF_TOLD: ReadonlySet<string> = new Set(['sort', 'georadius', 'georadiusbymember']);

function storesToo(spec: CommandSpec, words: Words): Scope | undefined {
  return keyPlacesOf(spec, words).length > 1 ? 'write' : undefined;
}

function isUnboundedSort(spec: CommandSpec, words: Words): boolean {
  return spec.keys.rule === 'own' && spec.keys.find === 'sort' && parseSort(spec, words).looksUp;
}

/** Whether ZADD tells the score that it makes: INCR among the options, which end where the first score begins. */
function hasIncrement(words: Words): boolean {
  for (let at = 2; ZADD_OPTIONS.some((option) => isOption(words[at], option)); at += 1)
    if (isOption(words[at], 'incr')) return true;
  return false;
}

const ZADD_OPTIONS = ['nx', 'xx', 'gt', 'lt', 'ch', 'incr'];

/** Whether one of these is among SET's options. */
function hasSetOption(words: Words, options: readonly string[]): boolean {
  for (let at = 3; at < words.length; at += 1) {
    if (options.some((option) => isOption(words[at], option))) return true;
    if (WITH_ARGUMENT.some((option) => isOption(words[at], option))) at += 1;
  }
  return false;
}

/** Options of SET behind which there is something that may look like one. */
const WITH_ARGUMENT = ['ex', 'px', 'exat', 'pxat', 'ifeq', 'ifne', 'ifdeq', 'ifdne'];

const LIVES = ['ex', 'px', 'exat', 'pxat', 'keepttl'];

const [SET, PX, NX, GET] = [Buffer.from('SET'), Buffer.from('PX'), Buffer.from('NX'), Buffer.from('GET')];

/**
 * The same with a life for values that have none of their own. MSETNX has no such form, and its values are left
 * without.
 */
function withLife(spec: CommandSpec, plain: Relayed, ttlMs: number): Relayed {
  const { command } = plain;
  const { words } = command;
  const life = [PX, Buffer.from(String(ttlMs), 'latin1')];
  switch (spec.name) {
    case 'set':
      if (hasSetOption(words, LIVES)) return plain;
      return { ...plain, command: { ...command, words: [...words, ...life] } };
    case 'setnx':
      return {
        ...plain,
        command: { ...command, words: [SET, ...words.slice(1), ...life, NX] },
        reading: 'one-if-ok',
      };
    case 'getset':
      return { ...plain, command: { ...command, words: [SET, ...words.slice(1), ...life, GET] } };
    case 'mset':
      return {
        ...plain,
        parts: command.keys.map((key, index) => ({
          ...command,
          words: [SET, ...words.slice(1 + 2 * index, 3 + 2 * index), ...life],
          keys: [key],
          values: [{ at: 2, key }],
        })),
        reading: 'ok-of-parts',
      };
    default:
      return plain;
  }
}
