import { execFileSync } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Command } from 'commander';
import { startRedis } from '../test/support/redis-server.ts';
import { measureColdStart, type ColdStartFigures } from './parts/cold-start.ts';
import { measureEchoes } from './parts/echo.ts';
import { describeMachine } from './machine/machine.ts';
import { measureFaults } from './parts/faults.ts';
import { GHZ_CAVEAT } from './load/ghz.ts';
import { measureGhz, type GhzFigures } from './parts/measure-ghz.ts';
import { LOAD_KINDS, environmentFor, measureLoad, type LoadFigures } from './parts/measure-load.ts';
import { measureMaterialize } from './parts/materialize.ts';
import { measureMemory, measureSoak } from './parts/memory.ts';
import { OFFICIAL_VIEWS } from './data/official-layout.ts';
import { measureOverload, type OverloadFigures } from './parts/overload.ts';
import { hasPeers, measurePeers } from './parts/peers.ts';
import { pinSelf, type Cores } from './machine/processes.ts';
import { measureProfile, type ProfileFigures } from './parts/profile.ts';
import { measureRegistryReload, type RegistryReloadFigures } from './parts/registry-reload.ts';
import { measureRedisReads } from './parts/redis-reads.ts';
import { writeReport } from './report/report.ts';
import { measureScaling } from './parts/scaling.ts';
import { RESULTS_FOLDER, saveResults, type PartName, type Parts } from './report/results.ts';
import { loadScenarios, type Scenario } from './data/scenario.ts';
import { fillStore, makeRepo, type SeededRepo } from './data/seed.ts';
import { startSideboard, type SideboardProcess } from '../test/support/sideboard-process.ts';
import { measureWrites } from './parts/writes.ts';

const MANY_VIEWS = 1000;
const FAULT_SLOTS = 1500;
const FAULT_STOP_MS = 10_000;

interface Flags {
  readonly parts?: string;
  readonly scenarios?: string;
  readonly rounds: string;
  readonly seconds: string;
  readonly entities: string;
  readonly soak: string;
  readonly rows: string;
  readonly work: string;
  readonly out: string;
  readonly serverCore: string;
  readonly clientCore: string;
}

/** What every part is given. */
interface Bench {
  readonly repo: SeededRepo;
  readonly scenarios: readonly Scenario[];
  readonly rounds: number;
  readonly seconds: number;
  readonly entities: number;
  readonly soakRequests: number;
  readonly materializedRows: number;
  readonly workPath: string;
  readonly cores: Cores;
}

/** One function per part; the order is that of the run. */
const PARTS: { readonly [Name in PartName]: (bench: Bench) => Promise<Parts[Name]> } = {
  cold: measureColdStarts,
  memory: (bench) => measureMemory({ ...bench, core: bench.cores.server }, MANY_VIEWS),
  load: measureLoads,
  ghz: measureGhzRuns,
  registry: measureRegistryReloads,
  overload: measureOverloads,
  profile: measureProfiles,
  soak: (bench) => measureSoak({ ...bench, core: bench.cores.server }, bench.soakRequests),
  faults: () => measureFaults({ slots: FAULT_SLOTS, stopMs: FAULT_STOP_MS, say }),
  redis: (bench) => measureRedisReads({ ...bench, say }),
  scaling: (bench) => measureScaling({ ...bench, repoPath: bench.repo.path, say }),
  echo: (bench) => measureEchoes({ ...bench, say }),
  writes: (bench) => measureWrites({ ...bench, say }),
  materialize: (bench) => measureMaterialize({ ...bench, rows: bench.materializedRows, say }),
  peers: ({ scenarios, ...bench }) =>
    measurePeers({ ...bench, workloads: scenarios.map(({ name }) => name) }),
};

function say(text: string): void {
  process.stderr.write(`bench: ${text}\n`);
}

/** Starts a server on the repository with the official views, for as long as `use` takes. */
async function withServer<T>(
  { repo, cores }: Bench,
  use: (server: SideboardProcess) => Promise<T>,
  env: Readonly<Record<string, string>> = {},
): Promise<T> {
  const server = await startSideboard({ repoPath: repo.path, core: cores.server, env });
  try {
    return await use(server);
  } finally {
    await server.stop();
  }
}

async function measureColdStarts(bench: Bench): Promise<ColdStartFigures[]> {
  const { repo, cores, entities, rounds } = bench;
  const once = (): Promise<ColdStartFigures> =>
    measureColdStart(repo.path, { core: cores.server, entities });
  await once(); // Warms up the client, and the file cache.
  const figures: ColdStartFigures[] = [];
  for (let round = 0; round < Math.max(3, 3 * rounds); round += 1) figures.push(await once());
  return figures;
}

async function measureLoads(bench: Bench): Promise<LoadFigures[]> {
  const figures: LoadFigures[] = [];
  for (let round = 0; round < bench.rounds; round += 1) {
    for (const kind of round % 2 === 0 ? LOAD_KINDS : LOAD_KINDS.toReversed()) {
      const measureAll = async (server: SideboardProcess): Promise<void> => {
        for (const scenario of bench.scenarios) {
          const figure = await measureLoad(server, scenario, { ...bench, kind });
          figures.push(figure);
          say(
            `${scenario.name}, ${kind}: ${figure.cpuUsPerRequest.toFixed(0)} us CPU per request, ${figure.requestsPerSecond.toFixed(0)} requests/s`,
          );
        }
      };
      await withServer(bench, measureAll, environmentFor(kind));
    }
  }
  return figures;
}

