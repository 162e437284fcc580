/** REST on `/cache/{key}`. */
import type { RouteDeps } from '../perform';
import type { AddRoutes } from '../routes';
import { createDeleteRoute, createPutRoute } from './change-routes';
import { createReadRoute } from './read-route';

export function addRestRoutes(add: AddRoutes, deps: RouteDeps): void {
  add('/cache/:key', {
    GET: createReadRoute(deps),
    PUT: createPutRoute(deps),
    DELETE: createDeleteRoute(deps),
  });
}
