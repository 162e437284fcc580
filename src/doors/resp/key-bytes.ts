/** The limit on keys, and on names of channels, which count as keys. */
import type { Key } from '../../core/command';
import { CacheError } from '../../core/errors';

/** @throws CacheError `too_large` */
export function checkKeyBytes(keys: readonly Key[], keyBytesMax: number): void {
  for (const key of keys) {
    if (key.length > keyBytesMax)
      throw new CacheError('too_large', `A key has at most ${keyBytesMax} bytes.`);
  }
}
