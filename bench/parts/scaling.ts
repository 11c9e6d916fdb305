import { startSideboard, type SideboardProcess } from '../../test/support/sideboard-process.ts';
import { openGrpcClient } from '../load/grpc-client.ts';
import { runH2load } from '../load/h2load.ts';
import { figure, markdownTable, spreadText } from '../report/markdown.ts';
import { SERVING_PATH, encodeRequest, entityIds, references } from '../data/official-layout.ts';
import { verifyReply } from '../data/verify-reply.ts';
import { usageOf, type Cores } from '../machine/processes.ts';
import { spreadOf } from '../report/spread.ts';

/** What connections and streams make of the cost of a request. */
export interface ScalingFigures {
  readonly connections: number;
  readonly streamsPerConnection: number;
  readonly cpuUsPerRequest: number;
  /** Share of the server's core that it used: well below one means that it waited for the client. */
  readonly busyShare: number;
  readonly requestsPerSecond: number;
  readonly rssMiB: number;
}

export interface ScalingOptions {
  readonly repoPath: string;
  readonly entities: number;
  readonly rounds: number;
  readonly seconds: number;
  readonly cores: Cores;
  readonly say: (text: string) => void;
  readonly loads?: readonly (readonly [connections: number, streamsPerConnection: number])[];
}

export const SCALING_LOADS: NonNullable<ScalingOptions['loads']> = [
  [1, 1],
  [1, 10],
  [1, 100],
  [10, 1],
  [10, 10],
  [10, 100],
  [100, 1],
  [100, 10],
  [1000, 1],
];
const WARM_UP_SECONDS = 2;
const GRPC_PREFIX_BYTES = 5;

/** One server under ever more connections and streams; each of the equal reads is made, none joined. */
export async function measureScaling(options: ScalingOptions): Promise<ScalingFigures[]> {
  const { repoPath, cores, rounds, loads = SCALING_LOADS } = options;
  // A thousand callers are an overload to the clock; here they are to be answered, however long it takes.
  const env = { SIDEBOARD_REDIS_SINGLE_FLIGHT: 'false', SIDEBOARD_ADMISSION_LATENCY_MS: '60000' };
  const figures: ScalingFigures[] = [];
  for (let round = 0; round < rounds; round++) {
    const server = await startSideboard({ repoPath, core: cores.server, env });
    try {
      const replyBytes = await verifiedBytes(server, options.entities);
      await saturate(server, [10, 10], { ...options, replyBytes, seconds: WARM_UP_SECONDS });
      for (const load of round % 2 === 0 ? loads : loads.toReversed()) {
        const measured = await saturate(server, load, { ...options, replyBytes });
        figures.push(measured);
        options.say(
          `${load.join(' x ')}: ${measured.cpuUsPerRequest.toFixed(0)} us CPU, ${(measured.busyShare * 100).toFixed(0)} % busy`,
        );
      }
    } finally {
      await server.stop();
    }
  }
  return figures;
}

const FEATURES = references(50);

/** What a right answer has: h2load takes a refusal for one. */
async function verifiedBytes({ port }: SideboardProcess, entities: number): Promise<number> {
  const ids = entityIds(1, 0, entities);
  const client = await openGrpcClient(port);
  const reply = await client.call(SERVING_PATH, encodeRequest(FEATURES, ids));
  client.close();
  verifyReply(reply, FEATURES, ids);
  return reply.length + GRPC_PREFIX_BYTES;
}

async function saturate(
  { port, pid }: SideboardProcess,
  [connections, streamsPerConnection]: readonly [number, number],
  options: Pick<ScalingOptions, 'entities' | 'seconds'> & { readonly replyBytes: number },
): Promise<ScalingFigures> {
  const { entities, seconds, replyBytes } = options;
  const message = encodeRequest(FEATURES, entityIds(1, 0, entities));
  const load = { port, path: SERVING_PATH, message, connections, streamsPerConnection };
  const run = (requests: number) =>
    runH2load({
      ...load,
      requests: Math.max(3 * connections * streamsPerConnection, Math.round(requests)),
    });
  const first = await run(200);
  const before = usageOf(pid);
  const measured = await run(first.requestsPerSecond * seconds);
  const after = usageOf(pid);
  if (measured.succeeded !== measured.requests || measured.bytesPerReply !== replyBytes) {
    throw new Error(
      `${measured.succeeded} of ${measured.requests} answered, ${measured.bytesPerReply} bytes each where ${replyBytes} are right`,
    );
  }
  const cpuUs = after.cpuUs - before.cpuUs;
  return {
    connections,
    streamsPerConnection,
    cpuUsPerRequest: cpuUs / measured.requests,
    busyShare: cpuUs / 1e6 / measured.seconds,
    requestsPerSecond: measured.requestsPerSecond,
    rssMiB: after.rssBytes / 2 ** 20,
  };
}

/** By connections and streams. */
export function scalingTable(figures: readonly ScalingFigures[]): string {
  const groups = Map.groupBy(
    figures,
    ({ connections, streamsPerConnection }) => `${connections} x ${streamsPerConnection}`,
  );
  const rows = [...groups].map(([load, group]) => [
    load,
    spreadText(spreadOf(group.map((each) => each.cpuUsPerRequest))),
    figure(spreadOf(group.map((each) => each.busyShare * 100)).median),
    spreadText(spreadOf(group.map((each) => each.requestsPerSecond))),
    figure(spreadOf(group.map((each) => each.rssMiB)).median),
  ]);
  const head = ['connections x streams', 'CPU us/request', 'of its core, %'];
  const table = markdownTable([...head, 'measured requests/s', 'RSS MiB'], rows);
  return `${table}\n\n1x50, single flight off: the load is one request again and again, and reads that are equal would be joined. Every reply is a whole answer (\`admission_latency_ms: 60000\`). A server that is not kept busy wakes up for each request, which costs more than one of many.`;
}
