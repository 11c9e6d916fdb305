import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { RegistrySnapshot, ViewDefinition } from '../../src/registry/registry-model.ts';
import { fieldsOf, temporaryFolder, writeParquet } from '../ingestion/source-fixture.ts';
import { joinableView, readRows, registryOf, retrieve } from './training-fixture.ts';

let folder: string;
let output: string;

beforeAll(async () => {
  folder = await temporaryFolder();
  output = join(folder, 'out.parquet');
});

/** Writes `name.parquet` from the rows of a VALUES clause. */
async function table(name: string, columns: string, values: string): Promise<string> {
  const path = join(folder, `${name}.parquet`);
  await writeParquet(path, `SELECT * FROM (VALUES ${values}) t(${columns})`);
  return path;
}

/** Joins, and gives the rows of the result. */
async function joined(
  asked: Partial<Parameters<typeof retrieve>[0]> & {
    readonly views?: readonly ViewDefinition[];
    readonly entityRows: string;
  },
): Promise<Record<string, unknown>[]> {
  const { views = [joinableView()], registry, ...rest } = asked;
  await retrieve({
    registry: registry ?? registryOf(views),
    repoPath: folder,
    output,
    overwrite: true,
    ...rest,
  });
  return await readRows(`SELECT * FROM '${output}'`);
}

/** The values of one column. */
async function column(
  asked: Parameters<typeof joined>[0] & { readonly name?: string },
): Promise<unknown[]> {
  const { name = 'f', ...rest } = asked;
  return (await joined(rest)).map((row) => row[name]);
}

const MOMENTS = "(TIMESTAMP '2024-01-01'), (TIMESTAMP '2024-01-02'), (TIMESTAMP '2024-01-03')";

