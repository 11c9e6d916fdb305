import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
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

/** Reads and gives `entity: value` for each row, in the order of the entities. */
async function latestValues(
  ...args: Parameters<typeof readLatest>
): Promise<Record<string, unknown>> {
  const { rows } = await readLatest(...args);
  return Object.fromEntries(rows.map(({ key, values }) => [key.join('|'), values[0]!.value]));
}

describe('the latest row per entity', () => {
  test('is the one with the greatest event timestamp, both ends of the window included', async () => {
    await writeParquet(
      join(folder, 'bounds.parquet'),
      `SELECT * FROM (VALUES
        (1::BIGINT, TIMESTAMPTZ '2024-01-01 00:00:00Z', 10::BIGINT),
        (1, TIMESTAMPTZ '2024-01-02 00:00:00Z', 11),
        (1, TIMESTAMPTZ '2024-01-02 00:00:00.000001Z', 12),
        (2, TIMESTAMPTZ '2024-01-01 00:00:00Z', 20),
        (3, TIMESTAMPTZ '2023-12-31 23:59:59.999999Z', 30)) t(id, ts, f)`,
    );
    const source = sourceOf({ uri: 'bounds.parquet' });
    const window = ['2024-01-01', '2024-01-02'] as const;
    expect(await latestValues(folder, viewOf(), source, window)).toEqual({ 1: 11n, 2: 20n });
    const narrow = ['2024-01-01T00:00:00.000001', '2024-01-01T23:59:59.999999'] as const;
    expect(await latestValues(folder, viewOf(), source, narrow)).toEqual({});
  });

  test('goes by the created timestamp among equals; none is the least', async () => {
    await writeParquet(
      join(folder, 'created.parquet'),
      `SELECT * FROM (VALUES
        (1::BIGINT, TIMESTAMP '2024-01-01', TIMESTAMP '2024-01-01 00:00:01', 10::BIGINT),
        (1, TIMESTAMP '2024-01-01', TIMESTAMP '2024-01-01 00:00:03', 11),
        (1, TIMESTAMP '2024-01-01', TIMESTAMP '2024-01-01 00:00:02', 12),
        (1, TIMESTAMP '2023-01-01', TIMESTAMP '2025-01-01 00:00:00', 13),
        (2, TIMESTAMP '2024-01-01', NULL, 20),
        (2, TIMESTAMP '2024-01-01', TIMESTAMP '1999-01-01', 21),
        (3, TIMESTAMP '2024-01-01', NULL, 30)) t(id, ts, made, f)`,
    );
    const source = sourceOf({ uri: 'created.parquet', createdTimestampField: 'made' });
    expect(await latestValues(folder, viewOf(), source)).toEqual({ 1: 11n, 2: 21n, 3: 30n });
    const { rows } = await readLatest(folder, viewOf(), source);
    expect(rows.map(({ createdTimestampNs }) => createdTimestampNs)).toEqual([
      1_704_067_203_000_000_000n,
      915_148_800_000_000_000n,
      undefined,
    ]);
  });

  test('is the first in the source where nothing decides, over files in the order of their names', async () => {
    await mkdir(join(folder, 'ties'));
    for (const [file, first] of [
      ['b', 20],
      ['a', 10],
    ] as const) {
      await writeParquet(
        join(folder, 'ties', `${file}.parquet`),
        `SELECT 1::BIGINT AS id, TIMESTAMP '2024-01-01' AS ts, (${first} + i)::BIGINT AS f FROM range(5000) t(i)`,
      );
    }
    expect(await latestValues(folder, viewOf(), sourceOf({ uri: 'ties' }))).toEqual({ 1: 10n });
    expect(await latestValues(folder, viewOf(), sourceOf({ uri: 'ties/b*.parquet' }))).toEqual({
      1: 20n,
    });
  });

  test('is told apart by nanoseconds and written with microseconds', async () => {
    await writeParquet(
      join(folder, 'nanos.parquet'),
      `SELECT * FROM (VALUES
        (1::BIGINT, TIMESTAMP_NS '2024-01-01 00:00:00.000001002', 10::BIGINT),
        (1, TIMESTAMP_NS '2024-01-01 00:00:00.000001003', 11),
        (2, TIMESTAMP_NS '1969-12-31 23:59:59.999999999', 20)) t(id, ts, f)`,
    );
    const { rows } = await readLatest(folder, viewOf(), sourceOf({ uri: 'nanos.parquet' }), [
      '1900-01-01',
      '2100-01-01',
    ]);
    expect(
      rows.map(({ eventTimestampNs, values }) => [eventTimestampNs, values[0]!.value]),
    ).toEqual([
      [1_704_067_200_000_001_000n, 11n],
      [-1000n, 20n],
    ]);
  });

  test('of a view without entities is one row under the empty dummy key', async () => {
    await writeParquet(
      join(folder, 'global.parquet'),
      `SELECT TIMESTAMP '2024-01-01' + INTERVAL (i % 7) DAY AS ts, i AS f FROM range(20) t(i)`,
    );
    const view = viewOf({ entityNames: ['__dummy'], joinKeys: fieldsOf({ __dummy_id: 'STRING' }) });
    const { rows } = await readLatest(folder, view, sourceOf({ uri: 'global.parquet' }));
    expect(rows).toHaveLength(1);
    expect(rows[0]).toMatchObject({ key: [''], values: [{ value: 6n }] });
  });

  test('is one per combination of several join keys, mapped from their columns', async () => {
    await writeParquet(
      join(folder, 'keys.parquet'),
      `SELECT * FROM (VALUES
        ('b', 1::INTEGER, DATE '2024-01-01', 1.5::DOUBLE),
        ('b', 1, DATE '2024-01-02', 2.5),
        ('b', 2, DATE '2024-01-01', 3.5),
        ('a', 1, DATE '2024-01-01', 4.5)) t(src_name, number, event_date, src_f)`,
    );
    const view = viewOf({
      joinKeys: fieldsOf({ number: 'INT64', name: 'STRING' }),
      features: fieldsOf({ f: 'DOUBLE' }),
    });
    const source = sourceOf({
      uri: 'keys.parquet',
      timestampField: 'ts',
      fieldMapping: new Map([
        ['src_name', 'name'],
        ['src_f', 'f'],
        ['event_date', 'ts'],
      ]),
    });
    // Keys of an entity key are sorted by name: name, number.
    expect(await latestValues(folder, view, source)).toEqual({
      'b|1': 2.5,
      'b|2': 3.5,
      'a|1': 4.5,
    });
  });

  test('is chosen among rows that write the same entity, whatever they look like', async () => {
    await writeFile(
      join(folder, 'same.csv'),
      'id,ts,f\n7,2024-01-01,1\n+007,2024-01-03,3\n 7 ,2024-01-02,2\n8,2024-01-01,4\n',
    );
    expect(await latestValues(folder, viewOf(), sourceOf({ uri: 'same.csv' }))).toEqual({
      7: 3n,
      8: 4n,
    });
    await writeParquet(
      join(folder, 'seconds.parquet'),
      `SELECT * FROM (VALUES
        (TIMESTAMP '1969-12-31 23:59:58.2', TIMESTAMP '2024-01-01', 1::BIGINT),
        (TIMESTAMP '1969-12-31 23:59:58.9', TIMESTAMP '2024-01-02', 2)) t(id, ts, f)`,
    );
    const view = viewOf({ joinKeys: fieldsOf({ id: 'UNIX_TIMESTAMP' }) });
    expect(await latestValues(folder, view, sourceOf({ uri: 'seconds.parquet' }))).toEqual({
      '-2': 2n,
    });
  });

  test('leaves out rows without timestamp or join key and reports values that do not fit', async () => {
    await writeFile(
      join(folder, 'bad.csv'),
      'id,ts,f\n,2024-01-01,1\nx,2024-01-01,2\n1,,3\n2,soon,4\n3,2024-01-01,many\n4,2024-01-01,5\n99999999999999999999,2024-01-01,6\n',
    );
    const { rows, misfits } = await readLatest(folder, viewOf(), sourceOf({ uri: 'bad.csv' }));
    expect(rows.map(({ key }) => key)).toEqual([[4n]]);
    expect(misfits).toEqual(['f']);
  });
});

