/**
 * The notation of the command table. A command is a line of four columns:
 *
 * ```
 * name arity | flags | kind scopes others | keys @categories
 * getex -2   | write fast | keyed read | 1:RW+access+update
 * ```
 *
 * - `name`, `arity`, `flags`: as `COMMAND` says them
 * - `kind`: a `CommandKind`, or `container`; of `refused`, the name of a sentence in `refusals.ts` follows
 * - `scopes`: divided by `+`
 * - others: `all` isUnbounded, `open` isOpen, `master` needsMaster, `changes` isWrite though it has no flag `write`
 * - keys: `1` a word; `1..-1` from the first to the last; `1..-1/2` each second; `1..-1%2` the first half of them;
 *   `#2` the second word says how many follow; `STORE>6` behind that word, looked for from the sixth on; `?` nobody can
 *   say; each with what is done with them behind `:`
 * - categories: where they are not those of the file; `@`: none
 */
import { SCOPES, type Scope } from '../../core/grants';
import {
  COMMAND_KINDS,
  type CommandKind,
  type CommandSpec,
  type KeyRule,
  type KeySpec,
} from './command-spec';
import { REFUSALS, type RefusalName } from './refusals';

/** Commands of one group of Redis's. */
export interface CommandRows {
  readonly group: string;
  /** The category that all of them have but for those that say others; empty: none. */
  readonly category: string;
  readonly rows: string;
}

/** The order in which `COMMAND` names them. */
const CATEGORIES = [
  ...['@keyspace', '@read', '@write', '@set', '@sortedset', '@list', '@hash', '@string', '@bitmap'],
  ...['@hyperloglog', '@geo', '@stream', '@pubsub', '@admin', '@fast', '@slow', '@blocking', '@dangerous'],
  ...['@connection', '@transaction', '@scripting'],
];

/** Those whose keys stand among options, where words that look alike may be something else. */
const OWN_RULES: Readonly<Record<string, 'sort' | 'georadius' | 'xread'>> = {
  sort: 'sort',
  sort_ro: 'sort',
  georadius: 'georadius',
  georadiusbymember: 'georadius',
  xread: 'xread',
  xreadgroup: 'xread',
};

const NOT_IN_TRANSACTION: Readonly<Record<string, string>> = {
  multi: 'MULTI calls can not be nested',
  watch: 'WATCH inside MULTI is not allowed',
};
const NOT_ALLOWED = 'Command not allowed inside a transaction';

/** Never relayed to replicas, whatever their flags. */
const MASTER_KINDS: readonly CommandKind[] = ['everywhere', 'single', 'scan', 'blocking', 'channel'];

/** The commands of the rows, containers with theirs in them. @throws Error for a row that is not understood */
export function parseRows({ group, category, rows }: CommandRows): CommandSpec[] {
  const commands: CommandSpec[] = [];
  const containers = new Map<string, Map<string, CommandSpec>>();
  for (const line of rows.split('\n').filter((text) => text.trim() !== '')) {
    const subcommands = new Map<string, CommandSpec>();
    const spec = parseRow(line, group, category, subcommands);
    const [container = '', subcommand] = spec.name.split('|');
    if (subcommand === undefined) {
      commands.push(spec);
      containers.set(spec.name, subcommands);
    } else {
      const siblings = containers.get(container);
      if (siblings === undefined) throw new Error(`no container above: ${line}`);
      siblings.set(subcommand, spec);
    }
  }
  return commands;
}

function parseRow(
  line: string,
  group: string,
  category: string,
  subcommands: ReadonlyMap<string, CommandSpec>,
): CommandSpec {
  const [head, flagWords, way, tail] = columnsOf(line);
  const [name = '', arity = ''] = head;
  const [kindWord = '', ...options] = way;
  const kind = kindWord === 'container' ? 'local' : COMMAND_KINDS.find((known) => known === kindWord);
  if (kind === undefined || name === '' || !/^-?[1-9]\d*$/.test(arity)) throw new Error(`no row: ${line}`);
  const scopes = options.flatMap((option) => option.split('+')).filter(isScope);
  const refusal = kind === 'refused' ? refusalOf(options, line) : undefined;
  const own = tail.filter((word) => word.startsWith('@'));
  const keySpecs = tail.filter((word) => !word.startsWith('@')).map(parseKeySpec);
  const isWrite = flagWords.includes('write') || options.includes('changes');
  const isUnbounded = options.includes('all');
  const keys = ruleOf(name, keySpecs);
  const mayNameNone = keys.rule === 'none' || flagWords.includes('no_mandatory_keys');
  return {
    name,
    arity: Number(arity),
    kind,
    scopes,
    isWrite,
    needsMaster: isWrite || options.includes('master') || MASTER_KINDS.includes(kind),
    keys,
    isUnbounded,
    changesStrings:
      isWrite && (!OTHER_TYPES.includes(group) || name.endsWith('store') || keySpecs.some(replaces)),
    changesUnnamed: isWrite && isUnbounded && mayNameNone,
    isOpen: options.includes('open'),
    notInTransaction:
      NOT_IN_TRANSACTION[name] ??
      (kind === 'subscription' || flagWords.includes('no_multi') ? NOT_ALLOWED : undefined),
    refusal,
    flags: flagWords,
    categories: categoriesOf(flagWords, kindWord === 'container' ? [] : own.length > 0 ? own : [category]),
    keySpecs,
    group,
    subcommands,
  };
}

