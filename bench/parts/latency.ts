import { distinctRequests, verifyServer } from '../data/peer-requests.ts';
import { loadScenarios, type Scenario } from '../data/scenario.ts';
import { sumGc, type GcFigures } from '../load/gc-trace.ts';
import type { LatencySummary } from '../load/latency-histogram.ts';
import { openLoadClient, type LoadClient } from '../load/load-client.ts';
import { runClosed, runPaced, type PacedFigures } from '../load/paced-load.ts';
import {
  PEER_NAMES,
  installPeers,
  startPeer,
  type PeerName,
  type PeerServer,
} from './peer-servers.ts';
import { measureHalfLoad, type HalfLoadFigures } from './half-load.ts';
import type { PeersOptions } from './peers.ts';
import { readFigures } from './redis-reads.ts';

/** Latency of one server against its load. */
export interface LatencyCurve {
  readonly server: string;
  readonly workload: string;
  /** Answers per second while `connections x streams` requests are under way. */
  readonly capacityPerSecond: number;
  /** One request after another by one client. */
  readonly alone: LatencySummary;
  readonly steps: readonly LatencyStep[];
}

/** One load by the clock. */
export interface LatencyStep extends PacedFigures {
  /** Of the capacity. */
  readonly share: number;
  /** Of our own server, from `--trace-gc`. */
  readonly gc?: GcFigures;
}

/** Curves, and what a lone read through our server adds to. */
export interface LatencyFigures {
  readonly curves: readonly LatencyCurve[];
  /** p50 of the bare commands of a 1x50 on a socket, from the server's core to Redis. */
  readonly bareRedisP50Us: number;
  /** Of 1x50; absent in results of earlier days, and where our server was not measured. */
  readonly halfLoad?: HalfLoadFigures;
}

export const LOAD_SHARES = [0.1, 0.3, 0.5, 0.7, 0.9];
const WARM_UP_SECONDS = 2;
/** At each load before it is measured: what is compiled then takes the core from the thread that answers. */
const SETTLE_SECONDS = 1;
const BRIEF_SECONDS = 1;
/** The batches cost Feast's servers so much that a curve would be of a hundred calls. */
const BATCH_PEERS: readonly PeerName[] = ['sideboard', 'stock-ts', 'limit-own', 'limit-grpc-go'];

/** Each server alone, then from a tenth to nine tenths of what it can answer, requests by the clock. */
export async function measureLatency(
  options: Omit<PeersOptions, 'scenarios' | 'rounds'> & { readonly shares?: readonly number[] },
): Promise<LatencyFigures> {
  await installPeers(options.workPath);
  const { names = PEER_NAMES, repoPath, redisPort, entities, seconds, cores } = options;
  const size = { rows: 1, features: 50, firstView: 0, looksAtHeap: false };
  const read = { client: 'bare socket', repoPath, port: redisPort, entities, seconds } as const;
  const { p50Us: bareUs } = await readFigures({ ...read, ...size }, cores.server);
  options.say(`bare Redis round trip of 1x50: p50 ${bareUs.toFixed(0)} us`);
  const curves: LatencyCurve[] = [];
  let halfLoad: HalfLoadFigures | undefined;
  for (const scenario of loadScenarios(['1x50', '100x50'])) {
    const isBatch = scenario.rows > 1;
    let replyBytes = 0;
    for (const name of names) {
      if (isBatch && !BATCH_PEERS.includes(name)) continue;
      const nodeArguments = ['--trace-gc'];
      const start = { ...options, core: cores.server, replyBytes, nodeArguments };
      const server = await startPeer(name, start);
      if (server === undefined) {
        options.say(`SKIPPED ${name}: it is not installed`);
        continue;
      }
      try {
        if (!server.isEcho) {
          const bytes = await verifyServer(server, scenario, entities);
          if (name === 'sideboard') replyBytes = bytes;
        }
        const curve = await measureCurve(server, scenario, options);
        curves.push(curve);
        const half = curve.steps.find(({ share }) => share === 0.5)?.latencies;
        options.say(
          `${scenario.name} ${name}: alone p50 ${curve.alone.p50Ms.toFixed(3)} ms, ${curve.capacityPerSecond.toFixed(0)} requests/s; at half p50 ${half?.p50Ms.toFixed(3)}, p99.9 ${half?.p999Ms.toFixed(2)} ms`,
        );
      } finally {
        await server.stop();
      }
    }
    const ours = curves.find(
      ({ server, workload }) => server === 'sideboard' && workload === scenario.name,
    );
    if (!isBatch && ours !== undefined) {
      const ratePerSecond = ours.capacityPerSecond / 2;
      halfLoad = await measureHalfLoad({ ...options, scenario, ratePerSecond, replyBytes });
    }
  }
  return { curves, bareRedisP50Us: bareUs, ...(halfLoad === undefined ? {} : { halfLoad }) };
}

async function measureCurve(
  server: PeerServer,
  scenario: Scenario,
  options: {
    readonly seconds: number;
    readonly entities: number;
    readonly shares?: readonly number[];
  },
): Promise<LatencyCurve> {
  const { entities, seconds, shares = LOAD_SHARES } = options;
  const { protocol } = server;
  const messages = distinctRequests(protocol, scenario, { entities, count: 200 });
  const underWay = scenario.connections * scenario.streamsPerConnection;
  const connections = protocol === 'http' ? underWay : scenario.connections;
  const client = await openLoadClient({ ...server, messages, connections });
  try {
    await runClosed(client, { underWay, seconds: WARM_UP_SECONDS });
    const alone = await runClosed(client, { underWay: 1, seconds: BRIEF_SECONDS });
    const { answeredPerSecond } = await runClosed(client, { underWay, seconds: BRIEF_SECONDS });
    const steps: LatencyStep[] = [];
    for (const share of shares) {
      steps.push(
        await measureStep(server, client, { share, rate: answeredPerSecond * share, seconds }),
      );
    }
    const { name } = server;
    return {
      server: name,
      workload: scenario.name,
      capacityPerSecond: answeredPerSecond,
      alone: alone.latencies,
      steps,
    };
  } finally {
    client.close();
  }
}

async function measureStep(
  server: PeerServer,
  client: LoadClient,
  {
    share,
    rate,
    seconds,
  }: { readonly share: number; readonly rate: number; readonly seconds: number },
): Promise<LatencyStep> {
  await runPaced(client, { ratePerSecond: rate, seconds: SETTLE_SECONDS });
  const printed = server.log.length;
  const paced = await runPaced(client, { ratePerSecond: rate, seconds });
  if (server.log.length === 0) return { share, ...paced };
  return { share, ...paced, gc: sumGc(server.log.slice(printed)) };
}
