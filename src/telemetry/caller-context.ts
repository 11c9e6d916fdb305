import {
  createTraceState,
  ROOT_CONTEXT,
  trace as traces,
  TraceFlags,
  type Context,
} from '@opentelemetry/api';
import type { TracedCall } from '../call/request-trace.ts';
import type { TracingConfig } from '../config/config.ts';
import { parseB3 } from './b3.ts';
import { leaveUndecided } from './request-sampler.ts';
import { parseTraceparent, TRACEPARENT, TRACESTATE } from './traceparent.ts';

/** Finds a caller's place in its trace, in the headers that the propagators know; of several the last that finds it wins. */
export function createCallerContext(
  propagators: TracingConfig['propagators'],
): (call: TracedCall) => Context {
  const extracts = propagators
    .map((propagator) => (propagator === 'tracecontext' ? extractTraceContext : extractB3))
    .reverse();
  return (call) => {
    for (const extract of extracts) {
      const context = extract(call);
      if (context !== undefined) return context;
    }
    return ROOT_CONTEXT;
  };
}

function extractTraceContext(call: TracedCall): Context | undefined {
  const parent = parseTraceparent(call.metadata(TRACEPARENT));
  if (parent === undefined) return undefined;
  const state = call.metadata(TRACESTATE);
  return traces.setSpanContext(ROOT_CONTEXT, {
    traceId: parent.traceId,
    spanId: parent.spanId,
    traceFlags: parent.isSampled === true ? TraceFlags.SAMPLED : TraceFlags.NONE,
    isRemote: true,
    ...(state === undefined ? {} : { traceState: createTraceState(state) }),
  });
}

function extractB3(call: TracedCall): Context | undefined {
  const parent = parseB3((name) => call.metadata(name));
  if (parent === undefined) return undefined;
  const { traceId, spanId, isSampled } = parent;
  const context = traces.setSpanContext(ROOT_CONTEXT, {
    traceId,
    spanId,
    traceFlags: isSampled === true ? TraceFlags.SAMPLED : TraceFlags.NONE,
    isRemote: true,
  });
  return isSampled === undefined ? leaveUndecided(context) : context;
}
