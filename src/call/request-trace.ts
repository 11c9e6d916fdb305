import type { RequestTiming } from './request-timing.ts';

/** What tracing may know of a request, whatever its protocol. */
export interface TracedCall {
  /** Full method path, `/package.Service/Method`, or the path of a JSON route. */
  readonly path: string;
  /** When its head was read, on the clock of `performance.now()`. */
  readonly startedAtMs: number;
  readonly rowCount: number;
  readonly featureCount: number;
  readonly lostCount: number;
  /** The server as its caller names it: a host, mostly with a port; '' = not at all. */
  readonly authority: string;
  /** Where the connection comes from: `address:port`, `unix socket`, or '' where nobody knows any more. */
  readonly peer: string;
  /** Of what came in as plain HTTP. */
  readonly http?: HttpFacts | undefined;
  /** `undefined` = nobody has decided yet whether it is traced. */
  readonly trace: RequestTrace | undefined;
  /** Request metadata by lower-case name; several of one name are joined with commas. */
  metadata(name: string): string | undefined;
}

/** What HTTP says of a request. */
export interface HttpFacts {
  readonly method: string;
  /** `http` or `https`. */
  readonly scheme: string;
  /** Such as `1.1` and `2`. */
  readonly version: string;
  /** `undefined` = it is not answered. */
  readonly statusCode: number | undefined;
}

/** The part of one trace that is about one request. */
export interface RequestTrace {
  /** 32 hexadecimal digits; '' = it belongs to none. */
  readonly traceId: string;
  /** 16 hexadecimal digits, of its own span; '' = it is not recorded. */
  readonly spanId: string;
  /** Its moments; `undefined` = it is not recorded. */
  readonly timing: RequestTiming | undefined;
}

/** Traces requests; absent where nobody wants traces. */
export interface RequestTracing {
  /** Decides whether a request is traced, when it is let in. */
  begin(call: TracedCall): RequestTrace;
  /** The request is over; also called for one that was not let in, about which it decides then. */
  end(call: TracedCall, status: TracedStatus): RequestTrace;
}

/** How a request ended. */
export interface TracedStatus {
  /** A gRPC code. */
  readonly code: number;
  /** What the caller was told; empty when all went well. */
  readonly message: string;
}
