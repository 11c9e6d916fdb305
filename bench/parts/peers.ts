import { distinctRequests, verifyServer } from '../data/peer-requests.ts';
import type { Scenario } from '../data/scenario.ts';
import { openLoadClient } from '../load/load-client.ts';
import { runClosed } from '../load/paced-load.ts';
import { usageOf, type Cores } from '../machine/processes.ts';
import { redisCpuUs } from '../machine/redis-cpu.ts';
import { spreadOf, type Spread } from '../report/spread.ts';
import {
  PEER_NAMES,
  installPeers,
  startPeer,
  type PeerName,
  type PeerServer,
} from './peer-servers.ts';

/** The rounds of one server under one workload. */
export interface PeerFigures {
  /** `sideboard` and `sideboard-json` are ours. */
  readonly server: string;
  readonly workload: string;
  readonly rounds: number;
  readonly cpuUsPerRequest: Spread;
  readonly requestsPerSecond: Spread;
  /** Of the server's core; absent in results of earlier days. Well below one: it waited for Redis and the client. */
  readonly busyShare?: Spread;
  readonly redisUsPerRequest: Spread;
  readonly rssMiB: Spread;
  readonly replyBytes: number;
  /** One request after another by one client. */
  readonly aloneP50Ms?: Spread;
}

export interface PeersOptions {
  readonly repoPath: string;
  readonly redisPort: number;
  /** Where the peers are installed; made on first use, which takes minutes. */
  readonly workPath: string;
  readonly rounds: number;
  readonly seconds: number;
  readonly entities: number;
  readonly scenarios: readonly Scenario[];
  readonly cores: Cores;
  readonly say: (text: string) => void;
  readonly names?: readonly PeerName[];
}

type Sample = {
  readonly [Name in 'cpuUs' | 'rps' | 'busy' | 'redisUs' | 'rssMiB' | 'aloneMs']: number;
};
interface PeerSample extends Sample {
  readonly server: string;
  readonly workload: string;
  readonly replyBytes: number;
}

const WARM_UP_SECONDS = 2;
const ALONE_SECONDS = 1;

/** Measures every server in turn, every other round in reverse; requests are for other entities each. */
export async function measurePeers(options: PeersOptions): Promise<PeerFigures[]> {
  const { rounds, scenarios, names = PEER_NAMES, say } = options;
  if (!(await installPeers(options.workPath))) {
    say('SKIPPED all peers: ../shared/peers is not there, so nothing stands beside our figures');
  }
  const samples: PeerSample[] = [];
  const replyBytes = new Map<string, number>();
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 === 0 ? names : names.toReversed();
    for (const name of order) {
      if (name.startsWith('limit')) {
        if (round > 0) continue; // What bounds all is measured once; the part `echo` has its rounds.
        for (const each of scenarios)
          samples.push(...(await measurePeer(name, [each], options, replyBytes)));
      } else samples.push(...(await measurePeer(name, scenarios, options, replyBytes)));
    }
  }
  return summarize(samples);
}

async function measurePeer(
  name: PeerName,
  scenarios: readonly Scenario[],
  options: PeersOptions,
  replyBytes: Map<string, number>,
): Promise<PeerSample[]> {
  const bytes = replyBytes.get(scenarios[0]?.name ?? '') ?? 0;
  const server = await startPeer(name, {
    ...options,
    core: options.cores.server,
    replyBytes: bytes,
  });
  if (server === undefined) {
    options.say(`SKIPPED ${name}: it is not installed`);
    return [];
  }
  try {
    const samples: PeerSample[] = [];
    for (const scenario of scenarios) {
      const size = server.isEcho ? bytes : await verifyServer(server, scenario, options.entities);
      if (name === 'sideboard') replyBytes.set(scenario.name, size);
      const measured = await saturatePeer(server, scenario, options);
      samples.push({ server: name, workload: scenario.name, replyBytes: size, ...measured });
      options.say(
        `${scenario.name} ${name}: ${measured.cpuUs.toFixed(0)} us CPU, ${measured.rps.toFixed(0)} requests/s, ${(100 * measured.busy).toFixed(0)} % of its core, alone ${measured.aloneMs.toFixed(2)} ms`,
      );
    }
    return samples;
  } finally {
    await server.stop();
  }
}

async function saturatePeer(
  server: PeerServer,
  scenario: Scenario,
  { entities, seconds, redisPort }: PeersOptions,
): Promise<Sample> {
  const { protocol, pid } = server;
  const count = scenario.rows > 10 ? 200 : 1000;
  const messages = distinctRequests(protocol, scenario, { entities, count });
  const underWay = scenario.connections * scenario.streamsPerConnection;
  const connections = protocol === 'http' ? underWay : scenario.connections;
  const client = await openLoadClient({ ...server, messages, connections });
  try {
    await runClosed(client, { underWay, seconds: WARM_UP_SECONDS });
    const before = { cpuUs: usageOf(pid).cpuUs, redisUs: await redisCpuUs(redisPort) };
    const startedAtMs = performance.now();
    const { calls, answeredPerSecond } = await runClosed(client, { underWay, seconds });
    const tookUs = 1000 * (performance.now() - startedAtMs);
    const { cpuUs, rssBytes } = usageOf(pid);
    const redisUs = await redisCpuUs(redisPort);
    const alone = await runClosed(client, { underWay: 1, seconds: ALONE_SECONDS });
    return {
      cpuUs: (cpuUs - before.cpuUs) / calls,
      rps: answeredPerSecond,
      busy: (cpuUs - before.cpuUs) / tookUs,
      redisUs: (redisUs - before.redisUs) / calls,
      rssMiB: rssBytes / 2 ** 20,
      aloneMs: alone.latencies.p50Ms,
    };
  } finally {
    client.close();
  }
}

function summarize(samples: readonly PeerSample[]): PeerFigures[] {
  const groups = Map.groupBy(samples, ({ server, workload }) => `${workload} ${server}`);
  return [...groups.values()].map((group) => {
    const { server, workload, replyBytes } = group[0]!;
    const spread = (name: keyof Sample): Spread => spreadOf(group.map((each) => each[name]));
    return {
      server,
      workload,
      replyBytes,
      rounds: group.length,
      cpuUsPerRequest: spread('cpuUs'),
      requestsPerSecond: spread('rps'),
      busyShare: spread('busy'),
      redisUsPerRequest: spread('redisUs'),
      rssMiB: spread('rssMiB'),
      aloneP50Ms: spread('aloneMs'),
    };
  });
}
