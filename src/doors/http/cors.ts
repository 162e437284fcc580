/**
 * Which pages of other origins a browser lets call this service (CORS,
 * https://fetch.spec.whatwg.org/#http-cors-protocol). It guards nothing by itself: every request needs its token all
 * the same, and a program that is no browser never asks.
 */
import cors from 'cors';
import type { RequestHandler } from 'express';

/** How long a browser may remember the answer to a preflight. */
const MAX_AGE_SECONDS = 600;

/**
 * Gives answers to pages of these origins, and only those, the headers that let the page read them; a preflight, by
 * which a browser asks whether it may send such a request, is handed to `answerPreflight`. All answers vary by
 * origin, those to others too: a cache between must not give one caller what was meant for another. What the listener
 * refuses before it is a request (`framing.ts`) is told to no page.
 */
export function createCors(origins: readonly string[], answerPreflight: RequestHandler): RequestHandler {
  const allow = cors({
    origin: [...origins],
    methods: ['GET', 'HEAD', 'PUT', 'POST', 'DELETE'],
    allowedHeaders: [
      'Authorization',
      'Content-Type',
      'Accept',
      'Prefer',
      'If-Match',
      'If-None-Match',
      'Ringcache-Session',
    ],
    exposedHeaders: ['ETag', 'Cache-Status', 'Ringcache-Session', 'Retry-After', 'WWW-Authenticate'],
    maxAge: MAX_AGE_SECONDS,
    // The token is a header that the page sets itself; cookies and client certificates are not asked for.
    credentials: false,
    // The answer itself is `answerPreflight`'s, with the headers that all answers have.
    preflightContinue: true,
  });
  return (request, response, next) => {
    const { method, headers } = request;
    if (headers.origin === undefined || !origins.includes(headers.origin)) {
      response.setHeader('Vary', 'Origin');
      next();
      return;
    }
    const isPreflight = method === 'OPTIONS' && headers['access-control-request-method'] !== undefined;
    allow(request, response, isPreflight ? () => answerPreflight(request, response, next) : next);
  };
}
