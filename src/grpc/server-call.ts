import type { Caller } from '../call/access.ts';
import type { AdmissionGate } from '../admission/admission-gate.ts';
import type { Entrance, EntranceObserver } from '../call/entrance.ts';
import { CallerAbort } from '../call/caller-signal.ts';
import { encodeHeaderBlock, type HeaderBlock, type HeaderFields } from '../http2/header-block.ts';
import type { RequestHead, ResponseStream } from '../http2/http2-engine.ts';
import { SERVER_TIMING, type RequestTiming } from '../call/request-timing.ts';
import type { RequestTrace } from '../call/request-trace.ts';
import { OverloadedError, type SideboardError } from '../errors.ts';
import type { CallContext } from './grpc-service.ts';
import { LOAD_REPORT_TRAILER } from './load-reports.ts';
import { GrpcCode, GrpcStatusError, statusOf, type GrpcStatus } from './status.ts';
import { encodeStatusDetails, STATUS_DETAILS } from './status-details.ts';
import { encodeStatusMessage } from './status-message.ts';
import { parseTimeoutMs } from './timeout.ts';

/** Timers of Node hold at most this; a longer deadline needs none. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** The head of an answer that has more to say than its status. */
const CONTENT_TYPE = encodeHeaderBlock({ ':status': 200, 'content-type': 'application/grpc' });

const OK: GrpcStatus = { code: GrpcCode.OK, message: '' };

/** Limits of every call. */
export interface CallLimits {
  readonly maxRequestBytes: number;
  /** For callers that set no deadline, milliseconds; 0 = none. */
  readonly defaultDeadlineMs: number;
  /** Unary calls being answered at once; one more is refused with RESOURCE_EXHAUSTED. */
  readonly maxConcurrentRequests: number;
  /** Lets in `measured` calls. */
  readonly gate?: AdmissionGate | undefined;
}

/** Told about every call, once, when it is over. */
export interface CallObserver extends EntranceObserver {
  onCallEnd(call: CallContext, status: GrpcStatus, durationMs: number, error?: unknown): void;
  /** Told instead of calls that are refused by their heads alone, under overload. */
  onTurnedAway?(path: string): void;
  /** Whole messages of all calls, in both directions; changed by the dispatcher only. */
  receivedMessageCount: number;
  sentMessageCount: number;
}

/**
 * One gRPC call on one HTTP/2 stream: its context for the method, and the ways it can end. It ends exactly once. A class,
 * so that a call costs one object and no closures.
 */
export class ServerCall implements CallContext {
  readonly path: string;
  readonly startedAtMs = performance.now();
  readonly signal = new CallerAbort();
  deadlineAtMs = Infinity;
  caller: Caller | undefined;
  rowCount = 0;
  featureCount = 0;
  lostCount = 0;
  responseHeaders: HeaderFields | undefined;
  responseTrailers: HeaderFields | undefined;
  timing: RequestTiming | undefined;
  trace: RequestTrace | undefined;
  isOver = false;
  private readonly head: RequestHead;
  private readonly response: ResponseStream;
  private readonly limits: CallLimits;
  private readonly observer: CallObserver;
  private readonly loadReport: (() => string) | undefined;
  private timer: NodeJS.Timeout | undefined;
  private responded = false;
  /** Where it came in; `undefined` = it has not. */
  private entrance: Entrance | undefined;
  private enteredAtMs = -1;

  /**
   * Starts the deadline. A call that brings a bad one, or one that has passed, is over at once.
   *
   * @param loadReport what a call that fails reports, see `LoadReports.trailer`; without it none does
   */
  constructor(
    head: RequestHead,
    response: ResponseStream,
    limits: CallLimits,
    observer: CallObserver,
    loadReport?: () => string,
  ) {
    this.path = head.path;
    this.head = head;
    this.response = response;
    this.limits = limits;
    this.observer = observer;
    this.loadReport = loadReport;
    this.startDeadline(head.header('grpc-timeout'));
  }

  get authority(): string {
    return this.head.authority;
  }

  get peer(): string {
    return this.response.peer;
  }

  /** Request metadata by lower-case name. */
  metadata(name: string): string | undefined {
    return this.head.header(name);
  }

  /** The call was let in. @param enteredAtMs what `Entrance.leave` wants to know */
  begin(entrance: Entrance, enteredAtMs: number): void {
    this.entrance = entrance;
    this.enteredAtMs = enteredAtMs;
    entrance.begin(this);
  }

  /** Sends the head, once. */
  open(headers: HeaderBlock): void {
    if (this.isOver || this.responded) return;
    this.responded = true;
    this.response.respond(withFields(headers, this.responseHeaders), false);
  }

  /** @returns false = the caller takes its answers more slowly than they come, see `onDrain` */
  send(headers: HeaderBlock, bytes: Uint8Array): boolean {
    if (this.isOver) return true;
    this.open(headers);
    this.observer.sentMessageCount += 1;
    return this.response.write(bytes);
  }

  /** Calls back once when the caller has taken its answers so far. */
  onDrain(callback: () => void): void {
    this.response.onDrain(callback);
  }

  /** A whole message of the caller is here. */
  received(): void {
    this.observer.receivedMessageCount += 1;
  }

  /** Holds back what the caller sends, or lets it come. */
  hold(isHeld: boolean): void {
    this.response.hold(isHeld);
  }

