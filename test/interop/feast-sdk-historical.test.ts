import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { getHistoricalFeatures } from '../../src/historical-features.ts';
import { runPython } from '../support/python.ts';
import { describeWithShared, sharedPath } from '../support/shared.ts';
import { readRows } from '../training/training-fixture.ts';

const SCRIPTS = join(import.meta.dirname, 'python');
/** Another world with HISTORY_SEED. */
const SEED = process.env['HISTORY_SEED'] ?? '1';

interface Request {
  readonly entity_rows: string;
  readonly features?: readonly string[];
  readonly feature_service?: string;
  readonly full_feature_names?: boolean;
  readonly filter_by_created_timestamp?: boolean;
}

type Row = Readonly<Record<string, unknown>>;

let folder: string;
let repository: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sideboard-history-'));
  repository = join(folder, 'repository');
  await runPython(join(SCRIPTS, 'define_history.py'), [repository, SEED, sharedPath('data')]);
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** What the SDK answers to each request, by the number of the row. */
async function askFeast(
  offlineStore: 'dask' | 'duckdb',
  requests: readonly Request[],
): Promise<ReadonlyMap<number, Row>[]> {
  const outputs = requests.map((_request, i) => join(folder, `feast-${offlineStore}-${i}.parquet`));
  const input = JSON.stringify(requests.map((request, i) => ({ ...request, output: outputs[i] })));
  await runPython(join(SCRIPTS, 'historical_features.py'), [repository, offlineStore], { input });
  return await Promise.all(outputs.map(byRow));
}

async function askUs(request: Request): Promise<ReadonlyMap<number, Row>> {
  const output = join(folder, 'ours.parquet');
  await getHistoricalFeatures({
    repoPath: repository,
    entityRows: join(repository, request.entity_rows),
    output,
    overwrite: true,
    features: request.features,
    featureService: request.feature_service,
    fullFeatureNames: request.full_feature_names,
    filterByCreatedTimestamp: request.filter_by_created_timestamp,
  });
  const rows = await byRow(output);
  expect([...rows.keys()]).toEqual([...rows.keys()].sort((a, b) => a - b));
  return rows;
}

async function byRow(path: string): Promise<ReadonlyMap<number, Row>> {
  const rows = await readRows(`SELECT * FROM '${path}'`);
  const found = new Map(rows.map((row) => [Number(row['row']), comparable(row)]));
  expect(found.size).toBe(rows.length);
  return found;
}

/** pandas makes floats of integers and NaN of nulls. */
function comparable(row: Row): Row {
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => {
      if (typeof value === 'bigint') return [name, Number(value)];
      return [name, Number.isNaN(value) ? null : value];
    }),
  );
}

const PLAIN = ['plain:a', 'plain:t'];
const EVERYTHING = { feature_service: 'everything', full_feature_names: true };

describeWithShared('the same history, joined by the Feast SDK and by us', () => {
  test('gives the same rows through its DuckDB store', async () => {
    const requests: Request[] = ['entities.parquet', 'entities_nulls.parquet'].flatMap(
      (entity_rows) => [
        { entity_rows, features: PLAIN },
        { entity_rows, features: ['versions:b', 'plain:t', 'pairs:c', 'late:e'] },
        { entity_rows, features: ['versions:b', 'pairs:c'], filter_by_created_timestamp: true },
        { entity_rows, ...EVERYTHING },
        { entity_rows, ...EVERYTHING, filter_by_created_timestamp: true },
        { entity_rows, feature_service: 'friends', full_feature_names: true },
      ],
    );
    const answers = await askFeast('duckdb', requests);
    let known = 0;
    for (const [i, request] of requests.entries()) {
      const ours = await askUs(request);
      expect({ request, rows: ours }).toEqual({ request, rows: answers[i] });
      for (const row of ours.values()) known += Object.values(row).filter((v) => v !== null).length;
    }
    expect(known).toBeGreaterThan(10_000);
  });

  test('gives the rows that its default store gives, and those that it loses', async () => {
    const requests: (Request & { readonly key: string; readonly source: string })[] = [
      ...['zip_1332', 'zip_1500', 'zip_1600', 'zip_3650'].map((view) => ({
        entity_rows: 'loans.parquet',
        features: [`${view}:city`, `${view}:population`, `${view}:total_wages`],
        key: 'zipcode',
        source: sharedPath('data', 'zipcode_table.parquet'),
      })),
      ...['credit_200', 'credit_365', 'credit_487'].map((view) => ({
        entity_rows: 'loans.parquet',
        features: [`${view}:credit_card_due`, `${view}:mortgage_due`, `${view}:hard_pulls`],
        key: 'dob_ssn',
        source: join(repository, 'data', 'credit_history.parquet'),
      })),
      ...['plain:t', 'late:e'].map((feature) => ({
        entity_rows: 'entities.parquet',
        features: [feature],
        key: 'user_id',
        source: join(repository, 'data', `${feature.split(':')[0]}.parquet`),
      })),
    ];
    const answers = await askFeast('dask', requests);
    for (const [i, { key, source, ...request }] of requests.entries()) {
      const answer = answers[i]!;
      const ours = await askUs(request);
      const same = new Map([...ours].filter(([row]) => answer.has(row)));
      expect({ request, rows: same }).toEqual({ request, rows: sorted(answer) });
      // It drops entity rows of entities that it knows, where nothing was known then or all was too old.
      const known = await readRows(`SELECT DISTINCT ${key} AS key FROM '${source}'`);
      const keys = new Set(known.map((row) => comparable(row)['key']));
      const output = request.features![0]!.split(':')[1]!;
      const lost = [...ours].filter(([, row]) => row[output] === null && keys.has(row[key]));
      expect(lost.map(([row]) => row)).toEqual([...ours.keys()].filter((row) => !answer.has(row)));
    }
    expect(answers.slice(0, 4).map(({ size }) => size)).toEqual([0, 13_153, 20_999, 28_638]);
  });

  // Only views without equal event timestamps: which of those it takes depends on its unstable sort, not on when they were created.
  test('gives the rows that are left of several views in its default store', async () => {
    const entity_rows = 'entities.parquet';
    const several = { entity_rows, features: ['plain:a', 'plain:t', 'late:e'] };
    const requests: Request[] = [
      several,
      { ...several, full_feature_names: true },
      { ...several, filter_by_created_timestamp: true },
      { entity_rows: 'loans.parquet', features: ['zip_3650:city', 'credit_487:mortgage_due'] },
    ];
    const answers = await askFeast('dask', requests);
    for (const [i, request] of requests.entries()) {
      const answer = answers[i]!;
      const ours = await askUs(request);
      const same = new Map([...ours].filter(([row]) => answer.has(row)));
      expect({ request, rows: same }).toEqual({ request, rows: sorted(answer) });
      expect(answer.size).toBeGreaterThan(20);
    }
  });
});

function sorted(rows: ReadonlyMap<number, Row>): ReadonlyMap<number, Row> {
  return new Map([...rows].sort(([a], [b]) => a - b));
}
