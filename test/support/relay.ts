/** Relayed commands as tests send them: words as text, and the reply as the text that Redis sent. */
import { Grants, type Principal, type Scope } from '../../src/core/grants';
import type { Key } from '../../src/core/command';
import type { EngineRelay, Protocol, RelayRequest, Whereabouts, Words } from '../../src/core/ports';
import type { CacheLink, CacheRelay, RelayedCommand } from '../../src/core/relay';
import { systemClock as clock } from '../../src/lib/clock';

const anyone: Principal = {
  id: 'id',
  name: 'name',
  grants: new Grants(['read', 'write', 'delete', 'admin'], []),
};

/** Who has these scopes for what begins with the prefix. */
export function someone(scopes: readonly Scope[], ...prefixes: string[]): Principal {
  return { id: 'id', name: 'name', grants: new Grants(scopes, prefixes as Key[]) };
}

function wordsOf(text: string): Words {
  return text.split(' ').map((word) => Buffer.from(word, 'latin1'));
}

export interface Told {
  readonly by?: Principal;
  /** Where they have blanks in them. */
  readonly words?: readonly string[];
  readonly keys?: readonly string[];
  readonly at?: Whereabouts;
  readonly isWrite?: boolean;
  readonly isUnbounded?: boolean;
  readonly changesStrings?: boolean;
  readonly changesUnnamed?: boolean;
  readonly isRepeatable?: boolean;
  readonly scopes?: readonly Scope[];
  readonly values?: RelayedCommand['values'];
  readonly from?: 'any' | 'master';
  readonly protocol?: Protocol;
  readonly withinMs?: number;
}

const READS = /^(get|mget|exists|strlen|hgetall|lrange|dbsize|scan|type)\b/i;

/** The command in `text`; its key is the second word unless told otherwise. */
export function commandOf(text: string, told: Told = {}): RelayedCommand {
  const words = told.words?.map((word) => Buffer.from(word, 'latin1')) ?? wordsOf(text);
  const isWrite = told.isWrite ?? !READS.test(text);
  const keys = told.keys ?? [text.split(' ')[1] ?? ''];
  return {
    words,
    keys: keys as Key[],
    isWrite,
    isUnbounded: told.isUnbounded ?? false,
    changesStrings: told.changesStrings ?? isWrite,
    changesUnnamed: told.changesUnnamed ?? (isWrite && told.isUnbounded === true),
    isRepeatable: told.isRepeatable ?? !isWrite,
    scopes: told.scopes ?? [isWrite ? 'write' : 'read'],
    values: told.values ?? [],
  };
}

/** Resolves with the reply, rejects with the CacheError. */
export function ask(relay: CacheRelay, text: string, told: Told = {}): Promise<string> {
  const command = commandOf(text, told);
  return reply((caller) =>
    relay.send(told.at ?? whereOf(command), told.by ?? anyone, command, optionsOf(told), caller),
  );
}

/** Several as one step. */
export function transact(relay: CacheRelay, texts: readonly string[], told: Told = {}): Promise<string> {
  const commands = texts.map((text) => commandOf(text, told));
  return reply((caller) =>
    relay.transact(told.at ?? whereOf(commands[0]), told.by ?? anyone, commands, optionsOf(told), caller),
  );
}

export function askOn(link: CacheLink, text: string, told: Told = {}): Promise<string> {
  return reply((caller) => link.send(told.by ?? anyone, commandOf(text, told), optionsOf(told), caller));
}

export function transactOn(link: CacheLink, texts: readonly string[], told: Told = {}): Promise<string> {
  const commands = texts.map((text) => commandOf(text, told));
  return reply((caller) => link.transact(told.by ?? anyone, commands, optionsOf(told), caller));
}

/** The same without a core in front. */
export function askEngine(relay: EngineRelay, text: string, told: Told = {}): Promise<string> {
  const { words, keys, isWrite, isUnbounded, changesStrings, changesUnnamed, isRepeatable } = commandOf(
    text,
    told,
  );
  return reply((caller) => {
    const request: RelayRequest = {
      commands: [words],
      isTransaction: false,
      keys,
      isUnbounded,
      announced: changesStrings ? keys : [],
      isWrite,
      changesUnnamed,
      isRepeatable,
      ...optionsOf(told),
      settle: (bytes) => caller.settle(bytes),
      fail: (error) => caller.fail(error),
    };
    relay.send(told.at ?? (keys[0] as Key), request);
  });
}

function whereOf(command: RelayedCommand | undefined): Whereabouts {
  return command?.keys[0] ?? 0;
}

function optionsOf({ protocol = 2, from = 'master', withinMs = 2000 }: Told) {
  return { protocol, from, deadlineMs: clock.now() + withinMs };
}

interface Caller {
  settle(bytes: Buffer): void;
  fail(error: Error): void;
}

function reply(send: (caller: Caller) => void): Promise<string> {
  return new Promise((resolve, reject) => {
    send({ settle: (bytes) => resolve(bytes.toString('latin1')), fail: reject });
  });
}
