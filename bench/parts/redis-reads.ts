import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { loadConfig } from '../../src/config/load-config.ts';
import { OFFICIAL_VIEWS, FEATURES_PER_VIEW } from '../data/official-layout.ts';
import type { Cores } from '../machine/processes.ts';
import type { HeapFigures, ReadFigures, ReadTask } from './redis-read-process.ts';
import { measureFloor } from './redis-floor.ts';
import type { SeededRepo } from '../data/seed.ts';

const execFileAsync = promisify(execFile);
const NODE = join(import.meta.dirname, '..', '..', 'node_modules', '.bin', 'node');
const PROCESS = join(import.meta.dirname, 'redis-read-process.ts');
/** Room for all that the reads of one look at the heap allocate, so that nothing is collected meanwhile. */
const SEMI_SPACE_MIB = 256;

/** One client with one kind of read. */
export interface ReadRow extends ReadFigures, HeapFigures {
  readonly client: ReadTask['client'] | typeof FLOOR;
  readonly shape: string;
}

export const CLIENTS: readonly ReadTask['client'][] = [
  'bare socket',
  'bare socket, whole hashes',
  'sideboard',
  'sideboard, whole hashes',
  'sideboard, to the response',
  'node-redis',
  'ioredis',
];

/** What is read: rows, features, and where these lie in hashes of 275 fields. */
export const READ_SHAPES = [
  { shape: '1x50', rows: 1, features: 50, firstView: 0 },
  { shape: '100x10', rows: 100, features: 10, firstView: 0 },
  { shape: '100x50, written first', rows: 100, features: 50, firstView: 0 },
  {
    shape: '100x50, written last',
    rows: 100,
    features: 50,
    firstView: OFFICIAL_VIEWS - 50 / FEATURES_PER_VIEW,
  },
  { shape: '100x250', rows: 100, features: 250, firstView: 0 },
] as const;

const HEAP_CLIENTS: typeof CLIENTS = ['sideboard', 'sideboard, to the response'];
/** The floor: a client in C that looks at nothing, on hashes with other names for the fields. */
export const FLOOR = 'redis-benchmark';
const NO_FIGURES = {
  cpuUs: Number.NaN,
  halfLoadP99Us: Number.NaN,
  heapBytes: Number.NaN,
};

export interface RedisReadOptions {
  readonly repo: SeededRepo;
  readonly entities: number;
  readonly rounds: number;
  readonly seconds: number;
  readonly cores: Cores;
  readonly say: (text: string) => void;
  readonly shapes?: readonly string[];
}

/** Measures each client with each kind of read, a process each, bound to the server's core; rounds alternate in order. */
export async function measureRedisReads(options: RedisReadOptions): Promise<ReadRow[]> {
  const { repo, rounds, say } = options;
  const { onlineStore } = loadConfig({ repoPath: repo.path, env: {} });
  if (onlineStore.kind === 'sqlite') throw new Error('the repository of the benchmark is on Redis');
  const { port } = onlineStore.nodes[0]!;
  const figures: ReadRow[] = [];
  const { shapes = READ_SHAPES.map(({ shape }) => shape) } = options;
  for (const { shape, ...size } of READ_SHAPES.filter((each) => shapes.includes(each.shape))) {
    for (let round = 0; round < rounds; round++) {
      // The narrow batch is there to see whether the heap grows with the number of values.
      const clients = size.features === 10 ? HEAP_CLIENTS : CLIENTS;
      for (const client of round % 2 === 0 ? clients : clients.toReversed()) {
        const { entities, seconds } = options;
        const task = { client, repoPath: repo.path, port, entities, seconds, ...size };
        const core = options.cores.server;
        const figure = {
          ...(await runTask<ReadFigures>({ ...task, looksAtHeap: false }, core)),
          ...(round === 0
            ? await runTask<HeapFigures>({ ...task, looksAtHeap: true }, core)
            : { heapBytes: Number.NaN }),
        };
        figures.push({ client, shape, ...figure });
        say(
          `${shape}, ${client}: ${figure.cpuUs.toFixed(0)} us CPU, p50 ${figure.p50Us.toFixed(0)} us`,
        );
      }
      if (size.features > 10) {
        const floor = await measureFloor({ ...size, port, core: options.cores.server });
        figures.push({ ...NO_FIGURES, client: FLOOR, shape, ...floor });
        say(`${shape}, ${FLOOR}: p50 ${floor.p50Us.toFixed(0)} us`);
      }
    }
  }
  return figures;
}

/** What one client with one kind of read costs, from a process bound to a core. */
export function readFigures(task: ReadTask, core: number): Promise<ReadFigures> {
  return runTask(task, core);
}

async function runTask<Figures>(task: ReadTask, core: number): Promise<Figures> {
  const flags = task.looksAtHeap ? ['--expose-gc', `--max-semi-space-size=${SEMI_SPACE_MIB}`] : [];
  const running = execFileAsync(
    'taskset',
    ['-c', String(core), NODE, '--disable-warning=ExperimentalWarning', ...flags, PROCESS],
    { timeout: 120_000 },
  );
  running.child.stdin!.end(JSON.stringify(task));
  return JSON.parse((await running).stdout) as Figures;
}
