import { sumPromotedBytes } from '../load/gc-trace.ts';
import { openGrpcClient } from '../load/grpc-client.ts';
import { runH2load } from '../load/h2load.ts';
import { SERVING_PATH, encodeRequest, entityIds, references } from '../data/official-layout.ts';
import { usageOf } from '../machine/processes.ts';
import { readMetric } from '../machine/read-metric.ts';
import type { SeededRepo } from '../data/seed.ts';
import { startSideboard, type SideboardProcess } from '../../test/support/sideboard-process.ts';

const MIB = 2 ** 20;

/** Resident memory of a server with a registry of many views. */
export interface MemoryFigures {
  readonly views: number;
  readonly atStartMiB: number;
  /** After `selections` different selections of 50 features were asked for, each with its own plan. */
  readonly afterPlansMiB: number;
  readonly selections: number;
  /** After saturation by 1 x 50 on top of that. */
  readonly afterLoadMiB: number;
}

/** What a measurement of memory needs. */
export interface MemoryOptions {
  readonly repo: SeededRepo;
  readonly entities: number;
  readonly core: number;
}

/** Measures resident memory at `views` views. */
export async function measureMemory(
  { repo, entities, core }: MemoryOptions,
  views: number,
): Promise<MemoryFigures> {
  await repo.writeRegistry(views, 0);
  const server = await startSideboard({ repoPath: repo.path, core });
  try {
    const atStartMiB = rssMiB(server);
    const selections = Math.floor(views / 5);
    const client = await openGrpcClient(server.port);
    for (let n = 0; n < selections; n += 1) {
      await client.call(
        SERVING_PATH,
        encodeRequest(references(50, n * 5), entityIds(1, n, entities)),
      );
    }
    client.close();
    const afterPlansMiB = rssMiB(server);
    await saturate(server, 40_000, { features: 50, entities });
    return { views, atStartMiB, afterPlansMiB, selections, afterLoadMiB: rssMiB(server) };
  } finally {
    await server.stop();
  }
}

/** Memory and handles of a server over a long run. */
export interface SoakFigures {
  /** How many the bar is about. */
  readonly requests: number;
  /** One entry before the run, one after each tenth of it, and, to see where growth ends, two more for each time that it is sent again. */
  readonly samples: readonly SoakSample[];
}

/** The parts that a run is sent in. */
const SOAK_PARTS = 10;

/** How often a run is sent again. V8 has collected the whole heap by then. */
const AGAIN = 3;

/** The state of the server after some requests. */
export interface SoakSample {
  readonly requests: number;
  readonly rssMiB: number;
  readonly heapUsedMiB: number;
  /** Per request since the last sample: what V8 moved to its old generation, where it stays until the whole heap is collected. */
  readonly promotedBytes?: number;
  readonly activeHandles: number;
  readonly openFiles: number;
}

/** Sends `requests` requests of 1 x 10 in parts, each on connections of its own, and looks at the server after each; then as many again. */
export async function measureSoak(
  { repo, entities, core }: MemoryOptions,
  requests: number,
): Promise<SoakFigures> {
  const nodeArguments = ['--trace-gc-nvp'];
  const server = await startSideboard({ repoPath: repo.path, core, nodeArguments });
  try {
    const samples = [await sampleOf(server, 0)];
    const part = Math.ceil(requests / SOAK_PARTS);
    const half = SOAK_PARTS / 2;
    const parts = Array.from({ length: SOAK_PARTS }, () => part);
    parts.push(...Array.from({ length: 2 * AGAIN }, () => half * part));
    let sent = 0;
    for (const size of parts) {
      const printed = server.log.length;
      await saturate(server, size, { features: 10, entities });
      sent += size;
      const promotedBytes = sumPromotedBytes(server.log.slice(printed)) / size;
      samples.push({ ...(await sampleOf(server, sent)), promotedBytes });
    }
    return { requests: SOAK_PARTS * part, samples };
  } finally {
    await server.stop();
  }
}

function rssMiB(server: SideboardProcess): number {
  return usageOf(server.pid).rssBytes / MIB;
}

async function sampleOf(server: SideboardProcess, requests: number): Promise<SoakSample> {
  return {
    requests,
    rssMiB: rssMiB(server),
    heapUsedMiB: (await readMetric(server, 'nodejs_heap_size_used_bytes')) / MIB,
    activeHandles: await readMetric(server, 'nodejs_active_handles_total'),
    openFiles: await readMetric(server, 'process_open_fds'),
  };
}

async function saturate(
  server: SideboardProcess,
  requests: number,
  { features, entities }: { features: number; entities: number },
): Promise<void> {
  const report = await runH2load({
    port: server.port,
    path: SERVING_PATH,
    message: encodeRequest(references(features), entityIds(1, 0, entities)),
    connections: 4,
    streamsPerConnection: 8,
    requests,
  });
  if (report.succeeded !== requests) {
    throw new Error(`${requests - report.succeeded} of ${requests} requests were not answered`);
  }
}