async function measureGhzRuns(bench: Bench): Promise<GhzFigures[]> {
  say(GHZ_CAVEAT);
  return withServer(bench, async (server) => {
    const figures: GhzFigures[] = [];
    for (const scenario of bench.scenarios) {
      figures.push(...(await measureGhz(server, scenario, bench)));
    }
    return figures;
  });
}

async function measureRegistryReloads(bench: Bench): Promise<RegistryReloadFigures[]> {
  const figures: RegistryReloadFigures[] = [];
  for (let round = 0; round < bench.rounds; round += 1) {
    figures.push(
      await measureRegistryReload({
        ...bench,
        core: bench.cores.server,
        views: MANY_VIEWS,
        seconds: Math.max(5, 4 * bench.seconds),
      }),
    );
  }
  return figures;
}

async function measureOverloads(bench: Bench): Promise<OverloadFigures[]> {
  const figures: OverloadFigures[] = [];
  for (const scenario of loadScenarios(['1x50', '64x10', '100x50'])) {
    const options = { ...bench, repoPath: bench.repo.path, core: bench.cores.server, scenario };
    figures.push(await measureOverload({ ...options, seconds: Math.max(5, bench.seconds) }));
  }
  return figures;
}

async function measureProfiles(bench: Bench): Promise<ProfileFigures[]> {
  const figures: ProfileFigures[] = [];
  for (const scenario of loadScenarios(['1x50', '100x50'])) {
    const options = { ...bench, repoPath: bench.repo.path, core: bench.cores.server, scenario };
    figures.push(await measureProfile({ ...options, seconds: Math.max(5, bench.seconds) }));
  }
  return figures;
}

/** What was asked for, without the folders of this machine. */
function commandOf(args: readonly string[]): string {
  const folders = new Set(['--work', '--out']);
  const kept = args.filter((arg, i) => !folders.has(arg) && !folders.has(args[i - 1] ?? ''));
  return `npm run bench -- ${kept.join(' ')}`.trim();
}

async function run(flags: Flags): Promise<void> {
  const names = (flags.parts?.split(',') ?? Object.keys(PARTS)) as PartName[];
  const unknown = names.filter((name) => !(name in PARTS));
  if (unknown.length > 0) throw new Error(`no part ${unknown.join(', ')}`);
  const cores = { server: Number(flags.serverCore), client: Number(flags.clientCore) };
  execFileSync('h2load', ['--version'], { stdio: 'ignore' }); // Fails early where it is missing.
  // Faults need no cores to themselves, but two for six Redis processes and their clients.
  if (names.some((name) => name !== 'faults')) pinSelf(cores.client);
  const rounds = Number(flags.rounds);
  const seconds = Number(flags.seconds);
  const entities = Number(flags.entities);
  const redis = await startRedis();
  const repo = await makeRepo(redis.port, OFFICIAL_VIEWS);
  const parts: Partial<Record<PartName, unknown>> = {};
  const when = new Date().toISOString();
  const command = commandOf(process.argv.slice(2));
  const machine = describeMachine();
  try {
    say(`storing ${entities} entities`);
    await fillStore(repo, entities);
    const bench: Bench = {
      repo,
      scenarios: loadScenarios(flags.scenarios?.split(',')),
      rounds,
      seconds,
      entities,
      soakRequests: Number(flags.soak),
      materializedRows: Number(flags.rows),
      workPath: flags.work,
      cores,
    };
    for (const name of names) {
      if (name === 'peers' && !hasPeers()) {
        say('SKIPPED peers: ../shared/peers is not there, so nothing stands beside our figures');
        continue;
      }
      say(name);
      await repo.writeRegistry(OFFICIAL_VIEWS, 0);
      parts[name] = await PARTS[name](bench);
      // After each part: a run that breaks keeps what it has.
      say(
        saveResults(flags.out, {
          when,
          command,
          machine,
          rounds,
          seconds,
          parts: parts as Partial<Parts>,
        }),
      );
    }
  } finally {
    await redis.stop();
    await rm(repo.path, { recursive: true });
  }
  // Figures that were put elsewhere are somebody's trial and do not belong on the page.
  if (flags.out === RESULTS_FOLDER) say(writeReport());
}

const program = new Command('bench')
  .description('Measures this server, and its peers where they can be had, on one core.')
  .option('--parts <names>', `of: ${Object.keys(PARTS).join(',')} (default: all)`)
  .option('--scenarios <names>', 'files of bench/scenarios (default: all)')
  .option('--rounds <count>', 'times that load, peers and registry are measured', '3')
  .option('--seconds <count>', 'of one measurement', '3')
  .option('--entities <count>', 'rows of the store', '10000')
  .option('--soak <requests>', 'requests of the leak check', '1000000')
  .option('--rows <count>', 'of the Parquet file that is materialized', '1000000')
  .option('--work <dir>', 'where the peers are installed', join(import.meta.dirname, '..', '.work'))
  .option('--out <dir>', 'where results are written', RESULTS_FOLDER)
  .option('--server-core <number>', 'core of the server', '0')
  .option('--client-core <number>', 'core of Redis and of what makes load', '1');
program
  .argument('[parts...]', 'the same as --parts')
  .action((parts: readonly string[]) =>
    run({ ...program.opts<Flags>(), ...(parts.length === 0 ? {} : { parts: parts.join(',') }) }),
  );
await program.parseAsync();
