import type { TraceParent } from './traceparent.ts';

/** Trace, span, decision and the span before it; without a decision there is none before it either. */
const SINGLE = /^([\da-f]{16}|[\da-f]{32})-([\da-f]{16})(?:-([01d])(?:-[\da-f]{16})?)?$/;
const TRACE_ID = /^(?:[\da-f]{16}|[\da-f]{32})$/;
const SPAN_ID = /^[\da-f]{16}$/;
const ZEROS = /^0+$/;

/**
 * A caller's place in a trace as B3 hands it on, in one header or in several, of which the one wins
 * (https://github.com/openzipkin/b3-propagation). Trace ids of 64 bits are filled up with zeros. `undefined` for none, and for one
 * that is damaged.
 */
export function parseB3(header: (name: string) => string | undefined): TraceParent | undefined {
  const [, traceId, spanId, decision] = SINGLE.exec(header('b3')?.toLowerCase() ?? '') ?? [];
  if (traceId !== undefined) return placeOf(traceId, spanId!, decisionOf(decision));
  const trace = header('x-b3-traceid')?.toLowerCase() ?? '';
  const span = header('x-b3-spanid')?.toLowerCase() ?? '';
  if (!TRACE_ID.test(trace) || !SPAN_ID.test(span)) return undefined;
  const isDebugged = header('x-b3-flags') === '1';
  return placeOf(trace, span, isDebugged ? true : decisionOf(header('x-b3-sampled')));
}

function placeOf(
  traceId: string,
  spanId: string,
  isSampled: boolean | undefined,
): TraceParent | undefined {
  if (ZEROS.test(traceId) || ZEROS.test(spanId)) return undefined;
  return { traceId: traceId.padStart(32, '0'), spanId, isSampled };
}

/** Words are of early versions. */
function decisionOf(text: string | undefined): boolean | undefined {
  switch (text?.toLowerCase()) {
    case '1':
    case 'd':
    case 'true':
      return true;
    case '0':
    case 'false':
      return false;
    default:
      return undefined;
  }
}
