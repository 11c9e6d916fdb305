import { measureAddedLatency } from './parts/added-latency.ts';
import { loadScenarios, type Scenario } from './data/scenario.ts';
import type { SeededRepo } from './data/seed.ts';
import { GHZ_CAVEAT } from './load/ghz.ts';
import type { Cores } from './machine/processes.ts';
import { measureColdStart, type ColdStartFigures } from './parts/cold-start.ts';
import { measureDoctor } from './parts/doctor.ts';
import { measureEchoes } from './parts/echo.ts';
import { measureFaults } from './parts/faults.ts';
import { measureLatency } from './parts/latency.ts';
import { measureMaterialize } from './parts/materialize.ts';
import { measureGhz, type GhzFigures } from './parts/measure-ghz.ts';
import { LOAD_KINDS, environmentFor, measureLoad, type LoadFigures } from './parts/measure-load.ts';
import { measureMemory, measureSoak } from './parts/memory.ts';
import { measureOverload, type OverloadFigures } from './parts/overload.ts';
import { measurePeers } from './parts/peers.ts';
import { measureProfile, type ProfileFigures } from './parts/profile.ts';
import { measureRedisReads } from './parts/redis-reads.ts';
import { measureRegistryReload, type RegistryReloadFigures } from './parts/registry-reload.ts';
import { measureScaling } from './parts/scaling.ts';
import { measureShards } from './parts/shards.ts';
import { measureWorkers } from './parts/workers.ts';
import { measureWrites } from './parts/writes.ts';
import type { PartName, Parts } from './report/results.ts';
import { startSideboard, type SideboardProcess } from '../test/support/sideboard-process.ts';

const MANY_VIEWS = 1000;
const FAULT_SLOTS = 1500;
const FAULT_STOP_MS = 10_000;

/** What every part is given. */
export interface Bench {
  readonly repo: SeededRepo;
  readonly repoPath: string;
  readonly redisPort: number;
  readonly scenarios: readonly Scenario[];
  readonly rounds: number;
  readonly seconds: number;
  readonly entities: number;
  readonly soakRequests: number;
  readonly materializedRows: number;
  readonly workPath: string;
  readonly cores: Cores;
  readonly say: (text: string) => void;
}

/** What estimates go by. */
export type BenchSize = Pick<
  Bench,
  'scenarios' | 'rounds' | 'seconds' | 'soakRequests' | 'materializedRows'
>;

interface Part<Name extends PartName> {
  readonly measure: (bench: Bench) => Promise<Parts[Name]>;
  /** What more rounds or seconds would add nothing to, so that all parts together stay within an hour. */
  readonly most?: { readonly rounds?: number; readonly seconds?: number };
  /** How long it takes, in seconds, on the machine of docs/benchmarks.md. */
  readonly estimate: (size: BenchSize) => number;
}

/** Every part, in the order of a run. */
export const PARTS: { readonly [Name in PartName]: Part<Name> } = {
  peers: {
    most: { seconds: 3 },
    measure: measurePeers,
    estimate: ({ scenarios, rounds, seconds }) =>
      rounds * (25 + 5 * scenarios.length * (3.5 + seconds)) +
      3 * scenarios.length * (3.5 + seconds),
  },
  latency: {
    most: { seconds: 4 },
    measure: measureLatency,
    estimate: ({ seconds }) => 12 * (13 + 5 * seconds) + 15 + 9 * (0.5 + seconds),
  },
  load: {
    most: { seconds: 3 },
    measure: measureLoads,
    estimate: ({ scenarios, rounds, seconds }) =>
      rounds * LOAD_KINDS.length * (2 + scenarios.length * (2.5 + seconds)),
  },
  scaling: {
    most: { seconds: 3 },
    measure: measureScaling,
    estimate: ({ rounds, seconds }) => rounds * (5 + 9 * (1 + seconds)),
  },
  workers: {
    measure: measureWorkers,
    estimate: ({ rounds, seconds }) => 2 * rounds * (6 + seconds),
  },
  echo: {
    most: { rounds: 2, seconds: 2 },
    measure: measureEchoes,
    estimate: ({ rounds, seconds }) => rounds * 15 * (3 + seconds),
  },
  redis: {
    most: { rounds: 2, seconds: 2 },
    measure: measureRedisReads,
    estimate: ({ rounds, seconds }) => 29 * (rounds * (3 + 2 * seconds) + 4),
  },
  added: {
    most: { seconds: 3 },
    measure: measureAddedLatency,
    estimate: ({ seconds }) => 8 + 11 * seconds,
  },
  shards: {
    most: { seconds: 3 },
    measure: measureShards,
    estimate: ({ rounds, seconds }) => 3 * (14 + 2 * rounds * seconds),
  },
  doctor: {
    most: { seconds: 3 },
    measure: measureDoctor,
    estimate: ({ seconds }) => 20 + 4 * seconds,
  },
  ghz: {
    most: { seconds: 3 },
    measure: measureGhzRuns,
    estimate: ({ scenarios, rounds, seconds }) =>
      scenarios.length * (3 + 2 * rounds * (1 + seconds)),
  },
  registry: {
    most: { seconds: 3 },
    measure: measureRegistryReloads,
    estimate: ({ rounds, seconds }) => rounds * (7 + 3 * reloadSeconds(seconds)),
  },
  overload: {
    measure: measureOverloads,
    estimate: ({ seconds }) => 4 * (7 + 8 * Math.max(5, seconds)),
  },
  writes: {
    most: { seconds: 3 },
    measure: measureWrites,
    estimate: ({ rounds, seconds }) => rounds * (16 + 9 * (2 + seconds)),
  },
  materialize: {
    most: { rounds: 2 },
    measure: (bench) => measureMaterialize({ ...bench, rows: bench.materializedRows }),
    estimate: ({ rounds, materializedRows }) => 10 + rounds * 3 * (8 + materializedRows / 8000),
  },
  cold: { measure: measureColdStarts, estimate: ({ rounds }) => 3 * rounds + 1 },
  memory: {
    measure: (bench) => measureMemory({ ...bench, core: bench.cores.server }, MANY_VIEWS),
    estimate: () => 12,
  },
  soak: {
    measure: (bench) => measureSoak({ ...bench, core: bench.cores.server }, bench.soakRequests),
    estimate: ({ soakRequests }) => 5 + soakRequests / 15_000,
  },
  profile: { measure: measureProfiles, estimate: ({ seconds }) => 2 * (5 + Math.max(5, seconds)) },
  faults: {
    measure: ({ say }) => measureFaults({ slots: FAULT_SLOTS, stopMs: FAULT_STOP_MS, say }),
    estimate: () => 420,
  },
};

