/** A baseline is forgotten after one to two of these. */
const PERIOD_MS = 5_000;

/**
 * How long a request takes when none waits for another: the lowest mean of the recent windows, over two periods that take
 * turns, so that it follows a store that became slower as well as one that became faster.
 */
export class LatencyBaseline {
  private before = Infinity;
  private current = Infinity;
  private periodEndsAtMs: number;

  constructor(nowMs: number) {
    this.periodEndsAtMs = nowMs + PERIOD_MS;
  }

  /** `Infinity` = nothing is known yet. */
  get ms(): number {
    return Math.min(this.before, this.current);
  }

  add(meanMs: number): void {
    this.current = Math.min(this.current, meanMs);
  }

  /** What was measured just now with hardly a request waiting replaces everything before. */
  replace(meanMs: number): void {
    this.before = meanMs;
    this.current = meanMs;
  }

  /** When a period has ended, the one before it is forgotten. */
  turn(nowMs: number): void {
    if (nowMs < this.periodEndsAtMs) return;
    this.periodEndsAtMs = nowMs + PERIOD_MS;
    if (this.current < Infinity) this.before = this.current;
    this.current = Infinity;
  }
}
