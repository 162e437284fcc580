/** A body that must be one JSON object. */
import { CacheError } from '../../core/errors';
import { checkStructure } from '../../core/check-structure';
import { parseJson } from './read-body';

/**
 * The object that `text` spells; of two fields of one name the last one counts. `depthMax`: of the object itself, which
 * is one level.
 * @throws CacheError `bad_request`, `too_large`
 */
export function parseObject(text: string, depthMax: number): Readonly<Record<string, unknown>> {
  checkStructure(text, depthMax);
  const body = parseJson(text);
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new CacheError('bad_request', 'The body must be a JSON object.');
  }
  return body as Readonly<Record<string, unknown>>;
}
