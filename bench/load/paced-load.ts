import {
  createLatencyHistogram,
  recordMs,
  summarizeLatencies,
  type LatencySummary,
} from './latency-histogram.ts';
import type { LoadClient } from './load-client.ts';

/** What became of a load by the clock. */
export interface PacedFigures {
  readonly askedPerSecond: number;
  /** Until the last answer. */
  readonly answeredPerSecond: number;
  readonly failed: number;
  /** The first failure; absent when there is none. */
  readonly failure?: string;
  /** From when each call was due: what the client itself was late by is in it. */
  readonly latencies: LatencySummary;
  /** The same from when each call was sent. */
  readonly sinceSent: LatencySummary;
  /** How late the client sent, p99: with much of it the client is what is measured. */
  readonly lateP99Ms: number;
}

/** Calls that were sent and not answered yet: more means that the server does not keep up, and the rest is not sent. */
const MOST_UNDER_WAY = 20_000;
/** Waits longer than this are left to a timer, which is good to a millisecond. */
const TIMER_MS = 2;
/** A client that is late must not forget to read. */
const MOST_PER_TURN = 64;
/** How long the client sleeps between turns: one that spins keeps Redis from the core that they share for milliseconds. */
const NAP_MS = 0.02;
const nap = new Int32Array(new SharedArrayBuffer(4));

/**
 * Open loop: one call is due every `1 / ratePerSecond` seconds, whether or not the earlier ones were answered, and its
 * latency counts from then. Between calls that are close together it turns its event loop and naps.
 */
export async function runPaced(
  client: LoadClient,
  { ratePerSecond, seconds }: { ratePerSecond: number; seconds: number },
): Promise<PacedFigures> {
  const total = Math.max(1, Math.round(ratePerSecond * seconds));
  const latencies = createLatencyHistogram();
  const sinceSent = createLatencyHistogram();
  const late = createLatencyHistogram();
  const finished = Promise.withResolvers<void>();
  let ended = 0;
  let failed = 0;
  let failure: string | undefined;
  let sent = 0;
  let isSending = true;
  const startedAtMs = performance.now();
  const dueAtMsOf = (index: number): number => startedAtMs + (index * 1000) / ratePerSecond;
  const sendOne = (index: number, dueAtMs: number, sentAtMs: number): void => {
    client.send(index, (error) => {
      ended += 1;
      if (error === undefined) {
        const nowMs = performance.now();
        recordMs(latencies, nowMs - dueAtMs);
        recordMs(sinceSent, nowMs - sentAtMs);
      } else {
        failed += 1;
        failure ??= error.message;
      }
      if (!isSending && ended === sent) finished.resolve();
    });
  };
  /** One turn of the event loop; no promises, so that nothing is left to collect by those in which nothing is due. */
  const turn = (): void => {
    const isIdle = dueAtMsOf(sent) > performance.now();
    for (let count = 0; count < MOST_PER_TURN; count++) {
      if (sent === total || sent - ended >= MOST_UNDER_WAY) {
        isSending = false;
        if (ended === sent) finished.resolve();
        return;
      }
      const dueAtMs = dueAtMsOf(sent);
      const nowMs = performance.now();
      if (nowMs < dueAtMs) break;
      recordMs(late, nowMs - dueAtMs);
      sendOne(sent++, dueAtMs, nowMs);
    }
    const leftMs = dueAtMsOf(sent) - performance.now();
    if (leftMs > TIMER_MS) {
      setTimeout(turn, leftMs - TIMER_MS);
      return;
    }
    // Not after calls were made: they leave at the end of this turn.
    if (isIdle && leftMs > NAP_MS) Atomics.wait(nap, 0, 0, NAP_MS);
    setImmediate(turn);
  };
  turn();
  await finished.promise;
  const tookSeconds = (performance.now() - startedAtMs) / 1000;
  return {
    askedPerSecond: ratePerSecond,
    answeredPerSecond: (ended - failed) / tookSeconds,
    failed,
    ...(failure === undefined ? {} : { failure }),
    latencies: summarizeLatencies(latencies),
    sinceSent: summarizeLatencies(sinceSent),
    lateP99Ms: summarizeLatencies(late).p99Ms,
  };
}

/** What became of a closed loop. */
export interface ClosedFigures {
  readonly calls: number;
  readonly answeredPerSecond: number;
  readonly latencies: LatencySummary;
}

/** Closed loop: keeps so many calls under way for so long. @throws Error of the first call that fails */
export async function runClosed(
  client: LoadClient,
  { underWay, seconds }: { underWay: number; seconds: number },
): Promise<ClosedFigures> {
  const latencies = createLatencyHistogram();
  const finished = Promise.withResolvers<void>();
  const startedAtMs = performance.now();
  const endsAtMs = startedAtMs + seconds * 1000;
  let sent = 0;
  let running = 0;
  const sendOne = (): void => {
    const sentAtMs = performance.now();
    running += 1;
    client.send(sent++, (error) => {
      running -= 1;
      if (error !== undefined) {
        finished.reject(error);
        return;
      }
      const nowMs = performance.now();
      recordMs(latencies, nowMs - sentAtMs);
      if (nowMs < endsAtMs) sendOne();
      else if (running === 0) finished.resolve();
    });
  };
  for (let i = 0; i < underWay; i++) sendOne();
  await finished.promise;
  const tookSeconds = (performance.now() - startedAtMs) / 1000;
  return {
    calls: sent,
    answeredPerSecond: sent / tookSeconds,
    latencies: summarizeLatencies(latencies),
  };
}
