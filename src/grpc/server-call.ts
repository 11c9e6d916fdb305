import { encodeHeaderBlock, type HeaderBlock } from '../http2/header-block.ts';
import type { RequestHead, ResponseStream } from '../http2/http2-engine.ts';
import type { CallContext } from './grpc-service.ts';
import {
  encodeStatusMessage,
  GrpcCode,
  GrpcStatusError,
  statusOf,
  type GrpcStatus,
} from './status.ts';
import { parseTimeoutMs } from './timeout.ts';

/** Timers of Node hold at most this; a longer deadline needs none. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Limits of every call. */
export interface CallLimits {
  readonly maxRequestBytes: number;
  /** For callers that set no deadline, milliseconds; 0 = none. */
  readonly defaultDeadlineMs: number;
  /** Unary calls being answered at once; one more is refused with RESOURCE_EXHAUSTED. */
  readonly maxConcurrentRequests: number;
}

/** Told about every call, once, when it is over. */
export interface CallObserver {
  onCallEnd(call: CallContext, status: GrpcStatus, durationMs: number, error?: unknown): void;
  /** Calls being answered now; changed by the dispatcher only. */
  inFlightCount: number;
}

/** One gRPC call on one HTTP/2 stream: its context for the method, and the ways it can end. It ends exactly once. */
export interface ServerCall extends CallContext {
  readonly isOver: boolean;
  /** Runs the method once its request is complete; refuses beyond the limit of concurrent requests. */
  run(method: () => Promise<void>): void;
  send(headers: HeaderBlock, bytes: Uint8Array): void;
  finish(headers: HeaderBlock, bytes: Uint8Array | undefined, trailers: HeaderBlock): void;
  fail(error: unknown): void;
  /** The stream is gone. */
  close(): void;
}

export function createServerCall(
  head: RequestHead,
  response: ResponseStream,
  limits: CallLimits,
  observer: CallObserver,
): ServerCall {
  const startedAtMs = performance.now();
  const abort = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let responded = false;
  let running = false;

  const settle = (status: GrpcStatus, error?: unknown): void => {
    call.isOver = true;
    clearTimeout(timer);
    if (running) observer.inFlightCount -= 1;
    observer.onCallEnd(call, status, performance.now() - startedAtMs, error);
  };

  const call = {
    path: head.path,
    deadlineAtMs: Infinity,
    signal: abort.signal,
    metadata: (name: string): string | undefined => head.header(name),
    rowCount: 0,
    featureCount: 0,
    isOver: false,
    run(method: () => Promise<void>): void {
      if (observer.inFlightCount >= limits.maxConcurrentRequests) {
        call.fail(
          new GrpcStatusError(
            GrpcCode.RESOURCE_EXHAUSTED,
            `${limits.maxConcurrentRequests} requests are being answered already (max_concurrent_requests)`,
          ),
        );
        return;
      }
      observer.inFlightCount += 1;
      running = true;
      try {
        method().catch(call.fail);
      } catch (error) {
        call.fail(error);
      }
    },
    send(headers: HeaderBlock, bytes: Uint8Array): void {
      if (!responded) response.respond(headers, false);
      responded = true;
      response.write(bytes);
    },
    finish(headers: HeaderBlock, bytes: Uint8Array | undefined, trailers: HeaderBlock): void {
      if (call.isOver) return;
      if (responded || bytes === undefined) {
        if (!responded) response.respond(headers, false);
        response.end(bytes, trailers);
      } else {
        response.reply(headers, bytes, trailers);
      }
      responded = true;
      settle({ code: GrpcCode.OK, message: '' });
    },
    fail(error: unknown): void {
      if (call.isOver) return;
      const status = statusOf(error);
      const trailers = {
        'grpc-status': status.code,
        'grpc-message': encodeStatusMessage(status.message),
      };
      if (responded) {
        response.end(undefined, encodeHeaderBlock(trailers));
      } else {
        response.respond(
          encodeHeaderBlock({ ':status': 200, 'content-type': 'application/grpc', ...trailers }),
          true,
        );
      }
      settle(status, error);
      abort.abort(error);
    },
    close(): void {
      if (call.isOver) return;
      settle({ code: GrpcCode.CANCELLED, message: 'the caller went away' });
      abort.abort();
    },
  };

  const timeout = head.header('grpc-timeout');
  try {
    const timeoutMs = timeout === undefined ? limits.defaultDeadlineMs : parseTimeoutMs(timeout);
    if (timeout !== undefined || timeoutMs > 0) {
      call.deadlineAtMs = startedAtMs + timeoutMs;
      if (timeoutMs <= MAX_TIMER_MS) {
        timer = setTimeout(
          () => call.fail(new GrpcStatusError(GrpcCode.DEADLINE_EXCEEDED, 'deadline exceeded')),
          timeoutMs,
        );
      }
    }
  } catch (error) {
    call.fail(error);
  }
  return call;
}
