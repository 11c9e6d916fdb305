import { echoTable } from '../parts/echo.ts';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { barsTables } from './bars.ts';
import { doctorTable, shardsTable, workersTable } from './report-cores.ts';
import { addedTable } from './report-added.ts';
import { latencyTables, writePlots } from './report-latency.ts';
import { ghzTable, loadTable, peersTable } from './report-load.ts';
import { redisTable } from './report-redis.ts';
import { writeFaults } from './report-faults.ts';
import { materializeTable, writesTable } from './report-writes.ts';
import {
  coldTable,
  memoryTable,
  overloadTables,
  profileTables,
  registryTable,
  soakTable,
} from './report-state.ts';
import { scalingTable } from '../parts/scaling.ts';
import {
  RESULTS_FOLDER,
  loadResults,
  type PartName,
  type Parts,
  type RunResults,
} from './results.ts';

const DOCS = join(import.meta.dirname, '..', '..', 'docs');

const INTRODUCTION = `# Benchmarks

Written by \`npm run bench\` from the newest figures of each part in \`bench/results/\`; edit \`bench/report/\`, not this
page. How to run and extend it: [bench/README.md](../bench/README.md).

## How to read it

- **CPU per request** is the figure to trust: user and system time of the server's whole process tree from \`/proc\`,
  over a run that keeps it saturated. Requests per second and core follow from it (1,000,000 / CPU). It is good to
  20-30 % between runs on a shared machine and better inside one run, so compare rows of one table.
- The server has one core to itself; Redis, h2load and every other client share another one, but in an overload, where
  Redis is with the server and the client alone. Loopback, no TLS.
- The store holds the layout of Feast's published benchmarks: 25 views of 10 Int64 features of one entity, 275 fields in
  one Redis hash, Redis with its defaults, 10,000 entities. \`100x50\` is 100 entity rows of 50 features.
- Every reply is verified value by value before it is timed, and h2load's replies by their size.
- Figures are min / **median** / max of the rounds. "Alone" is one client, one request after another.
- Where equal reads could be joined the table says whether they were. Figures without such a word are of requests for
  other entities each.
- p99 on shared machines is mostly the machine's. Compare it inside a table and promise nothing by it.
`;

/** One section: the part it shows, its title, and how its figures become Markdown. */
interface Section<Name extends PartName> {
  readonly part: Name;
  readonly title: string;
  readonly table: (figures: Parts[Name]) => string;
}

const section = <Name extends PartName>(
  part: Name,
  title: string,
  table: (figures: Parts[Name]) => string,
): Section<Name> => ({ part, title, table });

const SECTIONS = [
  section('peers', 'Beside Feast’s own servers and the stock stack', peersTable),
  section('latency', 'Latency against load', latencyTables),
  section('load', 'Our server at saturation', loadTable),
  section('scaling', 'From one connection to a thousand', scalingTable),
  section('workers', 'Two workers', workersTable),
  section('echo', 'The transport alone', echoTable),
  section('redis', 'The Redis client beside others', redisTable),
  section('added', 'What our Redis client adds', addedTable),
  section('shards', 'From one shard to three', shardsTable),
  section('doctor', 'What the doctor promises', doctorTable),
  section('writes', 'Rows written one by one, many at once, as a stream', writesTable),
  section('materialize', 'A Parquet file, materialized', materializeTable),
  section('registry', 'A registry of 1,000 views, rewritten every second', registryTable),
  section('overload', 'More than it can answer', overloadTables),
  section('cold', 'The first request of a process', coldTable),
  section('memory', 'Memory with 1,000 views', memoryTable),
  section('soak', 'Memory over many requests', soakTable),
  section('ghz', 'By ghz', ghzTable),
  section('profile', 'Where the time goes', profileTables),
];

/**
 * Writes benchmarks.md and its plots from all saved results, and the figures of docs/faults.md; gives the path of the page.
 *
 * @param trialFolder results of a trial, whose page is to be written beside them; those of the project by default
 */
export function writeReport(trialFolder?: string): string {
  const runs = loadResults(trialFolder ?? RESULTS_FOLDER);
  const folder = trialFolder ?? DOCS;
  const newest = <Name extends PartName>(
    part: Name,
  ): { run: RunResults; figures: Parts[Name] } | undefined => {
    const run = runs.findLast((each) => each.parts[part] !== undefined);
    const figures = run?.parts[part];
    return run === undefined || figures === undefined ? undefined : { run, figures };
  };
  const render = <Name extends PartName>({ part, title, table }: Section<Name>): string => {
    const found = newest(part);
    if (found === undefined)
      return `## ${title}\n\nNot measured yet: \`npm run bench -- --parts ${part}\`.\n`;
    return `## ${title}\n\n${table(found.figures)}\n\n${provenance(found.run)}\n`;
  };
  const latency = newest('latency');
  if (latency !== undefined) writePlots(latency.figures, join(folder, 'benchmarks'));
  const names = new Set(runs.flatMap(({ parts }) => Object.keys(parts) as PartName[]));
  const parts = Object.fromEntries([...names].map((part) => [part, newest(part)?.figures]));
  const bars = barsTables(parts, runs.at(-1)?.machine.cores ?? 1);
  const body = SECTIONS.map((each) => render(each as Section<PartName>));
  const faults = newest('faults');
  if (faults !== undefined && trialFolder === undefined) {
    writeFaults(faults.figures, provenance(faults.run));
  }
  const page = join(folder, 'benchmarks.md');
  writeFileSync(page, [INTRODUCTION, `## The bars\n\n${bars}\n`, ...body].join('\n'));
  return page;
}

function provenance({ when, command, machine, rounds, seconds }: RunResults): string {
  const versions = Object.entries(machine.versions)
    .map(([name, version]) => `${name} ${version}`)
    .join(', ');
  const load = machine.load === undefined ? '' : `, load ${machine.load} before the run`;
  return `_${when.slice(0, 16).replace('T', ' ')} UTC, commit ${machine.commit}, ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, Linux ${machine.kernel}${load}; ${versions}; at most ${rounds} rounds of ${seconds} s: \`${command}\`_`;
}
