import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fromBinary } from '@bufbuild/protobuf';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FeatureViewState } from '../../gen/feast/core/FeatureView_pb.ts';
import { RegistrySchema } from '../../gen/feast/core/Registry_pb.ts';
import { pythonEnvironment, pythonProgram, runProgram, runPython } from '../support/python.ts';
import {
  configuration,
  makeRepository,
  type RepositoryFolder,
  runSideboard,
} from '../system/apply-fixture.ts';

const SCRIPT = join(import.meta.dirname, 'python', 'registry_objects.py');

/** Definitions that use everything that a registry can say of them. */
const FEATURES = `
import {
  defineEntity, defineFeatureService, defineFeatureView, defineFileSource, defineOnDemandFeatureView,
  definePushSource, defineRequestSource, field, Float64, Int64, listOf, String as Text, structOf,
} from 'sideboard';

const driver = defineEntity({
  name: 'driver', joinKey: 'driver_id', valueType: Int64, tags: { tier: '1' }, owner: 'a@example.com',
});
const zone = defineEntity({ name: 'zone', valueType: Text });
const tripsFile = defineFileSource({
  name: 'trips_file', path: 'data/trips.parquet', timestampField: 'event_timestamp',
  createdTimestampColumn: 'created', fieldMapping: { n: 'count' },
});
export const trips = defineFeatureView({
  name: 'trips', entities: [driver], ttl: { days: 3650 }, source: tripsFile,
  schema: { count: Int64, fare: field(Float64, { tags: { unit: 'EUR' } }) },
});
export const zoned = defineFeatureView({
  name: 'zoned', entities: [driver, zone],
  source: definePushSource({
    name: 'zoned_push',
    batchSource: defineFileSource({
      name: 'zoned_file', path: 'data/zoned.parquet', timestampField: 'event_timestamp',
    }),
  }),
  schema: { visits: Int64 },
});
export const everywhere = defineFeatureView({
  name: 'everywhere', online: false, source: tripsFile,
  schema: { nested: listOf(listOf(Int64)), shape: structOf({ a: Int64, b: Text }) },
});
const now = defineRequestSource({ name: 'now', schema: { factor: Float64 } });
export const scaled = defineOnDemandFeatureView({
  name: 'scaled', mode: 'python', sources: [trips.select('fare'), now], schema: { scaled_fare: Float64 },
  pythonSource: \`def scaled(inputs):
    return {"scaled_fare": [f * k for f, k in zip(inputs["fare"], inputs["factor"])]}
\`,
});
export const withoutPython = defineOnDemandFeatureView({
  name: 'without Python', sources: [trips, now], schema: { nothing: Int64 },
  compute: ({ count }) => ({ nothing: count }),
});
export const service = defineFeatureService({
  name: 'ranking',
  features: [
    trips.select('fare', 'count').withName('first').withJoinKeyMap({ driver_id: 'first_driver' }),
    trips.withJoinKeyMap({ driver_id: 'second_driver' }).select('count').withName('second'),
    zoned.withJoinKeyMap({ driver_id: 'visitor' }),
  ],
});
`;

/** The stored part of the same, as Feast's users write it. */
const PYTHON_TWIN = `
from datetime import timedelta
from feast import Entity, FeatureService, FeatureView, Field, FileSource, PushSource, ValueType
from feast.types import Array, Float64, Int64, String, Struct

driver = Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.INT64, tags={"tier": "1"}, owner="a@example.com")
zone = Entity(name="zone", join_keys=["zone"], value_type=ValueType.STRING)
trips_file = FileSource(name="trips_file", path="data/trips.parquet", timestamp_field="event_timestamp",
    created_timestamp_column="created", field_mapping={"n": "count"})
trips = FeatureView(name="trips", entities=[driver], ttl=timedelta(days=3650), source=trips_file,
    schema=[Field(name="driver_id", dtype=Int64), Field(name="count", dtype=Int64), Field(name="fare", dtype=Float64, tags={"unit": "EUR"})])
zoned = FeatureView(name="zoned", entities=[driver, zone],
    source=PushSource(name="zoned_push", batch_source=FileSource(name="zoned_file", path="data/zoned.parquet", timestamp_field="event_timestamp")),
    schema=[Field(name="driver_id", dtype=Int64), Field(name="zone", dtype=String), Field(name="visits", dtype=Int64)])
everywhere = FeatureView(name="everywhere", online=False, source=trips_file,
    schema=[Field(name="nested", dtype=Array(Array(Int64))), Field(name="shape", dtype=Struct({"a": Int64, "b": String}))])
ranking = FeatureService(name="ranking", features=[
    trips[["fare", "count"]].with_name("first").with_join_key_map({"driver_id": "first_driver"}),
    trips[["count"]].with_name("second").with_join_key_map({"driver_id": "second_driver"}),
    zoned.with_join_key_map({"driver_id": "visitor"}),
])
`;

/** Left out above: Feast's `materialize` runs the functions of such views, in Python. */
const STORED = `
export const stored = defineOnDemandFeatureView({
  name: 'stored', entities: [driver], writeToOnlineStore: true, sources: [trips], schema: { doubled: Float64 },
  compute: ({ fare }) => ({ doubled: fare.map((each) => (each === null ? null : 2 * each)) }),
});
`;

let repository: RepositoryFolder;

