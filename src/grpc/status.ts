import type { Any } from '@bufbuild/protobuf/wkt';
import { isSideboardError, type ErrorCode } from '../errors.ts';
import { detailsOf } from './status-details.ts';

/** gRPC status codes (https://grpc.io/docs/guides/status-codes/). This file alone knows which error becomes which. */
export const GrpcCode = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;

export type GrpcCode = (typeof GrpcCode)[keyof typeof GrpcCode];

/** Every code of ours has its gRPC code here; a forgotten one does not compile. */
export const GRPC_CODE_BY_ERROR: Readonly<Record<ErrorCode, GrpcCode>> = {
  FEATURE_SERVICE_NOT_FOUND: GrpcCode.NOT_FOUND,
  FEATURE_VIEW_NOT_FOUND: GrpcCode.NOT_FOUND,
  FEATURE_VIEW_VERSION_NOT_FOUND: GrpcCode.NOT_FOUND,
  FEATURE_NOT_FOUND: GrpcCode.NOT_FOUND,
  PUSH_SOURCE_NOT_FOUND: GrpcCode.INVALID_ARGUMENT,
  INVALID_FEATURE_REFERENCE: GrpcCode.INVALID_ARGUMENT,
  NO_FEATURES_REQUESTED: GrpcCode.INVALID_ARGUMENT,
  FEATURE_NAME_COLLISION: GrpcCode.INVALID_ARGUMENT,
  VERSIONED_READ_UNSUPPORTED: GrpcCode.FAILED_PRECONDITION,
  FEATURE_VIEW_DISABLED: GrpcCode.FAILED_PRECONDITION,
  FEATURE_VIEW_NOT_SERVABLE: GrpcCode.FAILED_PRECONDITION,
  MISSING_JOIN_KEY: GrpcCode.INVALID_ARGUMENT,
  AMBIGUOUS_JOIN_KEY: GrpcCode.INVALID_ARGUMENT,
  ENTITY_ROW_LENGTH_MISMATCH: GrpcCode.INVALID_ARGUMENT,
  UNSUPPORTED_JOIN_KEY_TYPE: GrpcCode.INVALID_ARGUMENT,
  INVALID_ENTITY_VALUE: GrpcCode.INVALID_ARGUMENT,
  REQUEST_DATA_NOT_FOUND: GrpcCode.INVALID_ARGUMENT,
  INVALID_REQUEST: GrpcCode.INVALID_ARGUMENT,
  LIMIT_EXCEEDED: GrpcCode.INVALID_ARGUMENT,
  MESSAGE_TOO_LARGE: GrpcCode.RESOURCE_EXHAUSTED,
  ON_DEMAND_FEATURE_VIEW_UNSUPPORTED: GrpcCode.UNIMPLEMENTED,
  UNSUPPORTED_OPERATION: GrpcCode.UNIMPLEMENTED,
  OFFLINE_WRITE_UNSUPPORTED: GrpcCode.INVALID_ARGUMENT,
  TRANSFORMATION_FAILED: GrpcCode.INTERNAL,
  TRANSFORMATION_UNAVAILABLE: GrpcCode.UNAVAILABLE,
  UNAUTHENTICATED: GrpcCode.UNAUTHENTICATED,
  PERMISSION_DENIED: GrpcCode.PERMISSION_DENIED,
  AUTHENTICATION_UNAVAILABLE: GrpcCode.UNAVAILABLE,
  REGISTRY_UNAVAILABLE: GrpcCode.UNAVAILABLE,
  ONLINE_STORE_UNAVAILABLE: GrpcCode.UNAVAILABLE,
  OVERLOADED: GrpcCode.RESOURCE_EXHAUSTED,
  DEADLINE_EXCEEDED: GrpcCode.DEADLINE_EXCEEDED,
  CANCELLED: GrpcCode.CANCELLED,
  CORRUPT_STORED_VALUE: GrpcCode.DATA_LOSS,
  INVALID_CONFIGURATION: GrpcCode.INTERNAL,
  INVALID_DEFINITION: GrpcCode.INTERNAL,
  INVALID_SOURCE_DATA: GrpcCode.INTERNAL,
};

const NAME_BY_CODE = new Map<GrpcCode, string>(
  Object.entries(GrpcCode).map(([name, code]) => [code, name]),
);

/** `NOT_FOUND` for 5 and so on; a metric label and a log field. */
export function grpcCodeName(code: GrpcCode): string {
  return NAME_BY_CODE.get(code) ?? 'UNKNOWN';
}

/** How one call ended. */
export interface GrpcStatus {
  readonly code: GrpcCode;
  /** For the caller; empty when OK. */
  readonly message: string;
  /** For programs. */
  readonly details?: readonly Any[];
}

/** What a gRPC error raised by the protocol itself (not by Feast's semantics) carries. */
export class GrpcStatusError extends Error {
  override readonly name = 'GrpcStatusError';
  readonly code: GrpcCode;
  readonly details: readonly Any[];

  constructor(code: GrpcCode, message: string, details: readonly Any[] = []) {
    super(message);
    this.code = code;
    this.details = details;
  }
}

/** The status that a caller sees for whatever was thrown. What is not an error of ours stays inside. */
export function statusOf(error: unknown): GrpcStatus {
  if (isSideboardError(error)) {
    return {
      code: GRPC_CODE_BY_ERROR[error.code],
      message: error.message,
      details: detailsOf(error),
    };
  }
  if (error instanceof GrpcStatusError) {
    return { code: error.code, message: error.message, details: error.details };
  }
  return { code: GrpcCode.INTERNAL, message: 'internal error' };
}
