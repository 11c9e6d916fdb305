import {
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace as traces,
  type Attributes,
  type Context,
  type Span,
  type Tracer,
} from '@opentelemetry/api';
import { GrpcCode } from '../grpc/status.ts';
import type { NodeRead } from '../online-store/online-store.ts';
import { RequestTiming } from '../call/request-timing.ts';
import type {
  RequestTrace,
  RequestTracing,
  TracedCall,
  TracedStatus,
} from '../call/request-trace.ts';
import { answerAttributes, callAttributes, httpMethod, nodeAttributes } from './span-attributes.ts';

/** Further nodes of one read have no span. */
const MAX_NODE_SPANS = 64;
/** Codes that count as errors of a server (https://opentelemetry.io/docs/specs/semconv/rpc/grpc/). */
const SERVER_ERRORS: ReadonlySet<number> = new Set<number>([
  GrpcCode.UNKNOWN,
  GrpcCode.DEADLINE_EXCEEDED,
  GrpcCode.UNIMPLEMENTED,
  GrpcCode.INTERNAL,
  GrpcCode.UNAVAILABLE,
  GrpcCode.DATA_LOSS,
]);

/** Where spans of requests go. */
export interface RequestSpansOptions {
  /** Its sampler decides which requests are recorded. */
  readonly tracer: Tracer;
  /** A caller's place in its trace. */
  readonly callerOf: (call: TracedCall) => Context;
  /** Paths of the methods, and of the JSON routes, that may be traced: neither probes nor what callers make up. */
  readonly methods: ReadonlySet<string>;
  readonly routes: ReadonlySet<string>;
  /** `db.system.name` of the online store. */
  readonly storeSystem: string;
  /** Makes room for the spans of one request; `false` = there is none, they are dropped, all of them. */
  reserve(spanCount: number): boolean;
}

/** A request that is recorded. Its spans are made when it is over. */
class RecordedTrace implements RequestTrace {
  readonly traceId: string;
  readonly spanId: string;
  readonly timing: RequestTiming;
  readonly span: Span;
  readonly nodeReads: NodeRead[] = [];
  /** From the clock of `performance.now()` to that of the world; one for all spans of a request, so that they fit. */
  readonly epochMs: number;

  constructor(span: Span, startedAtMs: number, epochMs: number) {
    this.span = span;
    ({ traceId: this.traceId, spanId: this.spanId } = span.spanContext());
    this.epochMs = epochMs;
    this.timing = new RequestTiming(startedAtMs, (read) => {
      if (this.nodeReads.length < MAX_NODE_SPANS) this.nodeReads.push(read);
    });
  }
}

const NOT_TRACED: RequestTrace = { traceId: '', spanId: '', timing: undefined };

/** Makes a span of each request that is sampled, and of its queue, plan, store, nodes of the store, and assemble. */
export function createRequestSpans(options: RequestSpansOptions): RequestTracing {
  const { tracer, callerOf, methods, routes } = options;

  const begin = (call: TracedCall): RequestTrace => {
    const isMethod = methods.has(call.path);
    if (!isMethod && !routes.has(call.path)) return NOT_TRACED;
    const epochMs = Date.now() - performance.now();
    const startTime = call.startedAtMs + epochMs;
    const name = isMethod
      ? call.path.slice(1)
      : `${httpMethod(call.http?.method ?? '')} ${call.path}`;
    const span = tracer.startSpan(name, { kind: SpanKind.SERVER, startTime }, callerOf(call));
    if (!span.isRecording()) {
      return { traceId: span.spanContext().traceId, spanId: '', timing: undefined };
    }
    span.setAttributes(callAttributes(call, isMethod));
    return new RecordedTrace(span, call.startedAtMs, epochMs);
  };

  return {
    begin,
    end(call, status): RequestTrace {
      const trace = call.trace ?? begin(call);
      if (trace instanceof RecordedTrace) endTrace(call, status, trace, options);
      return trace;
    },
  };
}

function endTrace(
  call: TracedCall,
  status: TracedStatus,
  trace: RecordedTrace,
  { tracer, methods, storeSystem, reserve }: RequestSpansOptions,
): void {
  const { span, timing, epochMs, nodeReads } = trace;
  const { startedAtMs, beganAtMs, plannedAtMs, storedAtMs, assembledAtMs } = timing;
  const isPlanned = plannedAtMs >= 0;
  const isStored = storedAtMs >= 0;
  const stageCount = isStored ? 4 : isPlanned ? 3 : 1;
  if (!reserve(1 + stageCount + nodeReads.length)) return;
  const endedAtMs = performance.now();
  const own = traces.setSpan(ROOT_CONTEXT, span);
  const record = (
    name: string,
    [fromMs, toMs]: readonly [number, number],
    { kind = SpanKind.INTERNAL, parent = own, attributes = {}, isError }: SpanDetails = {},
  ): Context => {
    const startTime = fromMs + epochMs;
    const made = tracer.startSpan(name, { kind, startTime, attributes }, parent);
    if (isError === true) made.setStatus({ code: SpanStatusCode.ERROR });
    made.end(toMs + epochMs);
    return traces.setSpan(parent, made);
  };

  record('queue', [startedAtMs, beganAtMs]);
  if (isPlanned) {
    record('plan', [beganAtMs, plannedAtMs]);
    const store = record('store', [plannedAtMs, isStored ? storedAtMs : endedAtMs], {
      isError: !isStored,
    });
    for (const read of nodeReads) {
      record('store node', [read.startedAtMs, read.endedAtMs], {
        kind: SpanKind.CLIENT,
        parent: store,
        attributes: nodeAttributes(read, storeSystem),
        isError: !read.isAnswered,
      });
    }
    if (isStored) record('assemble', [storedAtMs, assembledAtMs >= 0 ? assembledAtMs : endedAtMs]);
  }
  const isError = SERVER_ERRORS.has(status.code);
  span.setAttributes(
    answerAttributes(call, { status, timing, isError, isMethod: methods.has(call.path) }),
  );
  if (isError) span.setStatus({ code: SpanStatusCode.ERROR });
  span.end(endedAtMs + epochMs);
}

interface SpanDetails {
  readonly kind?: SpanKind;
  readonly parent?: Context;
  readonly attributes?: Attributes;
  readonly isError?: boolean;
}
