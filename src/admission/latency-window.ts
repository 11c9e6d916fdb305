/** What is measured until the limit moves again. */
export interface LatencyWindow {
  readonly startedAtMs: number;
  /** Since then no more requests are in work than the limit of this window lets in; `undefined` = not yet. */
  settledAtMs: number | undefined;
  sampleCount: number;
  latencySumMs: number;
  /** How many were in work when each of them ended, added up. */
  inWorkSum: number;
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
    inWorkSum: 0,
    leftCount: 0,
    refusedCount: 0,
    busyBeforeMs,
    refusedAny: false,
  };
}

/** What requests took, and how many were in work meanwhile, on average. */
export interface Measured {
  readonly meanMs: number;
  readonly inWork: number;
}

/**
 * While there come to be more, those that end were among fewer than they leave behind; while there come to be fewer, more end
 * than by Little's law should.
 *
 * @param window with samples
 */
export function measuredIn(window: LatencyWindow, nowMs: number): Measured {
  const { latencySumMs, inWorkSum, sampleCount, leftCount, startedAtMs } = window;
  const meanMs = latencySumMs / sampleCount;
  const byLittle = (leftCount / (nowMs - startedAtMs)) * meanMs;
  return { meanMs, inWork: Math.min(inWorkSum / sampleCount, byLittle) };
}
