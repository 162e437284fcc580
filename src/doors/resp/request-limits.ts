/** What one request of a deployment may have. */
import type { Limits } from '../../core/limits';
import type { RequestLimits } from './request-parser';

const LINE_BYTES_MAX = 64 * 1024;
const WORDS_MAX = 16_384;
/** Of all words together, or what two of the largest values take: a value beside what it is compared with. */
const REQUEST_BYTES_MAX = 64 * 1024 * 1024;

export function requestLimitsOf(
  { valueBytesMax }: Pick<Limits, 'valueBytesMax'>,
  isAuthenticated: boolean,
): RequestLimits {
  return {
    inlineBytesMax: LINE_BYTES_MAX,
    wordsMax: WORDS_MAX,
    bulkBytesMax: valueBytesMax,
    requestBytesMax: Math.max(REQUEST_BYTES_MAX, 2 * valueBytesMax),
    isAuthenticated,
  };
}
