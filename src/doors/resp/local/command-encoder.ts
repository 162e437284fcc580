/** What COMMAND says of commands, part by part, in the shapes of Redis 7.0. */
import type { Protocol } from '../../../core/ports';
import type { CommandSpec, KeySpec } from '../command-spec';
import {
  encodeArrayHeader,
  encodeBulk,
  encodeInteger,
  encodeMapHeader,
  encodeNull,
  encodeSetHeader,
  encodeSimple,
} from '../encoder';
import { legacyRangeOf } from './legacy-range';

/** A reply, or replies behind each other. */
type Element = Buffer | readonly Element[];

/** The bytes of what an encoder has put together. */
export function flat(element: Element): Buffer {
  const buffers: Buffer[] = [];
  const add = (part: Element): void => {
    if (Buffer.isBuffer(part)) buffers.push(part);
    else part.forEach(add);
  };
  add(element);
  return Buffer.concat(buffers);
}

/** A command's parts in one protocol. What is said of a command is put together once. */
export class CommandEncoder {
  readonly #infos = new Map<CommandSpec, Buffer>();
  readonly #docs = new Map<CommandSpec, Buffer>();

  constructor(private readonly protocol: Protocol) {}

  array(elements: readonly Element[]): Element {
    return [encodeArrayHeader(elements.length), ...elements];
  }

  set(elements: readonly Element[]): Element {
    return [encodeSetHeader(elements.length, this.protocol), ...elements];
  }

  map(entries: readonly (readonly [string, Element])[]): Element {
    const header = encodeMapHeader(entries.length, this.protocol);
    return [header, ...entries.map(([name, value]) => [encodeBulk(name), value])];
  }

  statuses(names: readonly string[]): Element {
    return this.set(names.map(encodeSimple));
  }

  infoOrNull(spec: CommandSpec | undefined): Element {
    return spec === undefined ? encodeNull(this.protocol) : this.info(spec);
  }

  info(spec: CommandSpec): Element {
    return remembered(this.#infos, spec, () => this.#info(spec));
  }

  /** Ten elements; the tips, the eighth, are for clients of a cluster, which this is not. */
  #info(spec: CommandSpec): Element {
    const { first, last, step } = legacyRangeOf(spec.keySpecs);
    return this.array([
      encodeBulk(spec.name),
      encodeInteger(spec.arity),
      this.statuses(spec.flags),
      ...[first, last, step].map(encodeInteger),
      this.statuses(spec.categories),
      this.set([]),
      this.set(spec.keySpecs.map((keySpec) => this.#keySpec(keySpec))),
      this.set([...spec.subcommands.values()].map((subcommand) => this.info(subcommand))),
    ]);
  }

  docs(specs: readonly CommandSpec[]): Element {
    return this.map(specs.map((spec) => [spec.name, remembered(this.#docs, spec, () => this.#doc(spec))]));
  }

  #doc({ name, refusal, group, subcommands }: CommandSpec): Element {
    const page = `See https://redis.io/commands/${name.replaceAll(/[|]/g, '-')}/`;
    const summary = refusal === undefined ? page : `Refused: ${refusal}`;
    const own: [string, Element][] = [
      ['summary', encodeBulk(summary)],
      ['group', encodeBulk(group)],
    ];
    return this.map(
      subcommands.size === 0 ? own : [...own, ['subcommands', this.docs([...subcommands.values()])]],
    );
  }

  #keySpec({ flags, begin, find }: KeySpec): Element {
    return this.map([
      ['flags', this.statuses(flags)],
      ['begin_search', this.#typed(begin.type, beginOf(begin))],
      ['find_keys', this.#typed(find.type, findOf(find))],
    ]);
  }

  #typed(type: string, spec: Readonly<Record<string, number | string>>): Element {
    const entries = Object.entries(spec).map(
      ([name, value]) =>
        [name, typeof value === 'number' ? encodeInteger(value) : encodeBulk(value)] as const,
    );
    return this.map([
      ['type', encodeBulk(type)],
      ['spec', this.map(entries)],
    ]);
  }
}

function remembered(known: Map<CommandSpec, Buffer>, spec: CommandSpec, make: () => Element): Buffer {
  const before = known.get(spec);
  if (before !== undefined) return before;
  const made = flat(make());
  known.set(spec, made);
  return made;
}

function beginOf(begin: KeySpec['begin']): Readonly<Record<string, number | string>> {
  switch (begin.type) {
    case 'index':
      return { index: begin.index };
    case 'keyword':
      return { keyword: begin.keyword, startfrom: begin.from };
    case 'unknown':
      return {};
  }
}

function findOf(find: KeySpec['find']): Readonly<Record<string, number>> {
  switch (find.type) {
    case 'range':
      return { lastkey: find.last, keystep: find.step, limit: find.limit };
    case 'keynum':
      return { keynumidx: 0, firstkey: 1, keystep: find.step };
    case 'unknown':
      return {};
  }
}
