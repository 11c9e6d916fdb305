/** So many hedges may follow each other at once. */
const MAX_SAVED = 16;

/** Keeps second questions a small share of the first ones, so that they add no load to a system that is in trouble. */
export class HedgeBudget {
  private readonly share: number;
  private saved = MAX_SAVED / 2;

  /** @param share of all reads, 0 to 1. */
  constructor(share: number) {
    this.share = share;
  }

  earn(readCount: number): void {
    this.saved = Math.min(this.saved + readCount * this.share, MAX_SAVED);
  }

  /** Whether one more may be asked a second time. */
  spend(): boolean {
    if (this.share === 0 || this.saved < 1) {
      return false;
    }
    this.saved--;
    return true;
  }
}
