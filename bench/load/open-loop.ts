import { setTimeout } from 'node:timers/promises';
import type { GrpcClient } from './grpc-client.ts';
import { percentile } from '../report/spread.ts';

/** Latencies of a run, in milliseconds from when each request was sent. */
export interface Latencies {
  readonly requests: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** A plan of requests: one is due every `1 / ratePerSecond` seconds, whether or not the earlier ones were answered. */
export interface OpenLoopOptions {
  readonly client: GrpcClient;
  readonly path: string;
  /** Sent in turn. */
  readonly messages: readonly Uint8Array[];
  readonly ratePerSecond: number;
  readonly seconds: number;
  /** Told of calls that fail, which are no part of the latencies; without it the first one ends the run. */
  readonly onError?: (error: Error) => void;
}

/**
 * Sends requests by the clock and never waits for an answer before the next, so that a server which stalls pays for
 * every request that arrives meanwhile. @throws Error when a call fails and `onError` is not there to hear it
 */
export async function runOpenLoop(options: OpenLoopOptions): Promise<Latencies> {
  const { ratePerSecond, seconds } = options;
  const total = Math.round(ratePerSecond * seconds);
  const latencies: number[] = [];
  const pending: Promise<void>[] = [];
  const startedAtMs = performance.now();
  while (pending.length < total) {
    const dueCount = Math.floor(((performance.now() - startedAtMs) * ratePerSecond) / 1000);
    while (pending.length < Math.min(total, dueCount)) {
      pending.push(sendOne(options, pending.length, latencies));
    }
    // A busy loop would be more exact and take the core away from Redis.
    await setTimeout(1);
  }
  await Promise.all(pending);
  return {
    requests: total,
    p50Ms: percentile(latencies, 0.5),
    p99Ms: percentile(latencies, 0.99),
    maxMs: percentile(latencies, 1),
  };
}

async function sendOne(
  { client, path, messages, onError }: OpenLoopOptions,
  index: number,
  latencies: number[],
): Promise<void> {
  const sentAtMs = performance.now();
  try {
    await client.call(path, messages[index % messages.length] ?? new Uint8Array());
  } catch (error) {
    if (onError === undefined) throw error;
    onError(error as Error);
    return;
  }
  latencies.push(performance.now() - sentAtMs);
}
