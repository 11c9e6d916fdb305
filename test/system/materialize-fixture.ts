import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { DuckDBInstance } from '@duckdb/node-api';
import type { Redis } from 'ioredis';
import type { Config } from '../../src/config/config.ts';
import { loadConfig } from '../../src/config/load-config.ts';
import type { Registry } from '../../gen/feast/core/Registry_pb.ts';
import { readRegistryFile, updateRegistryFile } from '../../src/registry/registry-file.ts';
import { parseMoment } from '../../src/ingestion/materialization-window.ts';
import type { MaterializationScope } from '../../src/ingestion/materialize.ts';

/** A feature repository on disk. */
export interface TestRepository {
  readonly path: string;
  readonly config: Config;
  remove(): Promise<void>;
}

/** Makes a repository of a registry; its materialization intervals and states are taken away. */
export async function createRepository(options: {
  readonly registry: Registry;
  readonly project: string;
  /** Block of feature_store.yaml. */
  readonly onlineStore: string;
  readonly entityKeyVersion?: 2 | 3;
}): Promise<TestRepository> {
  const path = await mkdtemp(join(tmpdir(), 'sideboard-repository-'));
  await mkdir(join(path, 'data'));
  await writeFile(
    join(path, 'feature_store.yaml'),
    `project: ${options.project}
provider: local
registry: registry.db
online_store:
${options.onlineStore.replaceAll(/^/gm, '  ')}
entity_key_serialization_version: ${options.entityKeyVersion ?? 3}
`,
  );
  await updateRegistryFile(join(path, 'registry.db'), (registry) => {
    Object.assign(registry, options.registry);
    for (const view of registry.featureViews) {
      view.meta!.materializationIntervals = [];
      view.meta!.state = 0;
    }
  });
  return {
    path,
    config: loadConfig({ repoPath: path, env: {} }),
    async remove() {
      await rm(path, { recursive: true, force: true });
    },
  };
}

/** The scope of `materialize START END`. */
export function windowOf(start: string, end: string): MaterializationScope {
  return {
    kind: 'window',
    window: { startNs: parseMoment(start, 'START'), endNs: parseMoment(end, 'END') },
  };
}

/** The registry of a repository as it now is. */
export async function registryOf(repository: TestRepository): Promise<Registry> {
  return (await readRegistryFile(join(repository.path, 'registry.db')))!;
}

/** Runs statements in DuckDB, with UTC as its time zone. */
export async function runSql(...statements: readonly string[]): Promise<void> {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  try {
    await connection.run("SET TimeZone = 'UTC'");
    for (const statement of statements) {
      await connection.run(statement);
    }
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

/** Hashes of a store by key (base64), each with its fields (base64 of field and value) in order. */
export type RedisDump = ReadonlyMap<string, Readonly<Record<string, string>>>;

type Reply = readonly [error: Error | null, items: readonly Buffer[]];

/** Everything in a Redis database; all keys have to be hashes. */
export async function dumpRedis(client: Redis): Promise<RedisDump> {
  const dump = new Map<string, Record<string, string>>();
  for await (const keys of client.scanBufferStream({ count: 1000 }) as AsyncIterable<Buffer[]>) {
    // HGETALL's reply would name the binary fields by their text, which is not one to one.
    const pipeline = client.pipeline();
    for (const key of keys) {
      pipeline.hkeysBuffer(key).hvalsBuffer(key);
    }
    const replies = (await pipeline.exec()) ?? [];
    for (const [i, key] of keys.entries()) {
      const [fieldsReply, valuesReply] = replies.slice(2 * i) as unknown as [Reply, Reply];
      const error = fieldsReply[0] ?? valuesReply[0];
      if (error !== null) {
        throw error;
      }
      const values = valuesReply[1];
      dump.set(
        key.toString('base64'),
        Object.fromEntries(
          fieldsReply[1]
            .map((field, at): [string, string] => [
              field.toString('base64'),
              values[at]!.toString('base64'),
            ])
            .sort(([a], [b]) => (a < b ? -1 : 1)),
        ),
      );
    }
  }
  return dump;
}

/** A dump that was recorded from Feast: one JSON line per key. */
export function parseRecordedDump(text: string): RedisDump {
  const lines = text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as RecordedKey);
  return new Map(
    lines.map(({ key_b64: key, fields }) => [
      key,
      Object.fromEntries(fields.map(({ field_b64: field, value_b64: value }) => [field, value])),
    ]),
  );
}

interface RecordedKey {
  readonly key_b64: string;
  readonly fields: readonly { readonly field_b64: string; readonly value_b64: string }[];
}

/** All rows of a table of a SQLite store, in order of their keys, blobs as hex. */
export function dumpSqlite(file: string, tableName: string): readonly unknown[] {
  const database = new DatabaseSync(file, { readOnly: true });
  try {
    return database
      .prepare(
        `SELECT hex(entity_key) AS k, feature_name, hex(value) AS v, value_text, vector_value, event_ts, typeof(event_ts) AS te, created_ts, typeof(created_ts) AS tc FROM "${tableName}" ORDER BY 1, 2`,
      )
      .all();
  } finally {
    database.close();
  }
}
