/** Commands about the connection and the server as a whole, for which the store is not asked. */
import { encodeArrayHeader, encodeBulk, encodeError, encodeSimple, encodeVerbatim, REPLY } from '../encoder';
import { arityReply } from '../errors';
import { principalOf, type LocalCommand } from './local-command';

const RESET = encodeSimple('RESET');
const NOT_AN_INTEGER = encodeError('ERR value is not an integer or out of range');
const NO_SUCH_DATABASE = encodeError('ERR DB index is out of range');
const PONG = encodeBulk('pong');
const ROLE = Buffer.concat([encodeArrayHeader(3), encodeBulk('master'), REPLY.zero, REPLY.emptyArray]);

export const ping: LocalCommand = (state, words) => {
  const [, message] = words;
  if (words.length > 2) state.replies.write(arityReply('ping'));
  else if (state.protocol === 2 && state.subscriptions > 0) {
    // There, a client of the older protocol understands messages only.
    state.replies.write(Buffer.concat([encodeArrayHeader(2), PONG, encodeBulk(message ?? '')]));
  } else if (message === undefined) state.replies.write(REPLY.pong);
  else state.replies.writeBulk(message);
};

export const echo: LocalCommand = ({ replies }, [, message = '']) => replies.writeBulk(message);

export const quit: LocalCommand = (state) => {
  state.replies.write(REPLY.ok);
  state.close();
};

/** All but its number as on the first day; as there, it has some seconds to say who it is. */
export const reset: LocalCommand = (state) => {
  state.abandon();
  state.credential = undefined;
  state.protocol = 2;
  state.name = '';
  state.replies.write(RESET);
};

/** There is one database: nodes of a cluster have no other, and grants and the near cache know none. */
export const select: LocalCommand = ({ replies }, [, word]) => {
  const text = word?.toString('latin1') ?? '';
  if (text === '0') replies.write(REPLY.ok);
  else replies.write(/^-?[1-9]\d{0,9}$/.test(text) ? NO_SUCH_DATABASE : NOT_AN_INTEGER);
};

export const time: LocalCommand = ({ deps, replies }) => {
  const wallMs = deps.clock.wallMs();
  const seconds = Math.floor(wallMs / 1000);
  const micros = Math.floor((wallMs - seconds * 1000) * 1000);
  replies.write(
    Buffer.concat([encodeArrayHeader(2), encodeBulk(String(seconds)), encodeBulk(String(micros))]),
  );
};

/** Whichever node answers, it is spoken to as to a master; replication is not for callers to see. */
export const role: LocalCommand = ({ replies }) => replies.write(ROLE);

/** Redis draws a picture of the size that it is asked for, and all others wait meanwhile. */
export const lolwut: LocalCommand = ({ replies, protocol }) =>
  replies.write(encodeVerbatim('No art here: only keys and values.\n', 'txt', protocol));

export const whoAmI: LocalCommand = (state) => state.replies.writeBulk(principalOf(state).name);