describe('a source that does not match the view', () => {
  test('says which columns are missing and which there are', async () => {
    await writeParquet(join(folder, 'other.parquet'), `SELECT 1 AS a, 2 AS b`);
    const source = sourceOf({ uri: 'other.parquet', fieldMapping: new Map([['src', 'f']]) });
    await expect(readLatest(folder, viewOf(), source)).rejects.toThrow(
      'feature view v: its source s has no column ts, id, src (mapped to f); it has a, b',
    );
  });

  test('says which columns have a type that cannot be read as declared', async () => {
    await writeParquet(
      join(folder, 'types.parquet'),
      `SELECT [1] AS id, 5 AS ts, DATE '2024-01-01' AS f`,
    );
    await expect(readLatest(folder, viewOf(), sourceOf({ uri: 'types.parquet' }))).rejects.toThrow(
      'column ts has type INTEGER, which cannot be read as a timestamp; column id has type INTEGER[], which cannot be read as INT64; column f has type DATE, which cannot be read as INT64',
    );
  });

  test('refuses join keys of types that no entity key holds', async () => {
    const view = viewOf({ joinKeys: fieldsOf({ id: 'DOUBLE' }) });
    await expect(readLatest(folder, view, sourceOf({ uri: 'bounds.parquet' }))).rejects.toThrow(
      'join key id is declared as DOUBLE; entity keys hold STRING, BYTES, INT32, INT64 and UNIX_TIMESTAMP',
    );
  });

  test('says that a file is no Parquet, without its content', async () => {
    await writeFile(join(folder, 'text.parquet'), 'secret');
    const reading = readLatest(folder, viewOf(), sourceOf({ uri: 'text.parquet' }));
    await expect(reading).rejects.toThrow(/^feature view v: cannot read .*text\.parquet: /);
    await expect(reading).rejects.not.toThrow('secret');
  });
});
