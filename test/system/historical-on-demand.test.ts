import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { getHistoricalFeatures } from '../../src/historical-features.ts';
import { readRows } from '../training/training-fixture.ts';
import { makeRepository, runSideboard, type RepositoryFolder } from './apply-fixture.ts';

const FEATURES = `
import {
  defineEntity, defineFeatureService, defineFeatureView, defineFileSource, defineOnDemandFeatureView,
  defineRequestSource, Float64, Int64, listOf, String, UnixTimestamp,
} from 'sideboard';

const item = defineEntity({ name: 'item', joinKey: 'item_id', valueType: Int64 });
const file = defineFileSource({ name: 'prices_file', path: 'prices.csv', timestampField: 'ts' });
export const prices = defineFeatureView({
  name: 'prices', entities: [item], schema: { cents: Int64, label: String, tags: listOf(String) }, source: file,
});
const cart = defineRequestSource({ name: 'cart', schema: { count: Int64 } });
export const totals = defineOnDemandFeatureView({
  name: 'totals',
  sources: [prices, cart],
  schema: { total: Int64, share: Float64, words: listOf(String), made: UnixTimestamp },
  compute: ({ cents, label, tags, count, item_id }, rowCount) => {
    if (count.includes(-1n)) throw new RangeError('no such count');
    return {
      total: cents.map((each, row) => (each === null ? null : each * (count[row] ?? 1n))),
      share: Float64Array.from({ length: rowCount }, (_, row) => Number(cents[row] ?? NaN) / 100),
      words: tags.map((each, row) => (each === null ? null : [...each, label[row] ?? '', 'item ' + item_id[row]])),
      made: cents.map((each) => (each === null || each > 1000n ? null : new Date(Number(each) * 1000))),
    };
  },
});
export const doubled = defineOnDemandFeatureView({
  name: 'doubled', sources: [cart], schema: { twice: Int64 },
  compute: ({ count }) => ({ twice: count.map((each) => (each === null ? null : each * 2n)) }),
});
export const python = defineOnDemandFeatureView({
  name: 'python', sources: [cart], schema: { thrice: Int64 },
  pythonSource: 'def python(inputs):\\n    return inputs\\n',
});
export const service = defineFeatureService({ name: 'basket', features: [totals, prices.select('cents')] });
`;
const PRICES = `item_id,cents,label,tags,ts
1,250,red shoe,"[""a"",""b""]",2025-01-01T00:00:00Z
1,300,red shoe,"[]",2025-02-01T00:00:00Z
2,9007199254740993,hat,,2025-01-01T00:00:00Z
`;

let repository: RepositoryFolder;
let output: string;

beforeAll(async () => {
  repository = await makeRepository('shop');
  output = join(repository.path, 'training.parquet');
  await repository.write({ 'features.ts': FEATURES, 'prices.csv': PRICES });
  const applied = await runSideboard(['-c', repository.path, 'apply']);
  expect(applied.stderr).toBe('');
});
afterAll(() => repository?.remove());

/** Writes the entity rows and joins. */
async function retrieve(
  rows: readonly string[],
  asked: Partial<Parameters<typeof getHistoricalFeatures>[0]>,
): Promise<Record<string, unknown>[]> {
  await repository.write({ 'rows.csv': `${rows.join('\n')}\n` });
  await getHistoricalFeatures({
    repoPath: repository.path,
    entityRows: join(repository.path, 'rows.csv'),
    output,
    overwrite: true,
    ...asked,
  });
  return await readRows(`SELECT * FROM '${output}'`);
}

test('computes views from what was known then, with request data of the entity rows', async () => {
  const rows = await retrieve(
    [
      'item_id,event_timestamp,count',
      '1,2025-01-15T00:00:00Z,2',
      '1,2025-02-15T00:00:00Z,',
      '2,2025-01-15T00:00:00Z,1',
      '3,2025-01-15T00:00:00Z,4',
    ],
    { featureService: 'basket' },
  );
  const part = ({ total, share, words, made, cents }: Record<string, unknown>): unknown[] => {
    return [total, share, words, made instanceof Date ? made.getTime() : made, cents];
  };
  expect(rows.map(part)).toEqual([
    [500n, 2.5, ['a', 'b', 'red shoe', 'item 1'], 250_000, 250n],
    [300n, 3, ['red shoe', 'item 1'], 300_000, 300n],
    [9007199254740993n, 90071992547409.92, null, null, 9007199254740993n],
    [null, null, null, null, null],
  ]);
});

test('goes through many rows in their order, and names the first that fails', async () => {
  const many = Array.from({ length: 5000 }, (_, row) => `1,2025-01-15T00:00:00Z,${row}`);
  const head = 'item_id,event_timestamp,count';
  const rows = await retrieve([head, ...many], { features: ['totals:total', 'doubled:twice'] });
  expect(rows.map(({ total, twice }) => [total, twice])).toEqual(
    many.map((_, row) => [BigInt(row) * 250n, BigInt(row) * 2n]),
  );
  many[4321] = '1,2025-01-15T00:00:00Z,-1';
  await expect(retrieve([head, ...many], { features: ['totals:total'] })).rejects.toMatchObject({
    code: 'TRANSFORMATION_FAILED',
    message: expect.stringMatching(/totals: its function threw RangeError .*first in row 4321/),
  });
});

test('needs no feature view', async () => {
  const rows = await retrieve(['event_timestamp,count', '2025-01-15T00:00:00Z,21'], {
    features: ['doubled:twice'],
    fullFeatureNames: true,
  });
  expect(rows).toMatchObject([{ doubled__twice: 42n }]);
});

test('says what is missing, and what cannot be computed here', async () => {
  const rows = ['item_id,event_timestamp', '1,2025-01-15T00:00:00Z'];
  await expect(retrieve(rows, { features: ['totals:total'] })).rejects.toMatchObject({
    code: 'REQUEST_DATA_NOT_FOUND',
    message: expect.stringContaining('count'),
  });
  await expect(
    retrieve(['item_id,event_timestamp,count', '1,2025-01-15T00:00:00Z,many'], {
      features: ['totals:total'],
    }),
  ).rejects.toThrow(/totals: its input count holds .* no INT64/);
  await expect(
    retrieve(['count,event_timestamp', '1,2025-01-15T00:00:00Z'], { features: ['python:thrice'] }),
  ).rejects.toMatchObject({
    code: 'ON_DEMAND_FEATURE_VIEW_UNSUPPORTED',
    message: expect.stringContaining('(mode pandas)'),
  });
});

test('is part of the plan', async () => {
  await repository.write({
    'rows.csv': 'item_id,event_timestamp,count\n1,2025-01-15T00:00:00Z,2\n',
  });
  const rows = join(repository.path, 'rows.csv');
  const command = ['-c', repository.path, 'historical-features', rows, '--plan'];
  const { stdout, stderr } = await runSideboard([...command, '--feature-service', 'basket']);
  expect(stderr).toBe('');
  expect(stdout).toContain('totals is computed from prices, count: total, share, words, made');
});
