import { GrpcCode, GrpcStatusError } from './status.ts';

const MS_PER_UNIT: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
};

/**
 * Reads a `grpc-timeout` header: one to eight digits and a unit
 * (https://github.com/grpc/grpc/blob/v1.60.0/doc/PROTOCOL-HTTP2.md, "Timeout").
 *
 * @returns milliseconds, fractions included
 * @throws GrpcStatusError INTERNAL for anything else: such a header is a fault of the client's library
 */
export function parseTimeoutMs(header: string): number {
  const match = /^(\d{1,8})([HMSmun])$/.exec(header);
  const unit = MS_PER_UNIT[match?.[2] ?? ''];
  if (match === null || unit === undefined) {
    throw new GrpcStatusError(GrpcCode.INTERNAL, 'malformed grpc-timeout header');
  }
  return Number(match[1]) * unit;
}
