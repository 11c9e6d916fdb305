import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromJson, toBinary } from '@bufbuild/protobuf';
import { RegistrySchema } from '../../gen/feast/core/Registry_pb.ts';
import type { Config } from '../../src/config/config.ts';
import { loadConfig } from '../../src/config/load-config.ts';
import {
  examineRedis,
  type Examination,
  type ExaminationLimits,
  type ExaminationOptions,
} from '../../src/doctor/examine-redis.ts';
import type { Check, Finding } from '../../src/doctor/finding.ts';
import { serializeEntityKey } from '../../src/feast-encoding/entity-key.ts';
import { ValueType } from '../../src/feast-encoding/value-type.ts';
import { writeValue } from '../../src/feast-encoding/value-writer.ts';
import { openOnlineStore } from '../../src/online-store/open-online-store.ts';
import { readSnapshot } from '../../src/cli/read-snapshot.ts';

export const PROJECT = 'clinic';

/** A view of a registry for the doctor: `features` int64 features about one join key. */
export interface DoctorView {
  readonly name: string;
  readonly joinKey: string;
  readonly features: number;
  readonly ttlSeconds?: number;
}

/** A feature repository on disk whose store is a Redis that a test has started. */
export interface DoctorRepository {
  readonly path: string;
  readonly config: Config;
  /** Stores a row of the view for each id, as of some seconds ago. */
  store(view: DoctorView, ids: readonly (number | string)[], ageSeconds?: number): Promise<void>;
  examine(changes?: Partial<ExaminationOptions>): Promise<Examination>;
  remove(): Promise<void>;
}

export const LIMITS: ExaminationLimits = {
  keys: 200,
  hashes: 60,
  maxFields: 4_096,
  slots: 16_384,
  timedHashes: 30,
  reads: 3,
  budgetMs: 60_000,
};

/** @param onlineStore the block of `feature_store.yaml`, as lines of YAML without indentation. */
export async function makeDoctorRepository(
  onlineStore: readonly string[],
  views: readonly DoctorView[],
  services: Readonly<Record<string, readonly DoctorView[]>> = {},
): Promise<DoctorRepository> {
  const path = await mkdtemp(join(tmpdir(), 'sideboard-doctor-test-'));
  const yaml = [
    `project: ${PROJECT}`,
    'provider: local',
    'registry: registry.db',
    'online_store:',
    ...onlineStore.map((line) => `  ${line}`),
    'entity_key_serialization_version: 3',
  ];
  await writeFile(join(path, 'feature_store.yaml'), `${yaml.join('\n')}\n`);
  await writeFile(join(path, 'registry.db'), encodeRegistry(views, services));
  const config = loadConfig({ repoPath: path, env: {} });
  const { onlineStore: redis } = config;
  return {
    path,
    config,
    async store({ name, joinKey, features }, ids, ageSeconds = 60) {
      const opened = await openOnlineStore(redis);
      const eventTimestampNs = (BigInt(Date.now()) - BigInt(ageSeconds) * 1000n) * 1_000_000n;
      const rows = ids.map((id) => ({
        entityKey: serializeEntityKey(
          [joinKey],
          [
            typeof id === 'string'
              ? { type: ValueType.STRING, value: id }
              : { type: ValueType.INT64, value: BigInt(id) },
          ],
          3,
        ),
        eventTimestampNs,
        values: Array.from({ length: features }, (_, i) =>
          writeValue(ValueType.INT64, BigInt(i + 1)),
        ),
      }));
      const view = { storedName: name, featureNames: featureNames(features) };
      const batch = { project: PROJECT, joinKeys: [joinKey], view, rows };
      try {
        await opened.write(batch, { deadlineAtMs: performance.now() + 30_000 });
      } finally {
        await opened.close();
      }
    },
    async examine(changes = {}) {
      if (redis.kind === 'sqlite') throw new Error('the fixture is for Redis');
      return examineRedis({
        store: redis,
        snapshot: await readSnapshot(config),
        entityKeyVersion: 3,
        limits: LIMITS,
        zones: new Map(),
        useScratch: false,
        showKeys: false,
        nowSeconds: Date.now() / 1000,
        onStep: () => {},
        ...changes,
      });
    },
    remove: () => rm(path, { recursive: true, force: true }),
  };
}

/** Findings of one kind, in their order. */
export function findingsOf({ findings }: Examination, check: Check): readonly Finding[] {
  return findings.filter((finding) => finding.check === check);
}

function featureNames(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `f${i}`);
}

function encodeRegistry(
  views: readonly DoctorView[],
  services: Readonly<Record<string, readonly DoctorView[]>>,
): Uint8Array {
  const source = {
    name: 'source',
    type: 'BATCH_FILE',
    project: PROJECT,
    timestampField: 'event_timestamp',
    fileOptions: { uri: 'source.parquet' },
  };
  const columns = (features: number): { name: string; valueType: string }[] =>
    featureNames(features).map((name) => ({ name, valueType: 'INT64' }));
  const joinKeys = [...new Set(views.map(({ joinKey }) => joinKey))];
  const registry = fromJson(RegistrySchema, {
    registrySchemaVersion: '1',
    versionId: 'one',
    lastUpdated: new Date().toISOString(),
    projects: [{ spec: { name: PROJECT } }],
    entities: joinKeys.map((joinKey) => ({
      spec: { name: joinKey, joinKey, valueType: 'INT64', project: PROJECT },
    })),
    dataSources: [source],
    featureViews: views.map(({ name, joinKey, features, ttlSeconds = 0 }) => ({
      spec: {
        name,
        project: PROJECT,
        entities: [joinKey],
        entityColumns: [{ name: joinKey, valueType: 'INT64' }],
        features: columns(features),
        ttl: `${ttlSeconds}s`,
        batchSource: source,
        online: true,
      },
    })),
    featureServices: Object.entries(services).map(([name, ofService]) => ({
      spec: {
        name,
        project: PROJECT,
        features: ofService.map((view) => ({
          featureViewName: view.name,
          featureColumns: columns(view.features),
        })),
      },
    })),
  });
  return toBinary(RegistrySchema, registry);
}
