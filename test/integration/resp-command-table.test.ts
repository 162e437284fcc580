/** The command table against a real Redis: what it says of its commands, and which keys it finds in them. */
import { COMMANDS, allCommands } from '../../src/doors/resp/command-table';
import type { CommandSpec } from '../../src/doors/resp/command-spec';
import { findCommand } from '../../src/doors/resp/find-command';
import { keysOf } from '../../src/doors/resp/key-rules';
import { commandReply } from '../../src/doors/resp/local/command-replies';
import { startRedis, type RedisProcess } from '../support/redis';
import { SAMPLES } from '../support/resp-samples';
import { bulkOf, elementsOf, errorOf, WireConnection, type Word } from '../support/resp-wire';

let redis: RedisProcess;
let connection: WireConnection;

beforeAll(async () => {
  redis = await startRedis();
  connection = await WireConnection.open(redis);
});

afterAll(async () => {
  connection.close();
  await redis.stop();
});

/** A reply as nested arrays of text, with what has no order sorted. */
type Tree = string | readonly Tree[];

function treeOf(reply: Buffer): Tree {
  if (!'*~%'.includes(String.fromCharCode(reply[0]!))) return reply.toString('latin1');
  const { head, elements } = elementsOf(reply);
  return [head.toString('latin1'), ...elements.map(treeOf)];
}

/** Flags, categories, specifications and subcommands are sets; tips, the eighth element, are none of the door's. */
function infoOf(tree: Tree): Tree {
  if (typeof tree === 'string') return tree;
  const [head, name, arity, flags, first, last, step, categories, , keySpecs, subcommands] = tree;
  const subcommandInfos = (subcommands as readonly Tree[]).slice(1).map(infoOf).sort(byText);
  return [
    head,
    name,
    arity,
    flags,
    first,
    last,
    step,
    categories,
    withoutNotes(keySpecs),
    subcommandInfos,
  ].map((part) => part ?? '');
}

/** A specification may begin with a note for people. */
function withoutNotes(keySpecs: Tree | undefined): Tree {
  return (keySpecs as readonly Tree[]).map((spec) => {
    if (typeof spec === 'string') return spec;
    const at = spec.indexOf('$5\r\nnotes\r\n');
    return at < 0 ? spec.slice(1) : [...spec.slice(1, at), ...spec.slice(at + 2)];
  });
}

function byText(one: Tree, other: Tree): number {
  return JSON.stringify(one) < JSON.stringify(other) ? -1 : 1;
}

describe.each([2, 3] as const)('in RESP%i', (protocol) => {
  beforeAll(async () => {
    await connection.ask('HELLO', String(protocol));
  });

  it('every command of Redis is told of as Redis tells of it', async () => {
    const theirs = elementsOf(await connection.ask('COMMAND')).elements;
    const names = theirs.map((info) => bulkOf(elementsOf(info).elements[0]!)!);
    expect(names.length).toBeGreaterThan(200);
    const ours = commandReply(
      ['COMMAND', 'INFO', ...names].map((word) => Buffer.from(word)),
      protocol,
    );
    const infos = elementsOf(ours).elements;
    const told = theirs.map((info) => infoOf(treeOf(info)));
    for (const [index, info] of infos.entries()) {
      const name = names[index]!.toString();
      const mine = infoOf(treeOf(info));
      expect({ name, info: without(mine, LATER) }).toEqual({ name, info: told[index] });
    }
  });

  it('the keys of each sample are those that COMMAND GETKEYSANDFLAGS finds, and so are their flags', async () => {
    for (const sample of SAMPLES.filter(({ command }) => namesKeys(command) && !LATER.has(command))) {
      const words = sample.words('one', 'two', 'three').map((word) => Buffer.from(word));
      const theirs = await connection.ask('COMMAND', 'GETKEYSANDFLAGS', ...words);
      const ours = commandReply([Buffer.from('COMMAND'), Buffer.from('GETKEYSANDFLAGS'), ...words], protocol);
      expect({ line: sample.line, reply: treeOf(ours) }).toEqual({
        line: sample.line,
        reply: treeOf(theirs),
      });
    }
  });
});

