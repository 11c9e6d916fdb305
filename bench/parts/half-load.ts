import { entityIds, references } from '../data/official-layout.ts';
import { distinctRequests } from '../data/peer-requests.ts';
import type { Scenario } from '../data/scenario.ts';
import { storedFields, storedKey } from '../data/stored-hash.ts';
import { sumGc, type GcFigures } from '../load/gc-trace.ts';
import type { LatencySummary } from '../load/latency-histogram.ts';
import { openLoadClient, type LoadClient } from '../load/load-client.ts';
import { runPaced } from '../load/paced-load.ts';
import { helpersOf, scheduledOf, type Cores } from '../machine/processes.ts';
import { redisPid } from '../machine/redis-cpu.ts';
import { servedLatencyOf, servedQuantileMs } from '../machine/served-latency.ts';
import { stolenMs } from '../machine/stolen.ts';
import { startEchoServer } from './echo-servers.ts';
import { startPeer } from './peer-servers.ts';
import { openReadClient, type ReadClient } from './redis-read-clients.ts';

/** What is asked at the same rate by the same client: us, and what is not ours, which no read can be quicker than. */
export type AskedAtHalfLoad = 'sideboard' | 'nghttpd' | 'bare Redis';

/** One of them for one round. Waits are milliseconds per second. */
export interface HalfLoadRound {
  readonly asked: AskedAtHalfLoad;
  readonly latencies: LatencySummary;
  readonly lateP99Ms: number;
  readonly failed: number;
  /** The thread that does the work was ready to run and had to wait for its core; absent where there is no server. */
  readonly serverWaitedMs?: number;
  readonly redisWaitedMs: number;
  readonly clientWaitedMs: number;
  /** The hypervisor gave the cores to others. */
  readonly stolenMs: number;
  readonly gc?: GcFigures;
  /** The other threads of the server ran for so long; absent in results of earlier days, as the next two. */
  readonly helpersRanMs?: number;
  /**
   * In the server, from when it has read the head of a request to the end of its answer, by the buckets of its histogram: the
   * store is in it, what lay unread in a socket is not.
   */
  readonly servedP99Ms?: number;
  readonly servedP999Ms?: number;
}

/** The tail of a lone read at half of what the server can answer, and how much of it is the machine's. */
export interface HalfLoadFigures {
  readonly ratePerSecond: number;
  readonly rounds: readonly HalfLoadRound[];
}

export interface HalfLoadOptions {
  readonly repoPath: string;
  readonly redisPort: number;
  readonly workPath: string;
  readonly cores: Cores;
  readonly entities: number;
  readonly seconds: number;
  readonly say: (text: string) => void;
  readonly scenario: Scenario;
  readonly ratePerSecond: number;
  /** Of a reply of the scenario. */
  readonly replyBytes: number;
}

interface Asked {
  readonly name: AskedAtHalfLoad;
  readonly client: LoadClient;
  /** Of the server; absent = Redis itself is asked. */
  readonly pid?: number;
  readonly log: readonly string[];
  /** Of ours. */
  readonly adminUrl?: string | undefined;
  stop(): Promise<void>;
}

const ROUNDS = 3;
const REQUESTS = 200;
/** Before the first round: what is compiled at this rate is compiled then, on threads that want the same cores. */
const WARM_UP_SECONDS = 3;
const SETTLE_SECONDS = 0.5;

/** Asks all of them by turns, every other round in reverse, each for as long. */
export async function measureHalfLoad(options: HalfLoadOptions): Promise<HalfLoadFigures> {
  const { ratePerSecond, seconds, redisPort, say } = options;
  const asked: Asked[] = [];
  try {
    for (const start of [startOurs, startFileServer, startBareRedis]) {
      const one = await start(options);
      if (one === undefined) continue;
      asked.push(one);
      await runPaced(one.client, { ratePerSecond, seconds: WARM_UP_SECONDS });
    }
    const redis = await redisPid(redisPort);
    const rounds: HalfLoadRound[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      for (const one of round % 2 === 0 ? asked : asked.toReversed()) {
        await runPaced(one.client, { ratePerSecond, seconds: SETTLE_SECONDS });
        const figures = await measureRound(one, redis, { ratePerSecond, seconds });
        const { p50Ms, p999Ms } = figures.latencies;
        say(`half load, ${one.name}: p50 ${p50Ms.toFixed(3)}, p99.9 ${p999Ms.toFixed(2)} ms`);
        rounds.push(figures);
      }
    }
    return { ratePerSecond, rounds };
  } finally {
    for (const one of asked) await one.stop();
  }
}

