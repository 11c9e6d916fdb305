import { create, toBinary } from '@bufbuild/protobuf';
import { anyPack, durationFromMs, type Any } from '@bufbuild/protobuf/wkt';
import { ErrorInfoSchema, RetryInfoSchema } from '../../gen/google/rpc/error_details_pb.ts';
import { StatusSchema } from '../../gen/google/rpc/status_pb.ts';
import { OverloadedError, type SideboardError } from '../errors.ts';
import { cutStatusMessage } from './status-message.ts';
import type { GrpcStatus } from './status.ts';

/** Trailer with a `google.rpc.Status` in base64: code and message again, and details for programs. */
export const STATUS_DETAILS = 'grpc-status-details-bin';

const DOMAIN = 'sideboard';

/** Of errors that are thrown again and again: what is refused under overload has to cost nothing. */
const OVERLOADED_DETAILS = new WeakMap<SideboardError, readonly Any[]>();

/** What a program can tell of an error: its code of ours, and when to come back. */
export function detailsOf(error: SideboardError): readonly Any[] {
  const known = OVERLOADED_DETAILS.get(error);
  if (known !== undefined) return known;
  const info = create(ErrorInfoSchema, { reason: error.code, domain: DOMAIN });
  const details = [anyPack(ErrorInfoSchema, info)];
  if (error instanceof OverloadedError) {
    const retry = create(RetryInfoSchema, { retryDelay: durationFromMs(error.retryAfterMs) });
    details.push(anyPack(RetryInfoSchema, retry));
    OVERLOADED_DETAILS.set(error, details);
  }
  return details;
}

/** The value of `STATUS_DETAILS`. Padding is optional in binary metadata, and not every reader takes it. */
export function encodeStatusDetails({ code, message, details = [] }: GrpcStatus): string {
  const status = create(StatusSchema, {
    code,
    message: cutStatusMessage(message),
    details: [...details],
  });
  return Buffer.from(toBinary(StatusSchema, status)).toString('base64').replace(/=+$/, '');
}