describe('what was known', () => {
  test('is what has an event timestamp not after that of the entity row', async () => {
    await table(
      'v',
      'id, ts, f',
      `(1::BIGINT, TIMESTAMP '2024-01-02', 10::BIGINT), (1, TIMESTAMP '2024-01-02 00:00:00.000001', 11),
       (1, TIMESTAMP '2024-01-01', 9), (2, TIMESTAMP '2024-01-01', 20)`,
    );
    const entityRows = await table(
      'entities',
      'id, event_timestamp',
      `(1::BIGINT, TIMESTAMP '2024-01-02'), (1, TIMESTAMP '2024-01-02 00:00:00.000001'),
       (1, TIMESTAMP '2024-01-01 23:59:59.999999'), (1, TIMESTAMP '2023-12-31 23:59:59'), (2, TIMESTAMP '2025-01-01'), (3, TIMESTAMP '2025-01-01')`,
    );
    expect(await column({ entityRows })).toEqual([10n, 11n, 9n, null, 20n, null]);
  });

  test('is not older than the TTL, which it may be as old as', async () => {
    await table('v', 'id, ts, f', "(1::BIGINT, TIMESTAMP '2024-01-01', 10::BIGINT)");
    const entityRows = await table(
      'entities',
      'id, event_timestamp',
      `(1::BIGINT, TIMESTAMP '2024-01-02'), (1, TIMESTAMP '2024-01-02 00:00:00.000001'), (1, TIMESTAMP '2024-01-01'),
       (1, TIMESTAMP '2023-12-31'), (NULL, TIMESTAMP '2024-01-01')`,
    );
    const views = [joinableView({ ttlSeconds: 86_400 })];
    expect(await column({ entityRows, views })).toEqual([10n, null, 10n, null, null]);
    const { joins } = await retrieve({
      registry: registryOf(views),
      repoPath: folder,
      output,
      overwrite: true,
      entityRows,
    });
    expect(joins).toEqual([
      {
        name: 'v',
        sourceRowCount: 1,
        matchedCount: 2,
        tooOldCount: 1,
        unknownCount: 2,
        withoutKeyCount: 1,
        badRows: [],
      },
    ]);
    // However long.
    const forever = [joinableView({ ttlSeconds: 2 ** 53 - 1 })];
    expect(await column({ entityRows, views: forever })).toEqual([10n, 10n, 10n, null, null]);
  });

  test('goes by the created timestamp among equals, none being the least, then by the source', async () => {
    await table(
      'v',
      'id, ts, made, f',
      `(1::BIGINT, TIMESTAMP '2024-01-01', TIMESTAMP '2024-01-05', 10::BIGINT), (1, TIMESTAMP '2024-01-01', TIMESTAMP '2024-01-07', 11),
       (1, TIMESTAMP '2024-01-01', TIMESTAMP '2024-01-07', 12), (1, TIMESTAMP '2024-01-01', NULL, 13),
       (2, TIMESTAMP '2024-01-01', NULL, 20), (2, TIMESTAMP '2024-01-01', NULL, 21)`,
    );
    const entityRows = await table(
      'entities',
      'id, event_timestamp',
      "(1::BIGINT, TIMESTAMP '2024-01-06'), (2, TIMESTAMP '2024-01-06')",
    );
    const views = [joinableView({}, { createdTimestampField: 'made' })];
    expect(await column({ entityRows, views })).toEqual([11n, 20n]);
    // Known only once created, if asked for.
    expect(await column({ entityRows, views, filterByCreatedTimestamp: true })).toEqual([
      10n,
      null,
    ]);
    // Without the column the source decides.
    expect(await column({ entityRows })).toEqual([10n, 20n]);
  });

  test('counts nanoseconds where there are some', async () => {
    await table(
      'v',
      'id, ts, f',
      '(1::BIGINT, make_timestamp_ns(1704067200000000001), 10::BIGINT), (1, make_timestamp_ns(1704067200000000003), 11)',
    );
    const nanoseconds = await table(
      'entities',
      'id, event_timestamp',
      `(1::BIGINT, make_timestamp_ns(1704067200000000000)), (1, make_timestamp_ns(1704067200000000001)),
       (1, make_timestamp_ns(1704067200000000002)), (1, make_timestamp_ns(1704067200000000003))`,
    );
    expect(await column({ entityRows: nanoseconds })).toEqual([null, 10n, 10n, 11n]);
    const microseconds = await table(
      'entities-us',
      'id, event_timestamp',
      "(1::BIGINT, TIMESTAMP '2024-01-01'), (1, TIMESTAMP '2024-01-01 00:00:00.000001'), (1, TIMESTAMP '9999-01-01')",
    );
    expect(await column({ entityRows: microseconds })).toEqual([null, 11n, 11n]);
  });

  test('is in UTC where no zone is given, and the same moment where one is', async () => {
    await table(
      'v',
      'id, ts, f',
      "(1::BIGINT, TIMESTAMPTZ '2024-01-01 02:00:00+02:00', 10::BIGINT)",
    );
    const entityRows = await table(
      'entities',
      'id, event_timestamp',
      "(1::BIGINT, TIMESTAMP '2024-01-01'), (1, TIMESTAMP '2023-12-31 23:59:59')",
    );
    expect(await column({ entityRows })).toEqual([10n, null]);
  });
});