/** What a part makes of what was asked for. */
export function sizeFor<Size extends BenchSize>(name: PartName, size: Size): Size {
  const { most = {} } = PARTS[name];
  return {
    ...size,
    rounds: Math.min(size.rounds, most.rounds ?? size.rounds),
    seconds: Math.min(size.seconds, most.seconds ?? size.seconds),
  };
}

/** Seconds that a part will take. */
export function estimateOf(name: PartName, size: BenchSize): number {
  return PARTS[name].estimate(sizeFor(name, size));
}

/** One line per part with its estimate, and the sum. */
export function planText(names: readonly PartName[], size: BenchSize): string {
  const minutes = (seconds: number): string => `${(seconds / 60).toFixed(1).padStart(5)} min`;
  const estimates = names.map((name) => estimateOf(name, size));
  const lines = names.map((name, i) => `${minutes(estimates[i]!)}  ${name}`);
  const total = estimates.reduce((sum, each) => sum + each, 0);
  return ['plan', ...lines, `${minutes(total)}  in all`].join('\n');
}

/** Starts a server on the repository with the official views, for as long as `use` takes. */
async function withServer<T>(
  { repoPath, cores }: Bench,
  use: (server: SideboardProcess) => Promise<T>,
  env: Readonly<Record<string, string>> = {},
): Promise<T> {
  const server = await startSideboard({ repoPath, core: cores.server, env });
  try {
    return await use(server);
  } finally {
    await server.stop();
  }
}

async function measureColdStarts(bench: Bench): Promise<ColdStartFigures[]> {
  const { repoPath, cores, entities, rounds } = bench;
  const once = (): Promise<ColdStartFigures> =>
    measureColdStart(repoPath, { core: cores.server, entities });
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
          bench.say(
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
  bench.say(GHZ_CAVEAT);
  return withServer(bench, async (server) => {
    const figures: GhzFigures[] = [];
    for (const scenario of bench.scenarios) {
      figures.push(...(await measureGhz(server, scenario, bench)));
      bench.say(`${scenario.name}: done`);
    }
    return figures;
  });
}

/** Long enough for some reloads. */
function reloadSeconds(seconds: number): number {
  return Math.max(5, 3 * seconds);
}

async function measureRegistryReloads(bench: Bench): Promise<RegistryReloadFigures[]> {
  const figures: RegistryReloadFigures[] = [];
  const { server: core } = bench.cores;
  const seconds = reloadSeconds(bench.seconds);
  for (let round = 0; round < bench.rounds; round += 1) {
    figures.push(await measureRegistryReload({ ...bench, core, views: MANY_VIEWS, seconds }));
  }
  return figures;
}

async function measureOverloads(bench: Bench): Promise<OverloadFigures[]> {
  const figures: OverloadFigures[] = [];
  const [small, middle, large] = loadScenarios(['1x50', '64x10', '100x50']);
  const loads = [
    { scenario: small! },
    { scenario: middle! },
    { scenario: large! },
    { scenario: small!, beside: large! },
  ];
  for (const load of loads) {
    const seconds = Math.max(5, bench.seconds);
    const measured = await measureOverload({ ...bench, ...load, seconds });
    figures.push(measured);
    bench.say(`${measured.scenario}: done`);
  }
  return figures;
}

async function measureProfiles(bench: Bench): Promise<ProfileFigures[]> {
  const figures: ProfileFigures[] = [];
  for (const scenario of loadScenarios(['1x50', '100x50'])) {
    const options = { ...bench, core: bench.cores.server, scenario };
    figures.push(await measureProfile({ ...options, seconds: Math.max(5, bench.seconds) }));
  }
  return figures;
}
