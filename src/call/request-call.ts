import type { Caller } from './access.ts';
import type { CallerSignal } from './caller-signal.ts';
import type { RequestTiming } from './request-timing.ts';
import type { RequestTrace, TracedCall } from './request-trace.ts';

/** What a method may know of the call that it answers, whatever its protocol. */
export interface RequestCall extends TracedCall {
  /** On the clock of `startedAtMs`; `Infinity` = the caller waits for ever. */
  readonly deadlineAtMs: number;
  /** Aborted when the caller cancelled or went away, or when the deadline passed while a stream was open. */
  readonly signal: CallerSignal;
  /** Who asks; `undefined` = nobody found out, or needed to. */
  caller: Caller | undefined;
  /** Sizes for the log and the metrics, set by the method once it knows them. */
  rowCount: number;
  featureCount: number;
  /** Values that the answer misses because they could not be read; its trailers, or a header, say so. */
  lostCount: number;
  /** Set by the method for a caller who asks; its trailers, or a header, say it. */
  timing: RequestTiming | undefined;
  /** Set when the call is let in; `undefined` where nothing is traced. */
  trace: RequestTrace | undefined;
}

/**
 * How a call is let in: `measured` calls are as many as can be answered in time, `always` ones are never refused; others are
 * as many as `max_concurrent_requests`.
 */
export type Admission = 'measured' | 'always';
