import { startSideboard, type SideboardProcess } from '../../test/support/sideboard-process.ts';
import { GrpcCallError } from '../load/grpc-client.ts';
import { openLoadClient, type LoadClient } from '../load/load-client.ts';
import { runClosed, runPaced } from '../load/paced-load.ts';
import { SERVING_PATH, encodeRequest, entityIds, references } from '../data/official-layout.ts';
import { pin, scheduledOf, usageOf, type Cores } from '../machine/processes.ts';
import { spreadOf } from '../report/spread.ts';
import { redisPid } from '../machine/redis-cpu.ts';
import { servedLatencyOf, servedQuantileMs } from '../machine/served-latency.ts';
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
  /** The same from when they were sent. */
  readonly sentP99Ms?: number;
  /** Of the answered ones by the server's own histogram: from the head of a request to the end of its answer, its wait included. */
  readonly servedP99Ms?: number;
  /** The same of the first half second after the step, which all others leave out. */
  readonly firstServedP99Ms?: number;
  readonly rssMiB: number;
  /** Share that the server used of the core that it shares with Redis. */
  readonly busyShare?: number;
  /** Share of it that Redis used, and for which it waited for it. */
  readonly redisShare?: number;
  readonly redisWaitShare?: number;
  /** Share of its own core that the client used. */
  readonly clientShare?: number;
  /** CPU of the server per refused call: what is left when answers cost what they cost at capacity. */
  readonly cpuUsPerRefusal?: number;
  /** How late the client sent, p99: with much of it the client is what is measured. */
  readonly lateP99Ms?: number;
}

/** A ladder of loads against one server. */
export interface OverloadFigures {
  readonly scenario: string;
  /** Requests per second that it answers when some callers always wait. */
  readonly capacityPerSecond: number;
  /** CPU of the server per answer then. */
  readonly cpuUsPerAnswer?: number;
  /** Requests per second that it answers, with default settings, when more come than that, one by one by the clock. */
  readonly byTheClockPerSecond?: number;
  /** Settings of the server, for the reader. */
  readonly settings?: string;
  readonly steps: readonly OverloadStep[];
}

export interface OverloadOptions {
  readonly repoPath: string;
  readonly redisPort: number;
  readonly scenario: Scenario;
  /** Every `BESIDE_EVERY`th request is one of these instead. */
  readonly beside?: Scenario;
  readonly cores: Cores;
  readonly entities: number;
  /** Of each step. */
  readonly seconds: number;
}

const FACTORS = [0.5, 0.9, 1.5, 2, 5, 10];
/** Connections; each holds no more streams than a server takes. */
const CONNECTIONS = 4;
/** Callers that find out the capacity: enough to keep it busy, few enough to be let in. */
const CALLERS = 32;
const WARM_UP_SECONDS = 2;
/** Of what callers who wait are answered: more than can be when all come one by one. */
const BY_THE_CLOCK_FACTOR = 1.2;
/** What everything is compared with is measured so often; the median counts. */
const CAPACITY_ROUNDS = 3;
const RESOURCE_EXHAUSTED = 8;
/** As strict as it goes. */
const STRICT = { SIDEBOARD_ADMISSION_LATENCY_MS: '1', SIDEBOARD_ADMISSION_MIN_REQUESTS: '2' };
/** While it becomes known whether more come than can be answered. */
const SETTLE_SECONDS = 0.5;
const MESSAGES = 200;
const BESIDE_EVERY = 50;
/** Refusals fewer than this share of all calls tell nothing of what one costs. */
const MANY_REFUSED = 0.5;

/**
 * Finds the capacity of a server, then sends half of it up to ten times as much by the clock, step after step without a
 * pause. The server and Redis share one core, so that the client has the other to itself: what it takes to send ten times as much
 * as can be answered, and to read as many refusals, is taken from neither.
 */
export async function measureOverload(options: OverloadOptions): Promise<OverloadFigures> {
  const redis = await redisPid(options.redisPort);
  const { server, client } = options.cores;
  pin(redis, server);
  try {
    return await measureLadder(options, redis);
  } finally {
    pin(redis, client);
  }
}

