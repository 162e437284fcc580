/** Who sent a request, by the one `Authorization` field of its head. */
import { verifyBearer } from '../../auth/bearer';
import type { Principal } from '../../core/grants';
import type { RequestHead } from './request-head';

/** @throws CacheError `unauthenticated` */
export function authenticate(head: RequestHead, access: { verify(token: string): Principal }): Principal {
  return verifyBearer(head.authorizations === 1 ? head.authorization : undefined, access);
}
