import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { feastPython, pythonEnvironment, runProgram } from '../../test/support/python.ts';
import { startRedis, startRedisCluster } from '../../test/support/redis-server.ts';
import { startSideboard } from '../../test/support/sideboard-process.ts';
import { CLOCK_TICK_US, type Cores } from '../machine/processes.ts';
import { spreadOf, type Spread } from '../report/spread.ts';
import { WRITE_REPO_SCRIPT, makeWriteRepo, verifyStored } from '../data/write-repo.ts';
import { WRITTEN_FEATURES } from '../data/write-rows.ts';

/** One Parquet file of ten features into one kind of store, by Feast's SDK and by us. */
export interface MaterializeFigures {
  readonly store: string;
  readonly rows: number;
  readonly features: number;
  readonly feast: MaterializeCost;
  readonly sideboard: MaterializeCost;
  /** Seconds that the store alone takes for the rows when all that is to be stored is there (`copy-sqlite.ts`); SQLite only. */
  readonly storeSeconds?: Spread;
}

/** What it took. */
export interface MaterializeCost {
  /** Of the job, once its program is loaded: Feast's `FeatureStore.materialize`, our `duration_ms`. */
  readonly jobSeconds: Spread;
  /** Of the whole process, from its start to its end. */
  readonly seconds: Spread;
  readonly cpuSeconds: Spread;
}

/** How to measure it. */
export interface MaterializeOptions {
  readonly rows: number;
  readonly rounds: number;
  readonly cores: Cores;
  readonly say: (text: string) => void;
}

const ROOT = join(import.meta.dirname, '..', '..');
const NODE = join(ROOT, 'node_modules', '.bin', 'node');
const MAIN = join(ROOT, 'src', 'main.ts');
const SHARDS = 3;
const TIMEOUT_MS = 1_800_000;
/** Rows whose values are compared after each measurement. */
const VERIFIED_ROWS = 50;

const COPY = join(import.meta.dirname, 'copy-sqlite.ts');
/** Where a repository on SQLite keeps its store. */
const SQLITE_FILE = 'data/online.db';

const secondsSchema = z.object({ seconds: z.number() });
const ourSchema = z.object({ views: z.array(z.object({ duration_ms: z.number() })) });

interface Cost {
  readonly jobSeconds: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly storeSeconds?: number;
}

type Writer = (repoPath: string, core: number) => Promise<Cost>;

/** Stores to write into; each round gets one that is empty. */
const STORES: readonly {
  readonly name: string;
  /** Gives the block of `online_store`. */
  readonly start: () => Promise<{ onlineStore: string; stop: () => Promise<void> }>;
}[] = [
  {
    name: 'SQLite',
    start: () =>
      Promise.resolve({
        onlineStore: `  type: sqlite\n  path: ${SQLITE_FILE}`,
        stop: () => Promise.resolve(),
      }),
  },
  {
    name: 'Redis',
    async start() {
      const redis = await startRedis();
      const onlineStore = `  type: redis\n  connection_string: 127.0.0.1:${redis.port}`;
      return { onlineStore, stop: () => redis.stop() };
    },
  },
  {
    name: `Redis Cluster, ${SHARDS} shards`,
    async start() {
      const cluster = await startRedisCluster({ shards: SHARDS });
      const nodes = cluster.nodes.map(({ port }) => `127.0.0.1:${port}`).join(',');
      const onlineStore = `  type: redis\n  redis_type: redis_cluster\n  connection_string: "${nodes}"`;
      return { onlineStore, stop: () => cluster.stop() };
    },
  },
];

