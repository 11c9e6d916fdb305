/** Boundaries grow by a fifth: the quantile that is told is at most so much too high. */
const BUCKETS_PER_DOUBLING = 4;
const FIRST_BUCKET_MS = 0.05;
const BUCKET_COUNT = 80;
/** When so many were recorded, old ones count half. */
const HALVE_AFTER = 512;
/** Fewer say nothing about a quantile. */
const MIN_SAMPLES = 20;

/** How long a node took to answer lately: a histogram in which what is old fades. */
export class LatencyWindow {
  private readonly counts = new Float64Array(BUCKET_COUNT);
  private total = 0;

  record(elapsedMs: number): void {
    const bucket = Math.ceil(Math.log2(elapsedMs / FIRST_BUCKET_MS) * BUCKETS_PER_DOUBLING);
    this.counts[Math.min(Math.max(bucket, 0), BUCKET_COUNT - 1)]! += 1;
    this.total++;
    if (this.total >= HALVE_AFTER) {
      this.total /= 2;
      for (let i = 0; i < BUCKET_COUNT; i++) {
        this.counts[i]! /= 2;
      }
    }
  }

  /** Milliseconds within which this share of the answers came; `undefined` = too few are known. */
  quantileMs(share: number): number | undefined {
    if (this.total < MIN_SAMPLES) {
      return undefined;
    }
    let rest = this.total * share;
    let bucket = 0;
    while (bucket < BUCKET_COUNT - 1 && (rest -= this.counts[bucket]!) > 0) {
      bucket++;
    }
    return FIRST_BUCKET_MS * 2 ** (bucket / BUCKETS_PER_DOUBLING);
  }
}
