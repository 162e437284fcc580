/** The bearer token of a request (RFC 6750), and who it speaks for. */
import { CacheError } from '../../core/errors';
import type { Principal } from '../../core/grants';
import type { RequestHead } from './request-head';

/** RFC 9110 11.1: the name of a scheme is case-insensitive. One or more spaces divide it from the token. */
const BEARER = /^bearer +/i;

/**
 * The one `Authorization` field must be of the scheme `Bearer`; everything after it is the token, which the
 * verifier judges. Two fields are refused even when both are good: a proxy before us may have checked the other.
 * @throws CacheError `unauthenticated`
 */
export function authenticate(head: RequestHead, access: { verify(token: string): Principal }): Principal {
  const field = head.authorization;
  if (field !== undefined && head.authorizations === 1) {
    const scheme = BEARER.exec(field);
    if (scheme !== null) return access.verify(field.slice(scheme[0].length));
  }
  throw new CacheError('unauthenticated', 'A valid bearer token is needed: POST /login gives one.', {
    cause: 'token: not one Bearer field',
  });
}
