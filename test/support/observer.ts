/** An observer that counts nothing. */
import type { Observer } from '../../src/core/ports';

export const silentObserver: Observer = {
  request: () => undefined,
  commands: () => undefined,
  watchLoad: () => undefined,
};
