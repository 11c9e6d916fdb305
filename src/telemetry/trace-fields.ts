import type { TracedCall } from '../call/request-trace.ts';
import { parseTraceparent, TRACEPARENT } from './traceparent.ts';

/** As https://opentelemetry.io/docs/specs/otel/compatibility/logging_trace_context/ has them. */
export interface TraceFields {
  readonly trace_id?: string;
  readonly span_id?: string;
}

/** What lines of the log say of a call's trace: where nothing is traced, the one that its caller named. */
export function traceFields(call: Pick<TracedCall, 'trace' | 'metadata'>): TraceFields {
  const traceId = call.trace?.traceId || parseTraceparent(call.metadata(TRACEPARENT))?.traceId;
  const spanId = call.trace?.spanId || undefined;
  return {
    ...(traceId === undefined ? {} : { trace_id: traceId }),
    ...(spanId === undefined ? {} : { span_id: spanId }),
  };
}
