import type { Authorize } from './call/access.ts';
import type { Config } from './config/config.ts';
import { createFeatureWriter, type FeatureWriter } from './ingestion/feature-writer.ts';
import {
  createMaterializationJobs,
  type MaterializationJobs,
} from './ingestion/materialization-jobs.ts';
import { createMaterializationBackend } from './materialization-backend.ts';
import { openOnlineStore } from './online-store/open-online-store.ts';
import type { NamedRegistrySource } from './registry/kept-registry.ts';
import type { RegistryOrigin } from './registry/registry-origin.ts';
import { createFeatureReader, type FeatureReader } from './retrieval/feature-reader.ts';
import { openServedRegistry } from './served-registry.ts';
import { createAnswerCounter } from './telemetry/answer-counter.ts';
import type { Logger } from './telemetry/logger.ts';
import type { Metrics } from './telemetry/metrics.ts';
import { observeOnlineStore } from './telemetry/observed-online-store.ts';
import { observeTransformation } from './telemetry/observed-transformation.ts';
import { watchNodes } from './telemetry/watch-nodes.ts';
import { createVectorCounter } from './telemetry/vector-counter.ts';
import { openTransformation } from './transformation/open-transformation.ts';

/** Each is some names and two moments. */
const MAX_WAITING_MATERIALIZATIONS = 100;

/** What a server does for its callers, whatever protocol they speak. */
export interface FeatureEngine {
  readonly registry: NamedRegistrySource;
  readonly reader: FeatureReader;
  readonly writer: FeatureWriter;
  readonly materializations: MaterializationJobs;
}

/** Whom to tell, and where else to read the registry. */
export interface FeatureEngineOptions {
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Where to read the registry, instead of the place that the configuration names. */
  readonly registryOrigin?: RegistryOrigin | undefined;
  /** Asked before anything is read or written; absent = everybody may do everything. */
  readonly authorize?: Authorize | undefined;
  /** Told how to close each part, in the order in which they are opened. */
  readonly onOpened: (close: () => Promise<unknown>) => void;
}

/**
 * Opens what reads, writes and materializes features. What was opened before a later part fails is left to the caller.
 *
 * @throws SideboardError INVALID_CONFIGURATION, REGISTRY_UNAVAILABLE, ONLINE_STORE_UNAVAILABLE
 */
export async function openFeatureEngine(
  config: Config,
  { logger, metrics, registryOrigin, authorize, onOpened }: FeatureEngineOptions,
): Promise<FeatureEngine> {
  const { limits, entityKeySerializationVersion: entityKeyVersion } = config;
  const registry = await openServedRegistry(config, { logger, metrics, origin: registryOrigin });
  onOpened(() => registry.close());

  const opened = await openOnlineStore(config.onlineStore);
  onOpened(() => opened.close());
  onOpened(watchNodes(opened, logger));
  const store = observeOnlineStore(opened, metrics);

  const { transformationEndpoint, functions } = config;
  const transformation = openTransformation({
    endpoint: transformationEndpoint,
    maxResponseBytes: limits.maxResponseBytes,
    functions: { ...functions, onStray: (message) => logger.warn(message) },
  });
  onOpened(() => transformation.close());

  const reader = createFeatureReader({
    transform: observeTransformation(transformation.transform, metrics.registry),
    runners: { delegates: transformationEndpoint !== undefined, computes: true },
    authorize,
    registry,
    store,
    entityKeyVersion,
    limits,
    semantics: config.semantics,
    onRetrieved: createAnswerCounter(metrics),
    onVectors: createVectorCounter(metrics.registry),
  });
  const writer = createFeatureWriter({
    registry,
    store,
    entityKeyVersion,
    maxPendingBytes: limits.maxPendingWriteBytes,
    authorize,
    computer: {
      compute: observeTransformation(transformation.transform, metrics.registry, 'write_'),
      delegates: transformationEndpoint !== undefined,
    },
  });
  const materializations = createMaterializationJobs({
    ...createMaterializationBackend(config),
    authorize,
    registry,
    maxRunning: limits.maxMaterializations,
    maxWaiting: MAX_WAITING_MATERIALIZATIONS,
    onFailure: (viewNames, err) => logger.error({ err, viewNames }, 'materialization failed'),
  });
  onOpened(() => materializations.close());
  return { registry, reader, writer, materializations };
}
