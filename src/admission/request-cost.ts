import type { LatencyWindow } from './latency-window.ts';

/** What keeps process and store busy for so long is in work whatever latency says: fewer would leave them idle between two turns. */
const FLOOR_MS = 4;
const LOWEST_FLOOR = 2;
/** However strict a server is: so many small ones, if they take no longer than this together. Each turn then serves many at once. */
const TOGETHER = 32;
const TOGETHER_MS = 1;
/** Weight of the last window. */
const WEIGHT = 0.3;

/** What a request costs the process and the store, as windows tell. */
export class RequestCost {
  /** What one keeps the process busy for, milliseconds; 0 = unknown. */
  busyMs = 0;
  /** In an overload, how long the process has nothing to do for each: it is the store then that they wait for. */
  private storeMs = 0;

  /** @param window in which others waited, if `isOverloaded` */
  learn(window: LatencyWindow, lastedMs: number, busyMs: number, isOverloaded: boolean): void {
    this.learnBusy(window, busyMs);
    if (!isOverloaded) return;
    const idleMs = Math.max(lastedMs - busyMs, 0) / window.leftCount;
    this.storeMs += WEIGHT * (idleMs - this.storeMs);
  }

  /** So many requests keep both busy: `min` where that is not known, and no more than it but where many take little together. */
  fewest(min: number): number {
    if (this.busyMs === 0) return min;
    const costMs = this.busyMs + this.storeMs;
    return Math.max(
      Math.min(min, FLOOR_MS / costMs),
      Math.min(TOGETHER, TOGETHER_MS / costMs),
      Math.min(min, LOWEST_FLOOR),
    );
  }

  /** To refuse somebody costs something, and no more than to answer: what a request costs lies between two bounds. */
  private learnBusy({ leftCount, refusedCount }: LatencyWindow, busyMs: number): void {
    const most = busyMs / leftCount;
    const least = busyMs / (leftCount + refusedCount);
    if (this.busyMs === 0) this.busyMs = most;
    else if (this.busyMs > most) this.busyMs += WEIGHT * (most - this.busyMs);
    else if (this.busyMs < least) this.busyMs += WEIGHT * (least - this.busyMs);
  }
}
