import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { runH2load } from './h2load.ts';
import { figure, markdownTable } from './markdown.ts';
import { usageOf, type Cores } from './processes.ts';

const NODE = join(import.meta.dirname, '..', 'node_modules', '.bin', 'node');
const SERVER = join(import.meta.dirname, 'echo-server.ts');
const PATH = '/bench.Echo/Answer';
const REQUEST = Buffer.alloc(60);
const ENGINES = ['own', 'builtin'] as const;
/** Bytes of a reply: a handful of features, and the 1 x 50 of the scenarios. */
const REPLY_BYTES = [100, 1600];
const LOADS = [
  { connections: 1, streamsPerConnection: 1 },
  { connections: 10, streamsPerConnection: 10 },
  { connections: 100, streamsPerConnection: 1 },
];
/** gRPC's prefix. */
const PREFIX_BYTES = 5;

/** One engine that answers every request with the same bytes, under one load. */
export interface EchoFigures {
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
  readonly say: (text: string) => void;
}

/** What the transport alone costs: gRPC on our HTTP/2 engine and on Node's, a process each, rounds in turn. */
export async function measureEchoes(options: EchoOptions): Promise<EchoFigures[]> {
  const figures: EchoFigures[] = [];
  for (let round = 0; round < options.rounds; round++) {
    for (const replyBytes of REPLY_BYTES) {
      for (const engine of ENGINES)
        figures.push(...(await measureEngine(engine, replyBytes, options)));
    }
  }
  return figures;
}

async function measureEngine(
  engine: string,
  replyBytes: number,
  { seconds, cores, say }: EchoOptions,
): Promise<EchoFigures[]> {
  const flags = ['-c', String(cores.server), NODE, '--disable-warning=ExperimentalWarning'];
  const child = spawn('taskset', [...flags, SERVER, engine, String(replyBytes)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
    const figures: EchoFigures[] = [];
    for (const load of LOADS) {
      const run = (requests: number) =>
        runH2load({ ...load, port: Number(line), path: PATH, message: REQUEST, requests });
      const warm = await run(5000);
      const before = usageOf(child.pid!);
      const measured = await run(Math.max(5000, Math.round(warm.requestsPerSecond * seconds)));
      const after = usageOf(child.pid!);
      if (
        measured.succeeded !== measured.requests ||
        measured.bytesPerReply !== replyBytes + PREFIX_BYTES
      ) {
        throw new Error(`${engine}: ${measured.succeeded} of ${measured.requests} answered`);
      }
      const cpuUsPerRequest = (after.cpuUs - before.cpuUs) / measured.requests;
      const { requestsPerSecond } = measured;
      const rssMiB = after.rssBytes / 2 ** 20;
      figures.push({ engine, replyBytes, ...load, cpuUsPerRequest, requestsPerSecond, rssMiB });
      say(
        `echo of ${replyBytes} bytes, ${engine}, ${load.connections} x ${load.streamsPerConnection}: ${cpuUsPerRequest.toFixed(1)} us CPU`,
      );
    }
    return figures;
  } finally {
    child.kill();
    await once(child, 'exit');
  }
}

/** Every round is a row. */
export function echoTable(figures: readonly EchoFigures[]): string {
  return markdownTable(
    ['reply', 'connections x streams', 'engine', 'CPU us per request', 'requests/s', 'RSS, MiB'],
    figures.map((each) => [
      `${each.replyBytes} B`,
      `${each.connections} x ${each.streamsPerConnection}`,
      each.engine,
      figure(each.cpuUsPerRequest),
      figure(each.requestsPerSecond),
      figure(each.rssMiB),
    ]),
  );
}