  /** What the caller has sent so far is dealt with, but for so many bytes in so many pieces. */
  release(keptBytes: number, pieceCount: number): void {
    this.response.release(keptBytes, pieceCount);
  }

  /** A stream without a deadline of its own has none. */
  waitForEver(): void {
    if (this.head.header('grpc-timeout') !== undefined) return;
    clearTimeout(this.timer);
    this.deadlineAtMs = Infinity;
  }

  /** Ends the call with OK; `bytes` is the last or only message. */
  finish(headers: HeaderBlock, bytes: Uint8Array | undefined, trailers: HeaderBlock): void {
    if (this.isOver) return;
    const end = withFields(trailers, this.responseTrailers);
    if (bytes !== undefined) this.observer.sentMessageCount += 1;
    if (bytes !== undefined && !this.responded) {
      this.response.reply(withFields(headers, this.responseHeaders), bytes, end);
      this.responded = true;
    } else {
      this.open(headers);
      this.response.end(bytes, end);
    }
    this.settle(OK);
  }

  /** Ends the call with the status of an error. */
  fail(error: unknown): void {
    if (this.isOver) return;
    const status = statusOf(error);
    const more = this.furtherTrailers(error);
    if (this.responseHeaders !== undefined) this.open(CONTENT_TYPE);
    if (this.responded) {
      const fields = errorFields(status, error, this.timing);
      this.response.end(undefined, encodeHeaderBlock({ ...fields, ...more }));
    } else {
      this.response.respond(withFields(errorHead(status, error, this.timing), more), true);
    }
    this.settle(status, error);
    this.signal.abort();
  }

  /** The stream is gone. */
  close(): void {
    if (this.isOver) return;
    this.settle({ code: GrpcCode.CANCELLED, message: 'the caller went away' });
    this.signal.abort();
  }

  /** What goes with the status of a failure; nothing with that of an overload, which has to cost nothing. */
  private furtherTrailers(error: unknown): HeaderFields | undefined {
    const { loadReport, responseTrailers } = this;
    if (loadReport === undefined || error instanceof OverloadedError) return responseTrailers;
    return { ...responseTrailers, [LOAD_REPORT_TRAILER]: loadReport() };
  }

  private settle(status: GrpcStatus, error?: unknown): void {
    this.isOver = true;
    if (this.timer !== undefined) clearTimeout(this.timer);
    const nowMs = performance.now();
    this.observer.onCallEnd(this, status, nowMs - this.startedAtMs, error);
    // Last: who waits comes in now.
    this.entrance?.leave(nowMs, this.enteredAtMs, status.code !== GrpcCode.CANCELLED);
  }

  private startDeadline(header: string | undefined): void {
    let timeoutMs = this.limits.defaultDeadlineMs;
    if (header !== undefined) {
      try {
        timeoutMs = parseTimeoutMs(header);
      } catch (error) {
        this.fail(error);
        return;
      }
    } else if (timeoutMs === 0) {
      return;
    }
    this.deadlineAtMs = this.startedAtMs + timeoutMs;
    if (header !== undefined && timeoutMs === 0) expire(this);
    else if (timeoutMs <= MAX_TIMER_MS) this.timer = setTimeout(expire, timeoutMs, this);
  }
}

/** The same block where there is nothing to add. */
function withFields(block: HeaderBlock, fields: HeaderFields | undefined): HeaderBlock {
  return fields === undefined ? block : encodeHeaderBlock({ ...block.fields, ...fields });
}

function expire(call: ServerCall): void {
  call.fail(new GrpcStatusError(GrpcCode.DEADLINE_EXCEEDED, 'deadline exceeded'));
}

function errorFields(
  status: GrpcStatus,
  error: unknown,
  timing: RequestTiming | undefined,
): HeaderFields {
  const fields = {
    'grpc-status': status.code,
    'grpc-message': encodeStatusMessage(status.message),
    ...((status.details?.length ?? 0) === 0
      ? {}
      : { [STATUS_DETAILS]: encodeStatusDetails(status) }),
    ...(timing === undefined ? {} : { [SERVER_TIMING]: timing.toString() }),
  };
  if (!(error instanceof OverloadedError)) return fields;
  // https://github.com/grpc/proposal/blob/master/A6-client-retries.md, "Pushback"
  return { ...fields, 'grpc-retry-pushback-ms': error.retryAfterMs };
}

/** Heads for errors that are thrown again and again: what is refused under overload has to cost nothing. */
const OVERLOADED_HEADS = new WeakMap<OverloadedError, HeaderBlock>();

/** The whole answer to a call that is refused before it is one. */
export function refusalHead(error: SideboardError): HeaderBlock {
  return errorHead(statusOf(error), error, undefined);
}

/** An answer that consists of its status alone. */
function errorHead(
  status: GrpcStatus,
  error: unknown,
  timing: RequestTiming | undefined,
): HeaderBlock {
  const isShared = error instanceof OverloadedError && timing === undefined;
  const known = isShared ? OVERLOADED_HEADS.get(error) : undefined;
  if (known !== undefined) return known;
  const head = encodeHeaderBlock({
    ...CONTENT_TYPE.fields,
    ...errorFields(status, error, timing),
  });
  if (isShared) OVERLOADED_HEADS.set(error, head);
  return head;
}
