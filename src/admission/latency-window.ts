/** What is measured until the limit moves again. */
export interface LatencyWindow {
  readonly startedAtMs: number;
  /** Since then no more requests are in work than the limit of this window lets in; `undefined` = not yet. */
  settledAtMs: number | undefined;
  sampleCount: number;
  latencySumMs: number;
  /** Requests that ended, whatever their latency says. */
  leftCount: number;
  /** Requests that were refused; those that wait are not. */
  refusedCount: number;
  readonly busyBeforeMs: number;
  /** Somebody found no place, and waits or was refused. */
  refusedAny: boolean;
}

export function openWindow(nowMs: number, busyBeforeMs: number): LatencyWindow {
  return {
    startedAtMs: nowMs,
    settledAtMs: undefined,
    sampleCount: 0,
    latencySumMs: 0,
    leftCount: 0,
    refusedCount: 0,
    busyBeforeMs,
    refusedAny: false,
  };
}
