/**
 * The HTTP door above the socket: which route leads where, and the one funnel for what goes wrong. Express without
 * any of its body parsers and answer helpers, which cost more than all the rest (see `read-body.ts`, `respond.ts`).
 */
import express, { type ErrorRequestHandler, type RequestHandler } from 'express';
import type { Access } from '../../auth/access';
import { CacheError, toCacheError } from '../../core/errors';
import type { Log, Observer, Telemetry } from '../../core/ports';
import type { WholeReport } from '../../core/whole-report';
import { Budget } from '../../lib/budget';
import { createCommandRoute } from './commands/command-route';
import { addCompatRoutes } from './compat/compat-routes';
import { createLookupRoute } from './compat/lookup-route';
import { addConsoleRoutes } from './console/console-routes';
import { createCors } from './cors';
import { addDocsRoutes } from './docs/docs-routes';
import { type DoorContext, Exchange } from './exchange';
import type { FastHandler } from './fast/fast-path';
import { createLoginRoute } from './login/login-route';
import { answerLive, createReadyRoute } from './ops/health-routes';
import { createMetricsRoute } from './ops/metrics-route';
import { createPlacementRoute, createRingRoute } from './ops/ring-route';
import { createSnapshotRoute } from './ops/snapshot-route';
import { createStatusRoute } from './ops/status-route';
import type { RouteDeps } from './perform';
import { hasQuery } from './query';
import { DATA_HEADERS } from './respond';
import { addRestRoutes } from './rest/rest-routes';
import type { AddRoutes, Handler, RouteMethod } from './routes';

export interface HttpDeps extends RouteDeps {
  readonly access: Pick<Access, 'login' | 'verify'>;
  readonly log: Log;
  readonly observer: Observer;
  readonly telemetry: Pick<Telemetry, 'contentType' | 'exposition'>;
  /** Of all processes that share the port. */
  readonly report: () => WholeReport | Promise<WholeReport>;
  /** Requests at work at the same time. */
  readonly maxInFlight: number;
  readonly isDraining: () => boolean;
  /** Whose pages may call from browsers; empty: nobody's, and no answer says anything about origins. */
  readonly corsOrigins: readonly string[];
  /** Plain commands go past Node's parser and Express; see `fast/fast-path.ts`. */
  readonly hasFastPath: boolean;
}

/** Bytes of all bodies that are being sent or worked on. Over it: 503, before memory runs out. */
const BODY_BYTES_IN_FLIGHT_MAX = 256 * 1024 * 1024;

/** What a listener hands requests to. */
export interface HttpApp {
  readonly app: express.Express;
  /** Answers `POST /cache` as `app` does, without Express in between; undefined: only `app` can. */
  readonly fast: FastHandler | undefined;
}

const COMMANDS = '/cache';

/** The application, without a socket: `openListener` and the tests give it one. */
export function createApp(deps: HttpDeps): HttpApp {
  const { cache, access, log, clock, isDraining, corsOrigins } = deps;
  const door: DoorContext = {
    clock,
    log,
    observer: deps.observer,
    bodies: new Budget(BODY_BYTES_IN_FLIGHT_MAX),
    inFlight: new Budget(deps.maxInFlight),
  };
  deps.observer.watchLoad(() => ({
    inFlight: door.inFlight.taken,
    inFlightMax: deps.maxInFlight,
    bodyBytes: door.bodies.taken,
  }));
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

  const addRoutes: AddRoutes = (path, handlers) => {
    const shown = path.replace(':key', '{key}');
    const route = app.route(path);
    const allowed: string[] = [];
    for (const [method, handler] of Object.entries(handlers) as [RouteMethod, Handler][]) {
      // Express answers HEAD by GET's handler, and Node leaves the body out.
      allowed.push(...(method === 'GET' ? ['GET', 'HEAD'] : [method]));
      const name = method.toLowerCase() as Lowercase<RouteMethod>;
      route[name](serve(`${method} ${shown}`, handler));
    }
    route.all(serve(shown, (exchange) => refuseMethod(exchange, allowed.join(', '))));
  };

  if (corsOrigins.length > 0) app.use(createCors(corsOrigins, serve('preflight', allowPreflight)));

  // In the order of how often they are asked for: Express tries one after the other.
  const answerCommands = createCommandRoute(deps);
  addRoutes(COMMANDS, { POST: answerCommands });
  addRestRoutes(addRoutes, deps);
  addRoutes('/login', { POST: createLoginRoute(access) });
  addCompatRoutes(addRoutes, deps);
  addRoutes('/livez', { GET: answerLive });
  addRoutes('/readyz', { GET: createReadyRoute(cache, isDraining) });
  addRoutes('/status', { GET: createStatusRoute(deps.report, access) });
  addRoutes('/metrics', { GET: createMetricsRoute(deps.telemetry, access) });
  addRoutes('/ring', { GET: createPlacementRoute(cache, access) });
  addRoutes('/ring/:key', { GET: createRingRoute(deps) });
  addRoutes('/snapshot', { POST: createSnapshotRoute(cache, access) });
  addDocsRoutes(addRoutes, deps.limits);
  const answerConsole = addConsoleRoutes(addRoutes);
  const answerLookup = createLookupRoute(deps);
  addRoutes('/', {
    GET: (exchange) => (hasQuery(exchange.request, 'key') ? answerLookup(exchange) : answerConsole(exchange)),
  });
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

  const answerFast: FastHandler = (request, response) => {
    new Exchange(door, request, response, `POST ${COMMANDS}`).attempt(answerCommands);
  };
  // What pages of other origins are told is Express's to say.
  return { app, fast: deps.hasFastPath && corsOrigins.length === 0 ? answerFast : undefined };
}

function allowPreflight(exchange: Exchange): void {
  exchange.answerWith(DATA_HEADERS.none, 204, undefined, 'SUCCESS');
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
