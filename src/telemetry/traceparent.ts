/** The place in a trace that a caller hands on (https://www.w3.org/TR/trace-context/). */
export interface TraceParent {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** 16 hexadecimal digits. */
  readonly spanId: string;
  /** `undefined` = it leaves that to others. */
  readonly isSampled: boolean | undefined;
}

export const TRACEPARENT = 'traceparent';
export const TRACESTATE = 'tracestate';

/** Of later versions the fields of the first are read, whatever follows them; version ff is none. */
const FORMAT =
  /^(?!ff)([\da-f]{2})-(?!0{32})([\da-f]{32})-(?!0{16})([\da-f]{16})-([\da-f]{2})(-.*)?$/;
const SAMPLED = 1;

/** What a header says; `undefined` for none, and for one that is damaged: a new trace begins then. */
export function parseTraceparent(header: string | undefined): TraceParent | undefined {
  const [, version, traceId, spanId, flags, rest] = FORMAT.exec(header ?? '') ?? [];
  if (traceId === undefined || (version === '00' && rest !== undefined)) return undefined;
  const isSampled = (Number.parseInt(flags!, 16) & SAMPLED) !== 0;
  return { traceId, spanId: spanId!, isSampled };
}
