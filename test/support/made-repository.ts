import { DatabaseSync } from 'node:sqlite';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create, toBinary } from '@bufbuild/protobuf';
import { RegistrySchema } from '../../gen/feast/core/Registry_pb.ts';
import { ValueType_Enum } from '../../gen/feast/types/Value_pb.ts';
import { adminClient } from './redis-server.ts';
import { startRepositoryServer, type RepositoryServer } from './repository-server.ts';

/** A feature view of a made repository. */
export interface MadeView {
  readonly name: string;
  /** Join key → its type. */
  readonly joinKeys: ReadonlyMap<string, ValueType_Enum>;
  readonly featureNames: readonly string[];
}

/** One stored value of a made repository. */
export interface MadeCell {
  readonly viewName: string;
  readonly featureName: string;
  /** Serialized, without the project. */
  readonly entityKey: Uint8Array;
  /** An encoded `Value`, or something else. */
  readonly value: Uint8Array;
}

/** A cell where Redis has it. */
export interface MadeHashField {
  readonly key: Uint8Array;
  readonly field: Uint8Array;
  readonly value: Uint8Array;
}

/** A repository that is made around recorded bytes. */
export interface MadeRepository {
  readonly project: string;
  readonly entityKeyVersion: number;
  readonly views: readonly MadeView[];
}

/** Starts a server on a SQLite file that holds the cells, all of them from second 1. @param settings of `sideboard:` */
export function serveFromSqlite(
  repository: MadeRepository,
  cells: readonly MadeCell[],
  settings: Readonly<Record<string, unknown>> = {},
): Promise<RepositoryServer> {
  const folder = mkdtempSync(join(tmpdir(), 'sideboard-cells-'));
  const path = join(folder, 'online.db');
  try {
    fillSqlite(path, repository, cells);
    const files = { 'registry.db': registryOf(repository), 'online.db': readFileSync(path) };
    const yaml = `${configuration(repository)}online_store: {type: sqlite, path: online.db}\n`;
    return startRepositoryServer({ yaml, files }, settings);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Starts a server on a Redis of which nothing is left but the fields. @param settings of `sideboard:` */
export async function serveFromRedis(
  repository: MadeRepository,
  fields: readonly MadeHashField[],
  redisPort: number,
  settings: Readonly<Record<string, unknown>> = {},
): Promise<RepositoryServer> {
  const client = adminClient(redisPort);
  await client.flushall();
  const hashes = Map.groupBy(fields, ({ key }) => Buffer.from(key).toString('hex'));
  const pipeline = client.pipeline();
  for (const [key, hash] of hashes) {
    const words = hash.flatMap(({ field, value }) => [Buffer.from(field), Buffer.from(value)]);
    pipeline.hset(Buffer.from(key, 'hex'), ...words);
  }
  await pipeline.exec();
  client.disconnect();
  const store = `online_store: {type: redis, connection_string: "127.0.0.1:${redisPort}"}\n`;
  const files = { 'registry.db': registryOf(repository) };
  return startRepositoryServer({ yaml: configuration(repository) + store, files }, settings);
}

function configuration({ project, entityKeyVersion }: MadeRepository): string {
  return [
    `project: ${project}`,
    'provider: local',
    'registry: registry.db',
    `entity_key_serialization_version: ${entityKeyVersion}`,
    '',
  ].join('\n');
}

function fillSqlite(
  path: string,
  { project, views }: MadeRepository,
  cells: readonly MadeCell[],
): void {
  const database = new DatabaseSync(path);
  const quoted = (viewName: string): string => `"${project}_${viewName.replaceAll('"', '""')}"`;
  database.exec('BEGIN');
  for (const { name } of views) {
    database.exec(
      `CREATE TABLE ${quoted(name)} (entity_key BLOB, feature_name TEXT, value BLOB, vector_value BLOB,
       event_ts timestamp, created_ts timestamp, PRIMARY KEY(entity_key, feature_name))`,
    );
  }
  for (const [viewName, ofView] of Map.groupBy(cells, (cell) => cell.viewName)) {
    const insert = database.prepare(
      `INSERT INTO ${quoted(viewName)} VALUES (?, ?, ?, NULL, 1, NULL)`,
    );
    for (const { entityKey, featureName, value } of ofView)
      insert.run(entityKey, featureName, value);
  }
  database.exec('COMMIT');
  database.close();
}

function registryOf({ project, views }: MadeRepository): Uint8Array {
  // One entity for each join key and type: two views may use one name for different types.
  const entityName = (joinKey: string, type: ValueType_Enum): string => `${joinKey} as ${type}`;
  const keys = views.flatMap(({ joinKeys }) => [...joinKeys]);
  const entities = new Map(keys.map(([name, type]) => [entityName(name, type), { name, type }]));
  return toBinary(
    RegistrySchema,
    create(RegistrySchema, {
      registrySchemaVersion: '1',
      projects: [{ spec: { name: project } }],
      entities: [...entities].map(([name, key]) => ({
        spec: { name, project, joinKey: key.name, valueType: key.type },
      })),
      featureViews: views.map(({ name, joinKeys, featureNames }) => ({
        spec: {
          name,
          project,
          online: true,
          // What is written to it says when under this name.
          batchSource: {
            name: `${name} source`,
            timestampField: 'event_timestamp',
            options: { case: 'fileOptions' as const, value: { uri: 'nowhere.parquet' } },
          },
          entities: [...joinKeys].map(([joinKey, type]) => entityName(joinKey, type)),
          entityColumns: [...joinKeys].map(([joinKey, valueType]) => ({
            name: joinKey,
            valueType,
          })),
          features: featureNames.map((feature) => ({
            name: feature,
            valueType: ValueType_Enum.INT64,
          })),
        },
      })),
    }),
  );
}
