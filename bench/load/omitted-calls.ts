import {
  createLatencyHistogram,
  recordMs,
  recordWithOmitted,
  type LatencyHistogram,
} from './latency-histogram.ts';

/** One call of a load generator. Times of any clock, all of the same. */
export interface SentCall {
  readonly sentAtMs: number;
  readonly latencyMs: number;
  /** Calls that failed have their turn in the schedule and no latency. */
  readonly isAnswered: boolean;
}

/** Latencies as callers would have met them who do not wait for each other, and how that was worked out. */
export interface CorrectedLatencies {
  readonly corrected: LatencyHistogram;
  readonly correction: string;
}

/**
 * For a generator that was asked for a rate: call `i` was due `i / ratePerSecond` after the first. What was sent later than
 * that, because the generator or a worker of it was held up by an answer, waited for its turn, and that counts.
 */
export function correctBySchedule(
  calls: readonly SentCall[],
  ratePerSecond: number,
): CorrectedLatencies {
  const corrected = createLatencyHistogram();
  const inOrder = [...calls].sort((a, b) => a.sentAtMs - b.sentAtMs);
  const startedAtMs = inOrder[0]?.sentAtMs ?? 0;
  for (const [i, { sentAtMs, latencyMs, isAnswered }] of inOrder.entries()) {
    if (!isAnswered) continue;
    const lateMs = sentAtMs - startedAtMs - (i * 1000) / ratePerSecond;
    recordMs(corrected, latencyMs + Math.max(0, lateMs));
  }
  return { corrected, correction: `from when each call was due, at ${ratePerSecond}/s` };
}

/**
 * For a closed loop without a rate, which has no schedule: a worker is expected to send every `intervalMs`, and the calls
 * that a longer answer kept it from sending are put in with what was left of the wait.
 */
export function correctByInterval(
  calls: readonly SentCall[],
  intervalMs: number,
): CorrectedLatencies {
  const corrected = createLatencyHistogram();
  for (const { latencyMs, isAnswered } of calls) {
    if (isAnswered) recordWithOmitted(corrected, latencyMs, intervalMs);
  }
  const interval = `${intervalMs.toPrecision(2)} ms (the median)`;
  return { corrected, correction: `expected interval of a worker: ${interval}` };
}
