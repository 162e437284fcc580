/** HELLO: the version of the protocol, who speaks, and what it speaks to, in the words of Redis 7.0. */
import type { Protocol, Words } from '../../../core/ports';
import { encodeArrayHeader, encodeBulk, encodeError, encodeInteger, encodeMapHeader } from '../encoder';
import type { SessionState } from '../session-state';
import { authenticate } from './authenticate';
import { Refusal } from '../refusal';
import { parseClientName } from './client-commands';
import { optionAt, principalOf, type LocalCommand } from './local-command';
import type { Facts } from './store-facts';

const NOT_A_VERSION = encodeError('ERR Protocol version is not an integer or out of range');
const NO_PROTOCOL = encodeError('NOPROTO unsupported protocol version');
const NO_AUTH = encodeError(
  'NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time',
);

interface Options {
  readonly protocol: Protocol | undefined;
  readonly login: { readonly name: Buffer; readonly secret: Buffer } | undefined;
  readonly clientName: string | undefined;
}

/** Nothing is changed unless all of it can be. @throws Refusal */
export const hello: LocalCommand = (state, words) => {
  const { login, clientName, protocol } = parseOptions(words);
  if (login !== undefined) authenticate(state, login.secret, login.name);
  if (state.credential === undefined) throw new Refusal(NO_AUTH);
  const principal = principalOf(state);
  state.name = clientName ?? state.name;
  state.protocol = protocol ?? state.protocol;
  const spoken = state.protocol;
  const place = state.replies.take();
  state.deps.facts
    .read(principal)
    .then((facts) => place.settle(greeting(state, spoken, facts)))
    .catch((thrown: unknown) => state.fail(thrown));
};

function parseOptions(words: Words): Options {
  const [, version] = words;
  const protocol = version === undefined ? undefined : parseProtocol(version.toString('latin1'));
  let login: Options['login'];
  let clientName: Options['clientName'];
  for (let at = 2; at < words.length; at++) {
    const option = optionAt(words, at);
    const [first, second] = [words[at + 1], words[at + 2]];
    if (option === 'auth' && first !== undefined && second !== undefined) {
      login = { name: first, secret: second };
      at += 2;
    } else if (option === 'setname' && first !== undefined) {
      clientName = parseClientName(first);
      at += 1;
    } else {
      const shown = words[at]?.toString('latin1') ?? '';
      throw new Refusal(encodeError(`ERR Syntax error in HELLO option '${shown}'`, 'latin1'));
    }
  }
  return { protocol, login, clientName };
}

function parseProtocol(text: string): Protocol {
  if (text === '2') return 2;
  if (text === '3') return 3;
  // As Redis takes integers: 64 bits, one spelling each.
  const isInteger = /^(0|-?[1-9]\d{0,18})$/.test(text) && BigInt.asIntN(64, BigInt(text)) === BigInt(text);
  throw new Refusal(isInteger ? NO_PROTOCOL : NOT_A_VERSION);
}

function greeting({ id }: SessionState, protocol: Protocol, { redisVersion }: Facts): Buffer {
  const fields: readonly (readonly [string, Buffer])[] = [
    ['server', encodeBulk('redis')],
    ['version', encodeBulk(redisVersion)],
    ['proto', encodeInteger(protocol)],
    ['id', encodeInteger(id)],
    ['mode', encodeBulk('standalone')],
    ['role', encodeBulk('master')],
    ['modules', encodeArrayHeader(0)],
  ];
  const pairs = fields.flatMap(([name, value]) => [encodeBulk(name), value]);
  return Buffer.concat([encodeMapHeader(fields.length, protocol), ...pairs]);
}
