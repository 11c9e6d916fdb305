/** Everybody may wait so long in a burst, however strict the server is. */
const BURST_MS = 100;
/** The shortest wait in an overload: what comes in one turn of the event loop waits for its end. */
const SHORTEST_MS = 1;
/** So often it is asked whether there is an overload. */
const WINDOW_MS = 100;
/** Fewer tell nothing. */
const WINDOW_REQUESTS = 20;
/** It begins when somebody was waiting all the time, but for a moment, … */
const BEGIN_SHARE = 0.95;
/** … and goes on while somebody is for this share of the time. One that refuses most and idles between two bursts is none. */
const STAY_SHARE = 0.2;

/**
 * How long one may wait to be let in. A burst is waited out: afterwards the line is empty, and all have their answers. A line
 * that stands only makes everybody late, whatever its length, so in an overload it is kept short.
 */
export class Patience {
  private readonly overloadMs: number;
  private readonly burstMs: number;
  /** As of the last window that has ended. */
  private isOverloaded = false;
  private windowSinceMs: number;
  /** Since when somebody waits; below 0 = nobody does. */
  private waitingSinceMs = -1;
  private waitingMs = 0;
  private cameCount = 0;
  /** Those that left while somebody waited, and how long that was. */
  private leftCount = 0;
  private leftInMs = 0;
  /** In an overload, by as many as tell more than a pause of the store does; 0 = not known yet. */
  private msPerTurn = 0;

  /** @param latencyMs how long one may wait in an overload */
  constructor(latencyMs: number, nowMs: number) {
    this.overloadMs = Math.max(latencyMs, SHORTEST_MS);
    this.burstMs = Math.max(latencyMs, BURST_MS);
    this.windowSinceMs = nowMs;
  }

  /** Somebody has come. */
  came(): void {
    this.cameCount += 1;
  }

  /** Somebody has left. */
  left(): void {
    if (this.waitingSinceMs >= 0) this.leftCount += 1;
  }

  /**
   * How long one who comes now will wait at least. In a burst nothing is known but how long the first one has waited.
   *
   * @param waitedMs how long the first one has
   * @param count how many wait
   */
  expectedMs(waitedMs: number, count: number): number {
    return this.isOverloaded ? Math.max(waitedMs, count * this.msPerTurn) : waitedMs;
  }

  /** The first one waits. */
  lineBegan(nowMs: number): void {
    this.endWindowIfDue(nowMs);
    this.waitingSinceMs = nowMs;
  }

  /** Nobody waits any more. */
  lineEnded(nowMs: number): void {
    this.waitingMs += nowMs - this.waitingSinceMs;
    this.waitingSinceMs = -1;
    this.endWindowIfDue(nowMs);
  }

  /** How long one may wait who comes now. */
  waitMs(nowMs: number): number {
    this.endWindowIfDue(nowMs);
    return this.isOverloaded ? this.overloadMs : this.burstMs;
  }

  private endWindowIfDue(nowMs: number): void {
    const lastedMs = nowMs - this.windowSinceMs;
    if (lastedMs < WINDOW_MS || this.cameCount < WINDOW_REQUESTS) return;
    if (this.waitingSinceMs >= 0) {
      this.waitingMs += nowMs - this.waitingSinceMs;
      this.waitingSinceMs = nowMs;
    }
    this.isOverloaded = this.waitingMs / lastedMs > (this.isOverloaded ? STAY_SHARE : BEGIN_SHARE);
    this.learnPace();
    this.windowSinceMs = nowMs;
    this.waitingMs = 0;
    this.cameCount = 0;
  }

  private learnPace(): void {
    this.leftInMs += this.waitingMs;
    if (this.isOverloaded && this.leftCount < WINDOW_REQUESTS) return;
    this.msPerTurn = this.isOverloaded ? this.leftInMs / this.leftCount : 0;
    this.leftInMs = 0;
    this.leftCount = 0;
  }
}
