import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import {
  fieldsOf,
  readLatest,
  sourceOf,
  temporaryFolder,
  viewOf,
  writeParquet,
} from './source-fixture.ts';

let folder: string;

beforeAll(async () => {
  folder = await temporaryFolder();
});

test.each([
  ['INT64', '((i * 7919 - 500000) * 1048573)::BIGINT'],
  ['INT32', '(i * 7919 - 500000)::INTEGER'],
  ['STRING', "repeat('é', (i % 200)::INTEGER) || i"],
  ['BYTES', "encode(repeat('x', (i % 300)::INTEGER) || i)"],
  ['UNIX_TIMESTAMP', "TIMESTAMP '1969-12-31' + to_seconds(i * 7919)"],
] as const)('rows come in the order of entity keys of %s and text', async (type, sql) => {
  const uri = `${type}.parquet`;
  await writeParquet(
    join(folder, uri),
    `SELECT ${sql} AS b, 'k' || i % 7 AS a, TIMESTAMP '2024-01-01' AS ts, i AS f FROM range(1000) r(i)`,
  );
  const joinKeys = fieldsOf({ b: type, a: 'STRING' });
  const view = viewOf({ joinKeys });
  const { rows } = await readLatest(folder, view, sourceOf({ uri }), undefined, 'entity keys');
  const keys = rows.map(({ entityKey }) => Buffer.from(entityKey));
  expect(keys).toHaveLength(1000);
  expect(keys).toEqual(keys.toSorted((a, b) => Buffer.compare(a, b)));
});
