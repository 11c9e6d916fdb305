import { glob, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { textsOf, typedLines } from '../support/page-blocks.ts';
import { runProgram } from '../support/python.ts';
import { startRedis, type RedisServer } from '../support/redis-server.ts';
import { makeReader, standInCheckout, type Reader } from '../support/reader.ts';
import { configuration } from './apply-fixture.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const EXAMPLE = 'examples/loan-approval/README.md';
const METRIC = /`((?:feast_)?feature_server_\w+?)(?:\{[^`]*\})?`/g;

/** The blocks of a page that show a terminal, as they are typed. */
const typedOf = (page: string): readonly string[] => textsOf(page, 'console').map(typedLines);

describe('pages about the loan-approval example', () => {
  let reader: Reader;

  beforeAll(async () => {
    reader = await makeReader({ patienceMs: 110_000 });
    await standInCheckout(reader);
    // What other pages call it.
    await symlink('examples/loan-approval', join(reader.folder, 'my_repo'));
    await writeFile(
      join(reader.folder, 'loans.csv'),
      'zipcode,dob_ssn,event_timestamp\n94109,19530219_5179,2030-01-01 00:00:00\n1,nobody,2030-01-01 00:00:00\n',
    );
  });

  afterAll(() => reader.remove());

  test('set it up, materialize it, ask for it and make training data of it', async () => {
    const [, stepByStep = '', terms = ''] = textsOf(EXAMPLE, 'sh');
    const [materialize = '', overHttp = ''] = typedOf('docs/materialize.md');
    const [historical = ''] = typedOf('docs/training-data.md');
    const [program = ''] = textsOf('docs/training-data.md', 'ts');
    await writeFile(join(reader.folder, 'train.ts'), `${program}console.log(joins.length);\n`);
    await writeFile(join(reader.folder, 'parquet.mjs'), PARQUET);
    const [steps, computed, materialized, http, joined, trained, metrics] = await reader.follow([
      stepByStep,
      terms,
      materialize,
      overHttp,
      `node parquet.mjs\n${historical}`,
      'rm training.parquet\nnode --disable-warning=ExperimentalWarning train.ts',
      'curl -fsS localhost:6567/metrics',
    ]);
    expect(steps).toContain('12 created');
    expect(steps).toContain('SAN FRANCISCO');
    expect(computed).toMatch(/years_of_local_income[^]*years_of_local_income/);
    expect(materialized).toContain('zipcode_features');
    expect(http).toBe('null');
    expect(joined).toContain('credit_history');
    expect(trained).toBe('2');
    await expectMetrics(metrics!, ['docs/limits.md', 'docs/observing.md', 'docs/on-demand.md']);
  });
});

/** Holds that what the pages call metrics is among those of a server, or is named in the code where only some servers have it. */
async function expectMetrics(scraped: string, pages: readonly string[]): Promise<void> {
  let code = '';
  for await (const file of glob('src/**/*.ts', { cwd: ROOT })) {
    code += await readFile(join(ROOT, file), 'utf8');
  }
  for (const page of pages) {
    const text = await readFile(join(ROOT, page), 'utf8');
    const named = [...text.matchAll(METRIC)].map(([, name]) => name!);
    expect(named.length, page).toBeGreaterThan(0);
    const others = named.filter((name) => !scraped.includes(`# TYPE ${name} `));
    const partOf = (name: string): string => name.replace(/^(?:feast_)?feature_server_/, '');
    expect(others.filter((name) => !code.includes(partOf(name).replace(/_total$/, '')))).toEqual(
      [],
    );
    expect(others.length, page).toBeLessThan(named.length / 2);
  }
}

describe('docs/definitions.md, docs/on-demand.md and docs/writing.md', () => {
  let reader: Reader;

  beforeAll(async () => {
    reader = await makeReader();
    await mkdir(join(reader.folder, 'node_modules'));
    await symlink(ROOT, join(reader.folder, 'node_modules', 'sideboard'));
  });

  afterAll(() => reader.remove());

  async function writeRepository(files: Readonly<Record<string, string>>): Promise<void> {
    await mkdir(join(reader.folder, 'my_repo'), { recursive: true });
    const all = { 'feature_store.yaml': configuration('rides'), ...files };
    for (const [name, text] of Object.entries(all)) {
      await writeFile(join(reader.folder, 'my_repo', name), text);
    }
  }

  test('define what compiles, is applied and is listed', async () => {
    const [features = ''] = textsOf('docs/definitions.md', 'ts');
    const [totals = ''] = textsOf('docs/on-demand.md', 'ts');
    await writeRepository({ 'features.ts': features, 'totals.ts': totals, 'prices.ts': PRICES });
    const compiled = runProgram(
      join(ROOT, 'node_modules', '.bin', 'tsc'),
      ['--noEmit', '--ignoreConfig', ...COMPILER, 'features.ts', 'totals.ts'],
      { cwd: join(reader.folder, 'my_repo'), env: process.env },
    );
    await expect(compiled).resolves.toBe('');
    const [applied, listed] = await reader.follow([
      'sideboard -c my_repo apply',
      textsOf('docs/definitions.md', 'sh')[0]!,
    ]);
    expect(applied).toContain('ranking');
    expect(listed).toMatch(/driver_id[^]*driver_stats[^]*totals[^]*"ranking"/);
  });

  test('push rows that are then read', async () => {
    await writeRepository({ 'features.ts': PUSHED, 'totals.ts': '', 'prices.ts': '' });
    const ask = `{"features": ["driver_stats:trips"], "entities": {"driver_id": [1001, 1002]}}`;
    const [, pushed, read] = await reader.follow([
      'sideboard -c my_repo apply\nsideboard -c my_repo serve',
      textsOf('docs/writing.md', 'sh')[0]!,
      `curl -fsS localhost:6566/get-online-features -H 'content-type: application/json' -d '${ask}'`,
    ]);
    expect(pushed).toBe('');
    expect(JSON.parse(read!)).toMatchObject({ results: [{}, { values: [5, 7] }] });
  });
});

