/** What the door says when something is wrong: the one place where its errors are worded. */
import { NotAValue, type CacheError, type ErrorCode } from '../../core/errors';
import type { Words } from '../../core/ports';
import { encodeError } from './encoder';

/** The first word of the reply. Clients tell errors apart by it. */
const PREFIXES = {
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
} as const satisfies Record<ErrorCode, string>;

/** Redis quotes so many bytes of what it does not know. */
const QUOTED_BYTES_MAX = 128;

/** The words of Redis 7.0 for what the door judges by itself. */
export const ERROR_REPLY = {
  noAuth: encodeError('NOAUTH Authentication required.'),
  wrongPassword: encodeError('WRONGPASS invalid username-password pair or user is disabled.'),
  crossSlot: encodeError("CROSSSLOT Keys in request don't hash to the same slot"),
  wrongType: encodeError('WRONGTYPE Operation against a key holding the wrong kind of value'),
  syntax: encodeError('ERR syntax error'),
} as const;

/** Several codes have the same words in front. */
const CODES = new WeakMap<Buffer, ErrorCode>();

/** The reply to what failed. Its cause is for the log and not in it. */
export function errorReply(error: CacheError): Buffer {
  if (error instanceof NotAValue) return ERROR_REPLY.wrongType;
  const reply = encodeError(`${PREFIXES[error.code]} ${error.message}`);
  CODES.set(reply, error.code);
  return reply;
}

/** Of a reply that `errorReply` made; undefined: of any other. For those who count. */
export function codeOfReply(reply: Buffer): ErrorCode | undefined {
  return CODES.get(reply);
}

/** The reply to what was no request. */
export function protocolErrorReply(message: string): Buffer {
  return encodeError(`ERR ${message}`, 'latin1');
}

export function unknownCommandReply(words: Words): Buffer {
  const [name = Buffer.alloc(0), ...rest] = words;
  let quoted = '';
  for (const word of rest) {
    if (quoted.length >= QUOTED_BYTES_MAX) break;
    quoted += `'${quote(word, QUOTED_BYTES_MAX - quoted.length)}' `;
  }
  const text = `ERR unknown command '${quote(name, QUOTED_BYTES_MAX)}', with args beginning with: ${quoted}`;
  return encodeError(text, 'latin1');
}

/** `container` as the table has it, such as `client`. */
export function unknownSubcommandReply(container: string, subcommand: Buffer): Buffer {
  const quoted = quote(subcommand, QUOTED_BYTES_MAX);
  return encodeError(`ERR unknown subcommand '${quoted}'. Try ${container.toUpperCase()} HELP.`, 'latin1');
}

/** `name` as the table has it: `get`, `client|setname`. */
export function arityReply(name: string): Buffer {
  return encodeError(`ERR wrong number of arguments for '${name}' command`);
}

/** The command speaks of things that only Redis has; `name` as the table has it. */
export function needsRedisReply(name: string): Buffer {
  const shown = name.replace('|', ' ').toUpperCase();
  return encodeError(
    `ERR This deployment keeps its values in memory; ${shown} needs one that keeps them in Redis.`,
  );
}

/** As C prints it: up to a NUL. */
function quote(bytes: Buffer, bytesMax: number): string {
  const text = bytes.toString('latin1', 0, bytesMax);
  const nul = text.indexOf('\0');
  return nul < 0 ? text : text.slice(0, nul);
}
