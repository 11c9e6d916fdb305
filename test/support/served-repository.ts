import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromJson, toBinary, type JsonObject } from '@bufbuild/protobuf';
import { RegistrySchema } from '../../gen/feast/core/Registry_pb.ts';
import { loadConfig } from '../../src/config/load-config.ts';
import { serializeEntityKey } from '../../src/feast-encoding/entity-key.ts';
import { ValueType } from '../../src/feast-encoding/value-type.ts';
import { writeValue } from '../../src/feast-encoding/value-writer.ts';
import { openOnlineStore } from '../../src/online-store/open-online-store.ts';

const PROJECT = 'rides';

/** A feature repository that `sideboard serve` can serve at once. */
export interface ServedRepository {
  readonly path: string;
  /** Replaces the registry by one with these views of `driver_id`, each with the feature `trips`. */
  writeRegistry(views: readonly string[]): void;
  remove(): void;
}

/** What varies between repositories. */
export interface ServedRepositoryOptions {
  /** Lines of the `online_store:` block; SQLite by default. */
  readonly onlineStore?: readonly string[];
  /** Lines of the `auth:` block; none by default. */
  readonly auth?: readonly string[];
  /** More of the registry, such as permissions, as protobuf's JSON has it. */
  readonly registry?: JsonObject;
}

/**
 * Makes a repository on SQLite with the view `driver_stats` (feature `trips`, INT64): drivers 1 to 100, each with its own
 * number as its value.
 *
 * @param settings lines of the `sideboard:` block
 */
export async function makeServedRepository(
  settings: readonly string[] = [],
  {
    onlineStore: storeLines = ['type: sqlite', 'path: data/online.db'],
    auth = [],
    registry: more = {},
  }: ServedRepositoryOptions = {},
): Promise<ServedRepository> {
  const path = mkdtempSync(join(tmpdir(), 'sideboard-served-'));
  mkdirSync(join(path, 'data'));
  writeFileSync(
    join(path, 'feature_store.yaml'),
    `project: ${PROJECT}
provider: local
registry:
  path: data/registry.db
online_store:
${storeLines.map((line) => `  ${line}\n`).join('')}entity_key_serialization_version: 3
${auth.length === 0 ? '' : `auth:\n${auth.map((line) => `  ${line}\n`).join('')}`}${settings.length === 0 ? '' : `sideboard:\n${settings.map((line) => `  ${line}\n`).join('')}`}`,
  );
  const repository: ServedRepository = {
    path,
    writeRegistry(views): void {
      const file = join(path, 'data', 'registry.db');
      writeFileSync(`${file}.new`, encodeRegistry(views, more));
      renameSync(`${file}.new`, file);
    },
    remove: () => rmSync(path, { recursive: true, force: true }),
  };
  repository.writeRegistry(['driver_stats']);
  const { onlineStore } = loadConfig({ repoPath: path, env: {} });
  const store = await openOnlineStore(onlineStore);
  const view = { storedName: 'driver_stats', featureNames: ['trips'] };
  const rows = Array.from({ length: 100 }, (_, i) => driverRow(BigInt(i + 1)));
  await store.update(PROJECT, ['driver_stats'], []);
  const batch = { project: PROJECT, joinKeys: ['driver_id'], view, rows };
  await store.write(batch, { deadlineAtMs: Infinity });
  await store.close();
  return repository;
}

function driverRow(id: bigint) {
  const type = ValueType.INT64;
  return {
    entityKey: serializeEntityKey(['driver_id'], [{ type, value: id }], 3),
    eventTimestampNs: BigInt(Date.now()) * 1_000_000n,
    values: [writeValue(type, id)],
  };
}

function encodeRegistry(views: readonly string[], more: JsonObject): Uint8Array {
  const batchSource = {
    name: 'trips_file',
    type: 'BATCH_FILE',
    project: PROJECT,
    timestampField: 'event_timestamp',
    fileOptions: { uri: 'trips.parquet' },
  };
  const registry = fromJson(RegistrySchema, {
    registrySchemaVersion: '1',
    versionId: views.join(','),
    lastUpdated: new Date().toISOString(),
    projects: [{ spec: { name: PROJECT } }],
    entities: [
      { spec: { name: 'driver', joinKey: 'driver_id', valueType: 'INT64', project: PROJECT } },
    ],
    dataSources: [batchSource],
    featureViews: views.map((name) => ({
      spec: {
        name,
        project: PROJECT,
        entities: ['driver'],
        entityColumns: [{ name: 'driver_id', valueType: 'INT64' }],
        features: [{ name: 'trips', valueType: 'INT64' }],
        ttl: '315360000s',
        batchSource,
        online: true,
        streamSource: { name: `push_${name}`, type: 'PUSH_SOURCE', pushOptions: {}, batchSource },
      },
    })),
    ...more,
  });
  return toBinary(RegistrySchema, registry);
}