beforeAll(async () => {
  repository = await makeRepository('rides');
  await repository.write({ 'features.ts': FEATURES, 'data/.keep': '' });
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  const folder = join(repository.path, 'data');
  await connection.run(`COPY (SELECT driver_id, n, fare, nested, shape,
      TIMESTAMPTZ '2026-01-01 00:00:00+00' + to_days(driver_id::INT) AS event_timestamp, now() AS created
    FROM (VALUES (1::BIGINT, 10::BIGINT, 1.5::DOUBLE, [[1::BIGINT]], {'a': 1::BIGINT, 'b': 'x'}),
                 (2, 20, 2.5, [[2]], {'a': 2, 'b': 'y'})) AS t(driver_id, n, fare, nested, shape))
    TO '${folder}/trips.parquet' (FORMAT parquet)`);
  await connection.run(`COPY (SELECT 1::BIGINT AS driver_id, 'north' AS zone, 7::BIGINT AS visits,
      TIMESTAMPTZ '2026-01-01 00:00:00+00' AS event_timestamp)
    TO '${folder}/zoned.parquet' (FORMAT parquet)`);
  connection.closeSync();
  instance.closeSync();
});
afterAll(async () => repository.remove());

async function apply(command = 'apply'): Promise<{ changes: unknown[] }> {
  const result = await runSideboard(['-c', repository.path, command, '--json']);
  expect(result.stderr).toBe('');
  return JSON.parse(result.stdout) as { changes: unknown[] };
}

async function askSdk(question: unknown): Promise<Record<string, unknown>> {
  const input = JSON.stringify(question);
  const output = await runPython(SCRIPT, [repository.path], { cwd: repository.path, input });
  return JSON.parse(output.trimEnd().split('\n').at(-1) ?? '') as Record<string, unknown>;
}

// In order: each test goes on with what the one before it left.
describe('the real SDK on a registry that sideboard wrote', () => {
  it('loads every object as it was defined, materializes and serves', async () => {
    await apply();
    const answer = await askSdk({
      materialize: ['2025-01-01T00:00:00+00:00', '2026-06-01T00:00:00+00:00'],
      requests: [
        { features: ['trips:count', 'trips:fare'], rows: [{ driver_id: 1 }, { driver_id: 2 }] },
        {
          features: 'ranking',
          rows: [{ first_driver: 2, second_driver: 1, visitor: 1, zone: 'north' }],
          full_feature_names: true,
        },
        { features: ['scaled:scaled_fare'], rows: [{ driver_id: 2, factor: 10 }] },
      ],
    });
    expect(answer).toMatchObject({
      project: ['rides'],
      entities: {
        driver: ['driver_id', 'INT64', { tier: '1' }, 'a@example.com'],
        zone: ['zone', 'STRING', {}, ''],
      },
      data_sources: [
        'FileSource trips_file',
        'FileSource zoned_file',
        'PushSource zoned_push',
        'RequestSource now',
      ],
      feature_views: {
        trips: {
          entities: ['driver'],
          features: [
            ['count', 'Int64'],
            ['fare', 'Float64'],
          ],
          join_keys: [['driver_id', 'Int64']],
          ttl: 3650 * 86_400,
          online: true,
          stream_source: null,
        },
        zoned: { entities: ['driver', 'zone'], stream_source: 'zoned_push', ttl: 0 },
        // The SDK hides the dummy entity from those who list views.
        everywhere: { entities: [], join_keys: [], online: false },
      },
      on_demand_feature_views: {
        scaled: [['scaled_fare', 'Float64']],
        'without Python': [['nothing', 'Int64']],
      },
      feature_services: {
        ranking: [
          ['first', { driver_id: 'first_driver' }, ['fare', 'count']],
          ['second', { driver_id: 'second_driver' }, ['count']],
          ['zoned', { driver_id: 'visitor' }, ['visits']],
        ],
      },
      answers: [
        { driver_id: [1, 2], count: [10, 20], fare: [1.5, 2.5] },
        { first__fare: [2.5], first__count: [20], second__count: [10], zoned__visits: [7] },
        { scaled_fare: [25] },
      ],
    });
  });

  it('leaves nothing to change, and what it noted survives the next apply', async () => {
    expect((await apply()).changes).toEqual([]);
    await repository.write({ 'features.ts': FEATURES.replace('days: 3650', 'days: 9') });
    const { changes } = await apply();
    // The file of a function in TypeScript is part of what the registry knows of it.
    expect(changes.map((change) => (change as { name: string }).name).toSorted()).toEqual([
      'trips',
      'without Python',
    ]);
    const registry = fromBinary(RegistrySchema, await readFile(repository.registryFile));
    const view = registry.featureViews.find(({ spec }) => spec?.name === 'trips');
    expect(view?.spec?.ttl?.seconds).toBe(9n * 86_400n);
    expect(view?.meta?.materializationIntervals).toHaveLength(1);
    expect(view?.meta?.state).toBe(FeatureViewState.AVAILABLE_ONLINE);
  });

  it('loads views that are computed when they are written', async () => {
    await repository.write({ 'features.ts': FEATURES + STORED });
    await apply();
    expect(await askSdk({ requests: [] })).toMatchObject({
      on_demand_feature_views: { stored: [['doubled', 'Float64']] },
    });
  });
});

describe('feast apply and sideboard apply in turns', () => {
  const [python, program] = pythonProgram('feast');
  const feast = async (command: string): Promise<string> =>
    runProgram(python, [program, '-c', repository.path, command], {
      cwd: repository.path,
      env: pythonEnvironment(),
      timeoutMs: 300_000,
    });

  it('find nothing to change in each other’s registry', async () => {
    const stored = FEATURES.replace(/export const (scaled|withoutPython) =[^;]*;/g, '');
    await repository.write({
      'feature_store.yaml': configuration('turns'),
      'features.ts': stored,
      'features.py': PYTHON_TWIN,
    });
    await apply();
    expect(await feast('plan')).toContain('No changes to registry');
    await feast('apply');
    expect((await apply('plan')).changes).toEqual([]);
  });
});
