import { copyFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { create, fromBinary } from '@bufbuild/protobuf';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { RegistrySchema } from '../../gen/feast/core/Registry_pb.ts';
import type { Registry } from '../../gen/feast/core/Registry_pb.ts';
import { runMaterialization } from '../../src/cli/run-materialization.ts';
import { parseEntityKey } from '../../src/feast-encoding/parse-entity-key.ts';
import { decodeTimestamp } from '../../src/feast-encoding/timestamp.ts';
import { readValue } from '../../src/feast-encoding/value-reader.ts';
import { startRedis, startRedisCluster } from '../support/redis-server.ts';
import type { RedisServer } from '../support/redis-server.ts';
import { describeWithShared, sharedPath } from '../support/shared.ts';
import {
  createRepository,
  dumpRedis,
  dumpSqlite,
  parseRecordedDump,
  registryOf,
  runSql,
  windowOf,
} from './materialize-fixture.ts';
import type { RedisDump, TestRepository } from './materialize-fixture.ts';

const CREDIT_CSV = sharedPath('data/credit_history_sample.csv');
const ZIPCODES = sharedPath('data/zipcode_table.parquet');
const PROJECT = 'credit_scoring_local';
const SCOPE = windowOf('2010-01-01', '2026-06-01');
const ZIPCODE_COUNT = 28_844;
const PERSON_COUNT = 1000;

let redis: RedisServer;
let client: Redis;

beforeAll(async () => {
  redis = await startRedis();
  client = new Redis({ host: redis.host, port: redis.port });
});

afterAll(async () => {
  client?.disconnect();
  await redis?.stop();
});

function golden(...names: readonly string[]): string {
  return sharedPath('golden/scenarios', ...names);
}

async function goldenRegistry(scenario: string, variant: string): Promise<Registry> {
  return fromBinary(RegistrySchema, await readFile(golden(scenario, `registry.${variant}.db`)));
}

/** A repository of the tutorial with its real tables; the credit histories as Parquet, as Feast had them. */
async function realdataRepository(
  onlineStore: string,
  variant: string,
  entityKeyVersion: 2 | 3 = 3,
): Promise<TestRepository> {
  const repository = await createRepository({
    registry: await goldenRegistry('realdata', variant),
    project: PROJECT,
    onlineStore,
    entityKeyVersion,
  });
  await copyFile(ZIPCODES, join(repository.path, 'data/zipcode_table.parquet'));
  await runSql(
    `COPY (SELECT * FROM read_csv('${CREDIT_CSV}')) TO '${join(repository.path, 'data/credit_history.parquet')}' (FORMAT parquet)`,
  );
  return repository;
}

function redisBlock(server: RedisServer): string {
  return `type: redis\nconnection_string: 127.0.0.1:${server.port}`;
}

/** Every recorded key is there with the same fields and values. */
function expectRecorded(dump: RedisDump, recorded: RedisDump): void {
  expect(recorded.size).toBe(500);
  for (const [key, fields] of recorded) {
    expect(dump.get(key)).toEqual(fields);
  }
}

describeWithShared('real tables are materialized as Feast materialized them', () => {
  test.each([
    ['redis', 3],
    ['redis_ekv2', 2],
  ] as const)('into Redis, variant %s', async (variant, entityKeyVersion) => {
    await client.flushall();
    const repository = await realdataRepository(redisBlock(redis), variant, entityKeyVersion);
    try {
      const result = await runMaterialization({ config: repository.config, scope: SCOPE });
      expect(result.views).toMatchObject([
        {
          viewName: 'zipcode_features',
          sourceRowCount: ZIPCODE_COUNT,
          writtenCount: ZIPCODE_COUNT,
          staleCount: 0,
          badRowCount: 0,
        },
        {
          viewName: 'credit_history',
          sourceRowCount: PERSON_COUNT,
          writtenCount: PERSON_COUNT,
          staleCount: 0,
          badRowCount: 0,
        },
      ]);
      const dump = await dumpRedis(client);
      expect(dump.size).toBe(ZIPCODE_COUNT + PERSON_COUNT);
      const text = await readFile(golden('realdata', `redis_dump.${variant}.jsonl`), 'utf8');
      expectRecorded(dump, parseRecordedDump(text));

      const again = await runMaterialization({ config: repository.config, scope: SCOPE });
      expect(again.views.map(({ writtenCount, staleCount }) => [writtenCount, staleCount])).toEqual(
        [
          [0, ZIPCODE_COUNT],
          [0, PERSON_COUNT],
        ],
      );
      expect(await dumpRedis(client)).toEqual(dump);
    } finally {
      await repository.remove();
    }
  });

  test('into a cluster of three shards', async () => {
    const cluster = await startRedisCluster({ shards: 3 });
    const nodes = cluster.masters.map(({ port }) => `127.0.0.1:${port}`).join(',');
    const repository = await realdataRepository(
      `type: redis\nredis_type: redis_cluster\nconnection_string: ${nodes}`,
      'redis',
    );
    try {
      await runMaterialization({ config: repository.config, scope: SCOPE });
      const dump = new Map<string, Readonly<Record<string, string>>>();
      for (const { port } of cluster.masters) {
        const shard = new Redis({ host: '127.0.0.1', port });
        const shardDump = await dumpRedis(shard);
        shard.disconnect();
        expect(shardDump.size).toBeGreaterThan((ZIPCODE_COUNT + PERSON_COUNT) / 4);
        for (const [key, fields] of shardDump) {
          dump.set(key, fields);
        }
      }
      expect(dump.size).toBe(ZIPCODE_COUNT + PERSON_COUNT);
      const text = await readFile(golden('realdata', 'redis_dump.redis.jsonl'), 'utf8');
      expectRecorded(dump, parseRecordedDump(text));
    } finally {
      await repository.remove();
      await cluster.stop();
    }
  });

  test('into SQLite, and the registry says so as Feast does', async () => {
    const repository = await realdataRepository('type: sqlite\npath: online.db', 'sqlite');
    try {
      const result = await runMaterialization({ config: repository.config, scope: SCOPE });
      expect(result.views.map(({ writtenCount }) => writtenCount)).toEqual([
        ZIPCODE_COUNT,
        PERSON_COUNT,
      ]);
      for (const [view, features, entities] of [
        ['zipcode_features', 6, ZIPCODE_COUNT],
        ['credit_history', 9, PERSON_COUNT],
      ] as const) {
        const name = `${PROJECT}_${view}`;
        const rows = dumpSqlite(join(repository.path, 'online.db'), name) as SqliteRow[];
        expect(rows).toHaveLength(features * entities);
        const recorded = dumpSqlite(golden('realdata/online.sqlite.db'), name) as SqliteRow[];
        expect(recorded).toHaveLength(1800);
        const ours = new Map(rows.map((row) => [`${row.k} ${row.feature_name}`, row]));
        for (const row of recorded) {
          expect(ours.get(`${row.k} ${row.feature_name}`)).toEqual(row);
        }
      }
      expectAnchors(join(repository.path, 'online.db'));
      expect(materializationsOf(await registryOf(repository))).toEqual(
        materializationsOf(await goldenRegistry('realdata', 'sqlite')),
      );
    } finally {
      await repository.remove();
    }
  });

  test('from CSV as from Parquet', async () => {
    await client.flushall();
    const repository = await realdataRepository(redisBlock(redis), 'redis');
    try {
      await runMaterialization({ config: repository.config, scope: SCOPE });
      const fromParquet = await dumpRedis(client);
      await client.flushall();
      const csv = join(repository.path, 'data/credit_history.csv');
      await copyFile(CREDIT_CSV, csv);
      await runSql(
        `COPY (SELECT * FROM read_parquet('${ZIPCODES}')) TO '${join(repository.path, 'data/zipcode_table.csv')}' (HEADER)`,
      );
      const registry = await registryOf(repository);
      const asCsv = await createRepository({
        registry: withCsvSources(registry),
        project: PROJECT,
        onlineStore: redisBlock(redis),
      });
      try {
        await copyFile(csv, join(asCsv.path, 'data/credit_history.csv'));
        await copyFile(
          join(repository.path, 'data/zipcode_table.csv'),
          join(asCsv.path, 'data/zipcode_table.csv'),
        );
        const result = await runMaterialization({ config: asCsv.config, scope: SCOPE });
        expect(result.views.map(({ badRows }) => badRows)).toEqual([[], []]);
      } finally {
        await asCsv.remove();
      }
      expect(await dumpRedis(client)).toEqual(fromParquet);
    } finally {
      await repository.remove();
    }
  });
});

describeWithShared('what Feast stored comes back from a source that is made of it', () => {
  test('into Redis and SQLite, between rows that must not win', async () => {
    await client.flushall();
    const text = await readFile(golden('materialized/redis_dump.redis.jsonl'), 'utf8');
    const recorded = parseRecordedDump(text);
    const recordedDb = golden('materialized/online.sqlite.db');
    for (const onlineStore of [redisBlock(redis), 'type: sqlite\npath: online.db']) {
      const repository = await createRepository({
        registry: await goldenRegistry('materialized', 'redis'),
        project: 'credit_scoring',
        onlineStore,
      });
      try {
        for (const [view, file, feature] of [
          ['zipcode_features', 'zipcode_table', 'population'],
          ['credit_history', 'credit_history', 'mortgage_due'],
        ] as const) {
          const rows = sourceRows(recordedDb, `credit_scoring_${view}`, view, recorded);
          await runSql(
            `CREATE TABLE truth AS ${rows}`,
            // Earlier, created earlier, after the window, without event timestamp: all with a value that would be seen.
            `CREATE TABLE losers AS
             SELECT * REPLACE (event_timestamp - INTERVAL 1 MICROSECOND AS event_timestamp) FROM truth
             UNION ALL SELECT * REPLACE (created_timestamp - INTERVAL 1 MICROSECOND AS created_timestamp) FROM truth
             UNION ALL SELECT * REPLACE (TIMESTAMPTZ '2026-06-01 00:00:00.000001Z' AS event_timestamp) FROM truth
             UNION ALL SELECT * REPLACE (NULL AS event_timestamp) FROM truth`,
            `CREATE TABLE source AS FROM truth UNION ALL SELECT * REPLACE (-1 AS ${feature}) FROM losers`,
            `COPY (SELECT * FROM source ORDER BY hash(event_timestamp, created_timestamp)) TO '${join(repository.path, `data/${file}.parquet`)}' (FORMAT parquet)`,
          );
        }
        const result = await runMaterialization({ config: repository.config, scope: SCOPE });
        expect(result.views.map(({ badRows }) => badRows[0]?.kind)).toEqual([
          'no_event_timestamp',
          'no_event_timestamp',
        ]);
        if (repository.config.onlineStore.kind === 'sqlite') {
          for (const view of ['zipcode_features', 'credit_history']) {
            const ours = dumpSqlite(join(repository.path, 'online.db'), `credit_scoring_${view}`);
            expect(ours).toEqual(dumpSqlite(recordedDb, `credit_scoring_${view}`));
          }
        } else {
          expect(await dumpRedis(client)).toEqual(recorded);
        }
      } finally {
        await repository.remove();
      }
    }
  });
});

interface SqliteRow {
  readonly k: string;
  readonly feature_name: string;
  readonly v: string;
  readonly event_ts: number;
  readonly created_ts: number | null;
}

/** Values that the tables are known for. */
function expectAnchors(file: string): void {
  const rows = [
    ...(dumpSqlite(file, `${PROJECT}_zipcode_features`) as SqliteRow[]),
    ...(dumpSqlite(file, `${PROJECT}_credit_history`) as SqliteRow[]),
  ];
  const anchors = new Map<string, Record<string, unknown>>();
  for (const { k, feature_name, v } of rows) {
    const entity = String(parseEntityKey(Buffer.from(k, 'hex'), 3).values[0]!.value);
    const features = anchors.get(entity) ?? {};
    anchors.set(entity, features);
    features[feature_name] = readValue(Buffer.from(v, 'hex')).value;
  }
  expect(anchors.get('19530219_5179')).toMatchObject({
    credit_card_due: 8419n,
    mortgage_due: 91803n,
    student_loan_due: 22328n,
    vehicle_loan_due: 15078n,
  });
  expect(anchors.get('76104')).toMatchObject({
    city: 'FORT WORTH',
    state: 'TX',
    population: 10534n,
  });
  expect(anchors.get('94109')).toMatchObject({
    city: 'SAN FRANCISCO',
    state: 'CA',
    tax_returns_filed: 30286n,
    population: 38763n,
    total_wages: 1860031351n,
  });
}

/** What a registry says of materializations, without the times of the recording. */
function materializationsOf(registry: Registry): unknown {
  return registry.featureViews
    .map(({ spec, meta }) => ({
      name: spec?.name,
      state: meta?.state,
      intervals: meta?.materializationIntervals.map(({ startTime, endTime }) => [
        startTime?.seconds,
        startTime?.nanos,
        endTime?.seconds,
        endTime?.nanos,
      ]),
    }))
    .sort((a, b) => (a.name! < b.name! ? -1 : 1));
}

function withCsvSources(registry: Registry): Registry {
  const copy = create(RegistrySchema, registry);
  for (const view of copy.featureViews) {
    const options = view.spec!.batchSource!.options;
    if (options.case === 'fileOptions') {
      options.value.uri = options.value.uri.replace('.parquet', '.csv');
    }
  }
  return copy;
}

/** SQL of the rows of a source that would be stored as they were recorded. */
function sourceRows(file: string, tableName: string, view: string, recorded: RedisDump): string {
  const database = new DatabaseSync(file, { readOnly: true });
  const rows = database
    .prepare(`SELECT entity_key, feature_name, value, created_ts FROM "${tableName}"`)
    .all() as unknown as readonly StoredRow[];
  database.close();
  const entities = new Map<string, string[]>();
  for (const row of rows) {
    const key = Buffer.concat([row.entity_key, Buffer.from('credit_scoring')]).toString('base64');
    const fields = recorded.get(key)!;
    const timestamp = fields[Buffer.from(`_ts:${view}`).toString('base64')]!;
    const { joinKeys, values } = parseEntityKey(row.entity_key, 3);
    const columns = entities.get(key) ?? [
      `${literal(values[0]!.value)} AS ${joinKeys[0]}`,
      `${moment(decodeTimestamp(Buffer.from(timestamp, 'base64')) / 1000n)} AS event_timestamp`,
      `${moment(BigInt(row.created_ts) * 1_000_000n)} AS created_timestamp`,
    ];
    entities.set(key, columns);
    columns.push(`${literal(readValue(row.value).value)} AS ${row.feature_name}`);
  }
  expect(entities.size).toBeGreaterThan(3);
  return [...entities.values()]
    .map((columns) => `SELECT ${columns.join(', ')}`)
    .join(' UNION ALL BY NAME ');
}

interface StoredRow {
  readonly entity_key: Uint8Array;
  readonly feature_name: string;
  readonly value: Uint8Array;
  readonly created_ts: number;
}

function moment(micros: bigint): string {
  return `(make_timestamp(${micros}) AT TIME ZONE 'UTC')`;
}

function literal(value: unknown): string {
  if (typeof value === 'string') {
    return `'${value.replaceAll("'", "''")}'`;
  }
  return typeof value === 'bigint' || typeof value === 'number' ? `${value}::BIGINT` : 'NULL';
}
