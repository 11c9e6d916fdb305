import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { runProgram } from './processes.ts';

/**
 * To be printed beside every figure of ghz. It decodes each reply by reflection: about 1.5 ms of its own CPU for a reply
 * of 1 x 50 and 50 ms for one of 100 x 50, where a client with raw bytes needs 0.3 and 1.3 ms. And it is closed-loop: a
 * worker sends its next request after its last answer, also at a given rate, so that a slow answer delays, and hides, the
 * requests that should have met the same slowness.
 */
export const GHZ_CAVEAT =
  'ghz measures itself on wide replies (it decodes them by reflection) and is closed-loop per worker: read p50 and p99 as those of ghz and the server together.';

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
  errorDistribution: counts,
  statusCodeDistribution: counts,
  latencyDistribution: listOf(z.object({ percentage: z.number(), latency: milliseconds })),
  details: listOf(z.object({ latency: milliseconds, error: z.string(), status: z.string() })),
});

/** How a run went. Latencies are of what ghz calls a call: send, wait, receive, decode. */
export interface GhzReport {
  readonly count: number;
  readonly requestsPerSecond: number;
  readonly totalMs: number;
  readonly averageMs: number;
  readonly fastestMs: number;
  readonly slowestMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
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
  if (options.skipFirst !== undefined) args.push('--skipFirst', String(options.skipFirst));
  if (options.metadata !== undefined) args.push('--metadata', JSON.stringify(options.metadata));
  return [...args, options.address];
}

/** Reads ghz's JSON. @throws Error when it is of another form */
export function parseGhzReport(json: string): GhzReport {
  const report = reportSchema.parse(JSON.parse(json));
  const latencies = (report.details ?? [])
    .filter(({ error }) => error === '')
    .map(({ latency }) => latency)
    .sort((a, b) => a - b);
  const distribution = new Map(
    (report.latencyDistribution ?? []).map(({ percentage, latency }) => [percentage, latency]),
  );
  const at = (share: number): number =>
    latencies[Math.min(latencies.length - 1, Math.floor(share * latencies.length))] ??
    distribution.get(share * 100) ??
    Number.NaN;
  return {
    count: report.count,
    requestsPerSecond: report.rps,
    totalMs: report.total,
    averageMs: report.average,
    fastestMs: report.fastest,
    slowestMs: report.slowest,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    p999Ms: at(0.999),
    statusCounts: report.statusCodeDistribution ?? {},
    errorCounts: report.errorDistribution ?? {},
    caveat: GHZ_CAVEAT,
  };
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
  const made = join(import.meta.dirname, '..', '.interop', 'bin', 'ghz');
  return process.env['GHZ'] ?? (existsSync(made) ? made : 'ghz');
}
