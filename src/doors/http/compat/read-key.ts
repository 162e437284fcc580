/** The READ of one key, as all forms of earlier systems ask for it: by its name, with `consistency` in the query. */
import type { Reply } from '../../../core/command';
import { parseKey } from '../../../core/command-fields';
import type { Exchange } from '../exchange';
import { type Caller, identify, perform, type RouteDeps } from '../perform';
import { parseQuery } from '../query';
import { parseConsistency } from '../query-options';
import { keyTextOf } from '../rest/parameters';

/** What became of it; a failure is answered in the shape of all errors. */
export type ReadReply = Exclude<Extract<Reply, { readonly command: 'READ' }>, { readonly status: 'ERROR' }>;

/** `key`: as the caller spells it. */
type OnRead = (key: string, reply: ReadReply) => void;

/** Reads the key that the path names. @throws CacheError */
export function readKeyOfPath(deps: RouteDeps, exchange: Exchange, onRead: OnRead): void {
  const caller = identify(exchange, deps);
  const { consistency } = parseQuery(exchange.request, ['consistency']);
  readKey(deps, exchange, caller, keyTextOf(exchange.request), consistency, onRead);
}

/** Reads the key that the query names as `key`. @throws CacheError */
export function readKeyOfQuery(deps: RouteDeps, exchange: Exchange, onRead: OnRead): void {
  const caller = identify(exchange, deps);
  const { key = '', consistency } = parseQuery(exchange.request, ['key', 'consistency']);
  readKey(deps, exchange, caller, key, consistency, onRead);
}

function readKey(
  deps: RouteDeps,
  exchange: Exchange,
  caller: Caller,
  text: string,
  consistency: string | undefined,
  onRead: OnRead,
): void {
  const command = {
    command: 'READ',
    key: parseKey(text, deps.limits),
    consistency: parseConsistency(consistency),
  } as const;
  exchange.beginWork();
  perform(deps, exchange, caller, command, (reply) => {
    if (reply.command !== 'READ') throw new Error('the core owes a READ the reply to a READ');
    onRead(text, reply);
  });
}
