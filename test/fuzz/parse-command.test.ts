/**
 * The short way through the command parser against joi's: whatever the body, both accept it as the same commands or
 * refuse it with the same code; and no body does anything else than that.
 */
import fc from 'fast-check';
import { CacheError } from '../../src/core/errors';
import type { Limits } from '../../src/core/limits';
import { CommandParser } from '../../src/doors/http/commands/parse-commands';

const limits: Limits = { keyBytesMax: 12, valueBytesMax: 40, batchMax: 4, depthMax: 3, requestTimeoutMs: 1 };
const short = new CommandParser(limits, false);
const long = new CommandParser(limits, false, false);

function outcomeOf(parser: CommandParser, text: string): unknown {
  try {
    return parser.parse(text);
  } catch (thrown) {
    if (thrown instanceof CacheError) return { code: thrown.code, message: thrown.message };
    throw thrown;
  }
}

const text = fc.oneof(
  fc.string({ maxLength: 14 }),
  fc.string({ unit: 'binary', maxLength: 6 }),
  fc.string({ unit: fc.constantFrom('\ud800', '\udc00', 'é', '😀', 'a', '\0', '"', '\\'), maxLength: 50 }),
  fc.constantFrom(
    '',
    '__proto__',
    'constructor',
    'READ',
    'WRITE',
    'DELETE',
    'NX',
    'base64',
    'strong',
    'dg==',
  ),
);
const anything = fc.oneof(
  text,
  fc.double(),
  fc.integer({ min: -2, max: 400 }),
  fc.boolean(),
  fc.constant(null),
  fc.jsonValue({ maxDepth: 5 }),
);
const ttl = fc.oneof(
  fc.nat(),
  fc.double({ min: 0, noNaN: true }),
  fc.constantFrom(-1, -0, 0.1, 3_155_760_000, 3_155_760_001),
);
const plainCommand = fc.oneof(
  fc.record({ command: fc.constantFrom('READ', 'DELETE'), key: text }),
  fc.record(
    { command: fc.constant('WRITE'), key: text, value: text, ttl },
    { requiredKeys: ['command', 'key', 'value'] },
  ),
);
const fieldName = fc.oneof(
  fc.constantFrom(
    'command',
    'key',
    'value',
    'value_base64',
    'ttl',
    'expire',
    'condition',
    'encrypt',
    'encoding',
  ),
  fc.constantFrom('consistency', 'ack', '__proto__', 'constructor', 'toString', ''),
);
const oddCommand = fc
  .tuple(plainCommand, fc.array(fc.tuple(fieldName, anything), { maxLength: 3 }))
  .map(([plain, fields]) => jsonOf([...Object.entries(plain), ...fields]));
const command = fc.oneof(
  plainCommand.map((plain) => jsonOf(Object.entries(plain))),
  oddCommand,
);

/** By hand, since an object cannot be given a field named __proto__, nor one field twice. */
function jsonOf(fields: readonly (readonly [string, unknown])[]): string {
  return `{${fields.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(',')}}`;
}

it.each<[string, fc.Arbitrary<string>, number]>([
  ['single commands', command, 4000],
  ['batches', fc.array(command, { maxLength: 5 }).map((commands) => `[${commands.join(',')}]`), 1500],
  ['any JSON', fc.jsonValue().map((value) => JSON.stringify(value)), 500],
  ['any text', fc.string({ unit: 'binary' }), 500],
])('both ways agree on %s', (_what, bodies, numRuns) => {
  const before = Object.getOwnPropertyNames(Object.prototype);
  fc.assert(
    fc.property(bodies, (body) => {
      expect(outcomeOf(short, body)).toStrictEqual(outcomeOf(long, body));
    }),
    { seed: 7, numRuns },
  );
  expect(Object.getOwnPropertyNames(Object.prototype)).toEqual(before);
});

it('the short way is taken', () => {
  const accepted = fc
    .sample(command, { seed: 7, numRuns: 500 })
    .filter((body) => 'commands' in Object(outcomeOf(short, body)));
  expect(accepted.length).toBeGreaterThan(100);
});
