/**
 * The request and response objects of the HTTP door, and why they are made here: Express calls
 * `Object.setPrototypeOf` on each request and response it handles, and V8 keeps an object whose prototype changed on
 * its slow path for the rest of its life, which makes a request three times as dear. Node can be told which classes
 * to construct. When their prototypes already are the ones that Express would set, its call changes nothing.
 */
import type { Express } from 'express';
import { IncomingMessage, ServerResponse } from 'node:http';
import type { CacheError } from '../../core/errors';
import { createRequestId } from '../../core/request-id';
import { readHead, type RequestHead } from './request-head';

/** What the listener and the application tell each other of a request. One that came another way has nothing yet. */
export interface RequestNotes {
  requestId?: string | undefined;
  head?: RequestHead | undefined;
  /** The client sends the body when it is asked for it (`Expect: 100-continue`). */
  awaitsContinue?: boolean;
  /** What the listener has answered in the application's place, because the body broke off. */
  refusal?: CacheError | undefined;
}

/** A request as the listener makes it. */
export class CacheRequest extends IncomingMessage implements RequestNotes {
  requestId: string | undefined = undefined;
  head: RequestHead | undefined = undefined;
  awaitsContinue = false;
  refusal: CacheError | undefined = undefined;
}

/** The id of a request, whoever made it: given on the first call, and kept. */
export function requestIdOf(request: Pick<RequestNotes, 'requestId'> & object): string {
  return (request.requestId ??= createRequestId());
}

/** The header fields of a request: read on the first call, and kept. */
export function headOf(request: IncomingMessage & RequestNotes): RequestHead {
  return (request.head ??= readHead(request.rawHeaders));
}

/**
 * Makes the classes that a server constructs requests and responses from, so that they are `app`'s own from birth.
 * Replaces `app.request` and `app.response`: to be called before other apps are mounted on `app`, and once.
 */
export function createMessageClasses(app: Express) {
  // What Express and its router would add later: objects that have all their fields from the start stay on V8's fast
  // path, which is worth a twelfth of a near hit.
  class AppRequest extends CacheRequest {
    res: unknown = undefined;
    next: unknown = undefined;
    baseUrl: unknown = undefined;
    originalUrl: unknown = undefined;
    params: unknown = undefined;
    route: unknown = undefined;
    _parsedUrl: unknown = undefined;
  }
  class AppResponse<Request extends IncomingMessage> extends ServerResponse<Request> {
    locals: unknown = undefined;
  }
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
