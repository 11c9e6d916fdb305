import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { NODE_FLAGS } from '../../test/support/sideboard-process.ts';
import type { Cores } from '../machine/processes.ts';
import { spreadOf, type Spread } from '../report/spread.ts';

/** The harness that starts Feast's own servers, the stock TypeScript stack and the echoes; it lies beside the checkout. */
const SHARED_PEERS = join(import.meta.dirname, '..', '..', '..', 'shared', 'peers');
const MAIN = join(import.meta.dirname, '..', '..', 'src', 'main.ts');

const GRPC_PEERS = ['stock-ts', 'feast-py-grpc', 'limit-grpc-go', 'limit-grpc-js'];
const HTTP_PEERS = ['feast-py-http'];

/** The medians of all rounds of one server under one workload, measured by the harness. */
export interface PeerFigures {
  /** `sideboard` and `sideboard-json` are ours. */
  readonly server: string;
  readonly workload: string;
  readonly rounds: number;
  readonly cpuUsPerRequest: Spread;
  readonly requestsPerSecond: Spread;
  readonly redisUsPerRequest: Spread;
  readonly rssMiB: Spread;
  readonly replyBytes: number;
  /** One request after another by one client. */
  readonly aloneP50Ms?: Spread;
  /** Open loop at 30 % of the measured requests per second. */
  readonly loadedP50Ms?: Spread;
  readonly loadedP99Ms?: Spread;
  /** What the harness found wrong with answers; empty = every value was compared and right. */
  readonly faults: readonly string[];
}

/** How to run the harness. */
export interface PeersOptions {
  /** Where it keeps what it installs and Redis's data; made on first use, which takes minutes. */
  readonly workPath: string;
  readonly rounds: number;
  readonly seconds: number;
  readonly workloads: readonly string[];
  readonly cores: Cores;
}

/** Whether the harness lies beside this checkout. */
export function hasPeers(): boolean {
  return existsSync(join(SHARED_PEERS, 'harness.mjs'));
}

const latency = z.object({ p50: z.number(), p99: z.number() }).optional();
const recordsSchema = z.object({
  records: z.array(
    z.object({
      peer: z.string(),
      workload: z.string(),
      check: z.object({ bytes: z.number(), faults: z.array(z.string()) }),
      saturation: z.object({
        cpuUs: z.number(),
        rps: z.number(),
        redisUs: z.number(),
        rssMiB: z.number(),
      }),
      alone: latency,
      loaded: latency,
    }),
  ),
  failures: z.array(z.string()),
});
type PeerRecord = z.infer<typeof recordsSchema>['records'][number];

/** Measures our server and its peers in turn, round by round. @throws Error when the harness fails */
export async function measurePeers(options: PeersOptions): Promise<PeerFigures[]> {
  const { workPath } = options;
  // A copy: the harness installs packages beside itself, and its folder is not ours to write to.
  const folder = join(workPath, 'src');
  if (!existsSync(folder)) {
    mkdirSync(workPath, { recursive: true });
    cpSync(SHARED_PEERS, folder, { recursive: true });
  }
  await runHarness(folder, ['setup', '--work', workPath]);
  const grpc = await benchmark(folder, options, 'grpc', GRPC_PEERS);
  const http = await benchmark(folder, options, 'http', HTTP_PEERS);
  return [...grpc, ...http];
}

async function benchmark(
  folder: string,
  { workPath, rounds, seconds, workloads, cores }: PeersOptions,
  protocol: 'grpc' | 'http',
  peers: readonly string[],
): Promise<PeerFigures[]> {
  const out = join(workPath, `bench-${protocol}.json`);
  const name = protocol === 'grpc' ? 'sideboard' : 'sideboard-json';
  const serve = `${process.execPath} ${NODE_FLAGS.join(' ')} ${MAIN} -c {repo} serve --host 127.0.0.1 --port {port}`;
  const ours = `SIDEBOARD_ADMIN_PORT=0 NODE_ENV=production ${serve}`;
  const args = ['bench', '--work', workPath, '--out', out, '--peers', peers.join(',')];
  args.push('--ours', `${name}=env ${ours}`, '--ours-protocol', protocol);
  args.push('--workloads', workloads.join(','), '--rounds', String(rounds));
  args.push('--seconds', String(seconds));
  args.push('--server-core', String(cores.server), '--client-core', String(cores.client));
  await runHarness(folder, args);
  const { records, failures } = recordsSchema.parse(JSON.parse(readFileSync(out, 'utf8')));
  if (failures.length > 0) throw new Error(`the harness failed: ${failures.join('; ')}`);
  return summarize(records);
}

function summarize(records: readonly PeerRecord[]): PeerFigures[] {
  const groups = Map.groupBy(records, ({ peer, workload }) => `${workload} ${peer}`);
  return [...groups.values()].flatMap((group) => {
    const first = group[0];
    if (first === undefined) return [];
    const spread = (figure: (record: PeerRecord) => number): Spread => spreadOf(group.map(figure));
    const milliseconds = (
      name: string,
      figure: (record: PeerRecord) => number | undefined,
    ): Partial<Record<string, Spread>> => {
      const figures = group.map(figure).filter((us) => us !== undefined);
      return figures.length === 0 ? {} : { [name]: spreadOf(figures.map((us) => us / 1000)) };
    };
    return {
      server: first.peer,
      workload: first.workload,
      rounds: group.length,
      cpuUsPerRequest: spread(({ saturation }) => saturation.cpuUs),
      requestsPerSecond: spread(({ saturation }) => saturation.rps),
      redisUsPerRequest: spread(({ saturation }) => saturation.redisUs),
      rssMiB: spread(({ saturation }) => saturation.rssMiB),
      replyBytes: first.check.bytes,
      ...milliseconds('aloneP50Ms', ({ alone }) => alone?.p50),
      ...milliseconds('loadedP50Ms', ({ loaded }) => loaded?.p50),
      ...milliseconds('loadedP99Ms', ({ loaded }) => loaded?.p99),
      faults: [...new Set(group.flatMap(({ check }) => check.faults))],
    };
  });
}

/** Runs the harness; its progress goes to our standard error. */
function runHarness(folder: string, args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(folder, 'harness.mjs'), ...args], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      if (code === 0) resolve();
      else reject(new Error(`harness ${args[0] ?? ''} ended with ${code ?? signal}`));
    });
  });
}
