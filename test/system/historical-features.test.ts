import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { getHistoricalFeatures } from '../../src/historical-features.ts';
import { describeWithShared, sharedPath } from '../support/shared.ts';
import { readRows } from '../training/training-fixture.ts';
import { configuration, makeRepository, runSideboard } from './apply-fixture.ts';
import type { RepositoryFolder } from './apply-fixture.ts';

const LOANS = sharedPath('data', 'loan_table.parquet');
const ZIPCODES = sharedPath('data', 'zipcode_table.parquet');
const CREDIT = sharedPath('data', 'credit_history_sample.csv');
const TRAINING = sharedPath('data', 'training_dataset_sample.parquet');

/** TTL in days → rows of the loan table whose features are not older; from the README of the shared data. */
const ZIPCODE_ROWS = { 1332: 0, 1500: 13_153, 1600: 20_999, 1697: 28_609, 1698: 28_638, 0: 28_638 };
/** The same for the 1,000 people of the sample. */
const CREDIT_ROWS = { 90: 0, 122: 1, 200: 15, 365: 344, 486: 999, 487: 1000 };

/** A repository on the real tables with one view per TTL. */
async function makeLoanRepository(): Promise<RepositoryFolder> {
  const repository = await makeRepository('loans');
  const view = (name: string, days: string, entity: string, source: string, schema: string) =>
    `defineFeatureView({ name: '${name}_${days}', entities: [${entity}], ttl: { days: ${days} }, source: ${source}, schema: ${schema} });`;
  const zipSchema =
    '{ city: Text, state: Text, location_type: Text, tax_returns_filed: Int64, population: Int64, total_wages: Int64 }';
  const creditSchema =
    '{ credit_card_due: Int64, mortgage_due: Int64, student_loan_due: Int64, vehicle_loan_due: Int64, hard_pulls: Int64, missed_payments_2y: Int64, missed_payments_1y: Int64, missed_payments_6m: Int64, bankruptcies: Int64 }';
  const times = `timestampField: 'event_timestamp', createdTimestampColumn: 'created_timestamp'`;
  const zipcodes = Object.keys(ZIPCODE_ROWS).map(
    (days) => `export const zip${days} = ${view('zip', days, 'zipcode', 'zipcodes', zipSchema)}`,
  );
  const credits = Object.keys(CREDIT_ROWS).map(
    (days) =>
      `export const credit${days} = ${view('credit', days, 'person', 'history', creditSchema)}`,
  );
  await repository.write({
    'feature_store.yaml': configuration('loans'),
    'features.ts': `
import { defineEntity, defineFeatureService, defineFeatureView, defineFileSource, Int64, String as Text } from 'sideboard';
export const zipcode = defineEntity({ name: 'zipcode', valueType: Int64 });
export const person = defineEntity({ name: 'dob_ssn', valueType: Text });
export const zipcodes = defineFileSource({ name: 'zipcodes', path: '${ZIPCODES}', ${times} });
export const history = defineFileSource({ name: 'history', path: '${CREDIT}', ${times} });
${zipcodes.join('\n')}
${credits.join('\n')}
export const loans = defineFeatureService({ name: 'loans', features: [zip1698, credit487] });
`,
  });
  return repository;
}

