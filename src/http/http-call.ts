import type { Any } from '@bufbuild/protobuf/wkt';
import type { Authenticate, Caller } from '../call/access.ts';
import type { Entrant, PlaceInLine } from '../admission/waiting-line.ts';
import { CallerAbort } from '../call/caller-signal.ts';
import type { Entrance, EntranceObserver } from '../call/entrance.ts';
import { cancelled, deadlineExceeded, type SideboardError } from '../errors.ts';
import type { Admission, RequestCall } from '../call/request-call.ts';
import type { RequestTiming } from '../call/request-timing.ts';
import type { HttpFacts, RequestTrace } from '../call/request-trace.ts';
import { peerOf } from '../http2/peer-of.ts';
import { BodyRejected } from './feast-error.ts';
import type { HttpRequest, HttpResponse } from './http-message.ts';

/** Timers of Node hold at most this; nobody waits for so long. */
const MAX_TIMER_MS = 2 ** 31 - 1;

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
export interface HttpCallObserver extends EntranceObserver {
  /** @param error what was thrown, if anything was */
  onCallEnd(call: RequestCall, status: HttpCallStatus, durationMs: number, error?: unknown): void;
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

  get authority(): string {
    return this.request.headers.host ?? '';
  }

  get peer(): string {
    const { peer, socket } = this.request;
    return peer ?? (socket === undefined || socket.destroyed ? '' : peerOf(socket));
  }

  get http(): HttpFacts {
    const { method = '', httpVersion, scheme, socket } = this.request;
    return {
      method,
      scheme: scheme ?? (socket?.encrypted === true ? 'https' : 'http'),
      version: httpVersion.replace(/\.0$/, ''),
      statusCode: this.response.headersSent ? this.response.statusCode : undefined,
    };
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

/** What lets requests in. */
export interface HttpAdmission {
  /** Finds out who calls, where not everybody may; without it nobody is asked. */
  readonly authenticate?: Authenticate | undefined;
  readonly entrance: Entrance;
}

/** What a request brings to its entrance. */
export interface EnteringRequest<T> {
  readonly call: Exchange;
  readonly admission: Admission | undefined;
  /** What it keeps while it waits for its turn. */
  readonly messageBytes: number;
  /** What it asks for. */
  readonly work: () => Promise<T>;
}

/**
 * Runs what a request asks for when it is let in.
 *
 * @throws SideboardError OVERLOADED, DEADLINE_EXCEEDED or CANCELLED before its turn came, and what `work` rejects with
 */
export async function runAdmitted<T>(
  entrance: Entrance,
  { call, admission, messageBytes, work }: EnteringRequest<T>,
): Promise<T> {
  // It may have gone while its body was unpacked: a signal that was given is not given again.
  if (call.signal.aborted) throw cancelled();
  const turn = new Turn(entrance, call, messageBytes);
  entrance.enter(turn, admission);
  await turn.whenCome();
  try {
    return await work();
  } finally {
    entrance.leave(performance.now(), turn.enteredAtMs, !call.signal.aborted);
  }
}

/** The turn of one request: it has come, or is refused, or is waited for. */
class Turn implements Entrant {
  readonly deadlineAtMs: number;
  readonly messageBytes: number;
  place: PlaceInLine | undefined;
  enteredAtMs = Number.NaN;
  private readonly entrance: Entrance;
  private readonly call: Exchange;
  private readonly come = Promise.withResolvers<void>();

  constructor(entrance: Entrance, call: Exchange, messageBytes: number) {
    this.entrance = entrance;
    this.call = call;
    this.deadlineAtMs = call.deadlineAtMs;
    this.messageBytes = messageBytes;
  }

  letIn(nowMs: number): void {
    this.enteredAtMs = nowMs;
    this.entrance.begin(this.call);
    this.come.resolve();
  }

  refuse(error: SideboardError): void {
    this.come.reject(error);
  }

  /** @throws SideboardError why it will not come */
  whenCome(): Promise<void> {
    // In no line: it was let in or refused at once.
    return this.place === undefined ? this.come.promise : this.wait();
  }

  private async wait(): Promise<void> {
    const { signal } = this.call;
    const goAway = (): void => this.giveUp(cancelled());
    signal.addEventListener('abort', goAway);
    const timer = setTimeout(
      () => this.giveUp(deadlineExceeded('before its turn came')),
      Math.min(this.deadlineAtMs - performance.now(), MAX_TIMER_MS),
    );
    try {
      await this.come.promise;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', goAway);
    }
  }

  private giveUp(error: SideboardError): void {
    this.entrance.withdraw(this);
    this.come.reject(error);
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