/** Materializes the same file into each kind of store, by Feast's SDK and by us in turn. */
export async function measureMaterialize(
  options: MaterializeOptions,
): Promise<MaterializeFigures[]> {
  const figures: MaterializeFigures[] = [];
  for (const { name, start } of STORES) {
    const costs = { feast: [] as Cost[], sideboard: [] as Cost[] };
    for (let round = 0; round < options.rounds; round += 1) {
      const writers = [
        ['feast', byFeast],
        ['sideboard', bySideboard],
      ] as const;
      for (const [who, write] of round % 2 === 0 ? writers : writers.toReversed()) {
        const cost = await measureOne(start, write, options);
        costs[who].push(cost);
        const perSecond = (options.rows * WRITTEN_FEATURES.length) / cost.jobSeconds;
        options.say(
          `${name}, ${who}: ${cost.jobSeconds.toFixed(2)} of ${cost.seconds.toFixed(2)} s, ${perSecond.toFixed(0)} values/s, CPU ${cost.cpuSeconds.toFixed(2)} s`,
        );
      }
    }
    const alone = costs.sideboard.flatMap(({ storeSeconds }) => storeSeconds ?? []);
    figures.push({
      store: name,
      rows: options.rows,
      features: WRITTEN_FEATURES.length,
      feast: spreads(costs.feast),
      sideboard: spreads(costs.sideboard),
      ...(alone.length === 0 ? {} : { storeSeconds: spreadOf(alone) }),
    });
  }
  return figures;
}

async function measureOne(
  start: (typeof STORES)[number]['start'],
  write: Writer,
  { rows, cores }: MaterializeOptions,
): Promise<Cost> {
  const store = await start();
  const repo = await makeWriteRepo(store.onlineStore, rows);
  try {
    const cost = await write(repo.path, cores.server);
    const server = await startSideboard({ repoPath: repo.path });
    const step = Math.max(1, Math.floor(rows / VERIFIED_ROWS));
    const ids = Array.from({ length: Math.floor(rows / step) }, (_, i) => i * step);
    const entities = ids.map((id) => ({ id, n: id }));
    await verifyStored(`http://127.0.0.1:${server.port}`, { view: 'batch', entities });
    await server.stop();
    return cost;
  } finally {
    await store.stop();
    await repo.remove();
  }
}

async function byFeast(repoPath: string, core: number): Promise<Cost> {
  const command = [feastPython(), WRITE_REPO_SCRIPT, 'materialize', repoPath];
  const { output, ...whole } = await runOn(core, command, repoPath);
  return { jobSeconds: secondsSchema.parse(JSON.parse(output)).seconds, ...whole };
}

async function bySideboard(repoPath: string, core: number): Promise<Cost> {
  const command = [NODE, '--disable-warning=ExperimentalWarning', MAIN, '-c', repoPath];
  command.push('materialize', '2025-01-01', '2025-01-02', '--views', 'batch', '--json');
  const { output, ...whole } = await runOn(core, command, repoPath);
  const { views } = ourSchema.parse(JSON.parse(output));
  const jobSeconds = views.reduce((sum, view) => sum + view.duration_ms, 0) / 1000;
  const file = join(repoPath, SQLITE_FILE);
  if (!existsSync(file)) return { jobSeconds, ...whole };
  const copy = await runOn(core, [NODE, COPY, file, `${file}-copy`], repoPath);
  const { seconds: storeSeconds } = secondsSchema.parse(JSON.parse(copy.output));
  return { jobSeconds, storeSeconds, ...whole };
}

async function runOn(
  core: number,
  command: readonly string[],
  cwd: string,
): Promise<{ output: string; seconds: number; cpuSeconds: number }> {
  const before = cpuUsOfEndedChildren();
  const startedAtMs = performance.now();
  const options = { cwd, env: pythonEnvironment(), timeoutMs: TIMEOUT_MS };
  const output = await runProgram('taskset', ['-c', String(core), ...command], options);
  const seconds = (performance.now() - startedAtMs) / 1000;
  return { output, seconds, cpuSeconds: (cpuUsOfEndedChildren() - before) / 1e6 };
}

function cpuUsOfEndedChildren(): number {
  const stat = readFileSync('/proc/self/stat', 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[13]) + Number(fields[14])) * CLOCK_TICK_US;
}

function spreads(costs: readonly Cost[]): MaterializeCost {
  return {
    jobSeconds: spreadOf(costs.map(({ jobSeconds }) => jobSeconds)),
    seconds: spreadOf(costs.map(({ seconds }) => seconds)),
    cpuSeconds: spreadOf(costs.map(({ cpuSeconds }) => cpuSeconds)),
  };
}
