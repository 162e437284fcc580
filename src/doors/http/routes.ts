/** How a part of the door says which routes it has. */
import type { Exchange } from './exchange';

/** A route's work: it answers, throws, or answers later. */
export type Handler = (exchange: Exchange) => void | Promise<void>;

export type RouteMethod = 'GET' | 'POST' | 'PUT' | 'DELETE';

/** Adds a path in Express's notation. GET serves HEAD too; all other methods are refused with what is allowed. */
export type AddRoutes = (path: string, handlers: Partial<Record<RouteMethod, Handler>>) => void;
