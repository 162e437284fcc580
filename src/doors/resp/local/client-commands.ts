/** CLIENT: what connections are called, and which there are, in the form of Redis 7.0. */
import type { Words } from '../../../core/ports';
import { encodeBulk, encodeError, encodeInteger, encodeNull, encodeVerbatim, REPLY } from '../encoder';
import { ERROR_REPLY } from '../errors';
import { Refusal } from '../refusal';
import type { SessionState } from '../session-state';
import { optionAt, principalOf, seesAll, type LocalCommand } from './local-command';

const NOTHING = Buffer.alloc(0);
const NAME_BYTES_MAX = 1024;
const INVALID_ID = encodeError('ERR Invalid client ID');
/** For `CLIENT LIST TYPE`. */
const TYPES: readonly string[] = ['normal', 'pubsub', 'master', 'replica', 'slave'];

/** Empty: no name. @throws Refusal for what could not stand in a line of `CLIENT LIST`, or is long */
export function parseClientName(word: Buffer): string {
  return parseWord(word, 'Client names');
}

function parseWord(word: Buffer, what: string): string {
  if (word.length > NAME_BYTES_MAX)
    throw new Refusal(encodeError(`ERR ${what} cannot have more than ${NAME_BYTES_MAX} bytes.`));
  const text = word.toString('latin1');
  if (/^[!-~]*$/.test(text)) return text;
  throw new Refusal(encodeError(`ERR ${what} cannot contain spaces, newlines or special characters.`));
}

export const clientId: LocalCommand = ({ replies, id }) => replies.write(encodeInteger(id));

export const clientGetName: LocalCommand = ({ replies, name, protocol }) =>
  replies.write(name === '' ? encodeNull(protocol) : encodeBulk(name));

export const clientSetName: LocalCommand = (state, [, , name = NOTHING]) => {
  state.name = parseClientName(name);
  state.replies.write(REPLY.ok);
};

/** Of Redis 7.2: older clients do not say it, and newer ones do on each connect. */
export const clientSetInfo: LocalCommand = (state, words) => {
  const [, , , text = NOTHING] = words;
  const option = optionAt(words, 2);
  if (option === 'lib-name') state.libName = parseWord(text, option);
  else if (option === 'lib-ver') state.libVersion = parseWord(text, option);
  else {
    const shown = words[2]?.toString('latin1') ?? '';
    throw new Refusal(encodeError(`ERR Unrecognized option '${shown}'`, 'latin1'));
  }
  state.replies.write(REPLY.ok);
};

export const clientInfo: LocalCommand = (state) =>
  state.replies.write(encodeVerbatim(lineOf(state), 'txt', state.protocol));

/** Other people's connections, and so their addresses, are for an admin to whom all keys are granted. */
export const clientList: LocalCommand = (state, words) => {
  const filter = parseFilter(words);
  const principal = principalOf(state);
  const isForAll = principal.grants.has('admin') && seesAll(principal);
  const seen = isForAll ? [...state.deps.sessions] : [state];
  const text = seen.filter(filter).map(lineOf).join('');
  state.replies.write(encodeVerbatim(text, 'txt', state.protocol));
};

function parseFilter(words: Words): (state: SessionState) => boolean {
  const option = optionAt(words, 2);
  if (words.length === 2) return () => true;
  if (words.length < 4) throw new Refusal(ERROR_REPLY.syntax);
  if (option === 'type' && words.length === 4) {
    const type = optionAt(words, 3);
    if (!TYPES.includes(type)) {
      const shown = words[3]?.toString('latin1') ?? '';
      throw new Refusal(encodeError(`ERR Unknown client type '${shown}'`, 'latin1'));
    }
    return ({ subscriptions }) => type === (subscriptions > 0 ? 'pubsub' : 'normal');
  }
  if (option !== 'id') throw new Refusal(ERROR_REPLY.syntax);
  const ids = words.slice(3).map((word) => word.toString('latin1'));
  if (ids.some((id) => !/^[1-9]\d{0,15}$/.test(id))) throw new Refusal(INVALID_ID);
  return ({ id }) => ids.includes(String(id));
}

function lineOf(state: SessionState): string {
  const { deps, openedMs, lastCommandMs, queued, subscriptions } = state;
  const nowMs = deps.clock.now();
  const seconds = (sinceMs: number): number => Math.floor((nowMs - sinceMs) / 1000);
  const fields = {
    id: state.id,
    addr: state.address,
    laddr: state.localAddress,
    name: state.name,
    age: seconds(openedMs),
    idle: seconds(lastCommandMs),
    flags: flagsOf(state),
    db: 0,
    sub: subscriptions,
    multi: queued ?? -1,
    oll: state.replies.owed,
    cmd: state.lastCommand === '' ? 'NULL' : state.lastCommand,
    user: userOf(state),
    resp: state.protocol,
    'lib-name': state.libName,
    'lib-ver': state.libVersion,
  };
  const parts = Object.entries(fields).map(([name, value]) => `${name}=${value}`);
  return `${parts.join(' ')}\n`;
}

function flagsOf({ subscriptions, queued, isBlocked }: SessionState): string {
  const flags = `${subscriptions > 0 ? 'P' : ''}${queued === undefined ? '' : 'x'}${isBlocked ? 'b' : ''}`;
  return flags === '' ? 'N' : flags;
}

/** Blanks in a name would tear the line. */
function userOf(state: SessionState): string {
  try {
    return principalOf(state).name.replace(/[^!-~]/g, '_');
  } catch {
    return '(none)';
  }
}
