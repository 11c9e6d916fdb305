import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { createLatencyHistogram, recordMs, type LatencyHistogram } from './latency-histogram.ts';
import { correctByInterval, correctBySchedule, type SentCall } from './omitted-calls.ts';
import { runProgram } from '../machine/processes.ts';

/**
 * To be printed beside every figure of ghz. It decodes each reply by reflection: about 1.5 ms of its own CPU for a reply
 * of 1 x 50 and 50 ms for one of 100 x 50, where a client with raw bytes needs 0.3 and 1.3 ms.
 */
export const GHZ_CAVEAT =
  'ghz measures itself on batches: it decodes every reply by reflection, 1.5 ms of its own CPU for 1x50 and 50 ms for 100x50. Read its latencies as those of ghz and the server together.';

/** What ghz is to do. One request message as JSON, or several that take turns. */
export interface GhzOptions {
  /** host:port, without TLS. */
  readonly address: string;
  /** `package.Service/Method`. */
  readonly call: string;
  readonly data: object | readonly object[];
  /** A compiled descriptor set; absent = the server's reflection. */
  readonly protosetPath?: string;
  /** Workers; each has one request under way. */
  readonly concurrency: number;
  readonly connections: number;
  /** How many requests in all. */
  readonly requests: number;
  /** Requests per second over all workers; absent = as fast as answers come. */
  readonly ratePerSecond?: number;
  /**
   * Open loop: send by the clock, whether or not earlier calls were answered. Needs a rate. Otherwise a worker sends its
   * next request after its last answer, also at a rate.
   */
  readonly isOpenLoop?: boolean;
  /** Requests at the start that are left out of the figures. */
  readonly skipFirst?: number;
  readonly timeoutMs?: number;
  readonly metadata?: Readonly<Record<string, string>>;
}

const milliseconds = z.number().transform((ns) => ns / 1e6);
const counts = z.record(z.string(), z.int()).nullish();
const listOf = <T extends z.ZodType>(item: T) => z.array(item).nullish();

/** The parts of ghz's JSON report that we use; it gives times in nanoseconds. */
const reportSchema = z.object({
  count: z.int(),
  total: milliseconds,
  average: milliseconds,
  fastest: milliseconds,
  slowest: milliseconds,
  rps: z.number(),
  options: z.object({ rps: z.number().optional() }).optional(),
  errorDistribution: counts,
  statusCodeDistribution: counts,
  details: listOf(
    // The timestamp is that of the end of a call; it may be absent.
    z.object({ timestamp: z.string().optional(), latency: milliseconds, error: z.string() }),
  ),
});

/** How a run went. Latencies are of what ghz calls a call: send, wait, receive, decode. */
export interface GhzReport {
  readonly count: number;
  readonly requestsPerSecond: number;
  readonly totalMs: number;
  readonly averageMs: number;
  readonly fastestMs: number;
  readonly slowestMs: number;
  /** Of the calls that were answered OK, from when ghz sent them. ghz keeps the first million. */
  readonly latencies: LatencyHistogram;
  /** The same with what coordinated omission left out put back, see `omitted-calls.ts`. */
  readonly corrected: LatencyHistogram;
  /** How they were corrected, in words. */
  readonly correction: string;
  /** gRPC status name (`OK`, `Unavailable`, …) → calls. */
  readonly statusCounts: Readonly<Record<string, number>>;
  /** Error text → calls; empty when all was well. */
  readonly errorCounts: Readonly<Record<string, number>>;
  /** `GHZ_CAVEAT`, so that no report travels without it. */
  readonly caveat: string;
}

/** The arguments for ghz, apart from the file that holds the data. */
export function ghzArguments(options: GhzOptions, dataPath: string): string[] {
  const args = ['--insecure', '--format', 'json', '--call', options.call, '--data-file', dataPath];
  args.push('--concurrency', String(options.concurrency));
  args.push('--connections', String(options.connections));
  args.push('--total', String(options.requests));
  args.push('--timeout', `${options.timeoutMs ?? 20_000}ms`);
  if (options.protosetPath !== undefined) args.push('--protoset', options.protosetPath);
  if (options.ratePerSecond !== undefined) args.push('--rps', String(options.ratePerSecond));
  if (options.isOpenLoop === true) args.push('--async');
  if (options.skipFirst !== undefined) args.push('--skipFirst', String(options.skipFirst));
  if (options.metadata !== undefined) args.push('--metadata', JSON.stringify(options.metadata));
  return [...args, options.address];
}

/**
 * Reads ghz's JSON. Calls at a rate are corrected by when they were due, others by the interval that their median gives.
 *
 * @throws Error when it is of another form
 */
export function parseGhzReport(json: string): GhzReport {
  const report = reportSchema.parse(JSON.parse(json));
  const calls: SentCall[] = (report.details ?? []).map(({ timestamp, latency, error }) => ({
    sentAtMs: timestampMs(timestamp) - latency,
    latencyMs: latency,
    isAnswered: error === '',
  }));
  const latencies = createLatencyHistogram();
  for (const { latencyMs, isAnswered } of calls) if (isAnswered) recordMs(latencies, latencyMs);
  const ratePerSecond = report.options?.rps ?? 0;
  return {
    count: report.count,
    requestsPerSecond: report.rps,
    totalMs: report.total,
    averageMs: report.average,
    fastestMs: report.fastest,
    slowestMs: report.slowest,
    latencies,
    ...(ratePerSecond > 0
      ? correctBySchedule(calls, ratePerSecond)
      : correctByInterval(calls, latencies.percentile(50) / 1e6)),
    statusCounts: report.statusCodeDistribution ?? {},
    errorCounts: report.errorDistribution ?? {},
    caveat: GHZ_CAVEAT,
  };
}

/** A time of RFC 3339 with nanoseconds, which `Date` would cut to milliseconds; NaN without one. */
function timestampMs(text = ''): number {
  const [, seconds = '', fraction = '', zone = ''] =
    /^(.+:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)$/.exec(text) ?? [];
  return Date.parse(seconds + zone) + Number(fraction === '' ? 0 : `0${fraction}`) * 1000;
}

/** Runs ghz to its end. @throws Error when ghz is missing, refuses its arguments or takes over ten minutes */
export async function runGhz(options: GhzOptions): Promise<GhzReport> {
  const folder = await mkdtemp(join(tmpdir(), 'sideboard-ghz-'));
  try {
    const dataPath = join(folder, 'data.json');
    await writeFile(dataPath, JSON.stringify(options.data));
    return parseGhzReport(await runProgram(ghzPath(), ghzArguments(options, dataPath), 600_000));
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** `GHZ` of the environment, what `scripts/interop` made, or the PATH. */
function ghzPath(): string {
  const made = join(import.meta.dirname, '..', '..', '.interop', 'bin', 'ghz');
  return process.env['GHZ'] ?? (existsSync(made) ? made : 'ghz');
}
