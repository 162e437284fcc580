/** Conditions of a change, for engines that hold the bytes in this process and change them in one stretch. */
import type { WriteOptions } from '../core/ports';

/** Whether the change may be made where `stored` is what lives under the key; undefined: nothing does. */
export function isMet(condition: WriteOptions['condition'], stored: Buffer | undefined): boolean {
  if (condition === undefined) return true;
  if (typeof condition === 'string') return (condition === 'XX') === (stored !== undefined);
  return stored?.equals(condition.expected) === true;
}
