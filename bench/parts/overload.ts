import { startSideboard, type SideboardProcess } from '../../test/support/sideboard-process.ts';
import { openGrpcClient, type GrpcClient } from '../load/grpc-client.ts';
import { SERVING_PATH, encodeRequest, entityIds, references } from '../data/official-layout.ts';
import { runOpenLoop } from '../load/open-loop.ts';
import { usageOf } from '../machine/processes.ts';
import type { Scenario } from '../data/scenario.ts';

/** What one step of load did. Latencies are those of answered requests, from when they were due. */
export interface OverloadStep {
  /** Load as a multiple of capacity. */
  readonly factor: number;
  readonly sentPerSecond: number;
  readonly answeredPerSecond: number;
  readonly refusedPerSecond: number;
  /** Ended otherwise: these should be none. */
  readonly failed: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly rssMiB: number;
}

/** A ladder of loads against one server. */
export interface OverloadFigures {
  readonly scenario: string;
  /** Requests per second that it answers when some callers always wait. */
  readonly capacityPerSecond: number;
  readonly steps: readonly OverloadStep[];
}

export interface OverloadOptions {
  readonly repoPath: string;
  readonly scenario: Scenario;
  readonly core: number;
  readonly entities: number;
  /** Of each step. */
  readonly seconds: number;
}

const FACTORS = [0.5, 0.9, 1.5, 2, 5, 10];
/** Connections; each holds no more streams than a server takes. */
const CONNECTIONS = 4;
/** Callers that find out the capacity: enough to keep it busy, few enough to be let in. */
const CALLERS = 8;
const WARM_UP_SECONDS = 2;
/** As strict as it goes: nobody may wait for others for longer than a read takes. */
const STRICT = { SIDEBOARD_ADMISSION_LATENCY_MS: '0', SIDEBOARD_ADMISSION_MIN_REQUESTS: '2' };

/**
 * Finds the capacity of a server, then sends half of it up to ten times as much by the clock, step after step without a
 * pause.
 */
export async function measureOverload(options: OverloadOptions): Promise<OverloadFigures> {
  const { repoPath, scenario, core, entities, seconds } = options;
  const features = references(scenario.features);
  const messages = Array.from({ length: 200 }, (_, n) =>
    encodeRequest(features, entityIds(scenario.rows, n, entities)),
  );
  const capacityPerSecond = await withServer(repoPath, core, {}, async (_server, client) => {
    await runClosedLoop(client, messages, WARM_UP_SECONDS);
    return runClosedLoop(client, messages, seconds);
  });
  const steps = await withServer(repoPath, core, STRICT, async (server, client) => {
    await runClosedLoop(client, messages, WARM_UP_SECONDS, 2);
    const figures: OverloadStep[] = [];
    for (const factor of FACTORS) {
      figures.push(
        await measureStep(server, client, {
          messages,
          factor,
          ratePerSecond: capacityPerSecond * factor,
          seconds,
        }),
      );
    }
    return figures;
  });
  return { scenario: scenario.name, capacityPerSecond, steps };
}

async function withServer<T>(
  repoPath: string,
  core: number,
  env: Readonly<Record<string, string>>,
  use: (server: SideboardProcess, client: GrpcClient) => Promise<T>,
): Promise<T> {
  const server = await startSideboard({ repoPath, core, env });
  const client = await openClients(server.port);
  try {
    return await use(server, client);
  } finally {
    client.close();
    await server.stop();
  }
}

/** Several connections that take turns. */
async function openClients(port: number): Promise<GrpcClient> {
  const clients = await Promise.all(
    Array.from({ length: CONNECTIONS }, () => openGrpcClient(port)),
  );
  let next = 0;
  return {
    call: (path, message) => clients[next++ % CONNECTIONS]!.call(path, message),
    close: () => clients.forEach((client) => client.close()),
  };
}

/** Keeps `callers` requests under way; gives answers per second. */
async function runClosedLoop(
  client: GrpcClient,
  messages: readonly Uint8Array[],
  seconds: number,
  callers = CALLERS,
): Promise<number> {
  const startedAtMs = performance.now();
  const endsAtMs = startedAtMs + seconds * 1000;
  let count = 0;
  const loop = async (): Promise<void> => {
    while (performance.now() < endsAtMs) {
      await client.call(SERVING_PATH, messages[count % messages.length]!);
      count += 1;
    }
  };
  await Promise.all(Array.from({ length: callers }, loop));
  return (count * 1000) / (performance.now() - startedAtMs);
}

interface StepOptions {
  readonly messages: readonly Uint8Array[];
  readonly factor: number;
  readonly ratePerSecond: number;
  readonly seconds: number;
}

async function measureStep(
  server: SideboardProcess,
  client: GrpcClient,
  { messages, factor, ratePerSecond, seconds }: StepOptions,
): Promise<OverloadStep> {
  let refused = 0;
  let failed = 0;
  const startedAtMs = performance.now();
  const { requests, p50Ms, p99Ms } = await runOpenLoop({
    client,
    path: SERVING_PATH,
    messages,
    ratePerSecond,
    seconds,
    onError(error): void {
      if (error.message.startsWith('status 8:')) refused += 1;
      else failed += 1;
    },
  });
  const tookSeconds = (performance.now() - startedAtMs) / 1000;
  return {
    factor,
    sentPerSecond: requests / tookSeconds,
    answeredPerSecond: (requests - refused - failed) / tookSeconds,
    refusedPerSecond: refused / tookSeconds,
    failed,
    p50Ms,
    p99Ms,
    rssMiB: usageOf(server.pid).rssBytes / 2 ** 20,
  };
}
