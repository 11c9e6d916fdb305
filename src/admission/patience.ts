import { OverloadWatch } from './overload-watch.ts';

/** Everybody may wait so long in a burst, however strict the server is. */
const BURST_MS = 100;
/** The shortest wait in an overload: what comes in one turn of the event loop waits for its end. */
const SHORTEST_MS = 1;
const HALF_A_TURN = 0.5;

/**
 * How long one may wait to be let in. A burst is waited out: afterwards the line is empty, and all have their answers. A line
 * that stands only makes everybody late, whatever its length, so in an overload it is kept as short as is asked for.
 */
export class Patience {
  private readonly overloadMs: number;
  private readonly burstMs: number;
  private readonly watch: OverloadWatch;

  /** @param latencyMs how long one may wait in an overload */
  constructor(latencyMs: number, nowMs: number) {
    this.overloadMs = Math.max(latencyMs, SHORTEST_MS);
    this.burstMs = Math.max(latencyMs, BURST_MS);
    this.watch = new OverloadWatch(nowMs);
  }

  /** Somebody has come. */
  came(): void {
    this.watch.came();
  }

  /** Somebody has left. */
  left(nowMs: number): void {
    this.watch.left(nowMs);
  }

  /**
   * How long one who comes now will wait at least: for those who wait, and for half a turn, since nobody comes just when one
   * leaves. In a burst nothing is known but how long the first one has waited.
   *
   * @param waitedMs how long the first one has
   * @param count how many wait
   */
  expectedMs(waitedMs: number, count: number): number {
    return Math.max(waitedMs, (count + HALF_A_TURN) * this.watch.msPerTurn);
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
}
