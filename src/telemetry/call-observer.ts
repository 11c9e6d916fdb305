import { isSideboardError } from '../errors.ts';
import type { CallObserver } from '../grpc/server-call.ts';
import { GrpcCode, grpcCodeName, GrpcStatusError } from '../grpc/status.ts';
import type { RequestTracing } from '../call/request-trace.ts';
import type { AnswerCounts } from './load-meter.ts';
import type { Logger } from './logger.ts';
import type { Metrics } from './metrics.ts';
import { traceFields } from './trace-fields.ts';

/** Codes that are the server's or its store's doing; the rest is the caller's and is logged at `debug` only. */
const SERVER_FAULTS: ReadonlySet<GrpcCode> = new Set<GrpcCode>([
  GrpcCode.UNKNOWN,
  GrpcCode.INTERNAL,
  GrpcCode.UNAVAILABLE,
  GrpcCode.DATA_LOSS,
]);

const OVERLOADED = grpcCodeName(GrpcCode.RESOURCE_EXHAUSTED);

/** What a call observer needs beside metrics and log. */
export interface CallObserverOptions {
  /** Paths of methods and routes that there are. */
  readonly knownPaths: ReadonlySet<string>;
  readonly counts: AnswerCounts;
  readonly tracing?: RequestTracing | undefined;
}

/**
 * Counts every call, in `counts` too, and logs those that failed, once. A path that no service has counts as "unknown", so that
 * callers cannot make up label values.
 */
export function createCallObserver(
  metrics: Metrics,
  logger: Logger,
  { knownPaths, counts, tracing }: CallObserverOptions,
): CallObserver {
  return {
    inFlightCount: 0,
    receivedMessageCount: 0,
    sentMessageCount: 0,
    tracing,
    onTurnedAway(path): void {
      metrics.observeRequest(path, OVERLOADED, false, 0);
      counts.answeredCount += 1;
    },
    onCallEnd(call, status, durationMs, error): void {
      const method = knownPaths.has(call.path) ? call.path : 'unknown';
      const code = grpcCodeName(status.code);
      const ok = status.code === GrpcCode.OK;
      metrics.observeRequest(method, code, ok, durationMs);
      if (call.lostCount > 0) metrics.observeLostValues(call.lostCount);
      counts.answeredCount += 1;
      // A record of the call may still be written.
      call.trace = tracing?.end(call, status);
      if (ok) return;
      // What is wrong with a message or a header is told with INTERNAL in gRPC, and is the caller's doing all the same.
      const isProtocolError = error instanceof GrpcStatusError;
      const fields = {
        method,
        code,
        durationMs,
        rows: call.rowCount,
        features: call.featureCount,
        reason: status.message,
        ...traceFields(call),
        // Errors of ours are explained by their message; a cause or a stranger needs its stack.
        ...(isProtocolError || (isSideboardError(error) && error.cause === undefined)
          ? {}
          : { err: error }),
      };
      if (SERVER_FAULTS.has(status.code) && !isProtocolError) {
        counts.failedCount += 1;
        logger.error(fields, 'call failed');
      } else {
        logger.debug(fields, 'call failed');
      }
    },
  };
}
