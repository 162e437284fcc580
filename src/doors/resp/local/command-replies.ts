/** COMMAND and its subcommands, from the door's own table, in the shapes that Redis 7.0 gives them. */
import { CacheError } from '../../../core/errors';
import type { Protocol, Words } from '../../../core/ports';
import { allCommands, COMMANDS } from '../command-table';
import type { CommandSpec } from '../command-spec';
import { encodeBulk, encodeInteger, encodeSimple } from '../encoder';
import { findCommand, hasArity } from '../find-command';
import { keyPlacesOf, syntaxError } from '../key-rules';
import { scopesOf } from '../relayed-command';
import { isOption } from '../words';
import { CommandEncoder, flat } from './command-encoder';
import { matchesGlob } from './glob';

/** Of COMMAND INFO and DOCS, which say the same again for a name that is there again. */
const NAMES_MAX = 1000;
/** Of COMMAND LIST: twice the longest name; each command is held against it, and a class in it is gone through each time. */
const PATTERN_BYTES_MAX = 64;

const ENCODERS: Readonly<Record<Protocol, CommandEncoder>> = {
  2: new CommandEncoder(2),
  3: new CommandEncoder(3),
};

/**
 * The reply to COMMAND itself or to one of its subcommands, whose name and arity have been checked.
 * @throws CacheError `bad_request` in Redis's words
 */
export function commandReply(words: Words, protocol: Protocol): Buffer {
  const encode = ENCODERS[protocol];
  const [, subcommand, ...rest] = words;
  if (subcommand === undefined) return ALL_OF_THEM[protocol]();
  switch (subcommand.toString('latin1').toLowerCase()) {
    case 'count':
      return encodeInteger(COMMANDS.size);
    case 'list':
      return flat(encode.set(listed(rest).map((name) => encodeBulk(name))));
    case 'info':
      return rest.length === 0
        ? ALL_OF_THEM[protocol]()
        : flat(encode.array(checkedNames(rest).map((name) => encode.infoOrNull(named(name)))));
    case 'docs':
      return flat(
        encode.docs(
          rest.length === 0
            ? [...COMMANDS.values()]
            : checkedNames(rest).flatMap((name) => named(name) ?? []),
        ),
      );
    case 'getkeys':
      return flat(encode.array(keyWordsOf(rest).map(({ key }) => encodeBulk(key))));
    case 'getkeysandflags':
      return flat(
        encode.array(
          keyWordsOf(rest).map(({ key, flags }) => encode.array([encodeBulk(key), encode.statuses(flags)])),
        ),
      );
    default:
      return flat(encode.array(HELP.map(encodeSimple)));
  }
}

/** Made once for each protocol: it is some 80 KB, and clients ask for it on each connect. */
const ALL_OF_THEM: Readonly<Record<Protocol, () => Buffer>> = { 2: once(2), 3: once(3) };

function once(protocol: Protocol): () => Buffer {
  let reply: Buffer | undefined;
  return () => {
    const encode = ENCODERS[protocol];
    reply ??= flat(encode.array([...COMMANDS.values()].map((spec) => encode.info(spec))));
    return reply;
  };
}

function checkedNames(names: Words): Words {
  if (names.length > NAMES_MAX) throw refused('COMMAND tells of at most 1,000 commands at a time.');
  return names;
}

/** A command by its name, or one of a container by `container|name`. */
function named(name: Buffer): CommandSpec | undefined {
  const text = name.toString('latin1').toLowerCase();
  const [container = '', subcommand] = text.split('|');
  const spec = COMMANDS.get(container);
  return subcommand === undefined ? spec : spec?.subcommands.get(text.slice(container.length + 1));
}

/** What COMMAND LIST lists. @throws CacheError `bad_request` */
function listed([filterBy, kind, value, ...others]: Words): string[] {
  if (filterBy === undefined) return [...COMMANDS.keys()];
  if (!isOption(filterBy, 'filterby') || value === undefined || others.length > 0) throw syntaxError();
  // None of the commands is a module's.
  if (isOption(kind, 'module')) return [];
  if (value.length > PATTERN_BYTES_MAX) return [];
  const text = value.toString('latin1').toLowerCase();
  if (isOption(kind, 'aclcat')) return namesWhere(({ categories }) => categories.includes(`@${text}`));
  if (isOption(kind, 'pattern')) return namesWhere(({ name }) => matchesGlob(text, name));
  throw syntaxError();
}

function namesWhere(isWanted: (spec: CommandSpec) => boolean): string[] {
  return allCommands()
    .filter(isWanted)
    .map(({ name }) => name);
}

interface KeyWord {
  readonly key: Buffer;
  readonly flags: readonly string[];
}

/** The keys of a whole command and what it does with them. @throws CacheError `bad_request` */
function keyWordsOf(words: Words): KeyWord[] {
  const spec = findCommand(words);
  if (spec === undefined || spec === 'unknown subcommand') throw refused('Invalid command specified');
  if (spec.keys.rule === 'none') throw refused('The command has no key arguments');
  if (!hasArity(spec, words)) throw refused('Invalid number of arguments specified for command');
  try {
    return keyPlacesOf(spec, words).flatMap((place, index) => {
      const key = words[place];
      return key === undefined ? [] : [{ key, flags: flagsAt(spec, words, place, index) }];
    });
  } catch {
    throw refused('Invalid arguments specified for command');
  }
}

/** Those of the last of the command's specifications that may find the word: one that looks for options comes last. */
function flagsAt(spec: CommandSpec, words: Words, place: number, index: number): readonly string[] {
  const flags =
    spec.keySpecs.findLast(({ begin }) =>
      begin.type === 'index' ? place >= begin.index : index > 0 || spec.keySpecs.length === 1,
    )?.flags ?? [];
  if (!flags.includes('variable_flags')) return flags;
  const scopes = scopesOf(spec, words);
  if (!scopes.includes('read')) return ['OW', 'update'];
  return scopes.includes('write') ? ['RW', 'access', 'update'] : ['RO', 'access'];
}

function refused(message: string): CacheError {
  return new CacheError('bad_request', message);
}

const HELP = [
  'COMMAND <subcommand> [<arg> [value] [opt] ...]. Subcommands are:',
  '(no subcommand)',
  '    Return details about all commands.',
  'COUNT',
  '    Return the total number of commands.',
  'LIST [FILTERBY <MODULE <name>|ACLCAT <category>|PATTERN <pattern>>]',
  '    Return a list of all commands.',
  'INFO [<command-name> ...]',
  '    Return details about multiple commands, or all.',
  'DOCS [<command-name> ...]',
  '    Return where multiple commands, or all, are documented, or why they are refused.',
  'GETKEYS <full-command>',
  '    Return the keys from a full command.',
  'GETKEYSANDFLAGS <full-command>',
  '    Return the keys and the access flags from a full command.',
  'HELP',
  '    Print this help.',
];
