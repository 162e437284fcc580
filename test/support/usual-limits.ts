/** The limits of a deployment that sets none. */
import { DEPTH_MAX, type Limits } from '../../src/core/limits';

export const USUAL_LIMITS: Limits = {
  keyBytesMax: 1024,
  valueBytesMax: 8_388_608,
  batchMax: 1000,
  depthMax: DEPTH_MAX,
  requestTimeoutMs: 2000,
};
