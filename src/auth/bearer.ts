/** The bearer token of a request (RFC 6750), and who it speaks for. */
import { CacheError } from '../core/errors';
import type { Principal } from '../core/grants';

/** RFC 9110 11.1: the name of a scheme is case-insensitive. One or more spaces divide it from the token. */
const BEARER = /^bearer +/i;

/**
 * The one `authorization` field of a request must be of the scheme `Bearer`; everything after it is the token, which
 * the verifier judges. `field` undefined: there is none, or more than one. Two are refused even when both are good: a
 * proxy before us may have checked the other.
 * @throws CacheError `unauthenticated`
 */
export function verifyBearer(
  field: string | undefined,
  access: { verify(token: string): Principal },
): Principal {
  const scheme = field === undefined ? null : BEARER.exec(field);
  if (field !== undefined && scheme !== null) return access.verify(field.slice(scheme[0].length));
  throw new CacheError('unauthenticated', 'A valid bearer token is needed: POST /login gives one.', {
    cause: 'token: not one Bearer field',
  });
}
