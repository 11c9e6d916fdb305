import type { Any } from '@bufbuild/protobuf/wkt';
import type { Authenticate, Caller } from '../call/access.ts';
import type { AdmissionGate } from '../admission/admission-gate.ts';
import { CallerAbort } from '../call/caller-signal.ts';
import { cancelled, SideboardError } from '../errors.ts';
import type { Admission, RequestCall } from '../call/request-call.ts';
import type { RequestTiming } from '../call/request-timing.ts';
import type { RequestTrace, RequestTracing } from '../call/request-trace.ts';
import { BodyRejected } from './feast-error.ts';
import type { HttpRequest, HttpResponse } from './http-message.ts';

/** How a call ended. */
export interface HttpCallStatus {
  /** A gRPC code. */
  readonly code: number;
  /** What the caller saw; empty when all went well. */
  readonly message: string;
  /** For programs. */
  readonly details?: readonly Any[];
}

/** Told about every call, once, when it is over. */
export interface HttpCallObserver {
  /** @param error what was thrown, if anything was */
  onCallEnd(call: RequestCall, status: HttpCallStatus, durationMs: number, error?: unknown): void;
  /** Calls being answered now, by all protocols of the server together. */
  inFlightCount: number;
  /** Decides which calls are traced; absent = none. */
  readonly tracing?: RequestTracing | undefined;
}

/** What an exchange needs to be watched from outside. */
export interface ExchangeOptions {
  /** For callers that set no deadline, milliseconds; 0 = none. */
  readonly defaultDeadlineMs: number;
  readonly observer: HttpCallObserver;
  /** The gRPC status of an error: `grpc/status.ts` alone knows it. */
  readonly statusOf: (error: unknown) => HttpCallStatus;
}

/** One HTTP request while it is being answered. A class, so that it costs one object and few closures. */
export class Exchange implements RequestCall {
  readonly request: HttpRequest;
  readonly response: HttpResponse;
  readonly path: string;
  readonly startedAtMs: number = performance.now();
  readonly signal: CallerAbort = new CallerAbort();
  deadlineAtMs: number;
  caller: Caller | undefined;
  rowCount = 0;
  featureCount = 0;
  lostCount = 0;
  timing: RequestTiming | undefined;
  trace: RequestTrace | undefined;
  /** What went wrong, for the observer; the caller has been, or will be, told. */
  error: unknown;

  /** The deadline is counted from here; the observer hears when the response has left, or the caller has. */
  constructor(
    request: HttpRequest,
    response: HttpResponse,
    path: string,
    options: ExchangeOptions,
  ) {
    this.request = request;
    this.response = response;
    this.path = path;
    this.deadlineAtMs =
      options.defaultDeadlineMs > 0 ? this.startedAtMs + options.defaultDeadlineMs : Infinity;
    response.on('close', () => this.end(options));
  }

  get query(): URLSearchParams {
    const url = this.request.url ?? '';
    const at = url.indexOf('?');
    return new URLSearchParams(at < 0 ? '' : url.slice(at + 1));
  }

  metadata(name: string): string | undefined {
    const value = this.request.headers[name];
    return Array.isArray(value) ? value.join(', ') : value;
  }

  private end({ statusOf, observer }: ExchangeOptions): void {
    if (!this.response.writableFinished) {
      this.error ??= cancelled();
      this.signal.abort();
    }
    // A rejected body is its caller's mistake, and the answer may repeat what was in it: nothing for a log.
    const error = this.error instanceof BodyRejected ? undefined : this.error;
    const status = error === undefined ? statusOfHttp(this.response.statusCode) : statusOf(error);
    observer.onCallEnd(this, status, performance.now() - this.startedAtMs, error);
  }
}

/** What lets requests in; all protocols share it. */
export interface HttpAdmission {
  /** Finds out who calls, where not everybody may; without it nobody is asked. */
  readonly authenticate?: Authenticate | undefined;
  readonly maxConcurrentRequests: number;
  /** Lets in `measured` requests. */
  readonly gate?: AdmissionGate | undefined;
  readonly observer: HttpCallObserver;
}

/**
 * Runs what a request asks for, if it is let in.
 *
 * @throws SideboardError OVERLOADED, and what `work` rejects with
 */
export async function runAdmitted<T>(
  { observer, maxConcurrentRequests, gate }: HttpAdmission,
  admission: Admission | undefined,
  call: RequestCall,
  work: () => Promise<T>,
): Promise<T> {
  if (admission === 'measured' && gate !== undefined) {
    const enteredAtMs = performance.now();
    const refusal = gate.enter(enteredAtMs, call.deadlineAtMs);
    if (refusal !== undefined) throw refusal;
    try {
      return await runCounted(observer, call, work);
    } finally {
      gate.leave(performance.now(), enteredAtMs);
    }
  }
  if (admission !== 'always' && observer.inFlightCount >= maxConcurrentRequests) {
    throw new SideboardError(
      'OVERLOADED',
      `${maxConcurrentRequests} requests are being answered already (max_concurrent_requests)`,
    );
  }
  return runCounted(observer, call, work);
}

async function runCounted<T>(
  observer: HttpCallObserver,
  call: RequestCall,
  work: () => Promise<T>,
): Promise<T> {
  observer.inFlightCount += 1;
  call.trace = observer.tracing?.begin(call);
  try {
    return await work();
  } finally {
    observer.inFlightCount -= 1;
  }
}

/** gRPC codes (https://grpc.io/docs/guides/status-codes/) of answers that no error of ours stands behind. */
const GRPC_CODE_OF_HTTP: Readonly<Record<number, number>> = {
  400: 3,
  404: 5,
  405: 12,
  408: 4,
  413: 8,
  415: 3,
  422: 3,
  429: 8,
  501: 12,
  503: 14,
  504: 4,
};

/** Counts a plain HTTP answer among the gRPC codes, so that one metric covers all protocols. */
function statusOfHttp(status: number): { code: number; message: string } {
  if (status < 400) return { code: 0, message: '' };
  return { code: GRPC_CODE_OF_HTTP[status] ?? (status < 500 ? 3 : 13), message: `HTTP ${status}` };
}