/**
 * Of these a command fails where a string is, but for a key that it replaces. SINTERSTORE does, though Redis says `RW`
 * of it.
 */
const OTHER_TYPES: readonly string[] = ['hash', 'list', 'set', 'sorted-set', 'geo', 'stream'];

function replaces({ flags }: KeySpec): boolean {
  return !flags.includes('RW') && !flags.includes('RO');
}

function columnsOf(line: string): [string[], string[], string[], string[]] {
  // `|` divides a container from its subcommand too, but never with blanks around it.
  const columns = line
    .split(/\s\|(?:\s|$)/)
    .map((column) => column.split(/\s+/).filter((word) => word !== ''));
  const [head, flags, way, tail] = columns;
  if (
    head === undefined ||
    flags === undefined ||
    way === undefined ||
    tail === undefined ||
    columns.length > 4
  )
    throw new Error(`a row has four columns: ${line}`);
  return [head, flags.filter((flag) => flag !== '-'), way, tail];
}

function isScope(word: string): word is Scope {
  return (SCOPES as readonly string[]).includes(word);
}

function refusalOf([name = '']: readonly string[], line: string): string {
  if (!(name in REFUSALS)) throw new Error(`no reason for the refusal: ${line}`);
  return REFUSALS[name as RefusalName];
}

function categoriesOf(flags: readonly string[], named: readonly string[]): readonly string[] {
  const has = new Set(named);
  if (flags.includes('write')) has.add('@write');
  if (flags.includes('readonly') && !has.has('@scripting')) has.add('@read');
  if (flags.includes('admin')) has.add('@admin').add('@dangerous');
  if (flags.includes('pubsub')) has.add('@pubsub');
  if (flags.includes('blocking')) has.add('@blocking');
  has.add(flags.includes('fast') ? '@fast' : '@slow');
  return CATEGORIES.filter((category) => has.has(category));
}

function parseKeySpec(text: string): KeySpec {
  const [where = '', flags = ''] = text.split(':');
  const parts =
    /^(?:(?<unknown>\?)|(?<keyword>[A-Z]+)>(?<from>-?\d+)|(?<counted>#)?(?<index>\d+))(?:\.\.(?<last>-?\d+))?(?:\/(?<step>\d+))?(?:%(?<limit>\d+))?$/.exec(
      where,
    )?.groups;
  if (parts === undefined) throw new Error(`no keys: ${text}`);
  const { unknown, keyword, from, counted, index, last, step = '1', limit = '0' } = parts;
  const range = { type: 'range', step: Number(step), limit: Number(limit) } as const;
  const spec = { flags: flags.split('+') };
  if (unknown !== undefined) return { ...spec, begin: { type: 'unknown' }, find: { type: 'unknown' } };
  if (keyword !== undefined)
    return {
      ...spec,
      begin: { type: 'keyword', keyword, from: Number(from) },
      find: { ...range, last: Number(last ?? 0) },
    };
  const first = Number(index);
  const begin = { type: 'index', index: first } as const;
  if (counted !== undefined) return { ...spec, begin, find: { type: 'keynum', step: Number(step) } };
  const end = Number(last ?? first);
  return { ...spec, begin, find: { ...range, last: end < 0 ? end : end - first } };
}

/** One rule for all the specifications of a command. @throws Error where they leave words between them */
function ruleOf(name: string, specs: readonly KeySpec[]): KeyRule {
  const find = OWN_RULES[name];
  if (find !== undefined) return { rule: 'own', find };
  let rule: KeyRule = { rule: 'none' };
  for (const { begin, find, flags } of specs) {
    if (begin.type !== 'index' || flags.includes('not_key')) continue;
    const { index } = begin;
    if (find.type === 'keynum') {
      rule = {
        rule: 'counted',
        at: index,
        step: find.step,
        before: rule.rule === 'range' ? rule.first : undefined,
      };
    } else if (find.type === 'range') {
      const last = find.last < 0 ? find.last : index + find.last;
      if (rule.rule === 'range' && rule.last !== index - 1)
        throw new Error(`words between the keys of ${name}`);
      rule = { rule: 'range', first: rule.rule === 'range' ? rule.first : index, last, step: find.step };
    }
  }
  return rule;
}
