/**
 * A client whose keys begin with a prefix has, through the RESP door, no way to any other key: not to read it, change it,
 * or learn whether it is there, with whatever command, in whatever form; and all ways to its own.
 */
import path from 'node:path';
import { runClientCommand } from '../../src/auth/client-command';
import { allCommands } from '../../src/doors/resp/command-table';
import type { CommandSpec } from '../../src/doors/resp/command-spec';
import { makeFolder } from '../support/child';
import { findFreePort } from '../support/free-port';
import { startGateway, type Gateway } from '../support/gateway';
import { startShard, type ShardProcesses } from '../support/redis';
import { SAMPLES, type Sample } from '../support/resp-samples';
import { bulkOf, elementsOf, errorOf, WireConnection, type Word } from '../support/resp-wire';

const START_MS = 60_000;
const RUN_MS = 120_000;

const OWN = ['team-a:{t}one', 'team-a:{t}two', 'team-a:{t}\0three'];
/**
 * One for each type that there is. Their tag puts them beside the client's own keys, and they are as long as what is
 * absent, so that replies which repeat them are alike.
 */
const STRING = 'team-b:{t}1';
const LIST = 'team-b:{t}2';
const HASH = 'team-b:{t}3';
const SET = 'team-b:{t}4';
const ZSET = 'team-b:{t}5';
const STREAM = 'team-b:{t}6';
const HYPERLOGLOG = 'team-b:{t}7';
const GEO = 'team-b:{t}8';
const PRESENT = [STRING, LIST, HASH, SET, ZSET, STREAM, HYPERLOGLOG, GEO];
const ABSENT = 'team-b:{t}0';
/** None of them begins as the client's keys do. */
const LOOK_ALIKES = [
  'team-a',
  'TEAM-A:{t}k',
  'team-a\0:{t}k',
  ' team-a:{t}k',
  'team-a;{t}k',
  'eam-a:{t}k',
  '',
];
/** What nobody may find in a reply. */
const FOREIGN = /team-b|TEAM-A|secret/;

const SPECS: ReadonlyMap<string, CommandSpec> = new Map(allCommands().map((spec) => [spec.name, spec]));

/** They name what is asked for, and tell of it only what the caller may hear, or nothing. */
const HARMLESS = new Set([
  ...['scan', 'pubsub|channels', 'pubsub|shardchannels', 'command|getkeys', 'command|getkeysandflags'],
  ...['unsubscribe', 'punsubscribe', 'sunsubscribe'],
]);
/** Their replies repeat what was asked for. */
const REPEATING = new Set([
  'unsubscribe',
  'punsubscribe',
  'sunsubscribe',
  'command|getkeys',
  'command|getkeysandflags',
]);

