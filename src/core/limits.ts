/** The limits on what one command may carry; the same on every door. */
export interface Limits {
  readonly keyBytesMax: number;
  readonly valueBytesMax: number;
  /** Commands in one batch. */
  readonly batchMax: number;
  /** Nesting of a JSON value. */
  readonly depthMax: number;
  readonly requestTimeoutMs: number;
}

/** Not a setting: deeper values serve no one and cost stack in every client that reads them. */
export const DEPTH_MAX = 32;

/** A hundred years: longer lives overflow Redis's arithmetic sooner or later, and mean "for ever" anyway. */
export const TTL_MS_MAX = 100 * 365.25 * 24 * 3600 * 1000;