describe('entity rows', () => {
  test('stay as they are, in their order, over many files', async () => {
    await table(
      'v',
      'id, ts, f',
      "(1::BIGINT, TIMESTAMP '2024-01-01', 10::BIGINT), (2, TIMESTAMP '2024-01-01', 20)",
    );
    await mkdir(join(folder, 'many'));
    for (const [file, first] of [
      ['b', 30_000],
      ['a', 0],
    ] as const) {
      await writeParquet(
        join(folder, 'many', `${file}.parquet`),
        `SELECT (i % 3)::BIGINT AS id, TIMESTAMP '2024-01-02' - INTERVAL (i % 5) HOUR AS event_timestamp, 'x' || i AS label FROM range(${first}, ${first + 30_000}) t(i)`,
      );
    }
    const rows = await joined({ entityRows: join(folder, 'many') });
    expect(rows.length).toBe(60_000);
    expect(Object.keys(rows[0]!)).toEqual(['id', 'event_timestamp', 'label', 'f']);
    const wrong = rows.filter(
      ({ label, f }, i) => label !== `x${i}` || f !== (i % 3 === 0 ? null : BigInt(i % 3) * 10n),
    );
    expect(wrong).toEqual([]);
  });

  test('may be CSV: keys keep their text, other columns get their types', async () => {
    await table(
      'v',
      'id, code, ts, f',
      "(7::BIGINT, '007', TIMESTAMP '2024-01-01', 10::BIGINT), (7, '7', TIMESTAMP '2024-01-01', 11)",
    );
    const entityRows = join(folder, 'entities.csv');
    await writeFile(
      entityRows,
      'id,code,event_timestamp,label,amount\n007,007,2024-01-01T01:00:00+01:00,1,2.5\n7,7,2024-01-02 00:00:00,0,\n,007,2024-01-02,1,3\n',
    );
    const views = [joinableView({ joinKeys: fieldsOf({ id: 'INT64', code: 'STRING' }) })];
    expect(await joined({ entityRows, views })).toEqual([
      {
        id: 7n,
        code: '007',
        event_timestamp: new Date('2024-01-01T00:00:00Z'),
        label: 1n,
        amount: 2.5,
        f: 10n,
      },
      {
        id: 7n,
        code: '7',
        event_timestamp: new Date('2024-01-02T00:00:00Z'),
        label: 0n,
        amount: null,
        f: 11n,
      },
      {
        id: null,
        code: '007',
        event_timestamp: new Date('2024-01-02T00:00:00Z'),
        label: 1n,
        amount: 3,
        f: null,
      },
    ]);
  });

  test('may be none', async () => {
    await table('v', 'id, ts, f', "(1::BIGINT, TIMESTAMP '2024-01-01', 10::BIGINT)");
    const entityRows = join(folder, 'nobody.parquet');
    await writeParquet(
      entityRows,
      "SELECT 1::BIGINT AS id, TIMESTAMP '2024-01-01' AS event_timestamp WHERE false",
    );
    expect(await joined({ entityRows })).toEqual([]);
  });

  test('say when in event_timestamp, in the only column of timestamps, or in the one that is named', async () => {
    await table('v', 'id, ts, f', "(1::BIGINT, TIMESTAMP '2024-01-01', 10::BIGINT)");
    const one = await table('one', 'id, "at"', "(1::BIGINT, TIMESTAMP '2024-01-01')");
    expect(await column({ entityRows: one })).toEqual([10n]);
    const two = await table(
      'two',
      'id, "at", due',
      "(1::BIGINT, TIMESTAMP '2024-01-01', TIMESTAMP '2023-01-01')",
    );
    await expect(joined({ entityRows: two })).rejects.toThrow(
      'which column is the event timestamp? There is none called event_timestamp, and several: at, due; name it with --event-timestamp-column',
    );
    expect(await column({ entityRows: two, eventTimestampColumn: 'at' })).toEqual([10n]);
    expect(await column({ entityRows: two, eventTimestampColumn: 'due' })).toEqual([null]);
    await expect(joined({ entityRows: two, eventTimestampColumn: 'when' })).rejects.toThrow(
      'no column when; they have id, at, due',
    );
  });
});

