/** Requests that take so many times as long as others take alone, and at least so long, are stuck. */
const STUCK_FACTOR = 8;
const STUCK_MS = 20;
/** Unless those that end take nearly as long, in a queue: then so many times as long as these do, … */
const QUEUED_FACTOR = 2;
/** … and this at most, as if it were not known what requests take alone. */
const STUCK_UNKNOWN_MS = 100;

/**
 * Counts requests in work, those that are stuck apart: what waits for a node that hangs costs nothing but memory, and must not
 * keep out those that other nodes answer. Two generations that take turns tell one from the other, so that nothing is kept of
 * a single request.
 */
export class WorkCount {
  /** All of them. */
  total = 0;
  /** Those that came since `recentSinceMs`, and those of the time before; the rest is stuck. */
  private recent = 0;
  private older = 0;
  private recentSinceMs: number;
  private olderSinceMs: number;
  private lastAtMs = -Infinity;

  constructor(nowMs: number) {
    this.recentSinceMs = nowMs;
    this.olderSinceMs = nowMs;
  }

  /** Requests that are in work and not stuck. */
  get moving(): number {
    return this.recent + this.older;
  }

  /** @param nowMs not before that of anybody else */
  add(nowMs: number): void {
    this.lastAtMs = nowMs;
    this.total += 1;
    this.recent += 1;
  }

  /** @param enteredAtMs when it was added */
  remove(enteredAtMs: number): void {
    this.total -= 1;
    if (enteredAtMs >= this.recentSinceMs) this.recent -= 1;
    else if (enteredAtMs >= this.olderSinceMs) this.older -= 1;
  }

  /**
   * Looks for those that are stuck by now.
   *
   * @param aloneMs what a request takes alone; `Infinity` = unknown
   * @param latelyMs what requests took lately
   */
  passOverStuck(nowMs: number, aloneMs: number, latelyMs = 0): void {
    const queuedMs = Math.min(QUEUED_FACTOR * latelyMs, STUCK_UNKNOWN_MS);
    const stuckMs =
      aloneMs < Infinity ? Math.max(STUCK_MS, STUCK_FACTOR * aloneMs, queuedMs) : STUCK_UNKNOWN_MS;
    const sinceMs = nowMs - this.recentSinceMs;
    // Those of one moment stay together: it alone says which generation one was counted in.
    if (sinceMs < stuckMs || nowMs <= this.lastAtMs) return;
    const areAllStuck = sinceMs >= 2 * stuckMs;
    this.older = areAllStuck ? 0 : this.recent;
    this.olderSinceMs = areAllStuck ? nowMs : this.recentSinceMs;
    this.recent = 0;
    this.recentSinceMs = nowMs;
  }
}
