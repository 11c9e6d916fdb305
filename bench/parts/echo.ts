import { ECHO_NAMES, startEchoServer, type EchoName, type EchoServer } from './echo-servers.ts';
import { runH2load } from '../load/h2load.ts';
import { figure, markdownTable, spreadText } from '../report/markdown.ts';
import { encodeRequest, entityIds, references } from '../data/official-layout.ts';
import { usageOf, type Cores } from '../machine/processes.ts';
import { spreadOf } from '../report/spread.ts';

/** Bytes of a reply: that of the 1 x 50 of the scenarios. */
const REPLY_BYTES = [1800];
const LOADS = [
  { connections: 1, streamsPerConnection: 1 },
  { connections: 4, streamsPerConnection: 8 },
  { connections: 100, streamsPerConnection: 1 },
];
const WARM_UP_SECONDS = 2;

/** One server that answers every request with the same bytes, under one load. */
export interface EchoFigures {
  /** `own` and `builtin` are ours, on our HTTP/2 engine and on Node's. */
  readonly engine: string;
  readonly replyBytes: number;
  readonly connections: number;
  readonly streamsPerConnection: number;
  readonly cpuUsPerRequest: number;
  readonly requestsPerSecond: number;
  readonly rssMiB: number;
}

export interface EchoOptions {
  readonly rounds: number;
  readonly seconds: number;
  readonly cores: Cores;
  /** Where the peers' harness installed the echoes of others. */
  readonly workPath: string;
  readonly say: (text: string) => void;
}

/** What the transport alone costs, ours and others', a process each; every other round in reverse. */
export async function measureEchoes(options: EchoOptions): Promise<EchoFigures[]> {
  const figures: EchoFigures[] = [];
  for (let round = 0; round < options.rounds; round++) {
    for (const replyBytes of REPLY_BYTES) {
      for (const name of round % 2 === 0 ? ECHO_NAMES : ECHO_NAMES.toReversed()) {
        figures.push(...(await measureServer(name, replyBytes, options)));
      }
    }
  }
  return figures;
}

async function measureServer(
  name: EchoName,
  replyBytes: number,
  options: EchoOptions,
): Promise<EchoFigures[]> {
  const { cores, workPath, say } = options;
  const server = await startEchoServer(name, { replyBytes, core: cores.server, workPath });
  if (server === undefined) {
    say(`SKIPPED the echo of ${name}: it is not installed (the part \`peers\` does)`);
    return [];
  }
  try {
    const figures: EchoFigures[] = [];
    for (const load of LOADS) {
      const measured = await measureEcho(name, server, load, options.seconds);
      figures.push({ engine: name, replyBytes, ...load, ...measured });
      say(
        `echo of ${replyBytes} bytes, ${name}, ${load.connections} x ${load.streamsPerConnection}: ${measured.cpuUsPerRequest.toFixed(1)} us CPU`,
      );
    }
    return figures;
  } finally {
    await server.stop();
  }
}

/** Keeps an echo busy with a request of 1 x 50. @throws Error when an answer is not what it should be */
export async function measureEcho(
  name: string,
  { pid, port, path, bytesPerReply }: EchoServer,
  load: { readonly connections: number; readonly streamsPerConnection: number },
  seconds: number,
): Promise<Pick<EchoFigures, 'cpuUsPerRequest' | 'requestsPerSecond' | 'rssMiB'>> {
  const message = encodeRequest(references(50), entityIds(1, 0, 10_000));
  const least = 4 * load.connections * load.streamsPerConnection;
  const run = (requests: number) =>
    runH2load({ ...load, port, path, message, requests: Math.max(least, Math.round(requests)) });
  const first = await run(1000);
  const warm = await run(first.requestsPerSecond * Math.min(WARM_UP_SECONDS, seconds));
  const before = usageOf(pid);
  const measured = await run(warm.requestsPerSecond * seconds);
  const after = usageOf(pid);
  const { succeeded, requests } = measured;
  if (succeeded !== requests || measured.bytesPerReply !== bytesPerReply) {
    throw new Error(
      `${name}: ${succeeded} of ${requests} answered, ${measured.bytesPerReply} bytes each`,
    );
  }
  return {
    cpuUsPerRequest: (after.cpuUs - before.cpuUs) / requests,
    requestsPerSecond: measured.requestsPerSecond,
    rssMiB: after.rssBytes / 2 ** 20,
  };
}

const NAMES: Readonly<Record<string, string>> = {
  own: '**our engine**',
  builtin: 'our gRPC on `node:http2`',
  nghttpd: 'nghttpd, in C, a static file',
};

/** By reply and load, cheapest first. */
export function echoTable(figures: readonly EchoFigures[]): string {
  const groups = [
    ...Map.groupBy(figures, (each) =>
      JSON.stringify([each.replyBytes, each.connections, each.streamsPerConnection, each.engine]),
    ).values(),
  ].map((group) => ({
    each: group[0]!,
    cpu: spreadOf(group.map((one) => one.cpuUsPerRequest)),
    group,
  }));
  const underWay = ({ connections, streamsPerConnection }: EchoFigures): number =>
    connections * streamsPerConnection;
  groups.sort(
    (a, b) =>
      a.each.replyBytes - b.each.replyBytes ||
      underWay(a.each) - underWay(b.each) ||
      a.each.connections - b.each.connections ||
      a.cpu.median - b.cpu.median,
  );
  const table = markdownTable(
    [
      'reply',
      'connections x streams',
      'server',
      'CPU us per request',
      '= requests/s per core',
      'RSS, MiB',
    ],
    groups.map(({ each, cpu, group }) => [
      `${each.replyBytes} B`,
      `${each.connections} x ${each.streamsPerConnection}`,
      NAMES[each.engine] ?? each.engine,
      spreadText(cpu),
      figure(1e6 / cpu.median),
      figure(spreadOf(group.map((one) => one.rssMiB)).median),
    ]),
  );
  return `${table}\n\nEach answers every request of 1x50 with as many fixed bytes. nghttpd sends no trailers.`;
}
