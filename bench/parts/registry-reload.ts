import { GrpcCallError, openGrpcClient } from '../load/grpc-client.ts';
import { runOpenLoop, type Latencies } from '../load/open-loop.ts';
import { SERVING_PATH, encodeRequest, entityIds, references } from '../data/official-layout.ts';
import { usageOf } from '../machine/processes.ts';
import { readMetric } from '../machine/read-metric.ts';
import { encodeRegistry, type SeededRepo } from '../data/seed.ts';
import { startSideboard } from '../../test/support/sideboard-process.ts';

/** A run by the clock, and how many requests the server refused in it as one too many. */
export interface ReloadRun extends Latencies {
  readonly refused: number;
  /** Of all threads of the server, milliseconds per second; absent in results of before it was measured. */
  readonly cpuMsPerSecond?: number;
}

/**
 * Latencies of the same load with a registry that stays, with one that is rewritten every second with other definitions
 * throughout, and with one where each time one view is another.
 */
export interface RegistryReloadFigures {
  readonly views: number;
  readonly ratePerSecond: number;
  readonly still: ReloadRun;
  readonly reloading: ReloadRun;
  /** Absent in results of before it was measured. */
  readonly touched?: ReloadRun;
  /** Reloads that the server counted during the second run; about one per second, or the comparison says nothing. */
  readonly reloads: number;
}

/** How to measure it. */
export interface RegistryReloadOptions {
  readonly repo: SeededRepo;
  readonly views: number;
  readonly entities: number;
  readonly seconds: number;
  readonly core: number;
}

const RESOURCE_EXHAUSTED = 8;
const RATE_PER_SECOND = 400;
const RELOADS = 'feature_server_registry_reload_total';
const CHANGED = 'result="changed"';

/** Answers 1 x 50 at a steady rate while the registry file is left alone, then while it is replaced every second. */
export async function measureRegistryReload(
  options: RegistryReloadOptions,
): Promise<RegistryReloadFigures> {
  const { repo, views, entities, seconds, core } = options;
  await repo.writeRegistry(views, 0);
  // Every view of each is new, so that a reload takes nothing over from the one before.
  const revisions = [1, 2, 3].map((revision) => encodeRegistry(views, revision));
  const touches = [4, 5, 6].map((revision) => encodeRegistry(views, revision, 1));
  const server = await startSideboard({
    repoPath: repo.path,
    core,
    env: { SIDEBOARD_REGISTRY_POLL_MS: '200' },
  });
  const client = await openGrpcClient(server.port);
  const features = references(50);
  const messages = Array.from({ length: 200 }, (_, n) =>
    encodeRequest(features, entityIds(1, n, entities)),
  );
  const load = async (forSeconds: number): Promise<ReloadRun> => {
    let refused = 0;
    const cpuBeforeUs = usageOf(server.pid).cpuUs;
    const latencies = await runOpenLoop({
      client,
      path: SERVING_PATH,
      messages,
      ratePerSecond: RATE_PER_SECOND,
      seconds: forSeconds,
      onError: (error) => {
        if (!(error instanceof GrpcCallError && error.code === RESOURCE_EXHAUSTED)) throw error;
        refused += 1;
      },
    });
    const cpuMs = (usageOf(server.pid).cpuUs - cpuBeforeUs) / 1000;
    return { ...latencies, refused, cpuMsPerSecond: cpuMs / forSeconds };
  };
  const loadWhileRewriting = async (contents: readonly Uint8Array[]): Promise<ReloadRun> => {
    let written = 0;
    let writing = Promise.resolve();
    const rewrite = setInterval(() => {
      const next = contents[written++ % contents.length];
      if (next !== undefined) writing = repo.writeRegistryBytes(next);
    }, 1000);
    try {
      return await load(seconds);
    } finally {
      clearInterval(rewrite);
      await writing;
    }
  };
  try {
    await load(4);
    const still = await load(seconds);
    const before = await readMetric(server, RELOADS, CHANGED);
    const reloading = await loadWhileRewriting(revisions);
    const reloads = (await readMetric(server, RELOADS, CHANGED)) - before;
    const touched = await loadWhileRewriting(touches);
    return { views, ratePerSecond: RATE_PER_SECOND, still, reloading, touched, reloads };
  } finally {
    client.close();
    await server.stop();
  }
}
