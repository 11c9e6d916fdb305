/** The scenarios of docs/benchmarks.md for the read path alone: one view, features of four types, answers all found. */
import { create, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs, TimestampSchema } from '@bufbuild/protobuf/wkt';
import { GetOnlineFeaturesRequestSchema } from '../../gen/feast/serving/ServingService_pb.ts';
import { ValueSchema, type Value } from '../../gen/feast/types/Value_pb.ts';
import { ValueType } from '../../src/feast-encoding/value-type.ts';
import type {
  OnlineStore,
  PreparedRead,
  StoredCells,
} from '../../src/online-store/online-store.ts';
import type { RegistrySnapshot, RegistrySource } from '../../src/registry/registry-model.ts';
import { createFeatureReader, type FeatureReader } from '../../src/retrieval/feature-reader.ts';
import type { RetrievalLimits, RetrievalSemantics } from '../../src/retrieval/retrieval-request.ts';

export const SCENARIOS = [
  { rowCount: 1, featureCount: 10 },
  { rowCount: 1, featureCount: 50 },
  { rowCount: 64, featureCount: 10 },
  { rowCount: 100, featureCount: 50 },
  { rowCount: 100, featureCount: 250 },
] as const;

export const LIMITS: RetrievalLimits = {
  maxRows: 5000,
  maxFeatures: 2500,
  maxCells: 1_000_000,
  maxRequestBytes: 4 << 20,
  maxResponseBytes: 64 << 20,
  planCacheBytes: 16 << 20,
};

const SEMANTICS: RetrievalSemantics = {
  onlineTtl: 'protocol',
  nullStatus: 'present',
  missingEntity: 'not_found',
  lossyEntityCoercion: false,
  readEntitylessPushes: false,
  partialResults: false,
};

export interface Scenario {
  readonly reader: FeatureReader;
  /** The encoded request. */
  readonly message: Uint8Array;
}

/** A reader over a store that answers at once, with slices of one buffer as a Redis client has them. */
export function createScenario({
  rowCount,
  featureCount,
}: {
  readonly rowCount: number;
  readonly featureCount: number;
}): Scenario {
  const features = Array.from({ length: featureCount }, (_, index) => `feature_${index}`);
  const cells = cellsOf(rowCount, featureCount);
  return {
    reader: createFeatureReader({
      registry: registryOf(features),
      store: storeOf(cells),
      entityKeyVersion: 3,
      limits: LIMITS,
      semantics: SEMANTICS,
    }),
    message: toBinary(
      GetOnlineFeaturesRequestSchema,
      create(GetOnlineFeaturesRequestSchema, {
        kind: {
          case: 'features',
          value: { val: features.map((feature) => `driver_hourly_stats:${feature}`) },
        },
        entities: {
          driver_id: {
            val: Array.from({ length: rowCount }, (_, row) =>
              valueOf('int64Val', BigInt(1_000_000 + row)),
            ),
          },
        },
      }),
    ),
  };
}

function valueOf(name: string, value: unknown): Value {
  return create(ValueSchema, { val: { case: name, value } as Value['val'] });
}

function cellsOf(rowCount: number, featureCount: number): StoredCells {
  const encoded: Uint8Array[] = [];
  for (let row = 0; row < rowCount; row++) {
    for (let feature = 0; feature < featureCount; feature++) {
      encoded.push(toBinary(ValueSchema, featureValue(row, feature)));
    }
    encoded.push(toBinary(TimestampSchema, timestampFromMs(1_750_000_000_123 + row * 1000)));
  }
  const reply = Buffer.concat(encoded);
  let at = 0;
  const ends = Int32Array.from(encoded, ({ length }) => (at += length));
  const starts = ends.map((end, index) => end - encoded[index]!.length);
  return { buffers: Array.from({ length: rowCount }, () => reply), starts, ends };
}

function featureValue(row: number, feature: number): Value {
  switch (feature % 4) {
    case 0:
      return valueOf('int64Val', BigInt(row * 1000 + feature));
    case 1:
      return valueOf('doubleVal', row / (feature + 1));
    case 2:
      return valueOf('floatVal', row + 0.5);
    default:
      return valueOf('stringVal', `category_${(row + feature) % 17}`);
  }
}

function storeOf(cells: StoredCells): OnlineStore {
  const answer = Promise.resolve([cells]);
  const store = {
    kind: 'bench',
    prepare: (layout: { views: readonly { featureNames: readonly string[] }[] }): PreparedRead => ({
      keySuffix: Buffer.from('shop'),
      width: layout.views[0]!.featureNames.length + 1,
    }),
    read: () => answer,
  };
  return store as unknown as OnlineStore;
}

function registryOf(featureNames: readonly string[]): RegistrySource {
  const features = featureNames.map((name) => ({ name, valueType: ValueType.INT64 }));
  const joinKeys = [{ name: 'driver_id', valueType: ValueType.INT64 }];
  const snapshot: RegistrySnapshot = {
    project: 'shop',
    versionId: '1',
    lastUpdatedMs: 0,
    entities: new Map([
      ['driver', { name: 'driver', joinKey: 'driver_id', valueType: ValueType.INT64 }],
    ]),
    views: new Map([
      [
        'driver_hourly_stats',
        {
          kind: 'feature_view',
          name: 'driver_hourly_stats',
          entityNames: ['driver'],
          joinKeys,
          features,
          featuresByName: new Map(features.map((feature) => [feature.name, feature])),
          ttlSeconds: 86_400,
          disabled: false,
          online: true,
          state: 'available_online',
          versionNumber: 0,
          tags: {},
          owner: '',
          description: '',
        },
      ],
    ]),
    viewVersions: new Map(),
    featureServices: new Map(),
    pushSources: new Map(),
    permissions: [],
    versioningEnabled: false,
  };
  return { current: () => snapshot } as RegistrySource;
}
