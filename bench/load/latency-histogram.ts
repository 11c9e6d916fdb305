import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';

/** Latencies of many calls, in nanoseconds to three digits (HdrHistogram, in Node); `add` merges another run's. */
export type LatencyHistogram = RecordableHistogram;

/** What is kept of a histogram; milliseconds. All are NaN (`null` in a file) where nothing was recorded. */
export interface LatencySummary {
  readonly count: number;
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
}

/** An empty histogram for latencies up to an hour. */
export function createLatencyHistogram(): LatencyHistogram {
  return createHistogram({ lowest: 1, highest: 3_600_000_000_000, figures: 3 });
}

/** Records one latency. */
export function recordMs(histogram: LatencyHistogram, ms: number): void {
  histogram.record(Math.max(1, Math.round(ms * 1e6)));
}

/**
 * Records a latency, and for as long as it lasted the ones of the calls that should have been sent meanwhile, one every
 * `intervalMs`: a caller that waits for its answer leaves them out, and with them what they would have waited
 * (coordinated omission).
 */
export function recordWithOmitted(
  histogram: LatencyHistogram,
  ms: number,
  intervalMs: number,
): void {
  recordMs(histogram, ms);
  if (!(intervalMs > 0)) return;
  for (let left = ms - intervalMs; left >= intervalMs; left -= intervalMs) {
    recordMs(histogram, left);
  }
}

/** The merged latencies of several runs. */
export function mergeHistograms(histograms: readonly LatencyHistogram[]): LatencyHistogram {
  const merged = createLatencyHistogram();
  for (const each of histograms) if (each.count > 0) merged.add(each);
  return merged;
}

/** The figures that are kept. */
export function summarizeLatencies(histogram: LatencyHistogram): LatencySummary {
  const at = (percent: number): number =>
    histogram.count === 0 ? Number.NaN : histogram.percentile(percent) / 1e6;
  return {
    count: histogram.count,
    p50Ms: at(50),
    p90Ms: at(90),
    p99Ms: at(99),
    p999Ms: at(99.9),
    maxMs: at(100),
  };
}
