import { OverloadWatch } from './overload-watch.ts';

/** Everybody may wait so long in a burst, however strict the server is. */
const BURST_MS = 100;
/** The shortest wait in an overload: what comes in one turn of the event loop waits for its end. */
const SHORTEST_MS = 1;
/** In an overload somebody should wait for nearly all of the time: a line that is empty between two bursts is too short, … */
const BUSY_SHARE = 0.9;
const LONGER = 1.5;
/** … one that never is, too long. */
const FULL_SHARE = 0.97;
const SHORTER = 0.7;
/** So many times as long as before the overload it may become for that, and no longer. */
const USUAL_FACTOR = 1.75;
/** Weight of the last tenth of a second in what was usual. */
const USUAL_WEIGHT = 0.2;

/**
 * How long one may wait to be let in. A burst is waited out: afterwards the line is empty, and all have their answers. A line
 * that stands only makes everybody late, whatever its length, so in an overload it is kept short: as short as is asked for, or,
 * where callers come in bursts, as will last from one to the next, if that is not longer than they used to wait.
 */
export class Patience {
  private readonly strictMs: number;
  private readonly burstMs: number;
  private readonly watch: OverloadWatch;
  private overloadMs: number;
  /** What the longest wait usually is without an overload, and what it is now. */
  private usualMs = 0;
  private longestMs = 0;

  /** @param latencyMs how long one may wait in an overload */
  constructor(latencyMs: number, nowMs: number) {
    this.strictMs = Math.max(latencyMs, SHORTEST_MS);
    this.burstMs = Math.max(latencyMs, BURST_MS);
    this.overloadMs = this.strictMs;
    this.watch = new OverloadWatch(nowMs, (share) => this.learn(share));
  }

  /** Somebody has come. */
  came(): void {
    this.watch.came();
  }

  /** Somebody has left. */
  left(nowMs: number): void {
    this.watch.left(nowMs);
  }

  /** Somebody was let in who had waited. */
  waited(waitedMs: number): void {
    this.longestMs = Math.max(this.longestMs, waitedMs);
  }

  /**
   * How long one who comes now will wait at least. In a burst nothing is known but how long the first one has waited.
   *
   * @param waitedMs how long the first one has
   * @param count how many wait
   */
  expectedMs(waitedMs: number, count: number): number {
    return Math.max(waitedMs, count * this.watch.msPerTurn);
  }

  /** The first one waits. */
  lineBegan(nowMs: number): void {
    this.watch.lineBegan(nowMs);
  }

  /** Nobody waits any more. */
  lineEnded(nowMs: number): void {
    this.watch.lineEnded(nowMs);
  }

  /** How long one may wait who comes now. */
  waitMs(nowMs: number): number {
    this.watch.look(nowMs);
    return this.watch.isOverloaded ? this.overloadMs : this.burstMs;
  }

  private learn(waitingShare: number): void {
    const { isOverloaded, isStanding } = this.watch;
    if (!isOverloaded) {
      if (!isStanding) this.usualMs += USUAL_WEIGHT * (this.longestMs - this.usualMs);
    } else if (waitingShare > FULL_SHARE) {
      this.overloadMs = Math.max(this.overloadMs * SHORTER, this.strictMs);
    } else if (waitingShare < BUSY_SHARE) {
      const mostMs = Math.min(Math.max(this.strictMs, USUAL_FACTOR * this.usualMs), this.burstMs);
      this.overloadMs = Math.min(this.overloadMs * LONGER, mostMs);
    }
    this.longestMs = 0;
  }
}
