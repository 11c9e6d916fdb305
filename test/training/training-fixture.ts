import { DuckDBInstance } from '@duckdb/node-api';
import type { RegistrySnapshot, ViewDefinition } from '../../src/registry/registry-model.ts';
import { retrieveHistoricalFeatures } from '../../src/training/historical-features.ts';
import type {
  HistoricalFeatures,
  HistoricalFeaturesOptions,
} from '../../src/training/historical-features.ts';
import { sourceOf, viewOf } from '../ingestion/source-fixture.ts';

/** A registry of these views alone, all of project `p`. */
export function registryOf(
  views: readonly ViewDefinition[],
  part: Partial<RegistrySnapshot> = {},
): RegistrySnapshot {
  return {
    project: 'p',
    versionId: 'v',
    lastUpdatedMs: 0,
    entities: new Map(),
    views: new Map(views.map((view) => [view.name, view])),
    viewVersions: new Map(),
    featureServices: new Map(),
    pushSources: new Map(),
    permissions: [],
    versioningEnabled: false,
    ...part,
  };
}

/** A view that reads the Parquet file `<name>.parquet`: entity `id` INT64, `ts`, feature `f` INT64 by default. */
export function joinableView(
  part: Partial<ViewDefinition> = {},
  source: Parameters<typeof sourceOf>[0] = {},
): ViewDefinition {
  const name = part.name ?? 'v';
  return viewOf({
    ...part,
    name,
    materialization: { batchSource: sourceOf({ uri: `${name}.parquet`, ...source }) },
  });
}

type Asked = Pick<HistoricalFeaturesOptions, 'registry' | 'entityRows'> & {
  readonly repoPath: string;
  readonly features?: readonly string[];
  readonly featureService?: string;
  readonly fullFeatureNames?: boolean;
} & Partial<HistoricalFeaturesOptions>;

/** Retrieves with the limits of a test; features `v:f` by default. */
export async function retrieve(asked: Asked): Promise<HistoricalFeatures> {
  const { features, featureService, fullFeatureNames = false, repoPath, ...options } = asked;
  return await retrieveHistoricalFeatures({
    selection: {
      features: features ?? (featureService === undefined ? ['v:f'] : []),
      featureService,
      fullFeatureNames,
    },
    sources: { repoPath, s3: { region: 'us-east-1' }, maxSourceBytes: 0 },
    output: undefined,
    overwrite: false,
    filterByCreatedTimestamp: false,
    strict: false,
    maxFeatures: 1000,
    memoryLimit: '500MB',
    ...options,
  });
}

/** Rows of a query as objects; integers as bigint where DuckDB has 64 bits, moments as text. */
export async function readRows(query: string): Promise<Record<string, unknown>[]> {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  try {
    await connection.run("SET TimeZone = 'UTC'");
    const read = await connection.runAndReadAll(query);
    return read.getRowObjectsJS();
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}
