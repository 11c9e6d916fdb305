import { setImmediate, setTimeout } from 'node:timers/promises';
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
  /** How late the client sent, p99: with much of it the client is what is measured. */
  readonly lateP99Ms: number;
}

/** Calls that were sent and not answered yet: more means that the server does not keep up, and the rest is not sent. */
const MOST_UNDER_WAY = 20_000;
/** Waits longer than this are left to a timer, which is good to a millisecond. */
const TIMER_MS = 2;
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
  const late = createLatencyHistogram();
  const finished = Promise.withResolvers<void>();
  let ended = 0;
  let failed = 0;
  let failure: string | undefined;
  let sent = 0;
  let isSending = true;
  const startedAtMs = performance.now();
  const sendOne = (index: number, dueAtMs: number): void => {
    recordMs(late, performance.now() - dueAtMs);
    client.send(index, (error) => {
      ended += 1;
      if (error === undefined) recordMs(latencies, performance.now() - dueAtMs);
      else {
        failed += 1;
        failure ??= error.message;
      }
      if (!isSending && ended === sent) finished.resolve();
    });
  };
  for (; sent < total && sent - ended < MOST_UNDER_WAY; sent++) {
    const dueAtMs = startedAtMs + (sent * 1000) / ratePerSecond;
    await sleepUntil(dueAtMs);
    sendOne(sent, dueAtMs);
    if (sent % 64 === 0) await setImmediate(); // A client that is late must not forget to read.
  }
  isSending = false;
  if (ended < sent) await finished.promise;
  const tookSeconds = (performance.now() - startedAtMs) / 1000;
  return {
    askedPerSecond: ratePerSecond,
    answeredPerSecond: (ended - failed) / tookSeconds,
    failed,
    ...(failure === undefined ? {} : { failure }),
    latencies: summarizeLatencies(latencies),
    lateP99Ms: summarizeLatencies(late).p99Ms,
  };
}

async function sleepUntil(dueAtMs: number): Promise<void> {
  for (let nowMs = performance.now(); nowMs < dueAtMs; nowMs = performance.now()) {
    if (dueAtMs - nowMs > TIMER_MS) {
      await setTimeout(dueAtMs - nowMs - TIMER_MS);
      continue;
    }
    await setImmediate();
    if (dueAtMs - performance.now() > NAP_MS) Atomics.wait(nap, 0, 0, NAP_MS);
  }
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
