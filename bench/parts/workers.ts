import { startSideboard } from '../../test/support/sideboard-process.ts';
import { distinctRequests, verifyServer } from '../data/peer-requests.ts';
import { loadScenarios } from '../data/scenario.ts';
import { openLoadClient } from '../load/load-client.ts';
import { runClosed } from '../load/paced-load.ts';
import { usageOf, type Cores } from '../machine/processes.ts';

/** One server with some workers, kept busy with what costs the server far more than Redis and the client. */
export interface WorkersFigures {
  readonly workers: number;
  readonly workload: string;
  /** Cores that server, Redis and client share. */
  readonly cores: number;
  readonly requestsPerSecond: number;
  readonly cpuUsPerRequest: number;
  /** Of the process tree: the supervisor is one more process. */
  readonly rssMiB: number;
}

export interface WorkersOptions {
  readonly repoPath: string;
  readonly entities: number;
  readonly rounds: number;
  readonly seconds: number;
  readonly cores: Cores;
  readonly say: (text: string) => void;
}

const WARM_UP_SECONDS = 3;
/** JSON of 100x250: on two cores nothing else leaves Redis and the client so little to do. */
const WORKLOAD = '100x250';
const UNDER_WAY = 6;

/** One worker beside two, on all cores of both server and client. */
export async function measureWorkers(options: WorkersOptions): Promise<WorkersFigures[]> {
  const { repoPath, entities, rounds, seconds, cores, say } = options;
  const [scenario] = loadScenarios([WORKLOAD]);
  const messages = distinctRequests('http', scenario!, { entities, count: 50 });
  const core = `${cores.server},${cores.client}`;
  const figures: WorkersFigures[] = [];
  for (let round = 0; round < rounds; round++) {
    for (const workers of round % 2 === 0 ? [1, 2] : [2, 1]) {
      const env = { SIDEBOARD_WORKERS: String(workers) };
      const server = await startSideboard({ repoPath, core, env });
      const asked = { protocol: 'http', port: server.port, path: '/get-online-features' } as const;
      const client = await openLoadClient({ ...asked, messages, connections: UNDER_WAY });
      try {
        await verifyServer(asked, scenario!, entities);
        await runClosed(client, { underWay: UNDER_WAY, seconds: WARM_UP_SECONDS });
        const before = usageOf(server.pid);
        const { calls, answeredPerSecond } = await runClosed(client, {
          underWay: UNDER_WAY,
          seconds,
        });
        const after = usageOf(server.pid);
        figures.push({
          workers,
          workload: `${WORKLOAD}, JSON`,
          cores: new Set([cores.server, cores.client]).size,
          requestsPerSecond: answeredPerSecond,
          cpuUsPerRequest: (after.cpuUs - before.cpuUs) / calls,
          rssMiB: after.rssBytes / 2 ** 20,
        });
        say(`${workers} workers: ${answeredPerSecond.toFixed(1)} requests/s`);
      } finally {
        client.close();
        await server.stop();
      }
    }
  }
  return figures;
}