async function measureRound(
  { name, client, pid, log, adminUrl }: Asked,
  redis: number,
  load: { readonly ratePerSecond: number; readonly seconds: number },
): Promise<HalfLoadRound> {
  const printed = log.length;
  const look = (): number[] => [
    pid === undefined ? Number.NaN : waitedMs(pid),
    waitedMs(redis),
    waitedMs(process.pid),
    stolenMs(),
    pid === undefined ? Number.NaN : helpersOf(pid).ranUs / 1000,
  ];
  const servedBefore = adminUrl === undefined ? undefined : await servedLatencyOf(adminUrl);
  const before = look();
  const startedAtMs = performance.now();
  const { latencies, lateP99Ms, failed } = await runPaced(client, load);
  const tookSeconds = (performance.now() - startedAtMs) / 1000;
  const [server, ofRedis, ofClient, stolen, helpers] = look().map(
    (ms, i) => (ms - before[i]!) / tookSeconds,
  );
  const servedAfter = adminUrl === undefined ? undefined : await servedLatencyOf(adminUrl);
  const served = (quantile: number): number =>
    servedQuantileMs(servedBefore!, servedAfter!, quantile);
  return {
    asked: name,
    latencies,
    lateP99Ms,
    failed,
    ...(pid === undefined ? {} : { serverWaitedMs: server!, helpersRanMs: helpers! }),
    redisWaitedMs: ofRedis!,
    clientWaitedMs: ofClient!,
    stolenMs: stolen!,
    ...(log.length === 0 ? {} : { gc: sumGc(log.slice(printed)) }),
    ...(servedAfter === undefined
      ? {}
      : { servedP99Ms: served(0.99), servedP999Ms: served(0.999) }),
  };
}

function waitedMs(pid: number): number {
  return scheduledOf(pid).waitedUs / 1000;
}

async function startOurs(options: HalfLoadOptions): Promise<Asked | undefined> {
  const { scenario, cores } = options;
  const nodeArguments = ['--trace-gc'];
  const server = await startPeer('sideboard', { ...options, core: cores.server, nodeArguments });
  if (server === undefined) return undefined;
  const messages = requestsOf(options);
  const client = await openLoadClient({ ...server, messages, connections: scenario.connections });
  const { pid, log, adminUrl } = server;
  const stop = (): Promise<void> => stopBoth(client, server);
  return { name: 'sideboard', client, pid, log, adminUrl, stop };
}

/** In C, one thread, a file of as many bytes from memory: what a round trip by our client costs whoever answers. */
async function startFileServer(options: HalfLoadOptions): Promise<Asked | undefined> {
  const { scenario, cores, say } = options;
  const server = await startEchoServer('nghttpd', { ...options, core: cores.server });
  if (server === undefined) {
    say('SKIPPED nghttpd: it is not installed');
    return undefined;
  }
  const { port, path, pid } = server;
  const messages = requestsOf(options);
  const { connections } = scenario;
  const target = {
    protocol: 'grpc',
    port,
    path,
    messages,
    connections,
    hasTrailers: false,
  } as const;
  const client = await openLoadClient(target);
  return { name: 'nghttpd', client, pid, log: [], stop: () => stopBoth(client, server) };
}

/** The commands of the same reads straight to Redis, from its own core as all clients are. */
async function startBareRedis({ scenario, redisPort, entities }: HalfLoadOptions): Promise<Asked> {
  const reader = await openReadClient('bare socket', {
    port: redisPort,
    keySets: Array.from({ length: REQUESTS }, (_, n) =>
      entityIds(scenario.rows, n, entities).map(storedKey),
    ),
    fields: storedFields(references(scenario.features)),
  });
  const client: LoadClient = {
    send: (index, done) => void readBare(reader, index, done),
    close: () => void reader.close(),
  };
  return { name: 'bare Redis', client, log: [], stop: () => reader.close() };
}

async function readBare(
  reader: ReadClient,
  index: number,
  done: Parameters<LoadClient['send']>[1],
): Promise<void> {
  try {
    await reader.read(index % REQUESTS);
  } catch (error) {
    done(error as Error);
    return;
  }
  done();
}

function requestsOf({ scenario, entities }: HalfLoadOptions): Uint8Array[] {
  return distinctRequests('grpc', scenario, { entities, count: REQUESTS });
}

async function stopBoth(client: LoadClient, server: { stop(): Promise<void> }): Promise<void> {
  client.close();
  await server.stop();
}
