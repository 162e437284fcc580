/**
 * The HTTP door above the socket: which route leads where, and the one funnel for what goes wrong. Express without
 * any of its body parsers and answer helpers, which cost more than all the rest (see `read-body.ts`, `respond.ts`).
 */
import express, { type ErrorRequestHandler, type RequestHandler } from 'express';
import type { Access } from '../../auth/access';
import type { SessionTokens } from '../../auth/session-tokens';
import type { CacheService } from '../../core/cache';
import { CacheError, toCacheError } from '../../core/errors';
import type { Limits } from '../../core/limits';
import type { Log } from '../../core/ports';
import type { Clock } from '../../lib/clock';
import { Budget } from './budget';
import { createCommandRoute } from './commands/command-route';
import { type DoorContext, Exchange } from './exchange';
import { createLoginRoute } from './login/login-route';
import { answerLive, createReadyRoute } from './ops/health-routes';
import { createRingRoute } from './ops/ring-route';
import { createStatusRoute } from './ops/status-route';

export interface HttpDeps {
  readonly cache: CacheService;
  readonly access: Pick<Access, 'login' | 'verify'>;
  readonly sessionTokens: SessionTokens;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly log: Log;
  readonly encryptionConfigured: boolean;
  /** Requests at work at the same time. */
  readonly maxInFlight: number;
  readonly isDraining: () => boolean;
}

/** Bytes of all bodies that are being sent or worked on. Over it: 503, before memory runs out. */
const BODY_BYTES_IN_FLIGHT_MAX = 256 * 1024 * 1024;

/** A route's work: it answers, throws, or answers later. */
type Handler = (exchange: Exchange) => void | Promise<void>;

/** The application, without a socket: `openListener` and the tests give it one. */
export function createApp(deps: HttpDeps): express.Express {
  const { cache, access, log, clock, isDraining } = deps;
  const door: DoorContext = {
    clock,
    log,
    bodies: new Budget(BODY_BYTES_IN_FLIGHT_MAX),
    inFlight: new Budget(deps.maxInFlight),
  };
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.enable('strict routing');
  app.enable('case sensitive routing');
  app.set('query parser', false);

  function serve(route: string, handler: Handler): RequestHandler {
    return (request, response) => {
      new Exchange(door, request, response, route).attempt(handler);
    };
  }

  function addRoute(method: 'get' | 'post', path: string, handler: Handler): void {
    const shown = path.replace(':key', '{key}');
    const allowed = method === 'get' ? 'GET, HEAD' : 'POST';
    app
      .route(path)
      [method](serve(`${method.toUpperCase()} ${shown}`, handler))
      .all(serve(shown, (exchange) => refuseMethod(exchange, allowed)));
  }

  // In the order of how often they are asked for: Express tries one after the other.
  addRoute('post', '/cache', createCommandRoute(deps));
  addRoute('post', '/login', createLoginRoute(access));
  addRoute('get', '/livez', answerLive);
  addRoute('get', '/readyz', createReadyRoute(cache, isDraining));
  addRoute('get', '/status', createStatusRoute(cache, access));
  addRoute('get', '/ring/:key', createRingRoute(deps));
  app.use(
    serve('unknown', () => {
      throw new CacheError('not_found', 'There is no such route.');
    }),
  );

  // Express tells handlers of errors from others by their four parameters.
  const funnel: ErrorRequestHandler = (thrown: unknown, request, response, next) => {
    // Too late for an answer: Express closes the connection.
    if (response.headersSent) next(thrown);
    else new Exchange(door, request, response, 'unknown').fail(ofExpress(thrown));
  };
  app.use(funnel);
  return app;
}

function refuseMethod(exchange: Exchange, allowed: string): void {
  const error = new CacheError('method_not_allowed', `Allowed here: ${allowed}.`);
  exchange.fail(error, { extra: ['Allow', allowed] });
}

/** Our handlers' errors never get here: what Express itself throws is a path that does not percent-decode. */
function ofExpress(thrown: unknown): CacheError {
  const isBadPath = thrown instanceof URIError;
  return isBadPath
    ? new CacheError('bad_request', 'The path does not percent-decode to UTF-8.')
    : toCacheError(thrown);
}
