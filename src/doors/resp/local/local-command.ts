/** A command that the door answers itself. */
import { CacheError } from '../../../core/errors';
import type { Principal } from '../../../core/grants';
import type { Words } from '../../../core/ports';
import type { SessionState } from '../session-state';

/**
 * Replies once through `state.replies`, where it has taken its place before it returns. A promise, which never rejects:
 * the next command is to wait for it. The session has checked arity and rights.
 * @throws CacheError, Refusal instead of a reply
 */
export type LocalCommand = (state: SessionState, words: Words) => void | Promise<void>;

/** Whoever speaks here. @throws CacheError `unauthenticated` when nobody has said so, or it does not hold any more */
export function principalOf({ credential }: SessionState): Principal {
  if (credential === undefined) throw new CacheError('unauthenticated', 'Authentication required.');
  return credential.principal();
}

/** It may hear of everything that there is. */
export function seesAll({ grants }: Principal): boolean {
  return grants.prefixes.length === 0;
}

/** The word at that place as text in which each UTF-16 unit is a byte, in lower case; empty where there is none. */
export function optionAt(words: Words, at: number): string {
  return words[at]?.toString('latin1').toLowerCase() ?? '';
}
