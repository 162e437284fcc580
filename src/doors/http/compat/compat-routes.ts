/** The forms of earlier systems: each family of them in a file of its own. */
import type { RouteDeps } from '../perform';
import type { AddRoutes } from '../routes';
import { createGetvalRoute } from './getval-route';
import { createSetRoute } from './set-route';
import { createV1GetRoute, createV1SetRoute } from './v1-routes';

/** All but `GET /` with a `key`, which shares its path with the console: `lookup-route.ts`. */
export function addCompatRoutes(add: AddRoutes, deps: RouteDeps): void {
  add('/getval/:key', { GET: createGetvalRoute(deps) });
  add('/v1/cache/get/:key', { GET: createV1GetRoute(deps) });
  add('/v1/cache/set', { POST: createV1SetRoute(deps) });
  add('/set', { POST: createSetRoute(deps) });
}