describe('keys', () => {
  test('of other types are compared as online: as the join key is declared', async () => {
    await table(
      'v',
      'id, ts, f',
      "(1::INTEGER, TIMESTAMP '2024-01-01', 10::BIGINT), (2, TIMESTAMP '2024-01-01', 20)",
    );
    const texts = await table(
      'texts',
      'id, event_timestamp',
      "('1', TIMESTAMP '2024-01-01'), (' 2', TIMESTAMP '2024-01-01')",
    );
    expect(await column({ entityRows: texts })).toEqual([10n, 20n]);
    const asText = [joinableView({ joinKeys: fieldsOf({ id: 'STRING' }) })];
    expect(await column({ entityRows: texts, views: asText })).toEqual([10n, null]);
  });

  test('go by the columns that a projection maps them to', async () => {
    await table(
      'v',
      'id, ts, f',
      "(1::BIGINT, TIMESTAMP '2024-01-01', 10::BIGINT), (2, TIMESTAMP '2024-01-01', 20)",
    );
    const entityRows = await table(
      'pairs',
      'buyer, seller, event_timestamp',
      "(1::BIGINT, 2::BIGINT, TIMESTAMP '2024-01-02'), (2, 3, TIMESTAMP '2024-01-02')",
    );
    const projection = (alias: string) => ({
      viewName: 'v',
      alias,
      featureNames: ['f'],
      joinKeyMap: new Map([['id', alias]]),
      versionTag: undefined,
    });
    const registry: RegistrySnapshot = registryOf([joinableView()], {
      featureServices: new Map([
        [
          'trade',
          {
            name: 'trade',
            projections: [projection('buyer'), projection('seller')],
            precomputeOnline: false,
            tags: {},
            owner: '',
            description: '',
          },
        ],
      ]),
    });
    expect(
      await joined({ entityRows, registry, featureService: 'trade', fullFeatureNames: true }),
    ).toEqual([
      {
        buyer: 1n,
        seller: 2n,
        event_timestamp: new Date('2024-01-02'),
        buyer__f: 10n,
        seller__f: 20n,
      },
      {
        buyer: 2n,
        seller: 3n,
        event_timestamp: new Date('2024-01-02'),
        buyer__f: 20n,
        seller__f: null,
      },
    ]);
  });

  test('are needed by no view without entities', async () => {
    await table(
      'v',
      'ts, f',
      "(TIMESTAMP '2024-01-01', 10::BIGINT), (TIMESTAMP '2024-01-02 12:00:00', 20)",
    );
    const entityRows = await table('moments', 'event_timestamp', MOMENTS);
    const views = [
      joinableView({ entityNames: ['__dummy'], joinKeys: fieldsOf({ __dummy_id: 'STRING' }) }),
    ];
    expect(await column({ entityRows, views })).toEqual([10n, 10n, 20n]);
  });
});

