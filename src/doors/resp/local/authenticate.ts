/** AUTH, and the same within HELLO. */
import { toCacheError, type CacheError } from '../../../core/errors';
import { encodeError, REPLY } from '../encoder';
import { ERROR_REPLY, errorReply } from '../errors';
import { Refusal } from '../refusal';
import type { SessionState } from '../session-state';
import type { LocalCommand } from './local-command';

/** The connection that guesses is not kept: the throttle of its address (`auth/login-throttle.ts`) does the rest. */
const FAILED_LOGINS_MAX = 10;

/** `AUTH <secret>` and `AUTH <name> <secret>`; the secret is an API key or a token. */
export const auth: LocalCommand = (state, words) => {
  const [, first, second] = words;
  if (words.length > 3 || first === undefined) throw new Refusal(ERROR_REPLY.syntax);
  if (second === undefined) authenticate(state, first);
  else authenticate(state, second, first);
  state.replies.write(REPLY.ok);
};

/**
 * Who speaks here from now on, if the secret is right; if not, it is who it was, and some time it is nobody any more.
 * @throws Refusal in the same words for whatever is wrong: the log knows more
 */
export function authenticate(state: SessionState, secret: Buffer, name?: Buffer): void {
  const { access, log } = state.deps;
  const { host: address } = state;
  try {
    const credential = access.admit(secret.toString(), address, name?.toString());
    const client = credential.principal().name;
    state.credential = credential;
    log.info({ door: 'resp', address, client }, 'authenticated');
  } catch (thrown) {
    const error = toCacheError(thrown);
    if (error.code !== 'unauthenticated' && error.code !== 'throttled') throw error;
    const cause = typeof error.cause === 'string' ? error.cause : undefined;
    log.info({ door: 'resp', address, code: error.code, cause }, 'authentication failed');
    state.failedLogins += 1;
    if (state.failedLogins >= FAILED_LOGINS_MAX) state.close();
    throw new Refusal(refusalOf(error));
  }
}

function refusalOf(error: CacheError): Buffer {
  if (error.code === 'unauthenticated') return ERROR_REPLY.wrongPassword;
  const { retryAfterSeconds: seconds } = error;
  if (seconds === undefined) return errorReply(error);
  return encodeError(
    `ERR Too many failed logins; try again in ${seconds} ${seconds === 1 ? 'second' : 'seconds'}.`,
  );
}
