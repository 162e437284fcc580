/**
 * The request and response objects of the HTTP door, and why they are made here: Express calls
 * `Object.setPrototypeOf` on each request and response it handles, and V8 keeps an object whose prototype changed on
 * its slow path for the rest of its life, which makes a request three times as dear. Node can be told which classes
 * to construct. When their prototypes already are the ones that Express would set, its call changes nothing.
 */
import type { Express } from 'express';
import { randomBytes } from 'node:crypto';
import { IncomingMessage, ServerResponse } from 'node:http';

/** Tells the requests of this process from those of all others, past and present. */
const ID_PREFIX = `${randomBytes(6).toString('base64url')}-`;
let lastId = 0;

/** A request id that no other request of any process has; not secret, not for proving anything. */
export function createRequestId(): string {
  return ID_PREFIX + (++lastId).toString(36);
}

/** A request as the listener makes it. */
export class CacheRequest extends IncomingMessage {
  requestId = createRequestId();
}

/** The id of a request, whoever made it: one that did not come through the listener gets one here, and keeps it. */
export function requestIdOf(request: IncomingMessage & { requestId?: string }): string {
  return (request.requestId ??= createRequestId());
}

/**
 * Makes the classes that a server constructs requests and responses from, so that they are `app`'s own from birth.
 * Replaces `app.request` and `app.response`: to be called before other apps are mounted on `app`, and once.
 */
export function createMessageClasses(app: Express) {
  class AppRequest extends CacheRequest {}
  class AppResponse extends ServerResponse<AppRequest> {}
  app.request = withMethodsOf(AppRequest.prototype, app.request, IncomingMessage.prototype);
  app.response = withMethodsOf(AppResponse.prototype, app.response, ServerResponse.prototype);
  return { IncomingMessage: AppRequest, ServerResponse: AppResponse };
}

/** Gives `prototype` itself everything that `source` has of its own or inherits from below `root`. */
function withMethodsOf<T extends object>(prototype: object, source: T, root: object): T {
  let level: object | null = source;
  while (level !== null && level !== root) {
    const { ...descriptors } = Object.getOwnPropertyDescriptors(level);
    for (const [name, descriptor] of Object.entries(descriptors)) {
      if (!Object.hasOwn(prototype, name)) Object.defineProperty(prototype, name, descriptor);
    }
    level = Object.getPrototypeOf(level) as object | null;
  }
  return prototype as T;
}
