/** So often it is looked at whether more come than leave. */
const SLICE_MS = 10;
/** An overload begins when more came than left in so many slices one after the other, and some did leave, … */
const GROWING_SLICES = 3;
/** … by more than chance explains: by this factor, and by so many standard deviations. Fewer that left tell nothing. */
const EXCESS = 1.1;
const DEVIATIONS = 4;
const LEAST_LEFT = 10;
/** While nobody left although so many should have, the store or the process stood still: that is not the pace of either. */
const STALLED_TURNS = 10;
/** Shorter times are those between two turns of the event loop, in each of which many leave. */
const STALLED_MS = 8;
/** It begins, too, when somebody was waiting all this time, and about as many came as left: else the line becomes shorter. */
const STANDING_MS = 100;
const STANDING_CAME = 50;
const AS_MANY = 0.95;
/** It ends when, for so long, fewer came than could be answered, or there was no line for most of it. */
const WINDOW_MS = 100;
const WINDOW_CAME = 20;
const LEAST_SHARE = 0.15;
/** Weight of the last window in the pace: of few and short lines one alone tells little. */
const PACE_WEIGHT = 0.3;

/**
 * Tells an overload from a burst, by who comes, who leaves, and whether somebody waits. What comes all at once is a burst,
 * however long it takes to answer it, and so is a line that becomes shorter. When more come than leave again and again it
 * is an overload, which shows before the line is long. One who refuses most of them has no line now and then, and may be
 * idle: the overload lasts as long as more come than could be answered.
 */
export class OverloadWatch {
  isOverloaded = false;
  /** In an overload, one leaves in so many milliseconds while others wait; 0 = not known yet. */
  msPerTurn = 0;
  private lastLeftAtMs = -Infinity;
  /** Since when somebody waits; below 0 = nobody does. */
  private lineSinceMs = -1;
  private readonly slice = { sinceMs: 0, came: 0, left: 0 };
  /** Slices in which somebody was waiting all the time, one after the other. */
  private readonly run = { ms: 0, came: 0, left: 0, growing: 0 };
  private readonly window = { sinceMs: 0, came: 0, waitingMs: 0 };
  /** Those that left while somebody waited, and how long that was: of the last windows, if they were few. */
  private readonly pace = { left: 0, ms: 0 };

  constructor(nowMs: number) {
    this.slice.sinceMs = nowMs;
    this.window.sinceMs = nowMs;
  }

  /** Somebody has come. */
  came(): void {
    this.slice.came += 1;
  }

  /** Somebody has left. */
  left(nowMs: number): void {
    this.slice.left += 1;
    if (this.lineSinceMs >= 0) {
      this.pace.left += 1;
      const turnMs = nowMs - Math.max(this.lastLeftAtMs, this.lineSinceMs);
      const isStalled =
        this.msPerTurn > 0 && turnMs > Math.max(STALLED_TURNS * this.msPerTurn, STALLED_MS);
      if (isStalled) this.pace.ms -= turnMs;
      // A turn that is older than the line took about as long before the line began as after it.
      else this.pace.ms += Math.max(0, Math.min(turnMs, this.lineSinceMs - this.lastLeftAtMs));
    }
    this.lastLeftAtMs = nowMs;
  }

  /** The first one waits. */
  lineBegan(nowMs: number): void {
    this.look(nowMs);
    this.lineSinceMs = nowMs;
  }

  /** Nobody waits any more. */
  lineEnded(nowMs: number): void {
    this.window.waitingMs += nowMs - Math.max(this.lineSinceMs, this.window.sinceMs);
    this.lineSinceMs = -1;
    this.run.ms = 0;
    this.look(nowMs);
  }

  /** To be called whenever it matters what is so. */
  look(nowMs: number): void {
    const { slice, window } = this;
    const lastedMs = nowMs - slice.sinceMs;
    if (lastedMs < SLICE_MS) return;
    this.addToRun(lastedMs);
    window.came += slice.came;
    slice.sinceMs = nowMs;
    slice.came = 0;
    slice.left = 0;
    const windowMs = nowMs - window.sinceMs;
    if (!this.isOverloaded && (this.isGrowing() || this.isAsLong())) this.isOverloaded = true;
    else if (windowMs < WINDOW_MS || window.came < WINDOW_CAME) return;
    this.endWindow(nowMs, windowMs);
  }

  private addToRun(lastedMs: number): void {
    const { run, slice } = this;
    if (this.lineSinceMs < 0 || this.lineSinceMs > slice.sinceMs) {
      run.ms = 0;
      return;
    }
    if (run.ms === 0) {
      run.came = 0;
      run.left = 0;
      run.growing = 0;
    }
    run.ms += lastedMs;
    run.came += slice.came;
    run.left += slice.left;
    run.growing = slice.left > 0 && slice.came > slice.left ? run.growing + 1 : 0;
  }

  private isGrowing(): boolean {
    const { ms, came, left, growing } = this.run;
    if (ms === 0 || growing < GROWING_SLICES || left < LEAST_LEFT) return false;
    return came - EXCESS * left > DEVIATIONS * Math.sqrt(left);
  }

  private isAsLong(): boolean {
    const { run } = this;
    if (run.ms < STANDING_MS || run.came < STANDING_CAME) return false;
    if (run.came >= AS_MANY * run.left) return true;
    run.ms = 0;
    return false;
  }

  private endWindow(nowMs: number, lastedMs: number): void {
    const { window, pace } = this;
    if (this.lineSinceMs >= 0)
      window.waitingMs += nowMs - Math.max(this.lineSinceMs, window.sinceMs);
    pace.ms += window.waitingMs;
    const share = window.waitingMs / lastedMs;
    if (this.isOverloaded && pace.left >= WINDOW_CAME) {
      const msPerTurn = Math.max(pace.ms, 0) / pace.left;
      this.msPerTurn =
        this.msPerTurn === 0
          ? msPerTurn
          : this.msPerTurn + PACE_WEIGHT * (msPerTurn - this.msPerTurn);
      pace.ms = 0;
      pace.left = 0;
    }
    const isMuch = this.msPerTurn === 0 || window.came * this.msPerTurn >= AS_MANY * lastedMs;
    if (share < LEAST_SHARE || !isMuch) this.isOverloaded = false;
    if (!this.isOverloaded) {
      this.msPerTurn = 0;
      pace.ms = 0;
      pace.left = 0;
    }
    window.sinceMs = nowMs;
    window.came = 0;
    window.waitingMs = 0;
  }
}