describe('sources', () => {
  test('have their columns mapped', async () => {
    await table('v', 'uid, "at", src', "(1::BIGINT, TIMESTAMP '2024-01-01', 10::BIGINT)");
    const entityRows = await table(
      'entities',
      'id, event_timestamp',
      "(1::BIGINT, TIMESTAMP '2024-01-01')",
    );
    const views = [
      joinableView(
        {},
        {
          fieldMapping: new Map([
            ['uid', 'id'],
            ['at', 'ts'],
            ['src', 'f'],
          ]),
        },
      ),
    ];
    expect(await column({ entityRows, views })).toEqual([10n]);
  });

  test('may be CSV, whose text becomes the declared types; what does not fit is left out and named', async () => {
    await writeFile(
      join(folder, 'v.csv'),
      `id,ts,i,d,b,s,t
1,2024-01-01,5,1e3,true,,2024-01-01T00:00:00Z
1,2024-01-02,5.5,2.,0,"",86400
1,nonsense,7,inf,1,x,
,2024-01-02,7,.5,1,x,
2,2024-01-02T00:00:00Z,-7,NaN,FALSE,x y,
`,
    );
    const features = fieldsOf({
      i: 'INT32',
      d: 'DOUBLE',
      b: 'BOOL',
      s: 'STRING',
      t: 'UNIX_TIMESTAMP',
    });
    const registry = registryOf([joinableView({ features }, { uri: 'v.csv' })]);
    const asked = {
      registry,
      repoPath: folder,
      output,
      overwrite: true,
      entityRows: await table(
        'entities',
        'id, event_timestamp',
        "(1::BIGINT, TIMESTAMP '2025-01-01'), (2, TIMESTAMP '2025-01-01')",
      ),
    };
    const all = { ...asked, features: ['v:i', 'v:d', 'v:b', 'v:s', 'v:t'] };
    const { joins } = await retrieve(all);
    const path = join(folder, 'v.csv');
    expect(joins[0]!.badRows).toEqual([
      { kind: 'no_event_timestamp', count: 1, first: [{ file: path, row: 2 }] },
      { kind: 'no_join_key', count: 1, first: [{ file: path, row: 3 }] },
      { kind: 'value_does_not_fit', feature: 'i', count: 1, first: [{ file: path, row: 1 }] },
    ]);
    expect(await readRows(`SELECT i, d, b, s, t FROM '${output}'`)).toEqual([
      { i: 5, d: 1000, b: true, s: null, t: new Date('2024-01-01') },
      { i: -7, d: Number.NaN, b: false, s: 'x y', t: null },
    ]);
    // A feature that was not asked for keeps no row away.
    await retrieve({ ...asked, features: ['v:d', 'v:s', 'v:t'] });
    expect(await readRows(`SELECT d, s, t FROM '${output}' LIMIT 1`)).toEqual([
      { d: 2, s: '', t: new Date('1970-01-02') },
    ]);
    await expect(retrieve({ ...all, strict: true })).rejects.toMatchObject({
      code: 'INVALID_SOURCE_DATA',
      message: expect.stringContaining('bad rows, and --strict allows none') as string,
    });
  });

  test('of warehouses, of Python functions, of pushes alone, and on-demand views are refused by name', async () => {
    const entityRows = await table(
      'entities',
      'id, event_timestamp',
      "(1::BIGINT, TIMESTAMP '2024-01-01')",
    );
    const refusal = async (view: ViewDefinition, message: string): Promise<void> => {
      await expect(joined({ entityRows, views: [view] })).rejects.toThrow(message);
    };
    await refusal(
      joinableView({}, { kind: 'bigquery' }),
      'feature view v reads its rows from bigquery (source s); join it with Feast',
    );
    await refusal(
      { ...joinableView(), materialization: { computedBy: 'Python transformation' } },
      'feature view v is computed by Python transformation',
    );
    await refusal({ ...joinableView(), materialization: {} }, 'feature view v has no batch source');
    await refusal({ ...joinableView(), disabled: true }, 'Feature view v is disabled');
    await refusal(
      {
        ...joinableView(),
        onDemand: { mode: 'pandas', writeToOnlineStore: false, sources: [], requestFields: [] },
      },
      'On-demand feature view v (mode pandas) cannot be computed here',
    );
  });
});

