/**
 * The lists of entity tags that `If-Match` and `If-None-Match` carry (RFC 9110 8.8.3, 13.1.1, 13.1.2). Express's own
 * parser splits at every comma, and a comma may stand in a tag.
 */
import { CacheError } from '../../../core/errors';

export interface EntityTag {
  readonly isWeak: boolean;
  /** What stands between the quotation marks. */
  readonly opaque: string;
}

/** `*`: whatever is there. */
export type EntityTags = '*' | readonly EntityTag[];

/** More versions of one value than anybody has in hand. */
const TAGS_MAX = 100;

/**
 * One element with the comma behind it. It may be empty (RFC 9110 5.6.1.2). No two of its parts can share a run of
 * blanks, so that a long one is looked at once.
 */
const ELEMENT = /[ \t]*(?:(W\/)?"([\x21\x23-\x7e\x80-\xff]*)"[ \t]*)?(?:,|$)/y;

/**
 * The tags that the text of `field` lists, at least one; several fields of one name come joined by commas.
 * @throws CacheError `bad_request`: names the field
 */
export function parseEntityTags(field: string, text: string): EntityTags {
  if (text.trim() === '*') return '*';
  const tags: EntityTag[] = [];
  let at = 0;
  while (at < text.length) {
    ELEMENT.lastIndex = at;
    const match = ELEMENT.exec(text);
    if (match === null) throw malformed(field);
    at = ELEMENT.lastIndex;
    const [, weak, opaque] = match;
    if (opaque === undefined) continue;
    if (tags.length === TAGS_MAX) {
      throw new CacheError('bad_request', `${field} has more than ${TAGS_MAX} entity tags.`);
    }
    tags.push({ isWeak: weak !== undefined, opaque });
  }
  if (tags.length === 0) throw malformed(field);
  return tags;
}

function malformed(field: string): CacheError {
  return new CacheError('bad_request', `${field} must be * or a list of entity tags in quotation marks.`);
}
