/** RFC 9211: where the value of a single READ was found, as a header. */
import type { Source } from '../../core/command';

export const CACHE_STATUS: Readonly<Record<Source, readonly string[]>> = {
  near: ['Cache-Status', 'ringcache; hit; detail=near'],
  replica: ['Cache-Status', 'ringcache; hit; detail=replica'],
  master: ['Cache-Status', 'ringcache; hit; detail=master'],
};
export const CACHE_STATUS_MISS: readonly string[] = ['Cache-Status', 'ringcache; fwd=miss'];
