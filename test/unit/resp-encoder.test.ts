import {
  encodeArrayHeader,
  encodeBoolean,
  encodeBulk,
  encodeDouble,
  encodeError,
  encodeInteger,
  encodeMapHeader,
  encodeNull,
  encodeNullArray,
  encodePushHeader,
  encodeSetHeader,
  encodeSimple,
  encodeVerbatim,
  REPLY,
} from '../../src/doors/resp/encoder';
import { CacheError, NotAValue, type ErrorCode } from '../../src/core/errors';
import {
  arityReply,
  ERROR_REPLY,
  errorReply,
  needsRedisReply,
  protocolErrorReply,
  unknownCommandReply,
  unknownSubcommandReply,
} from '../../src/doors/resp/errors';

const text = (reply: Buffer): string => reply.toString('latin1');

it('each type is spelled as both versions of the protocol have it', () => {
  const spellings = ([2, 3] as const).map((protocol) =>
    [
      encodeNull(protocol),
      encodeNullArray(protocol),
      encodeMapHeader(3, protocol),
      encodeSetHeader(3, protocol),
      encodePushHeader(3, protocol),
      encodeDouble(1.5, protocol),
      encodeDouble(-Infinity, protocol),
      encodeDouble(NaN, protocol),
      encodeBoolean(true, protocol),
      encodeBoolean(false, protocol),
      encodeVerbatim('é', 'txt', protocol),
    ].map(text),
  );
  expect(spellings).toEqual([
    [
      ...['$-1\r\n', '*-1\r\n', '*6\r\n', '*3\r\n', '*3\r\n'],
      ...['$3\r\n1.5\r\n', '$4\r\n-inf\r\n', '$3\r\nnan\r\n', ':1\r\n', ':0\r\n', '$2\r\n\xc3\xa9\r\n'],
    ],
    [
      ...['_\r\n', '_\r\n', '%3\r\n', '~3\r\n', '>3\r\n'],
      ...[',1.5\r\n', ',-inf\r\n', ',nan\r\n', '#t\r\n', '#f\r\n', '=6\r\ntxt:\xc3\xa9\r\n'],
    ],
  ]);
});

it('what is the same in both', () => {
  expect(text(encodeSimple('OK'))).toBe(text(REPLY.ok));
  expect([0, 1, -1, 2n ** 63n - 1n].map((value) => text(encodeInteger(value)))).toEqual([
    ':0\r\n',
    ':1\r\n',
    ':-1\r\n',
    ':9223372036854775807\r\n',
  ]);
  expect(text(encodeArrayHeader(12))).toBe('*12\r\n');
  expect(text(encodeBulk('é'))).toBe('$2\r\n\xc3\xa9\r\n');
  expect(text(encodeBulk(Buffer.from([0, 255, 13, 10])))).toBe('$4\r\n\0\xff\r\n\r\n');
  expect(text(encodeBulk(''))).toBe('$0\r\n\r\n');
});

it('an error is one line, whatever it quotes', () => {
  expect(text(encodeError('ERR a\r\n+OK\rb\n'))).toBe('-ERR a  +OK b \r\n');
  expect(text(encodeError('ERR é'))).toBe('-ERR \xc3\xa9\r\n');
  expect(text(protocolErrorReply("Protocol error: expected '$', got '\xff'"))).toBe(
    "-ERR Protocol error: expected '$', got '\xff'\r\n",
  );
});

it('each code has its word, and the cause is not in the reply', () => {
  const words: Record<ErrorCode, string> = {
    bad_request: 'ERR',
    unauthenticated: 'NOAUTH',
    forbidden: 'NOPERM',
    not_found: 'ERR',
    method_not_allowed: 'ERR',
    conflict: 'ERR',
    precondition_failed: 'ERR',
    too_large: 'ERR',
    unsupported_media_type: 'ERR',
    throttled: 'ERR',
    corrupt_value: 'ERR',
    internal: 'ERR',
    unavailable: 'ERR',
    timeout: 'ERR',
    out_of_memory: 'OOM',
  };
  for (const [code, word] of Object.entries(words)) {
    const error = new CacheError(code as ErrorCode, 'It went\r\nwrong.', { cause: new Error('10.0.0.1') });
    expect(text(errorReply(error))).toBe(`-${word} It went  wrong.\r\n`);
  }
  expect(errorReply(new NotAValue(new Error('WRONGTYPE …')))).toBe(ERROR_REPLY.wrongType);
});

/** Tried on Redis 7.0.15. */
it('what is not known is named as Redis names it', () => {
  const unknown = (...words: string[]): string =>
    text(unknownCommandReply(words.map((word) => Buffer.from(word, 'latin1'))));
  const [x, y] = ['x'.repeat(100), 'y'.repeat(100)];
  expect(unknown('foo', 'a\r\nbc')).toBe(
    "-ERR unknown command 'foo', with args beginning with: 'a  bc' \r\n",
  );
  expect(unknown('f\0o', 'b\0c', 'd')).toBe(
    "-ERR unknown command 'f', with args beginning with: 'b' 'd' \r\n",
  );
  expect(unknown('')).toBe("-ERR unknown command '', with args beginning with: \r\n");
  expect(unknown('foo', x, y, 'z')).toBe(
    `-ERR unknown command 'foo', with args beginning with: '${x}' '${y.slice(0, 25)}' \r\n`,
  );
  expect(unknown('\xff'.repeat(200))).toContain(`'${'\xff'.repeat(128)}'`);
  expect(text(unknownSubcommandReply('config', Buffer.from('Foo')))).toBe(
    "-ERR unknown subcommand 'Foo'. Try CONFIG HELP.\r\n",
  );
  expect(text(arityReply('client|setname'))).toBe(
    "-ERR wrong number of arguments for 'client|setname' command\r\n",
  );
});

it('what a deployment cannot do is said in a sentence', () => {
  expect(text(needsRedisReply('script|load'))).toBe(
    '-ERR This deployment keeps its values in memory; SCRIPT LOAD needs one that keeps them in Redis.\r\n',
  );
  expect(text(ERROR_REPLY.noAuth)).toBe('-NOAUTH Authentication required.\r\n');
  expect(text(ERROR_REPLY.crossSlot)).toBe("-CROSSSLOT Keys in request don't hash to the same slot\r\n");
});
