import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { grpcFrame } from '../data/official-layout.ts';
import { runProgram } from '../machine/processes.ts';

/** Closed-loop load with one request that does not change. */
export interface H2loadOptions {
  readonly port: number;
  /** `:path` of the gRPC method. */
  readonly path: string;
  readonly message: Uint8Array;
  readonly connections: number;
  readonly streamsPerConnection: number;
  readonly requests: number;
}

/** What h2load saw. */
export interface H2loadReport {
  readonly requests: number;
  /** Answers with HTTP status 2xx; gRPC errors are among them, see `bytesPerReply`. */
  readonly succeeded: number;
  readonly requestsPerSecond: number;
  readonly seconds: number;
  /**
   * Bytes of DATA frames per reply. h2load looks at the HTTP status alone, which gRPC errors have too: only this tells
   * whether the replies were those of a verified request.
   */
  readonly bytesPerReply: number;
}

const SECONDS_PER_UNIT: Readonly<Record<string, number>> = { s: 1, ms: 1e-3, us: 1e-6 };

/** Reads what h2load prints. @throws Error when it is of another form */
export function parseH2load(text: string): H2loadReport {
  const finished = /finished in ([\d.]+)(s|ms|us), ([\d.]+) req\/s/.exec(text);
  const total = /requests: (\d+) total/.exec(text);
  const succeeded = /status codes: (\d+) 2xx/.exec(text);
  const data = /\((\d+)\) data/.exec(text);
  if (finished === null || total === null || succeeded === null || data === null) {
    throw new Error(`h2load printed something else than expected:\n${text}`);
  }
  const requests = Number(total[1]);
  return {
    requests,
    succeeded: Number(succeeded[1]),
    requestsPerSecond: Number(finished[3]),
    seconds: Number(finished[1]) * (SECONDS_PER_UNIT[finished[2] ?? 's'] ?? 1),
    bytesPerReply: Number(data[1]) / requests,
  };
}

/** Runs h2load to its end. @throws Error when it is missing (Debian: nghttp2-client) or takes over 15 minutes */
export async function runH2load(options: H2loadOptions): Promise<H2loadReport> {
  const folder = await mkdtemp(join(tmpdir(), 'sideboard-h2load-'));
  try {
    const bodyPath = join(folder, 'body');
    await writeFile(bodyPath, grpcFrame(options.message));
    const args = ['-t', '1', '-n', options.requests, '-c', options.connections];
    args.push('-m', options.streamsPerConnection, '-d', bodyPath);
    args.push('-H', 'content-type: application/grpc', '-H', 'te: trailers');
    args.push(`http://127.0.0.1:${options.port}${options.path}`);
    return parseH2load(await runProgram('h2load', args.map(String), 900_000));
  } finally {
    await rm(folder, { recursive: true });
  }
}
