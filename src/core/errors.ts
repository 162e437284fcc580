/**
 * The closed list of things that can go wrong, in the words every door translates. A door maps `ErrorCode` to its
 * transport with a total table (`satisfies Record<ErrorCode, …>`), so a new code does not compile until each door
 * has an answer for it.
 */

export type ErrorCode =
  | 'bad_request'
  | 'unauthenticated'
  | 'forbidden'
  | 'not_found'
  | 'method_not_allowed'
  | 'conflict'
  | 'precondition_failed'
  | 'too_large'
  | 'unsupported_media_type'
  | 'throttled'
  | 'corrupt_value'
  | 'internal'
  | 'unavailable'
  | 'timeout'
  | 'out_of_memory';

/**
 * A failure with a message that is safe to show to the caller. Hosts, causes and stacks belong in `cause`, which
 * only the log sees.
 */
export class CacheError extends Error {
  override readonly name = 'CacheError';
  readonly code: ErrorCode;
  /** Whole seconds after which trying again makes sense; doors that can, pass it on. */
  readonly retryAfterSeconds: number | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    details: { cause?: unknown; retryAfterSeconds?: number } = {},
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.retryAfterSeconds = details.retryAfterSeconds;
  }
}

/**
 * A `corrupt_value` where something lies that never was a value: a list, a hash and their like. Told apart because
 * the store's own protocol has a word for it.
 */
export class NotAValue extends CacheError {
  constructor(cause: unknown) {
    super('corrupt_value', 'What is stored under this key is not a value.', { cause });
  }
}

/** The store answered, and not as a store does. */
export function nonsense(cause?: Error): CacheError {
  return new CacheError('internal', 'The shard of this key gave an answer that makes no sense.', { cause });
}

/** Whatever was thrown, as a `CacheError`: unknown things become `internal`, with the original as the cause. */
export function toCacheError(thrown: unknown): CacheError {
  if (thrown instanceof CacheError) return thrown;
  return new CacheError('internal', 'Something went wrong inside ringcache.', { cause: thrown });
}

const FAULTS: ReadonlySet<ErrorCode> = new Set([
  'corrupt_value',
  'internal',
  'unavailable',
  'timeout',
  'out_of_memory',
] satisfies ErrorCode[]);

/** Whether it is a fault on our side, not the caller's. */
export function isFault(code: ErrorCode): boolean {
  return FAULTS.has(code);
}

/**
 * What the operator is told of a refused login or token, or of a fault on our side. What is behind another failure
 * could quote what the caller sent; `auth/` gives words of its own instead of an error.
 */
export function causeForLog({ code, cause }: CacheError): string | undefined {
  if (code === 'unauthenticated' || code === 'throttled')
    return typeof cause === 'string' ? cause : undefined;
  return FAULTS.has(code) && cause instanceof Error ? cause.message : undefined;
}
