/**
 * Names to commands, as Redis finds them: whatever the case of their letters. Done for each request, so nothing is
 * allocated: folded bytes make a number, and who has that number is compared byte by byte.
 */
import type { Words } from '../../core/ports';
import type { CommandSpec } from './command-spec';
import { COMMANDS } from './command-table';

interface Entry {
  readonly name: string;
  readonly spec: CommandSpec;
  readonly subcommands: Index | undefined;
  /** Another one of the same number. */
  readonly next: Entry | undefined;
}

type Index = ReadonlyMap<number, Entry>;

/** No name is longer; a word of megabytes is not worth a look. */
const NAME_BYTES_MAX = 32;

const INDEX = indexOf(COMMANDS);

/**
 * What the words ask for: a command, or one of a container's. The container itself when nothing but it is named; its
 * arity refuses that. undefined: Redis knows no such command either, or nobody has said yet what it does.
 */
export function findCommand(words: Words): CommandSpec | 'unknown subcommand' | undefined {
  const [name, subcommand] = words;
  if (name === undefined) return undefined;
  const entry = find(INDEX, name);
  if (entry?.subcommands === undefined || subcommand === undefined) return entry?.spec;
  return find(entry.subcommands, subcommand)?.spec ?? 'unknown subcommand';
}

/** Whether the words are as many as the command takes. */
export function hasArity({ arity }: CommandSpec, words: Words): boolean {
  return arity < 0 ? words.length >= -arity : words.length === arity;
}

function find(index: Index, word: Buffer): Entry | undefined {
  if (word.length > NAME_BYTES_MAX) return undefined;
  let number = word.length;
  // The index loop: iterating a Buffer costs several times as much.
  for (let at = 0; at < word.length; at += 1) number = mix(number, fold(word[at] ?? 0));
  for (let entry = index.get(number); entry !== undefined; entry = entry.next)
    if (isCalled(entry.name, word)) return entry;
  return undefined;
}

function isCalled(name: string, word: Buffer): boolean {
  if (name.length !== word.length) return false;
  for (let at = 0; at < word.length; at += 1) if (name.charCodeAt(at) !== fold(word[at] ?? 0)) return false;
  return true;
}

function fold(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte;
}

function mix(number: number, byte: number): number {
  // Within 30 bits, where numbers are kept without a box.
  return (Math.imul(number, 31) + byte) & 0x3fffffff;
}

function indexOf(commands: ReadonlyMap<string, CommandSpec>): Index {
  const index = new Map<number, Entry>();
  for (const [name, spec] of commands) {
    if (name.length > NAME_BYTES_MAX) throw new Error(`too long a name: ${name}`);
    let number = name.length;
    for (let at = 0; at < name.length; at += 1) number = mix(number, name.charCodeAt(at));
    const subcommands = spec.subcommands.size === 0 ? undefined : indexOf(spec.subcommands);
    index.set(number, { name, spec, subcommands, next: index.get(number) });
  }
  return index;
}
