import { mkdir, mkdtemp, rename, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromJson, toBinary } from '@bufbuild/protobuf';
import { RegistrySchema } from '../../gen/feast/core/Registry_pb.ts';
import { loadConfig } from '../../src/config/load-config.ts';
import { serializeEntityKey } from '../../src/feast-encoding/entity-key.ts';
import { ValueType } from '../../src/feast-encoding/value-type.ts';
import { writeValue } from '../../src/feast-encoding/value-writer.ts';
import type { WriteRow } from '../../src/online-store/online-store.ts';
import { openOnlineStore } from '../../src/online-store/open-online-store.ts';
import {
  FEATURES_PER_VIEW,
  JOIN_KEY,
  OFFICIAL_VIEWS,
  PROJECT,
  featureNames,
  storedValue,
  viewName,
} from './official-layout.ts';

const ROWS_PER_BATCH = 1000;
const REGISTRY = 'registry.db';

/** A feature repository made for measuring. */
export interface SeededRepo {
  readonly path: string;
  /** Replaces the registry file at once; `views` views, `revision` makes the bytes of each of them new. */
  writeRegistry(views: number, revision: number): Promise<void>;
  /** The same with bytes of `encodeRegistry`: making them takes longer than a process that measures can spare. */
  writeRegistryBytes(bytes: Uint8Array): Promise<void>;
}

/** Makes a repository on an empty Redis without filling it. */
export async function makeRepo(
  redisPort: number,
  views: number,
  redisType: 'redis' | 'redis_cluster' = 'redis',
): Promise<SeededRepo> {
  const path = await mkdtemp(join(tmpdir(), 'sideboard-bench-'));
  await mkdir(path, { recursive: true });
  const yaml = `project: ${PROJECT}
provider: local
registry:
  path: ${REGISTRY}
  cache_ttl_seconds: 1
online_store:
  type: redis
  redis_type: ${redisType}
  connection_string: 127.0.0.1:${redisPort}
entity_key_serialization_version: 3
`;
  await writeFile(join(path, 'feature_store.yaml'), yaml);
  const writeRegistryBytes = async (bytes: Uint8Array): Promise<void> => {
    const temporary = join(path, `${REGISTRY}.new`);
    await writeFile(temporary, bytes);
    await rename(temporary, join(path, REGISTRY));
  };
  const writeRegistry = (count: number, revision: number): Promise<void> =>
    writeRegistryBytes(encodeRegistry(count, revision));
  await writeRegistry(views, 0);
  return { path, writeRegistry, writeRegistryBytes };
}

/** Stores the official layout for the entities 1..`entities` through the product's own store. */
export async function fillStore(repo: SeededRepo, entities: number): Promise<void> {
  const config = loadConfig({ repoPath: repo.path, env: {} });
  const store = await openOnlineStore(config.onlineStore);
  const options = { deadlineAtMs: Number.POSITIVE_INFINITY };
  try {
    for (let view = 0; view < OFFICIAL_VIEWS; view += 1) {
      const layout = { storedName: viewName(view), featureNames: featureNames(view) };
      for (let first = 1; first <= entities; first += ROWS_PER_BATCH) {
        const count = Math.min(ROWS_PER_BATCH, entities - first + 1);
        const rows = Array.from({ length: count }, (_, i) => storedRow(first + i, view));
        await store.write({ project: PROJECT, joinKeys: [JOIN_KEY], view: layout, rows }, options);
      }
    }
  } finally {
    await store.close();
  }
}

function storedRow(id: number, view: number): WriteRow {
  const type = ValueType.INT64;
  return {
    entityKey: serializeEntityKey([JOIN_KEY], [{ type, value: BigInt(id) }], 3),
    eventTimestampNs: BigInt(Date.now()) * 1_000_000n,
    values: Array.from({ length: FEATURES_PER_VIEW }, (_, i) =>
      writeValue(type, storedValue(id, view * FEATURES_PER_VIEW + i)),
    ),
  };
}

/**
 * A serialized feast.core.Registry with the official views and as many more like them as asked for.
 *
 * @param changedViews so many of the first views are of this revision, the others of revision 0.
 */
export function encodeRegistry(views: number, revision: number, changedViews = views): Uint8Array {
  const source = {
    name: 'source',
    type: 'BATCH_FILE',
    project: PROJECT,
    timestampField: 'event_timestamp',
    fileOptions: { uri: 'source.parquet' },
  };
  const entityColumn = { name: JOIN_KEY, valueType: 'INT64' };
  const registry = fromJson(RegistrySchema, {
    registrySchemaVersion: '1',
    versionId: `revision-${revision}`,
    lastUpdated: new Date().toISOString(),
    projects: [{ spec: { name: PROJECT } }],
    entities: [
      { spec: { name: JOIN_KEY, joinKey: JOIN_KEY, valueType: 'INT64', project: PROJECT } },
    ],
    dataSources: [source],
    featureViews: Array.from({ length: views }, (_, view) => ({
      spec: {
        name: viewName(view),
        project: PROJECT,
        entities: [JOIN_KEY],
        entityColumns: [entityColumn],
        features: featureNames(view).map((name) => ({ name, valueType: 'INT64' })),
        tags: { revision: String(view < changedViews ? revision : 0) },
        ttl: '315360000s',
        batchSource: source,
        online: true,
      },
    })),
  });
  return toBinary(RegistrySchema, registry);
}
