import { resolve } from 'node:path';
import { openBatchTransformation } from './batch-transformation.ts';
import { loadConfig } from './config/load-config.ts';
import type { Config } from './config/config.ts';
import { SideboardError } from './errors.ts';
import { readRegistry } from './registry/open-registry.ts';
import { buildRegistrySnapshot } from './registry/registry-snapshot.ts';
import { retrieveHistoricalFeatures } from './training/historical-features.ts';
import type { HistoricalFeatures, TrainingProgress } from './training/historical-features.ts';
import type { TrainingPlan } from './training/training-plan.ts';

/** What `getHistoricalFeatures` takes. */
export interface HistoricalFeaturesRequest {
  /** Folder of `feature_store.yaml`; the current one by default. Or the configuration itself. */
  readonly repoPath?: string | undefined;
  readonly config?: Config | undefined;
  /** File, folder or glob of Parquet or CSV: join keys, event timestamps, and whatever is to stay beside them. */
  readonly entityRows: string;
  /** Parquet file to write; left out, nothing runs and the plan is the answer. */
  readonly output?: string | undefined;
  /** Either these: `view:feature`; */
  readonly features?: readonly string[] | undefined;
  /** or the features of a service. */
  readonly featureService?: string | undefined;
  /** Names features `view__feature`. */
  readonly fullFeatureNames?: boolean | undefined;
  /** Column of the entity rows; by default `event_timestamp`, else the only column of timestamps. */
  readonly eventTimestampColumn?: string | undefined;
  /** Leaves out values that were created after the entity row's event timestamp: they were not known then. */
  readonly filterByCreatedTimestamp?: boolean | undefined;
  /** Replaces `output`. */
  readonly overwrite?: boolean | undefined;
  /** Makes a bad row of a source an error. */
  readonly strict?: boolean | undefined;
  /** What the join may hold in memory, such as `4GB`; 2GB by default. */
  readonly memoryLimit?: string | undefined;
  /** Folder for what does not fit; by default the system's temporary one. */
  readonly temporaryDirectory?: string | undefined;
  readonly onPlan?: ((plan: TrainingPlan) => void) | undefined;
  readonly onProgress?: ((progress: TrainingProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The process as a whole takes about 1 GB more. */
export const DEFAULT_MEMORY_LIMIT = '2GB';

const MEMORY_LIMIT = /^\d+(\.\d+)? ?([kmgt]i?b)$/i;

/**
 * Makes a training set: joins features to entity rows as they were known at each row's event timestamp, and writes a Parquet
 * file. What `sideboard historical-features` runs.
 *
 * @throws SideboardError INVALID_CONFIGURATION, REGISTRY_UNAVAILABLE, and as `retrieveHistoricalFeatures`.
 */
export async function getHistoricalFeatures(
  request: HistoricalFeaturesRequest,
): Promise<HistoricalFeatures> {
  const { features = [], featureService, memoryLimit = DEFAULT_MEMORY_LIMIT } = request;
  if ((featureService === undefined) === (features.length === 0)) {
    throw invalid('name what to join: either a feature service, or features as view:feature');
  }
  if (!MEMORY_LIMIT.test(memoryLimit)) {
    throw invalid(`memory limit ${memoryLimit} is none; write it as 500MB or 4GB`);
  }
  const config = request.config ?? loadConfig({ repoPath: resolve(request.repoPath ?? '.') });
  const { versioningEnabled } = config.registry;
  const registry = await readRegistry(config.registry, config.project);
  const { transformationEndpoint } = config;
  const transformation = openBatchTransformation(config);
  try {
    return await retrieveHistoricalFeatures({
      registry: buildRegistrySnapshot(registry, { project: config.project, versioningEnabled }),
      selection: { features, featureService, fullFeatureNames: request.fullFeatureNames ?? false },
      entityRows: request.entityRows,
      eventTimestampColumn: request.eventTimestampColumn,
      output: request.output,
      overwrite: request.overwrite ?? false,
      sources: { ...config.sources, repoPath: config.repoPath },
      filterByCreatedTimestamp: request.filterByCreatedTimestamp ?? false,
      strict: request.strict ?? false,
      maxFeatures: config.limits.maxFeatures,
      memoryLimit,
      temporaryDirectory: request.temporaryDirectory,
      onPlan: request.onPlan,
      onProgress: request.onProgress,
      signal: request.signal,
      onDemand: {
        transform: transformation.transform,
        runners: { delegates: transformationEndpoint !== undefined, computes: true },
      },
    });
  } finally {
    await transformation.close();
  }
}

function invalid(detail: string): SideboardError {
  return new SideboardError('INVALID_REQUEST', detail);
}
