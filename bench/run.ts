import { execFileSync } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Command } from 'commander';
import { startRedis } from '../test/support/redis-server.ts';
import { OFFICIAL_VIEWS } from './data/official-layout.ts';
import { loadScenarios } from './data/scenario.ts';
import { fillStore, makeRepo } from './data/seed.ts';
import { describeMachine } from './machine/machine.ts';
import { pinSelf } from './machine/processes.ts';
import { PARTS, estimateOf, planText, sizeFor, type Bench } from './plan.ts';
import { compareRuns, compareText } from './report/compare.ts';
import { writeReport } from './report/report.ts';
import {
  RESULTS_FOLDER,
  loadRun,
  saveResults,
  type PartName,
  type Parts,
  type RunResults,
} from './report/results.ts';

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
  readonly quick?: true;
  readonly plan?: true;
  readonly compare?: string;
  readonly with?: string;
}

/** What `--quick` sets: figures of it say that things work, not how fast. */
const QUICK = { rounds: '1', seconds: '1', soak: '20000', rows: '20000', scenarios: '1x50,100x50' };

function say(text: string): void {
  process.stderr.write(`bench: ${text}\n`);
}

/** What was asked for, without the folders of this machine. */
function commandOf(args: readonly string[]): string {
  const folders = new Set(['--work', '--out']);
  const kept = args.filter((arg, i) => !folders.has(arg) && !folders.has(args[i - 1] ?? ''));
  return `npm run bench -- ${kept.join(' ')}`.trim();
}

/** @throws Error for a part that there is not */
function partsOf(text: string | undefined): PartName[] {
  const names = (text?.split(',') ?? Object.keys(PARTS)) as PartName[];
  const unknown = names.filter((name) => !(name in PARTS));
  if (unknown.length > 0) {
    throw new Error(`no part ${unknown.join(', ')}; there are ${Object.keys(PARTS).join(', ')}`);
  }
  return names;
}

async function run(flags: Flags): Promise<void> {
  if (flags.compare !== undefined && flags.with !== undefined) {
    compare(flags.compare, loadRun(flags.with));
    return;
  }
  const names = partsOf(flags.parts);
  const size = {
    scenarios: loadScenarios(flags.scenarios?.split(',')),
    rounds: Number(flags.rounds),
    seconds: Number(flags.seconds),
    soakRequests: Number(flags.soak),
    materializedRows: Number(flags.rows),
  };
  say(planText(names, size));
  if (flags.plan === true) return;
  const run = await measureParts(names, size, flags);
  // Figures that were put elsewhere are somebody's trial: they get a page of their own.
  say(writeReport(flags.out === RESULTS_FOLDER ? undefined : flags.out));
  if (flags.compare !== undefined) compare(flags.compare, run);
}

async function measureParts(
  names: readonly PartName[],
  size: Pick<Bench, 'scenarios' | 'rounds' | 'seconds' | 'soakRequests' | 'materializedRows'>,
  flags: Flags,
): Promise<RunResults> {
  const cores = { server: Number(flags.serverCore), client: Number(flags.clientCore) };
  execFileSync('h2load', ['--version'], { stdio: 'ignore' }); // Fails early where it is missing.
  // Faults need no cores to themselves, but two for six Redis processes and their clients.
  if (names.some((name) => name !== 'faults')) pinSelf(cores.client);
  const entities = Number(flags.entities);
  const redis = await startRedis();
  const repo = await makeRepo(redis.port, OFFICIAL_VIEWS);
  const parts: Partial<Record<PartName, unknown>> = {};
  const { rounds, seconds } = size;
  const results = {
    when: new Date().toISOString(),
    command: commandOf(process.argv.slice(2)),
    machine: describeMachine(),
    rounds,
    seconds,
    parts: parts as Partial<Parts>,
  };
  try {
    say(`storing ${entities} entities`);
    await fillStore(repo, entities);
    const common = { ...size, repo, repoPath: repo.path, redisPort: redis.port, entities, cores };
    for (const [i, name] of names.entries()) {
      const startedAtMs = performance.now();
      const prefix = `[${i + 1}/${names.length}] ${name}`;
      say(`${prefix}: about ${estimateOf(name, size).toFixed(0)} s`);
      await repo.writeRegistry(OFFICIAL_VIEWS, 0);
      const bench = {
        ...common,
        workPath: flags.work,
        say: (text: string) => say(`${name}: ${text}`),
      };
      parts[name] = await PARTS[name].measure(sizeFor(name, bench));
      // After each part: a run that breaks keeps what it has.
      const path = saveResults(flags.out, results);
      const tookSeconds = (performance.now() - startedAtMs) / 1000;
      say(`${prefix}: took ${tookSeconds.toFixed(0)} s, in ${path}`);
    }
  } finally {
    await redis.stop();
    await rm(repo.path, { recursive: true });
  }
  return results;
}

function compare(path: string, run: RunResults): void {
  process.stdout.write(`${compareText(compareRuns(loadRun(path), run))}\n`);
}

const program = new Command('bench')
  .description('Measures this server, and its peers where they can be had, on one core.')
  .option('--parts <names>', `of: ${Object.keys(PARTS).join(',')} (default: all)`)
  .option('--scenarios <names>', 'files of bench/scenarios (default: all)')
  .option('--rounds <count>', 'times that a part is measured', '3')
  .option('--seconds <count>', 'of one measurement', '3')
  .option('--entities <count>', 'rows of the store', '10000')
  .option('--soak <requests>', 'requests of the leak check', '1000000')
  .option('--rows <count>', 'of the Parquet file that is materialized', '200000')
  .option('--work <dir>', 'where the peers are installed', join(import.meta.dirname, '..', '.work'))
  .option(
    '--out <dir>',
    'where results are written; elsewhere than here the page, too',
    RESULTS_FOLDER,
  )
  .option('--server-core <number>', 'core of the server', '0')
  .option('--client-core <number>', 'core of Redis and of what makes load', '1')
  .option('--quick', `a look at whether it works: ${Object.entries(QUICK).flat().join(' ')}`)
  .option('--plan', 'print the plan with its estimates and stop')
  .option('--compare <file>', 'print what changed since that run of bench/results')
  .option('--with <file>', 'compare that run with this one instead of measuring');
program.argument('[parts...]', 'the same as --parts').action(async (parts: readonly string[]) => {
  const given = program.opts<Flags>();
  const isDefault = (name: string): boolean => program.getOptionValueSource(name) !== 'cli';
  const quick =
    given.quick === true ? Object.entries(QUICK).filter(([name]) => isDefault(name)) : [];
  await run({
    ...given,
    ...Object.fromEntries(quick),
    ...(parts.length === 0 ? {} : { parts: parts.join(',') }),
  });
});
await program.parseAsync();