/** Commands of later versions. */
const LATER = new Set([
  ...['hexpire', 'hexpireat', 'hexpiretime', 'hgetdel', 'hgetex', 'hpersist', 'hpexpire', 'hpexpireat'],
  ...['hpexpiretime', 'hpttl', 'hsetex', 'httl', 'delex', 'digest', 'msetex', 'xackdel', 'xdelex', 'waitaof'],
  ...['client|no-touch', 'client|setinfo', 'cluster|myshardid'],
]);

function without(info: Tree, names: ReadonlySet<string>): Tree {
  if (typeof info === 'string') return info;
  const subcommands = (info.at(-1) as readonly Tree[]).filter(
    (subcommand) => !names.has(String(subcommand[1]).split('\r\n')[1] ?? ''),
  );
  return [...info.slice(0, -1), subcommands];
}

function specNamed(name: string): CommandSpec {
  return allCommands().find((spec) => spec.name === name)!;
}

function namesKeys(name: string): boolean {
  const { kind, keys } = specNamed(name);
  return keys.rule !== 'none' && kind !== 'refused';
}

it('there is a sample of every command, and Redis accepts each of them as one that it knows', async () => {
  const containers = new Set([...COMMANDS.values()].filter(isMereContainer).map(({ name }) => name));
  const known = allCommands().map(({ name }) => name);
  expect(new Set(SAMPLES.map(({ command }) => command))).toEqual(
    new Set(known.filter((name) => !containers.has(name))),
  );
  for (const sample of SAMPLES.filter(({ command }) => !LATER.has(command))) {
    const { line, command } = sample;
    const told = await connection.ask('COMMAND', 'GETKEYS', ...sample.words('one', 'two', 'three'));
    const error = errorOf(told) ?? '';
    expect({ line, error: /Invalid (command|number)/.test(error) }).toEqual({ line, error: false });
    expect({ line, found: nameOf(sample.words('a', 'b', 'c')) }).toEqual({ line, found: command });
  }
});

function isMereContainer({ subcommands, name }: CommandSpec): boolean {
  return subcommands.size > 0 && name !== 'command';
}

function nameOf(words: readonly Word[]): string {
  const found = findCommand(words.map((word) => Buffer.from(word)));
  return typeof found === 'object' ? found.name : 'unknown';
}

describe('what Redis refuses because of where its keys stand', () => {
  const MALFORMED: readonly (readonly string[])[] = [
    'MSET a 1 b',
    'MSETNX a 1 b',
    'EVAL x nan a',
    'EVAL x -1 a',
    'EVAL x 2 a',
    'EVAL x 01 a',
    'EVAL x +1 a',
    'ZUNION nan a',
    'ZUNION 0 a',
    'ZUNION 2 a',
    'ZINTERSTORE d 0 a',
    'ZINTERSTORE d 01 a',
    'ZDIFF 9 a b',
    'ZINTERCARD 0 a',
    'SINTERCARD 0 a',
    'SINTERCARD 3 a',
    'SINTERCARD nan a',
    'LMPOP 0 a LEFT',
    'LMPOP nan a LEFT',
    'LMPOP 3 a LEFT',
    'BLMPOP 1 0 a LEFT',
    'ZMPOP 0 a MIN',
    'ZMPOP 3 a MIN',
    'BZMPOP 1 9 a MIN',
    'XREAD STREAMS a b 0',
    'XREAD COUNT 1 a b c',
    'XREAD COUNT 1 STREAMS',
    'XREADGROUP GROUP g c STREAMS a b >',
    'XREADGROUP GROUP g c BOGUS STREAMS a >',
    'SORT a BOGUS',
    'SORT a STORE',
    'SORT a LIMIT 1',
    'SORT_RO a STORE b',
    'GEORADIUS a 1 2 3 m BOGUS',
    'GEORADIUS a 1 2 3 m STORE',
    'GEORADIUS a 1 2 3 m COUNT STORE b',
    'GEORADIUSBYMEMBER a m 3 m BOGUS',
  ].map((line) => line.split(' '));

  it.each(MALFORMED.map((words) => [words.join(' '), words] as const))(
    '%s is refused in the same words',
    async (_line, words) => {
      const theirs = errorOf(await connection.ask(...words));
      expect(theirs).toMatch(/^ERR /);
      expect(() => {
        const bytes = words.map((word) => Buffer.from(word));
        keysOf(findCommand(bytes) as CommandSpec, bytes);
      }).toThrow(theirs!.slice(4));
    },
  );
});
