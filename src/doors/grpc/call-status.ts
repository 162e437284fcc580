/** How a call ends that fails: the codes of all doors in gRPC's words. */
import { type Metadata, status } from '@grpc/grpc-js';
import type { CacheError, ErrorCode } from '../../core/errors';

/** A new code does not compile until it has its status here. Some can come of other doors only. */
export const GRPC_STATUS = {
  bad_request: status.INVALID_ARGUMENT,
  unauthenticated: status.UNAUTHENTICATED,
  forbidden: status.PERMISSION_DENIED,
  not_found: status.UNIMPLEMENTED,
  method_not_allowed: status.UNIMPLEMENTED,
  conflict: status.ABORTED,
  precondition_failed: status.FAILED_PRECONDITION,
  too_large: status.INVALID_ARGUMENT,
  unsupported_media_type: status.INVALID_ARGUMENT,
  throttled: status.RESOURCE_EXHAUSTED,
  corrupt_value: status.DATA_LOSS,
  internal: status.INTERNAL,
  unavailable: status.UNAVAILABLE,
  timeout: status.DEADLINE_EXCEEDED,
  out_of_memory: status.RESOURCE_EXHAUSTED,
} as const satisfies Record<ErrorCode, status>;

/** The names of our metadata, which clients rely on. */
export const METADATA = {
  session: 'ringcache-session',
  code: 'ringcache-code',
  requestId: 'ringcache-request-id',
  retryAfter: 'retry-after',
} as const;

export interface CallStatus {
  readonly code: status;
  readonly details: string;
  readonly metadata: Metadata;
}

/** `trailing`: what the answer carries anyway. The cause stays out of it. */
export function statusOf(error: CacheError, requestId: string, trailing: Metadata): CallStatus {
  const metadata = trailing.clone();
  metadata.set(METADATA.code, error.code);
  metadata.set(METADATA.requestId, requestId);
  if (error.code === 'throttled' || error.code === 'unavailable') {
    metadata.set(METADATA.retryAfter, String(error.retryAfterSeconds ?? 1));
  }
  return { code: GRPC_STATUS[error.code], details: error.message, metadata };
}
