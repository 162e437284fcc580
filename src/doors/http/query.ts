/**
 * Query parameters, decoded strictly: what URLSearchParams would put a replacement character for is refused, since it
 * may be a key. Names and values are form-encoded (`+` is a space, as browsers write it).
 */
import type { IncomingMessage } from 'node:http';
import { CacheError } from '../../core/errors';

/**
 * The parameters by name, at most one of each and no others than those that are allowed.
 * @throws CacheError `bad_request`: names the parameter
 */
export function parseQuery<const Name extends string>(
  request: IncomingMessage,
  allowed: readonly Name[],
): Partial<Record<Name, string>> {
  const found: Partial<Record<Name, string>> = {};
  for (const [rawName, rawValue] of pairsOf(request)) {
    const decoded = decode(rawName);
    const name = allowed.find((each) => each === decoded);
    if (name === undefined) {
      throw new CacheError(
        'bad_request',
        `The query parameter "${decoded.slice(0, NAME_LENGTH_MAX)}" is not allowed.`,
      );
    }
    if (found[name] !== undefined) {
      throw new CacheError('bad_request', `The query parameter "${name}" is given twice.`);
    }
    found[name] = decode(rawValue);
  }
  return found;
}

/** Whether there is such a parameter; whatever else the query has does not matter. */
export function hasQuery(request: IncomingMessage, name: string): boolean {
  return pairsOf(request).some(([rawName]) => rawName === name);
}

/** Of a name that the caller chose, an answer repeats so much. */
export const NAME_LENGTH_MAX = 100;

function pairsOf({ url = '' }: IncomingMessage): [string, string][] {
  const start = url.indexOf('?');
  if (start === -1) return [];
  return url
    .slice(start + 1)
    .split('&')
    .filter((pair) => pair !== '')
    .map((pair) => {
      const equals = pair.indexOf('=');
      return equals === -1 ? [pair, ''] : [pair.slice(0, equals), pair.slice(equals + 1)];
    });
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    throw new CacheError('bad_request', 'The query does not percent-decode to UTF-8.');
  }
}