async function measureLadder(options: OverloadOptions, redis: number): Promise<OverloadFigures> {
  const { repoPath, scenario, beside, cores, entities, seconds } = options;
  const messages = Array.from({ length: MESSAGES }, (_, n) => {
    const { features, rows } = n % BESIDE_EVERY === 0 ? (beside ?? scenario) : scenario;
    return encodeRequest(references(features), entityIds(rows, n, entities));
  });
  const target = {
    protocol: 'grpc',
    path: SERVING_PATH,
    messages,
    connections: CONNECTIONS,
  } as const;
  const core = cores.server;
  const byDefault = await startSideboard({ repoPath, core });
  const capacity = await withServer(byDefault, target, async ({ pid }, client) => {
    await runClosed(client, { underWay: CALLERS, seconds: WARM_UP_SECONDS });
    const rates: number[] = [];
    const costs: number[] = [];
    for (let round = 0; round < CAPACITY_ROUNDS; round += 1) {
      const before = usageOf(pid);
      const { calls, answeredPerSecond } = await runClosed(client, {
        underWay: CALLERS,
        seconds: seconds / CAPACITY_ROUNDS,
      });
      rates.push(answeredPerSecond);
      costs.push((usageOf(pid).cpuUs - before.cpuUs) / calls);
    }
    const capacityPerSecond = spreadOf(rates).median;
    const ratePerSecond = BY_THE_CLOCK_FACTOR * capacityPerSecond;
    const paced = await runPaced(client, { ratePerSecond, seconds });
    return {
      capacityPerSecond,
      cpuUsPerAnswer: spreadOf(costs).median,
      byTheClockPerSecond: paced.answeredPerSecond,
    };
  });
  const strict = await startSideboard({ repoPath, core, env: STRICT });
  const steps = await withServer(strict, target, async (server, client) => {
    // At the load of the first step: what it is compared with is no server that has just started.
    const ratePerSecond = FACTORS[0]! * capacity.capacityPerSecond;
    await runPaced(client, { ratePerSecond, seconds: WARM_UP_SECONDS });
    const figures: OverloadStep[] = [];
    for (const factor of FACTORS) {
      figures.push(await measureStep(server, client, { ...capacity, redis, factor, seconds }));
    }
    return figures;
  });
  const settings = 'admission_latency_ms: 1, admission_min_requests: 2';
  const share = `${100 / BESIDE_EVERY} % of them ${beside?.name}`;
  const name = beside === undefined ? scenario.name : `${scenario.name}, ${share}`;
  return { scenario: name, ...capacity, settings, steps };
}

async function withServer<T>(
  server: SideboardProcess,
  target: Omit<Parameters<typeof openLoadClient>[0], 'port'>,
  measure: (server: SideboardProcess, client: LoadClient) => Promise<T>,
): Promise<T> {
  const client = await openLoadClient({ ...target, port: server.port });
  try {
    return await measure(server, client);
  } finally {
    client.close();
    await server.stop();
  }
}

interface StepOptions {
  readonly factor: number;
  readonly capacityPerSecond: number;
  readonly cpuUsPerAnswer: number;
  /** Process id. */
  readonly redis: number;
  readonly seconds: number;
}

async function measureStep(
  server: SideboardProcess,
  client: LoadClient,
  { factor, capacityPerSecond, cpuUsPerAnswer, redis, seconds }: StepOptions,
): Promise<OverloadStep> {
  let refused = 0;
  const countRefused: LoadClient = {
    send: (index, done) =>
      client.send(index, (error) => {
        if (error instanceof GrpcCallError && error.code === RESOURCE_EXHAUSTED) refused += 1;
        done(error);
      }),
    close: () => {},
  };
  const ratePerSecond = capacityPerSecond * factor;
  const servedAtFirst = await servedLatencyOf(server.adminUrl);
  const first = await runPaced(countRefused, { ratePerSecond, seconds: SETTLE_SECONDS });
  const failedAtFirst = first.failed - refused;
  refused = 0;
  const servedBefore = await servedLatencyOf(server.adminUrl);
  const before = usageOf(server.pid);
  const [redisBefore, clientBefore] = [scheduledOf(redis), scheduledOf(process.pid)];
  const startedAtMs = performance.now();
  const paced = await runPaced(countRefused, { ratePerSecond, seconds });
  const tookSeconds = (performance.now() - startedAtMs) / 1000;
  const after = usageOf(server.pid);
  const [redisAfter, clientAfter] = [scheduledOf(redis), scheduledOf(process.pid)];
  const share = (fromUs: number, toUs: number): number => (toUs - fromUs) / 1e6 / tookSeconds;
  const servedAfter = await servedLatencyOf(server.adminUrl);
  const cpuUs = after.cpuUs - before.cpuUs;
  const { count } = paced.latencies;
  const isRefusing = refused > MANY_REFUSED * (count + refused);
  return {
    factor,
    sentPerSecond: (paced.latencies.count + paced.failed) / tookSeconds,
    answeredPerSecond: paced.answeredPerSecond,
    refusedPerSecond: refused / tookSeconds,
    failed: paced.failed - refused + failedAtFirst,
    p50Ms: paced.latencies.p50Ms,
    p99Ms: paced.latencies.p99Ms,
    sentP99Ms: paced.sinceSent.p99Ms,
    servedP99Ms: servedQuantileMs(servedBefore, servedAfter, 0.99),
    firstServedP99Ms: servedQuantileMs(servedAtFirst, servedBefore, 0.99),
    rssMiB: after.rssBytes / 2 ** 20,
    busyShare: cpuUs / 1e6 / tookSeconds,
    redisShare: share(redisBefore.ranUs, redisAfter.ranUs),
    redisWaitShare: share(redisBefore.waitedUs, redisAfter.waitedUs),
    clientShare: share(clientBefore.ranUs, clientAfter.ranUs),
    ...(isRefusing ? { cpuUsPerRefusal: (cpuUs - count * cpuUsPerAnswer) / refused } : {}),
    lateP99Ms: paced.lateP99Ms,
  };
}