describe('a run', () => {
  const entities = (): Promise<string> =>
    table('entities', 'id, event_timestamp, f', "(1::BIGINT, TIMESTAMP '2024-01-01', 5)");

  test('is refused before it reads, naming what is wrong', async () => {
    await table('v', 'id, ts, f', "(1::BIGINT, TIMESTAMP '2024-01-01', 10::BIGINT)");
    const entityRows = await entities();
    await expect(joined({ entityRows })).rejects.toMatchObject({
      code: 'FEATURE_NAME_COLLISION',
      message: expect.stringContaining('already have a column f') as string,
    });
    await expect(
      joined({ entityRows, fullFeatureNames: true, output: join(folder, 'no', 'where') }),
    ).rejects.toThrow('there is no folder');
    const other = await table('other', 'name, event_timestamp', "('x', TIMESTAMP '2024-01-01')");
    await expect(joined({ entityRows: other })).rejects.toMatchObject({
      code: 'MISSING_JOIN_KEY',
      message: 'entity rows: no column id; they have name, event_timestamp',
    });
    const misspelt = await table('misspelt', 'idd, event_timestamp', "(1, TIMESTAMP '2024-01-01')");
    await expect(joined({ entityRows: misspelt })).rejects.toThrow(
      'no column id; they have idd, event_timestamp; is idd meant to be id?',
    );
    const bad = await table(
      'bad',
      'id, event_timestamp',
      "('1', TIMESTAMP '2024-01-01'), ('x', TIMESTAMP '2024-01-01'), ('y', TIMESTAMP '2024-01-01')",
    );
    await expect(joined({ entityRows: bad })).rejects.toThrow(
      `entity rows: 2 x a value in column id that is no INT64, first in row 1 of ${bad} (rows count from 0)`,
    );
    const never = await table('never', 'id, event_timestamp', '(1::BIGINT, NULL::TIMESTAMP)');
    await expect(joined({ entityRows: never })).rejects.toThrow(
      '1 x no moment in column event_timestamp, first in row 0',
    );
    await expect(joined({ entityRows: join(folder, 'nothing') })).rejects.toThrow(
      'there is no file at',
    );
    await expect(
      joined({ entityRows, fullFeatureNames: true, features: ['v:g'] }),
    ).rejects.toMatchObject({ code: 'FEATURE_NOT_FOUND' });
  });

  test('replaces a file only when it may, and leaves nothing behind when it fails', async () => {
    await table('v', 'id, ts, f', "(1::BIGINT, TIMESTAMP '2024-01-01', 10::BIGINT)");
    const entityRows = await entities();
    await joined({ entityRows, fullFeatureNames: true });
    await expect(joined({ entityRows, fullFeatureNames: true, overwrite: false })).rejects.toThrow(
      'exists; --overwrite replaces it',
    );
    await writeFile(join(folder, 'v.parquet'), 'this is no Parquet');
    await expect(joined({ entityRows, fullFeatureNames: true })).rejects.toMatchObject({
      code: 'INVALID_SOURCE_DATA',
    });
    expect(await readRows(`SELECT v__f FROM '${output}'`)).toEqual([{ v__f: 10n }]);
    expect((await readdir(folder)).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  test('ends when it is told to', async () => {
    await writeParquet(
      join(folder, 'v.parquet'),
      "SELECT (i % 1000)::BIGINT AS id, TIMESTAMP '2024-01-01' - INTERVAL (i) SECOND AS ts, i AS f FROM range(300000) t(i)",
    );
    const entityRows = join(folder, 'large.parquet');
    await writeParquet(
      entityRows,
      "SELECT (i % 1000)::BIGINT AS id, TIMESTAMP '2024-01-01' AS event_timestamp FROM range(300000) t(i)",
    );
    const stop = new AbortController();
    const steps: string[] = [];
    await expect(
      joined({
        entityRows,
        output: join(folder, 'unfinished.parquet'),
        signal: stop.signal,
        onProgress: ({ step }) => {
          steps.push(step);
          if (step === 'join v') setTimeout(() => stop.abort(), 20);
        },
      }),
    ).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(steps).toContain('join v');
    expect(steps).not.toContain('write');
    expect(await readdir(folder)).not.toContain('unfinished.parquet');
  });

  test('plans without reading, and reports each step', async () => {
    await table('v', 'id, ts, f', "(1::BIGINT, TIMESTAMP '2024-01-01', 10::BIGINT)");
    const entityRows = await table(
      'entities',
      'id, event_timestamp',
      "(1::BIGINT, TIMESTAMP '2024-01-01')",
    );
    const registry = registryOf([joinableView({ ttlSeconds: 60 })]);
    const {
      plan,
      joins,
      output: written,
    } = await retrieve({ registry, repoPath: folder, entityRows });
    expect({ joins, written }).toEqual({ joins: [], written: undefined });
    expect(plan).toEqual({
      entityFiles: [entityRows],
      rowCount: 1,
      computed: [],
      eventTimestampColumn: 'event_timestamp',
      joins: [
        {
          name: 'v',
          sourceName: 's',
          sourceFiles: [join(folder, 'v.parquet')],
          joinKeys: [{ entityColumn: 'id', joinKey: 'id' }],
          featureNames: ['f'],
          ttlSeconds: 60,
          createdTimestampField: '',
        },
      ],
      outputColumns: ['id', 'event_timestamp', 'f'],
    });
    const steps: string[] = [];
    await joined({
      entityRows,
      onProgress: ({ step, index, stepCount, percent }) =>
        steps.push(`${index + 1}/${stepCount} ${step} ${percent}`),
    });
    expect(steps).toEqual([
      '1/3 read entity rows 0',
      '1/3 read entity rows 100',
      '2/3 join v 0',
      '2/3 join v 100',
      '3/3 write 0',
      '3/3 write 100',
    ]);
  });
});
