/** `If-Match` and `If-None-Match` on `/cache/{key}` (RFC 9110 13.1.1, 13.1.2, 13.2.2). */
import type { IncomingMessage } from 'node:http';
import type { EtagCondition } from '../../../core/command';
import { CacheError } from '../../../core/errors';
import { type EntityTags, parseEntityTags } from './entity-tags';
import { etagNamedBy } from './representation';

/** On a representation that is asked for. */
export interface ReadConditions {
  readonly ifMatch: EntityTags | undefined;
  readonly ifNoneMatch: EntityTags | undefined;
}

/** @throws CacheError `bad_request` */
export function parseReadConditions({ headers }: IncomingMessage): ReadConditions {
  const ifMatch = headers['if-match'];
  const ifNoneMatch = headers['if-none-match'];
  return {
    ifMatch: ifMatch === undefined ? undefined : parseEntityTags('If-Match', ifMatch),
    ifNoneMatch: ifNoneMatch === undefined ? undefined : parseEntityTags('If-None-Match', ifNoneMatch),
  };
}

/**
 * What the conditions make of a representation that has this tag: `If-Match` compares strongly and comes first,
 * `If-None-Match` weakly.
 */
export function judge(
  { ifMatch, ifNoneMatch }: ReadConditions,
  tag: string,
): 'due' | 'not_modified' | 'precondition_failed' {
  const isMatch =
    ifMatch === undefined || ifMatch === '*' || ifMatch.some((one) => !one.isWeak && one.opaque === tag);
  if (!isMatch) return 'precondition_failed';
  const isKnown =
    ifNoneMatch !== undefined && (ifNoneMatch === '*' || ifNoneMatch.some((one) => one.opaque === tag));
  return isKnown ? 'not_modified' : 'due';
}

/**
 * The condition of a PUT or DELETE, on the value: the tag of either of its forms names it. A weak tag in `If-Match`
 * equals none, so that it may be a condition that nothing meets.
 * @throws CacheError `bad_request`; also where both are given, which no single step could judge
 */
export function parseChangeCondition(request: IncomingMessage): 'NX' | 'XX' | EtagCondition | undefined {
  const { ifMatch, ifNoneMatch } = parseReadConditions(request);
  if (ifMatch !== undefined && ifNoneMatch !== undefined) {
    throw new CacheError('bad_request', 'Only one of If-Match and If-None-Match may be given here.');
  }
  if (ifMatch === '*') return 'XX';
  if (ifNoneMatch === '*') return 'NX';
  if (ifMatch !== undefined)
    return conditionOn(
      ifMatch.filter((tag) => !tag.isWeak),
      true,
    );
  return ifNoneMatch && conditionOn(ifNoneMatch, false);
}

function conditionOn(tags: Exclude<EntityTags, '*'>, isMatch: boolean): EtagCondition {
  return { isMatch, etags: tags.map(({ opaque }) => etagNamedBy(opaque)) };
}