describe('docs/doctor.md', () => {
  let reader: Reader;
  let redis: RedisServer;

  beforeAll(async () => {
    redis = await startRedis();
    reader = await makeReader();
    await mkdir(join(reader.folder, 'node_modules'));
    await symlink(ROOT, join(reader.folder, 'node_modules', 'sideboard'));
    await mkdir(join(reader.folder, 'my_repo'));
    const yaml = configuration('rides').replace(
      /type: sqlite\n.*\n/,
      `type: redis\n  connection_string: 127.0.0.1:${redis.port}\n`,
    );
    await writeFile(join(reader.folder, 'my_repo', 'feature_store.yaml'), yaml);
    await writeFile(join(reader.folder, 'my_repo', 'features.ts'), PUSHED);
  });

  afterAll(async () => {
    await reader?.remove();
    await redis?.stop();
  });

  test('examines what was pushed', async () => {
    const [report = '', forPrograms = '', zones = ''] = typedOf('docs/doctor.md')[0]!.split('\n');
    const [, , examined, code, written, withZones] = await reader.follow([
      'sideboard -c my_repo apply\nsideboard -c my_repo serve',
      textsOf('docs/writing.md', 'sh')[0]!,
      report,
      // A warning: nobody has a copy of it.
      `${forPrograms} || echo $?`,
      'cat report.json',
      zones,
    ]);
    for (const text of [examined!, withZones!]) {
      expect(text).toContain('2 entities of this project, 2 read whole');
      expect(text).toContain('has no replica');
    }
    expect(code).toBe('3');
    const { findings } = JSON.parse(written!) as { findings: unknown[] };
    expect(findings).toContainEqual(
      expect.objectContaining({ check: 'replicas', level: 'warning' }),
    );
  });
});

describe('bench/README.md and docs/faults.md', () => {
  let reader: Reader;

  beforeAll(async () => {
    reader = await makeReader();
    await standInCheckout(reader);
    await symlink(join(ROOT, 'bench'), join(reader.folder, 'bench'));
  });

  afterAll(() => reader.remove());

  test('plan what they say, and compare what is stored', async () => {
    const results = await readdir(join(ROOT, 'bench', 'results'));
    const newest = join('bench', 'results', results.toSorted().at(-1)!);
    const lines = [...textsOf('bench/README.md', 'sh'), ...textsOf('docs/faults.md', 'sh')]
      .flatMap((text) => text.split('\n'))
      .map((line) => line.replace(/ *#.*/, ''))
      .filter((line) => line.startsWith('npm run bench'))
      .map((line) => line.replaceAll(/\S+\.json/g, newest));
    const isQuick = (line: string): boolean => /--(?:plan|help|with)\b/.test(line);
    expect(lines.filter(isQuick)).toHaveLength(3);
    // What would measure says what it would do.
    const planning = (line: string): string => (line.includes(' -- ') ? ' --plan' : ' -- --plan');
    const outputs = await reader.follow(
      lines.map((line) => `${isQuick(line) ? line : `${line}${planning(line)}`} 2>&1`),
    );
    for (const [i, line] of lines.entries()) {
      const expected = line.includes('--help')
        ? 'Usage: bench'
        : line.includes('--with')
          ? 'figures changed by no more than their noise'
          : 'min  in all';
      expect(outputs[i], line).toMatch(expected);
    }
  });
});

/** What docs/on-demand.md imports. */
const PRICES = `
import { defineEntity, defineFeatureView, defineFileSource, Int64 } from 'sideboard';

const item = defineEntity({ name: 'item', joinKey: 'item_id', valueType: Int64 });
export const prices = defineFeatureView({
  name: 'prices',
  entities: [item],
  schema: { cents: Int64 },
  source: defineFileSource({ name: 'prices_file', path: 'prices.parquet', timestampField: 'at' }),
});
`;

/** What docs/writing.md pushes to. */
const PUSHED = `
import { defineEntity, defineFeatureView, defineFileSource, definePushSource, Int64 } from 'sideboard';

const driver = defineEntity({ name: 'driver', joinKey: 'driver_id', valueType: Int64 });
export const driverStats = defineFeatureView({
  name: 'driver_stats',
  entities: [driver],
  schema: { trips: Int64 },
  source: definePushSource({
    name: 'driver_stats_push',
    batchSource: defineFileSource({ name: 'driver_stats_file', path: 'a.parquet', timestampField: 'event_timestamp' }),
  }),
});
`;

/** Writes the reader's entity rows as Parquet too. */
const PARQUET = `
import { DuckDBInstance } from '@duckdb/node-api';
const connection = await (await DuckDBInstance.create()).connect();
await connection.run("COPY (FROM 'loans.csv') TO 'loans.parquet' (FORMAT parquet)");
`;

/** Options of the compiler as a repository may have them. */
const COMPILER: readonly string[] = [
  '--strict',
  '--target',
  'es2024',
  '--module',
  'nodenext',
  '--allowImportingTsExtensions',
  '--skipLibCheck',
  '--erasableSyntaxOnly',
];
