import { didYouMean } from './did-you-mean.ts';

/**
 * The error vocabulary. Whatever goes wrong on behalf of a caller is a `SideboardError` with one of these codes; each
 * transport translates codes in exactly one file (`grpc/status.ts`, `http/feast-error.ts`). Anything else that is
 * thrown is a bug: the caller sees "internal error", the log keeps the original.
 */
export type ErrorCode =
  | 'FEATURE_SERVICE_NOT_FOUND'
  | 'FEATURE_VIEW_NOT_FOUND'
  | 'FEATURE_VIEW_VERSION_NOT_FOUND'
  | 'FEATURE_NOT_FOUND'
  | 'PUSH_SOURCE_NOT_FOUND'
  | 'INVALID_FEATURE_REFERENCE'
  | 'NO_FEATURES_REQUESTED'
  | 'FEATURE_NAME_COLLISION'
  | 'VERSIONED_READ_UNSUPPORTED'
  | 'FEATURE_VIEW_DISABLED'
  | 'FEATURE_VIEW_NOT_SERVABLE'
  | 'MISSING_JOIN_KEY'
  | 'AMBIGUOUS_JOIN_KEY'
  | 'ENTITY_ROW_LENGTH_MISMATCH'
  | 'UNSUPPORTED_JOIN_KEY_TYPE'
  | 'INVALID_ENTITY_VALUE'
  | 'REQUEST_DATA_NOT_FOUND'
  | 'INVALID_REQUEST'
  | 'LIMIT_EXCEEDED'
  | 'MESSAGE_TOO_LARGE'
  | 'ON_DEMAND_FEATURE_VIEW_UNSUPPORTED'
  | 'UNSUPPORTED_OPERATION'
  | 'OFFLINE_WRITE_UNSUPPORTED'
  | 'TRANSFORMATION_FAILED'
  | 'TRANSFORMATION_UNAVAILABLE'
  | 'UNAUTHENTICATED'
  | 'PERMISSION_DENIED'
  | 'AUTHENTICATION_UNAVAILABLE'
  | 'REGISTRY_UNAVAILABLE'
  | 'ONLINE_STORE_UNAVAILABLE'
  | 'OVERLOADED'
  | 'DEADLINE_EXCEEDED'
  | 'CANCELLED'
  | 'CORRUPT_STORED_VALUE'
  | 'INVALID_CONFIGURATION'
  | 'INVALID_DEFINITION'
  | 'INVALID_SOURCE_DATA';

/** An error that a caller may see: its message names the offending thing and, where there is one, the remedy. */
export class SideboardError extends Error {
  override readonly name = 'SideboardError';
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** OVERLOADED, with when to come back. */
export class OverloadedError extends SideboardError {
  readonly retryAfterMs: number;

  constructor(message: string, retryAfterMs: number) {
    super('OVERLOADED', message);
    this.retryAfterMs = retryAfterMs;
  }
}

/** Whether `error` may be shown to a caller as it is. */
export function isSideboardError(error: unknown): error is SideboardError {
  return error instanceof SideboardError;
}

// The constructors below are the only places where these messages are written. A folder that alone raises a code keeps
// its constructor beside the code that raises it.

/** @param known names that the caller may hear of, should one be meant. */
export function featureServiceNotFound(
  name: string,
  project: string,
  known: Iterable<string> = [],
): SideboardError {
  return new SideboardError(
    'FEATURE_SERVICE_NOT_FOUND',
    `Feature service ${name} does not exist in project ${project}${didYouMean(name, known)}`,
  );
}

/** @param known names that the caller may hear of, should one be meant. */
export function featureViewNotFound(
  name: string,
  project: string,
  known: Iterable<string> = [],
): SideboardError {
  return new SideboardError(
    'FEATURE_VIEW_NOT_FOUND',
    `Feature view ${name} does not exist in project ${project}${didYouMean(name, known)}`,
  );
}

export function deadlineExceeded(stage: string): SideboardError {
  return new SideboardError('DEADLINE_EXCEEDED', `deadline exceeded ${stage}`);
}

export function cancelled(): SideboardError {
  return new SideboardError('CANCELLED', 'the caller cancelled the request');
}

/** `cause` keeps the driver's own error for the log; callers see only `detail`, which never holds a secret. */
export function onlineStoreUnavailable(detail: string, cause?: unknown): SideboardError {
  return new SideboardError('ONLINE_STORE_UNAVAILABLE', `online store unavailable: ${detail}`, {
    cause,
  });
}