describeWithShared('sideboard historical-features on the real loan tables', () => {
  let repository: RepositoryFolder;
  let output: string;

  beforeAll(async () => {
    repository = await makeLoanRepository();
    output = join(repository.path, 'training.parquet');
    const applied = await runSideboard(['-c', repository.path, 'apply']);
    expect(applied.exitCode, applied.stderr).toBe(0);
  });
  afterAll(() => repository.remove());

  test('finds what was known, not older than each TTL', async () => {
    const views = [
      ...Object.entries(ZIPCODE_ROWS).map(([days, rows]) => ({
        view: `zip_${days}`,
        feature: 'city',
        rows,
      })),
      ...Object.entries(CREDIT_ROWS).map(([days, rows]) => ({
        view: `credit_${days}`,
        feature: 'mortgage_due',
        rows,
      })),
    ];
    const { exitCode, stdout, stderr } = await runSideboard([
      '-c',
      repository.path,
      'historical-features',
      LOANS,
      '-o',
      output,
      '--json',
      '--full-feature-names',
      '--features',
      views.map(({ view, feature }) => `${view}:${feature}`).join(','),
    ]);
    expect(exitCode, stderr).toBe(0);
    const result = JSON.parse(stdout) as {
      rows: number;
      columns: string[];
      views: { feature_view: string; joined_rows: number; bad: unknown[] }[];
    };
    expect(result.rows).toBe(28_638);
    expect(result.columns.length).toBe(13 + views.length);
    expect(
      result.views.map(({ feature_view, joined_rows }) => [feature_view, joined_rows]),
    ).toEqual(views.map(({ view, rows }) => [view, rows]));
    expect(result.views.flatMap(({ bad }) => bad)).toEqual([]);
    const counts = views.map(
      ({ view, feature }) => `count("${view}__${feature}")::INTEGER AS ${view}`,
    );
    const [counted] = await readRows(`SELECT ${counts.join(', ')} FROM '${output}'`);
    expect(counted).toEqual(Object.fromEntries(views.map(({ view, rows }) => [view, rows])));
    expect(stderr).toContain('1/14 read entity rows');
    expect(stderr).toContain('14/14 write');
  });

  test('makes the training set: the anchors are in it, each loan in its place', async () => {
    const result = await getHistoricalFeatures({
      repoPath: repository.path,
      entityRows: LOANS,
      featureService: 'loans',
      output,
      overwrite: true,
    });
    expect(result.joins.map(({ matchedCount }) => matchedCount)).toEqual([28_638, 1000]);
    const anchors = await readRows(
      `SELECT loan_id, city, state, population, credit_card_due, mortgage_due, student_loan_due, vehicle_loan_due FROM '${output}' WHERE dob_ssn = '19530219_5179'`,
    );
    expect(anchors).toEqual([
      {
        loan_id: 10_000n,
        city: 'FORT WORTH',
        state: 'TX',
        population: 10_534n,
        credit_card_due: 8419n,
        mortgage_due: 91_803n,
        student_loan_due: 22_328n,
        vehicle_loan_due: 15_078n,
      },
    ]);
    const [moved] = await readRows(
      `SELECT count(*)::INTEGER AS rows FROM '${LOANS}' AS loans POSITIONAL JOIN '${output}' AS training WHERE loans.loan_id IS DISTINCT FROM training.loan_id OR loans.event_timestamp IS DISTINCT FROM training.event_timestamp`,
    );
    expect(moved).toEqual({ rows: 0 });
    // The published training set was made from the same tables, and lost its keys.
    const known =
      'loan_amnt, loan_int_rate, person_income, person_age, tax_returns_filed, population, total_wages';
    const [absent] = await readRows(
      `SELECT count(*)::INTEGER AS rows FROM (SELECT ${known} FROM '${TRAINING}' EXCEPT SELECT ${known} FROM '${output}')`,
    );
    expect(absent).toEqual({ rows: 0 });
  });

  test('plans, and says with exit code 2 what is wrong', async () => {
    const run = (...args: string[]) =>
      runSideboard(['-c', repository.path, 'historical-features', LOANS, ...args]);
    const plan = await run('--feature-service', 'loans', '--plan');
    expect(plan.exitCode, plan.stderr).toBe(0);
    expect(plan.stdout).toContain('28,638 entity rows');
    expect(plan.stdout).toMatch(/zip_1698 +│ zipcode +│ 6 +│ 1,698 days +│ created_timestamp/);
    const wrong = async (message: string, ...args: string[]): Promise<void> => {
      const { exitCode, stdout, stderr } = await run(...args);
      expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
      expect(stderr).toContain(message);
    };
    await wrong(
      'Feature service loan does not exist in project loans',
      '--feature-service',
      'loan',
      '--plan',
    );
    await wrong('say where to write with -o FILE', '--feature-service', 'loans');
    await wrong('name what to join', '--plan');
    await wrong(
      'Several requested features are named city',
      '--features',
      'zip_1500:city,zip_1600:city',
      '--plan',
    );
    await wrong(
      'memory limit much is none',
      '--feature-service',
      'loans',
      '--plan',
      '--memory-limit',
      'much',
    );
  });
});
