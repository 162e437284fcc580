/** Keys by where they are, for commands whose keys may lie at several places. */
import type { Key } from '../../core/command';
import type { CacheRelay } from '../../core/relay';

/** Which of the keys are at one place, by their positions. */
export type PlaceGroup = readonly number[];

/** In the order in which the first key of each group stands. */
export function groupByPlace(
  relay: Pick<CacheRelay, 'placeOf'>,
  keys: readonly Key[],
): readonly PlaceGroup[] {
  const groups = new Map<number, number[]>();
  keys.forEach((key, at) => {
    const place = relay.placeOf(key);
    const group = groups.get(place);
    if (group === undefined) groups.set(place, [at]);
    else group.push(at);
  });
  return [...groups.values()];
}