describe.each([1, 2])('over %i shards', (shardCount) => {
  let shards: ShardProcesses[];
  let gateway: Gateway;
  let port: number;
  let teamKey: string;
  let team: WireConnection;
  let direct: WireConnection[];

  beforeAll(async () => {
    const clientsFile = path.join(await makeFolder(), 'clients.json');
    teamKey = await addClient(
      clientsFile,
      'team-a',
      '--scope',
      'read,write,delete,admin',
      '--prefix',
      'team-a:',
    );
    shards = await Promise.all(
      Array.from({ length: shardCount }, (_, index) => startShard({ name: `shard-${index}`, replicas: 1 })),
    );
    port = await findFreePort();
    gateway = await startGateway({
      env: {
        REDIS_NODES: shards.map(({ setting }) => setting).join(';'),
        CLIENTS_FILE: clientsFile,
        RESP_PORT: String(port),
      },
    });
    direct = await Promise.all(shards.map(({ master }) => WireConnection.open(master)));
    team = await openTeam();
    await fill();
  }, START_MS);

  afterAll(async () => {
    await gateway.stop();
    await Promise.all(shards.map((shard) => shard.stop()));
  }, START_MS);

  async function openTeam(): Promise<WireConnection> {
    const connection = await WireConnection.open({ port });
    expect((await connection.ask('AUTH', 'team-a', teamKey)).toString()).toBe('+OK\r\n');
    return connection;
  }

  /** Through the gateway, with all rights, so that what can be near is near. */
  async function fill(): Promise<void> {
    const admin = await WireConnection.open({ port });
    await admin.ask('AUTH', gateway.apiKey);
    const commands: Word[][] = [
      ['SET', STRING, 'secret'],
      ['RPUSH', LIST, 'secret', '2'],
      ['HSET', HASH, 'f', 'secret'],
      ['SADD', SET, 'secret', '2'],
      ['ZADD', ZSET, '1', 'secret'],
      ['XADD', STREAM, '1-1', 'f', 'secret'],
      ['XGROUP', 'CREATE', STREAM, 'g', '0'],
      ['PFADD', HYPERLOGLOG, 'secret'],
      ['GEOADD', GEO, '15', '37', 'secret'],
      ...LOOK_ALIKES.map((key) => ['SET', Buffer.from(key, 'latin1'), 'secret']),
      ['SET', OWN[0]!, 'own'],
    ];
    for (const command of commands) expect(errorOf(await admin.ask(...command))).toBeUndefined();
    for (const key of [...PRESENT, ...LOOK_ALIKES]) await admin.ask('GET', Buffer.from(key, 'latin1'));
    admin.close();
  }

  /** Everything that is stored, with its lives. */
  async function stored(): Promise<string[]> {
    const found: string[] = [];
    for (const connection of direct) {
      for (const key of elementsOf(await connection.ask('KEYS', '*')).elements) {
        const name = key.subarray(key.indexOf('\r\n') + 2, -2);
        const [dump, life] = await connection.askTogether([
          ['DUMP', name],
          ['PTTL', name],
        ]);
        found.push([name, dump!, life!].map((part) => part.toString('latin1')).join(' '));
      }
    }
    return found.sort();
  }

  /** The foreign name in each of the places by turns, and in all of them. */
  function* placings(sample: Sample, foreign: string): Generator<Word[]> {
    if (sample.places > 1) yield sample.words(foreign);
    for (let place = 0; place < sample.places; place += 1) {
      yield sample.words(...OWN.slice(0, sample.places).map((own, at) => (at === place ? foreign : own)));
    }
  }

  const KEYED = SAMPLES.filter(({ places }) => places > 0);

  it(
    'no command says or does anything with a key of others, be it there or not',
    async () => {
      const before = await stored();
      for (const sample of KEYED) {
        const said = new Set<string>();
        for (const foreign of [ABSENT, ...PRESENT]) {
          const replies = await team.askTogether([...placings(sample, foreign)]);
          said.add(replies.map((reply) => reply.toString('latin1').replaceAll(foreign, '…')).join(''));
          for (const reply of replies) expectNothingTold(sample, reply, foreign);
        }
        expect({ line: sample.line, said: said.size }).toEqual({ line: sample.line, said: 1 });
      }
      expect(await stored()).toEqual(before);
    },
    RUN_MS,
  );

  it(
    'nor with a key whose name is much like its own',
    async () => {
      const before = await stored();
      for (const sample of KEYED) {
        for (const foreign of LOOK_ALIKES) {
          const words = sample.words(foreign);
          expectNothingTold(sample, await team.ask(...words), foreign);
        }
      }
      expect(await stored()).toEqual(before);
    },
    RUN_MS,
  );

  it.each([
    ['lower', (text: string) => text.toLowerCase()],
    [
      'mixed',
      (text: string) =>
        text.replace(/[A-Za-z]/g, (letter, at: number) =>
          at % 2 ? letter.toLowerCase() : letter.toUpperCase(),
        ),
    ],
    ['lower, with a NUL behind the options', (text: string) => `${text.toLowerCase()}\0`],
  ])(
    'nor in %s case',
    async (how, change) => {
      const before = await stored();
      for (const sample of KEYED) {
        for (const words of placings(sample, STRING)) {
          const isNamed = (word: Word): boolean => /team-[ab]/.test(word.toString('latin1'));
          const named = sample.command.split('|').length;
          const changed = words.map((word, at) =>
            isNamed(word) || (how.includes('NUL') && (at < named || /^[\d.-]*$/.test(word.toString())))
              ? word
              : Buffer.from(change(word.toString('latin1')), 'latin1'),
          );
          const reply = await team.ask(...changed);
          if (how.includes('NUL')) expectUntold(sample, reply);
          else expectNothingTold(sample, reply, STRING);
        }
      }
      expect(await stored()).toEqual(before);
    },
    RUN_MS,
  );

  it(
    'nor within a transaction',
    async () => {
      const before = await stored();
      const outside = new Set(['multi', 'exec', 'discard', 'quit', 'reset']);
      for (const sample of KEYED.filter(({ command }) => !outside.has(command))) {
        for (const words of placings(sample, STRING)) {
          const replies = await team.askTogether([
            ['MULTI'],
            ['SET', OWN[0]!, 'changed'],
            words,
            ['DISCARD'],
          ]);
          const queued = replies[2]!;
          if (queued.toString() !== '+QUEUED\r\n') expectNothingTold(sample, queued, STRING);
          else expect(HARMLESS).toContain(sample.command);

          const executed = await team.askTogether([['MULTI'], ['GET', OWN[0]!], words, ['EXEC']]);
          if (executed[2]!.toString() === '+QUEUED\r\n') expectUntold(sample, executed[3]!);
          // Redis refuses WATCH without harm to the transaction.
          else if (sample.command !== 'watch') expect(errorOf(executed[3]!)).toMatch(/^EXECABORT /);
        }
      }
      expect(await stored()).toEqual(before);
    },
    RUN_MS,
  );

  it(
    'nor does it hear of them from a command that names no key',
    async () => {
      const listener = await WireConnection.open({ port });
      await listener.ask('AUTH', gateway.apiKey);
      await listener.ask('CLIENT', 'SETNAME', 'team-b');
      await listener.ask('SUBSCRIBE', 'team-b:news');
      const before = await stored();
      for (const sample of SAMPLES.filter(({ places }) => places === 0)) {
        for (const protocol of ['2', '3']) {
          const connection = await openTeam();
          await connection.ask('HELLO', protocol);
          const reply = await connection.ask(...sample.words());
          expectUntold(sample, reply);
          const spec = SPECS.get(sample.command)!;
          if (spec.refusal !== undefined) expect(errorOf(reply)).toBe(`ERR ${spec.refusal}`);
          else if (spec.isUnbounded)
            expect(errorOf(reply) ?? sample.line).toMatch(/^(NOPERM |ERR .* one Redis server)|^CONFIG GET/);
          connection.close();
        }
      }
      expect(await stored()).toEqual(before);
      listener.close();
    },
    RUN_MS,
  );

  it(
    'nor of the messages of others',
    async () => {
      const refused = [
        ...[
          '*',
          't*',
          'team-?:x',
          'team-*',
          'team-a*',
          '[t]eam-b:*',
          'team-[ab]:*',
          '\\team-b:*',
          '?eam-a:*',
        ],
        ...['__keyspace@0__:*', '__keyspace@0__:team-b:{t}1', '__keyevent@0__:*', '__keyevent@0__:set'],
        ...['__redis__:invalidate', 'ringcache:announcements', 'ringcache*', '', 'team-a', 'TEAM-A:*'],
      ];
      for (const name of refused) {
        for (const command of ['SUBSCRIBE', 'PSUBSCRIBE', 'SSUBSCRIBE'])
          expect([command, name, errorOf(await team.ask(command, name))?.slice(0, 7)]).toEqual([
            command,
            name,
            'NOPERM ',
          ]);
        for (const command of ['PUBLISH', 'SPUBLISH'])
          expect([command, name, errorOf(await team.ask(command, name, 'x'))?.slice(0, 7)]).toEqual([
            command,
            name,
            'NOPERM ',
          ]);
      }
      const hearing = await openTeam();
      const [confirmed] = await hearing.askTogether([['PSUBSCRIBE', 'team-a:*']]);
      expect(confirmed!.toString()).toContain('psubscribe');
      for (const connection of direct) await connection.askTogether([['PUBLISH', 'team-b:news', 'secret']]);
      await team.ask('PUBLISH', 'team-a:news', 'own');
      expect((await hearing.next()).toString()).toContain('own');
      hearing.close();
    },
    RUN_MS,
  );

  it(
    'its own keys it may use with every command that is not refused to all and touches no others',
    async () => {
      for (const sample of SAMPLES) {
        const spec = SPECS.get(sample.command)!;
        const isUnbounded = spec.isUnbounded || /SORT.*(\*|GET \{)/.test(sample.line);
        if (spec.kind === 'refused' || isUnbounded) continue;
        const connection = await openTeam();
        const reply = await connection.ask(...sample.words(...OWN));
        const error = errorOf(reply) ?? '';
        expect({ line: sample.line, error }).toEqual({
          line: sample.line,
          error: expect.not.stringMatching(/^NOPERM|NOAUTH|CROSSSLOT/) as string,
        });
        connection.close();
      }
      await team.ask('DEL', ...OWN);
      await team.ask('SET', OWN[0]!, 'own');
      await team.ask('RPUSH', OWN[1]!, 'a');
      const replies = await team.askTogether([
        ['GET', OWN[0]!],
        ['LRANGE', OWN[1]!, '0', '-1'],
        ['MULTI'],
        ['APPEND', OWN[0]!, '!'],
        ['EXEC'],
        ['MGET', OWN[0]!, OWN[2]!],
      ]);
      const texts = replies.map((reply) => reply.toString('latin1'));
      expect(texts[0]).toBe('$3\r\nown\r\n');
      expect((await scanned(team)).sort()).toEqual(OWN.slice(0, 2));
      expect(texts.slice(1)).toEqual([
        '*1\r\n$1\r\na\r\n',
        '+OK\r\n',
        '+QUEUED\r\n',
        '*1\r\n:4\r\n',
        '*2\r\n$4\r\nown!\r\n$-1\r\n',
      ]);
    },
    RUN_MS,
  );
});

/** All keys that SCAN tells of. */
async function scanned(connection: WireConnection): Promise<string[]> {
  const found = new Set<string>();
  let cursor = '0';
  do {
    const [next, page] = elementsOf(await connection.ask('SCAN', cursor)).elements;
    for (const key of elementsOf(page!).elements) found.add(String(bulkOf(key)));
    cursor = String(bulkOf(next!));
  } while (cursor !== '0');
  return [...found];
}

/** Neither done nor told. */
function expectNothingTold(sample: Sample, reply: Buffer, foreign: string): void {
  expectUntold(sample, reply);
  const spec = SPECS.get(sample.command)!;
  if (HARMLESS.has(sample.command)) return;
  const error = errorOf(reply) ?? reply.toString('latin1');
  if (error === `ERR ${spec.refusal ?? spec.notInTransaction ?? ''}`) return;
  const expected =
    /^(NOPERM|CROSSSLOT) |^ERR There is one database|^ERR Command not allowed inside a transaction$/;
  expect({ line: sample.line, foreign, error }).toEqual({
    line: sample.line,
    foreign,
    error: expect.stringMatching(expected) as string,
  });
}

function expectUntold(sample: Sample, reply: Buffer): void {
  if (REPEATING.has(sample.command)) return;
  const told = FOREIGN.exec(reply.toString('latin1'))?.[0];
  expect({ line: sample.line, told }).toEqual({ line: sample.line, told: undefined });
}

/** The API key of a new client. */
async function addClient(clientsFile: string, ...args: readonly string[]): Promise<string> {
  const lines: string[] = [];
  const print = (line: string): unknown => lines.push(line);
  const io = { clientsFile, wallMs: Date.now, print, printError: print };
  expect(await runClientCommand(['add', ...args], io)).toBe(0);
  return lines.at(-1) ?? '';
}
